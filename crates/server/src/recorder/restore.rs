//! The start and the end of a run: the fleet from the journal, and the sessions that the server's end has ended.
//!
//! A broker that runs inside the server dies with it, so a session that is open in the journal is not open any more.
//! When exactly it ended nobody saw; the last moment at which that run of the server is known to have been alive is
//! what is told, as inferred. The states are right before anybody can ask. The log entries follow while the server
//! answers; until all are written, the run that they belong to stays noted in the journal, so that a restart in
//! between does the rest with the right time.

use std::sync::mpsc::{Sender, sync_channel};

use rollcall_model::{
    Certainty, ClientState, ConnectionEvent, Counters, End, Initiator, Session, Timestamp, fold, reason,
};

use super::BATCH_MAX;
use crate::clock;
use crate::fleet::Fleet;
use crate::journal::packed::{PackedEnds, end_of};
use crate::journal::{Boot, Journal, JournalError, id_hash};

/// Entries of the log that are folded in one go.
const REPLAYED: usize = 2_000;
/// Batches between the thread that reads the log and the one that folds.
const BATCHES_AHEAD: usize = 4;

/// What a restart leaves to the recorder.
#[derive(Debug, Default)]
pub struct Inheritance {
    /// Ends that are in the fleet and not yet in the log.
    pub ends: PackedEnds,
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
    let mut ends = PackedEnds::default();
    // Most clients have one state and nothing newer: their sessions are ended on the way into the fleet.
    fleet.load(recovered.states.map(|mut state| {
        if !changed.contains(&id_hash(&state.id)) {
            end_all(&mut state, &boots, &mut ends);
        }
        state
    }));
    if let Some(error) = failure.get() {
        return Err(error);
    }
    drop(changed);
    replay(fleet, journal, sequence)?;
    // Where a restart was interrupted, there may be open sessions before the newest one, too.
    let only_connected = boots.len() <= 1;
    fleet.update(only_connected, |state| end_all(state, &boots, &mut ends));
    Ok(Inheritance { ends, boots, unfinished: None })
}

/// Folds the log from a sequence on into the fleet. One thread reads while this one folds.
///
/// # Errors
/// When the journal cannot be read.
pub fn replay(fleet: &Fleet, journal: &dyn Journal, sequence: u64) -> Result<(), JournalError> {
    let (sender, batches) = sync_channel::<Vec<ConnectionEvent>>(BATCHES_AHEAD);
    std::thread::scope(|scope| {
        let reading = scope.spawn(move || {
            let mut batch = Vec::with_capacity(REPLAYED);
            let read = journal.each(sequence, &mut |event| {
                batch.push(event);
                batch.len() < REPLAYED || sender.send(std::mem::take(&mut batch)).is_ok()
            });
            // Whoever takes the batches takes them all.
            let _ = sender.send(batch);
            read
        });
        for batch in batches {
            fleet.apply(&batch);
        }
        reading.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

/// Ends the open sessions of a client, and notes the ends; says whether there were any.
fn end_all(state: &mut ClientState, boots: &[Boot], ends: &mut PackedEnds) -> bool {
    let open = ends_of(state, boots);
    let has_open = !open.is_empty();
    for session in open {
        ends.push(&state.id, &session);
        // The fold does not look at the id.
        end_of(String::new(), session).iter().for_each(|end| fold(state, end));
    }
    has_open
}

/// The open sessions of a client, oldest first; each ended at the last moment of the run that it was open in.
fn ends_of(state: &ClientState, boots: &[Boot]) -> Vec<Session> {
    let boot_of = |session: &Session| boots.iter().rposition(|boot| boot.started <= session.key.start);
    let alive = |session: &Session| boots.get(boot_of(session).unwrap_or(0)).map(|boot| boot.alive);
    let mut ends = Vec::new();
    if let (Some(previous), Some(current)) = (&state.previous, &state.current)
        && previous.end.is_none()
        && boot_of(previous) < boot_of(current)
    {
        let time = alive(previous).max(Some(previous.key.start)).min(Some(current.key.start));
        ends.extend(time.map(|time| ended(previous, time, Certainty::Inferred)));
    }
    if let Some(current) = state.current.as_ref().filter(|session| session.end.is_none())
        && state.is_connected()
    {
        let time = alive(current).max(state.heard).max(Some(current.key.start));
        ends.extend(time.map(|time| ended(current, time, Certainty::Inferred)));
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
    let slots = fleet.connected_slots();
    for slots in slots.chunks(BATCH_MAX) {
        let ends: Vec<_> = slots
            .iter()
            .filter_map(|slot| fleet.state_at(*slot))
            .filter_map(|state| {
                let session = state.current.as_ref()?;
                let time = now.max(session.key.start);
                end_of(state.id.clone(), ended(session, time, Certainty::Reported))
            })
            .collect();
        fleet.apply(&ends);
        journal.append(&ends)?;
    }
    journal.snapshot(&|sink| {
        fleet.for_each(|state| sink(state));
        Ok(())
    })?;
    journal.keep(&[], &[])?;
    Ok(slots.len())
}

/// A session as it ends because the server stops.
fn ended(session: &Session, time: Timestamp, certainty: Certainty) -> Session {
    let end = End {
        certainty,
        time,
        initiator: Some(Initiator::Server),
        mqtt_reason_code: Some(0x8B),
        close_code: Some(reason::CLOSE_SERVER_SHUTDOWN),
        reason: None,
        counters: Counters::default(),
    };
    Session { end: Some(end), ..session.clone() }
}
