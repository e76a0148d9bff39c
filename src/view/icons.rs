//! The shapes of the states and of what happened: each differs from the others without its colour. The drawings
//! are in the style sheet.

use rollcall_model::log::LogEvent;
use rollcall_model::{Certainty, ConnectionStatus, StateDoc};

use crate::words;

/// The class that draws a client's state: a filled disc, a ring, or either inside a dashed ring; a cross when it was never
/// let in.
#[must_use]
pub fn mark_of(doc: &StateDoc) -> &'static str {
    if words::is_only_refused(doc) {
        return "mark mark-refused";
    }
    let is_stale = doc.stale_since.is_some() || doc.certainty == Certainty::Unknown;
    match (doc.connection_status, is_stale) {
        (ConnectionStatus::Connected, false) => "mark mark-connected",
        (ConnectionStatus::Disconnected, false) => "mark mark-disconnected",
        (ConnectionStatus::Connected, true) => "mark mark-stale mark-was-connected",
        (ConnectionStatus::Disconnected, true) => "mark mark-stale",
    }
}

/// The class that draws what happened: a failed attempt is a cross.
#[must_use]
pub const fn mark_of_event(event: Option<LogEvent>) -> &'static str {
    match event {
        Some(LogEvent::Connect) => "mark mark-connected",
        Some(LogEvent::Disconnect) => "mark mark-disconnected",
        Some(LogEvent::FailedConnect) => "mark mark-refused",
        None => "mark mark-none",
    }
}
