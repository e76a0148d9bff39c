//! The start and the end of a run: the fleet from the journal, and the sessions that the server's end has ended.
//!
//! A broker that runs inside the server dies with it, so a session that is open in the journal is not open any more.
//! When exactly it ended nobody saw; the last moment at which that run of the server is known to have been alive is
//! what is told, as inferred. The states are right before anybody can ask. The log entries follow while the server
//! answers; until all are written, the run that they belong to stays noted in the journal, so that a restart in
//! between does the rest with the right time.

use std::sync::mpsc::Sender;

use rollcall_model::{
    Certainty, ClientState, ConnectionEvent, Counters, End, EventKind, Initiator, Session, Timestamp, fold,
    reason,
};

use super::BATCH_MAX;
use crate::clock;
use crate::fleet::Fleet;
use crate::journal::packed::PackedEvents;
use crate::journal::{Boot, Journal, JournalError, id_hash};

/// What a restart leaves to the recorder.
#[derive(Debug, Default)]
pub struct Inheritance {
    /// Ends that are in the fleet and not yet in the log.
    pub ends: PackedEvents,
    /// The runs of the server that they belong to.
    pub boots: Vec<Boot>,
    /// Dropped when all ends are in the log: who reads the whole log waits for that.
    pub unfinished: Option<Sender<()>>,
}

/// Fills the fleet with what the journal knows, and ends the sessions that were open when the server died.
///
/// # Errors
/// When the journal cannot be read.
pub fn restore(fleet: &Fleet, journal: &dyn Journal) -> Result<Inheritance, JournalError> {
    let recovered = journal.recover()?;
    let failure = recovered.failure;
    let (boots, mut changed, sequence) = (recovered.boots, recovered.changed, recovered.sequence);
    journal.each_client(sequence, &mut |client| {
        changed.insert(client);
    })?;
    let mut ends = PackedEvents::default();
    // Most clients have one state and nothing newer: their sessions are ended on the way into the fleet.
    fleet.load(recovered.states.map(|mut state| {
        if !changed.contains(&id_hash(&state.id)) {
            for end in ends_of(&state, &boots) {
                fold(&mut state, &end);
                ends.push(&end);
            }
        }
        state
    }));
    if let Some(error) = failure.get() {
        return Err(error);
    }
    drop(changed);
    replay(fleet, journal, sequence)?;
    end_rest(fleet, &boots, &mut ends);
    Ok(Inheritance { ends, boots, unfinished: None })
}

/// Folds the log from a sequence on into the fleet.
///
/// # Errors
/// When the journal cannot be read.
pub fn replay(fleet: &Fleet, journal: &dyn Journal, sequence: u64) -> Result<(), JournalError> {
    let mut batch = Vec::new();
    journal.each(sequence, &mut |event| {
        batch.push(event);
        if batch.len() == BATCH_MAX {
            fleet.apply(&batch);
            batch.clear();
        }
        true
    })?;
    fleet.apply(&batch);
    Ok(())
}

/// Ends what is open after everything was read.
fn end_rest(fleet: &Fleet, boots: &[Boot], ends: &mut PackedEvents) {
    let mut events = Vec::new();
    if boots.len() > 1 {
        // A restart was interrupted: there may be open sessions before the newest one.
        fleet.for_each(|state| events.extend(ends_of(state, boots)));
    } else {
        let ids = fleet.connected_ids();
        events.extend(ids.iter().filter_map(|id| fleet.get(id)).flat_map(|state| ends_of(&state, boots)));
    }
    for batch in events.chunks(BATCH_MAX) {
        fleet.apply(batch);
        batch.iter().for_each(|end| ends.push(end));
    }
}

/// The ends of a client's open sessions, oldest first; each with the last moment of the run that it was open in.
fn ends_of(state: &ClientState, boots: &[Boot]) -> Vec<ConnectionEvent> {
    let boot_of = |session: &Session| boots.iter().rposition(|boot| boot.started <= session.key.start);
    let alive = |session: &Session| boots.get(boot_of(session).unwrap_or(0)).map(|boot| boot.alive);
    let mut ends = Vec::new();
    if let (Some(previous), Some(current)) = (&state.previous, &state.current)
        && previous.end.is_none()
        && boot_of(previous) < boot_of(current)
    {
        let time = alive(previous).max(Some(previous.key.start)).min(Some(current.key.start));
        ends.extend(time.map(|time| end(state, previous, time, Certainty::Inferred)));
    }
    if let Some(current) = state.current.as_ref().filter(|session| session.end.is_none())
        && state.is_connected()
    {
        let time = alive(current).max(state.heard).max(Some(current.key.start));
        ends.extend(time.map(|time| end(state, current, time, Certainty::Inferred)));
    }
    ends
}

/// Notes that the server, which is stopping, has ended every session that is still open, and leaves the journal so
/// that the next start has nothing to do. Returns how many sessions that were.
///
/// # Errors
/// When the journal cannot be written.
pub fn end_open_sessions(fleet: &Fleet, journal: &dyn Journal) -> Result<usize, JournalError> {
    let now = clock::now();
    let ids = fleet.connected_ids();
    for ids in ids.chunks(BATCH_MAX) {
        let ended: Vec<_> = ids
            .iter()
            .filter_map(|id| fleet.get(id))
            .filter_map(|state| {
                let session = state.current.as_ref()?;
                let time = now.max(session.key.start);
                Some(end(&state, session, time, Certainty::Reported))
            })
            .collect();
        fleet.apply(&ended);
        journal.append(&ended)?;
    }
    journal.snapshot(&|sink| {
        fleet.for_each(|state| sink(state));
        Ok(())
    })?;
    journal.keep(&[], &[])?;
    Ok(ids.len())
}

/// The event that ends a session because the server stopped.
fn end(state: &ClientState, session: &Session, time: Timestamp, certainty: Certainty) -> ConnectionEvent {
    ConnectionEvent {
        client_id: state.id.clone(),
        time,
        peer: session.peer.clone(),
        kind: EventKind::Disconnect {
            session: Some(session.key),
            end: End {
                certainty,
                time,
                initiator: Some(Initiator::Server),
                mqtt_reason_code: Some(0x8B),
                close_code: Some(reason::CLOSE_SERVER_SHUTDOWN),
                reason: None,
                counters: Counters::default(),
            },
        },
    }
}
