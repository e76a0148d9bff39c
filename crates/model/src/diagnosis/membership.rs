//! Whether a client was one of those that an incident hit.

use super::history::History;
use super::incident::Incident;
use super::{Confidence, Finding, FindingKind};

/// The client's own ends within each incident, by the same kind of cause.
pub(super) fn find(history: &History<'_>, incidents: &[Incident]) -> Vec<Finding> {
    let recent = incidents.iter().filter(|incident| history.is_recent(incident.last()));
    let found = recent.filter_map(|incident| {
        let ends = history.sessions.iter().filter_map(|session| session.end);
        let hit: Vec<_> = ends
            .filter(|end| (incident.since..=incident.last()).contains(&end.time))
            .filter(|end| incident.cause.is_of_a_kind_with(end.cause))
            .collect();
        let first = hit.iter().map(|end| end.time).min()?;
        let kind = FindingKind::MassDisconnect { incident: incident.clone() };
        let evidence = hit.iter().map(|end| end.entry.clone()).collect();
        Some(Finding::new(kind, Confidence::High, first, incident.until, evidence))
    });
    found.collect()
}
