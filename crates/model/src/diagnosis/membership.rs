//! Whether a client was one of those that an incident hit.

use super::history::{End, History};
use super::incident::Incident;
use super::{Cause, Confidence, Finding, FindingKind, HOUR_MS};

/// Who was lost so often in the hour before has trouble of its own.
const OWN_MIN: usize = 3;

/// The client's own ends within each incident, by the same kind of cause.
pub(super) fn find(history: &History<'_>, incidents: &[Incident]) -> Vec<Finding> {
    let recent = incidents.iter().filter(|incident| history.is_recent(incident.last()));
    let found = recent.filter_map(|incident| {
        let ends = history.sessions.iter().filter_map(|session| session.end);
        let alike: Vec<_> = ends.filter(|end| incident.cause.is_of_a_kind_with(end.cause)).collect();
        let within = |end: &&End<'_>| (incident.since..=incident.last()).contains(&end.time);
        let hit: Vec<_> = alike.iter().filter(within).collect();
        let first = hit.iter().map(|end| end.time).min()?;
        let before = first.plus_ms(-HOUR_MS)..first;
        if alike.iter().filter(|end| before.contains(&end.time)).count() >= OWN_MIN {
            return None;
        }
        // Who came back after a restart of the server has nothing wrong with it.
        let is_back = history.sessions.last().is_some_and(|session| session.start > first);
        if incident.cause == Cause::ServerShutdown && is_back {
            return None;
        }
        let kind = FindingKind::MassDisconnect { incident: incident.clone() };
        let evidence = hit.iter().map(|end| end.entry.clone()).collect();
        Some(Finding::new(kind, Confidence::High, first, incident.until, evidence))
    });
    found.collect()
}
