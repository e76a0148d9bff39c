//! Sources: each turns what one kind of broker says into [`ConnectionEvent`]s and sends them to the recorder.
//!
//! A source knows its broker's dialect and nothing else; it never reads the fleet or the journal. Between a
//! source and the recorder is one bounded queue. A source that runs inside the sessions of clients never waits for
//! it ([`EventSink::offer`]): when it is full, the event is counted as lost and its client is remembered, so that
//! the recorder can mark what it knows of it as stale. A source that can make its broker wait does
//! ([`EventSink::send`]), and learns when its events are safe ([`EventSink::committed`]).

pub mod embedded;

use std::collections::HashSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use rollcall_model::{ConnectionEvent, EventKind, Peer, Timestamp};
use tokio::sync::{mpsc, oneshot};

/// How many clients with lost events are remembered by name; beyond that, all states count as missed.
const MISSED_CLIENTS_MAX: usize = 100_000;

/// The recorder's end and the source's end of the queue; `capacity` in events.
#[must_use]
pub fn queue(capacity: usize) -> (EventSink, EventStream) {
    let (tx, rx) = mpsc::channel(capacity);
    let missed = Arc::new(Missed::default());
    (EventSink { tx, missed: Arc::clone(&missed) }, EventStream { rx, missed })
}

/// What did not fit into the queue.
#[derive(Debug, Default)]
struct Missed {
    /// Events lost since the start, for the status page and the log.
    total: AtomicU64,
    clients: Mutex<HashSet<String>>,
    /// Set when even the names of the clients were too many.
    overflowed: std::sync::atomic::AtomicBool,
}

/// What is in the queue.
#[derive(Debug)]
#[allow(clippy::large_enum_variant, reason = "nearly every item is the large one")]
enum Item {
    Event(ConnectionEvent),
    /// Is answered when everything before it is durable.
    Mark(oneshot::Sender<()>),
}

/// The recorder has gone, or it had to give up events because the journal could not be written for long.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the recorder did not take the events")]
pub struct NotRecorded;

/// The source's end. Cheap to clone.
#[derive(Debug, Clone)]
pub struct EventSink {
    tx: mpsc::Sender<Item>,
    missed: Arc<Missed>,
}

impl EventSink {
    /// Queues an event or, when the queue is full, counts it as lost and remembers its client. Never waits.
    pub fn offer(&self, event: ConnectionEvent) {
        if let Err(mpsc::error::TrySendError::Full(Item::Event(event))) = self.tx.try_send(Item::Event(event))
        {
            self.missed.total.fetch_add(1, Ordering::Relaxed);
            let mut clients = self.missed.clients.lock().unwrap_or_else(PoisonError::into_inner);
            if clients.len() < MISSED_CLIENTS_MAX {
                clients.insert(event.client_id);
            } else if !clients.contains(&event.client_id) {
                self.missed.overflowed.store(true, Ordering::Relaxed);
            }
        }
    }

    /// Queues an event; waits while the queue is full.
    ///
    /// # Errors
    /// When the recorder has gone.
    pub async fn send(&self, event: ConnectionEvent) -> Result<(), NotRecorded> {
        self.tx.send(Item::Event(event)).await.map_err(|_| NotRecorded)
    }

    /// Waits until everything that was queued through this sink before is durable: then a source may acknowledge
    /// it to its broker. Events that [`Self::offer`] found no room for are not among it.
    ///
    /// # Errors
    /// When some of it was not recorded.
    pub async fn committed(&self) -> Result<(), NotRecorded> {
        let (mark, answer) = oneshot::channel();
        self.tx.send(Item::Mark(mark)).await.map_err(|_| NotRecorded)?;
        answer.await.map_err(|_| NotRecorded)
    }

    /// Events lost since the start because the queue was full.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.missed.total.load(Ordering::Relaxed)
    }
}

/// The recorder's end.
#[derive(Debug)]
pub struct EventStream {
    rx: mpsc::Receiver<Item>,
    missed: Arc<Missed>,
}

/// What the recorder takes in one go.
#[derive(Debug, Default)]
pub struct Batch {
    pub events: Vec<ConnectionEvent>,
    /// Each is to be answered when these events, and all before them, are durable.
    pub marks: Vec<oneshot::Sender<()>>,
    /// More clients than can be named have lost events: the whole feed counts as interrupted.
    pub feed_interrupted: bool,
}

impl EventStream {
    /// Takes no more events; those in the queue can still be read.
    pub fn close(&mut self) {
        self.rx.close();
    }

    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.rx.is_closed()
    }

    /// Waits for events and takes what is there, at most `max`. Clients with lost events come as
    /// [`EventKind::Missed`] at the time `now` gives. `None` when every source has gone and the queue is empty.
    pub async fn next_batch(&mut self, max: usize, now: impl Fn() -> Timestamp) -> Option<Batch> {
        let mut items = Vec::with_capacity(max.min(1_024));
        if self.rx.recv_many(&mut items, max).await == 0 {
            return None;
        }
        let (mut events, mut marks) = (Vec::with_capacity(items.len()), Vec::new());
        for item in items {
            match item {
                Item::Event(event) => events.push(event),
                Item::Mark(mark) => marks.push(mark),
            }
        }
        let missed = std::mem::take(&mut *self.missed.clients.lock().unwrap_or_else(PoisonError::into_inner));
        let time = now();
        events.extend(missed.into_iter().map(|client_id| ConnectionEvent {
            client_id,
            time,
            peer: Peer::default(),
            kind: EventKind::Missed,
        }));
        Some(Batch { events, marks, feed_interrupted: self.missed.overflowed.swap(false, Ordering::Relaxed) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(client_id: &str) -> ConnectionEvent {
        let kind = EventKind::FailedConnect { mqtt_reason_code: None, close_code: None, reason: None };
        ConnectionEvent {
            client_id: client_id.to_owned(),
            time: Timestamp::from_millis(1),
            peer: Peer::default(),
            kind,
        }
    }

    #[tokio::test]
    async fn an_event_that_does_not_fit_marks_its_client_as_missed_and_is_counted() {
        let (sink, mut stream) = queue(2);
        for id in ["a", "b", "c", "c"] {
            sink.offer(event(id));
        }
        assert_eq!(sink.lost(), 2);
        let batch = stream.next_batch(10, || Timestamp::from_millis(5)).await.unwrap();
        let seen: Vec<_> = batch
            .events
            .iter()
            .map(|e| (e.client_id.as_str(), matches!(e.kind, EventKind::Missed)))
            .collect();
        assert_eq!(seen, [("a", false), ("b", false), ("c", true)]);
        assert!(!batch.feed_interrupted);
    }
}
