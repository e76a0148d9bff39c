//! The fleet: the state of every client now, in memory, and any question about it answered by a scan.
//!
//! The recorder is the only writer; the APIs and the monitor read. States lie in columns, so that a question
//! reads only the fields that it asks about. There are no indexes but the one that finds a client by its id and
//! the order of the ids. What a question means is said by [`rollcall_model::query`]; the fleet gives the same
//! answers, only faster. It has no clock and does no I/O.

use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::{Mutex, RwLockReadGuard, RwLockWriteGuard};
use rollcall_model::query::{Count, Field, Query};
use rollcall_model::{ClientState, ConnectionEvent, EventKind, StateDoc, Timestamp, fold};

use crate::naming::Naming;

mod address;
mod arena;
mod bitmap;
mod bookmark;
mod cold;
mod columns;
mod device_order;
mod facets;
mod filter;
mod frequent;
mod groups;
mod index;
mod keys;
mod listing;
mod order;
mod packed_addr;
mod pieces;
mod plan;
mod profiles;
mod roster;
mod rows;
mod search;
mod select;
mod symbols;
mod table;
mod turns;
mod view;
mod watch;
mod wide;
mod window;

pub(crate) use bookmark::hash as text_hash;
pub use bookmark::{BookmarkError, after_id};
pub use facets::FACET_VALUES_MAX;
pub use roster::Roster;
pub use watch::Watch;

use table::Table;
use turns::Turns;
use view::View;
use watch::{Change, Changes, Facts};

/// How many clients are kept of which only refused or lost events are known, if nothing else is said.
pub const STRANGERS_MAX: usize = 10_000;

/// So many events are folded before those who wait for the lock get it: about a millisecond.
const STRETCH: usize = 512;

/// One lock guards the table ([`turns`]): some events and a query each hold it for a few milliseconds at most.
#[derive(Debug)]
pub struct Fleet {
    table: Turns<Table>,
    /// Behind a lock of their own: who asks for them need not wait behind a scan. It is taken after that of the table.
    changes: Mutex<Changes>,
    version: AtomicU64,
    strangers_max: usize,
    strangers_dropped: AtomicU64,
}

/// The answer to a query.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    pub results: Vec<StateDoc>,
    /// Where the next page starts; `None` on the last one.
    pub bookmark: Option<String>,
    /// How many clients pass the filter, on all pages.
    pub total_rows: u64,
    /// For each field that was asked for the values among these clients, the most frequent first, at most
    /// [`FACET_VALUES_MAX`].
    pub facets: Vec<(Field, Vec<(String, u64)>)>,
    /// For each filter that was to be counted how many of these clients pass it.
    pub counts: Vec<(String, u64)>,
    /// How many of these clients come before the one whose place was asked for; `None` when it is not among them.
    pub place: Option<u64>,
    /// The fleet's version that this is the answer of.
    pub version: u64,
}

/// How many clients there are of each kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counts {
    pub connected: u64,
    pub disconnected: u64,
    /// Of either, those whose state is stale.
    pub stale: u64,
}

impl Default for Fleet {
    fn default() -> Self {
        Self::new()
    }
}

impl Fleet {
    #[must_use]
    pub fn new() -> Self {
        Self::with_strangers_max(STRANGERS_MAX)
    }

    /// A fleet whose clients outside Watson's grammar are named by these patterns.
    #[must_use]
    pub fn named_by(naming: Naming) -> Self {
        Self { table: Turns::new(Table::named_by(naming)), ..Self::new() }
    }

    /// Whether clients outside Watson's grammar can have device ids.
    #[must_use]
    pub fn names_others(&self) -> bool {
        self.table.glance().names_others()
    }

    /// A fleet that keeps at most so many clients that are known only by refused attempts or lost events. Anyone
    /// can make those up, so without a bound a stranger could fill the memory.
    #[must_use]
    pub fn with_strangers_max(strangers_max: usize) -> Self {
        Self {
            table: Turns::new(Table::new()),
            changes: Mutex::default(),
            version: AtomicU64::new(0),
            strangers_max,
            strangers_dropped: AtomicU64::new(0),
        }
    }

    fn read(&self) -> RwLockReadGuard<'_, Table> {
        self.table.scan()
    }

    fn write(&self) -> RwLockWriteGuard<'_, Table> {
        self.table.write()
    }

    /// Takes in the states of a checkpoint; a client that is there already is replaced. For many: the order of the
    /// ids is made anew.
    pub fn load(&self, states: impl IntoIterator<Item = ClientState>) {
        let mut table = self.write();
        table.load(states);
        self.rewritten();
    }

    /// Takes in one state in the place of what was known of its client.
    pub fn put(&self, state: &ClientState) {
        let mut table = self.write();
        let slot = table.insert(&state.id);
        table.write(slot, state);
        self.rewritten();
    }

    /// Has `change` change the states of all clients, or of those that are connected; it says which ones it has changed.
    /// For the start of the server. Questions in between see some of the changes.
    pub fn update(&self, only_connected: bool, mut change: impl FnMut(&mut ClientState) -> bool) {
        let mut next = 0_u32;
        loop {
            let mut table = self.write();
            let rows = next..(table.len() as u32).min(next.saturating_add(STRETCH as u32));
            if rows.is_empty() {
                return;
            }
            next = rows.end;
            for slot in rows {
                let is_wanted = !only_connected || table.is_connected(slot);
                let state = if is_wanted { table.state(slot) } else { None };
                if let Some(mut state) = state
                    && change(&mut state)
                {
                    table.write(slot, &state);
                }
            }
            self.rewritten();
            RwLockWriteGuard::unlock_fair(table);
        }
    }

    /// The table was changed otherwise than by events: no page that was given can be told to be the same. Called with the
    /// table still locked.
    fn rewritten(&self) {
        self.changes.lock().forget();
        self.version.fetch_add(1, Ordering::Release);
    }

    /// Folds events into their clients. Returns the slots of these clients, ascending, each once. A slot is the
    /// number of a client in this process; it never changes. Questions in between see some of the events.
    pub fn apply(&self, events: &[ConnectionEvent]) -> Vec<u32> {
        let mut touched = Vec::with_capacity(events.len());
        let mut changes = Vec::with_capacity(events.len().min(STRETCH));
        let total = events.len();
        for events in events.chunks(STRETCH) {
            // Few events can wait for some scans, many would wait for too many.
            let is_few = total <= STRETCH;
            let mut table = if is_few { self.table.write_patiently() } else { self.table.write() };
            let before = touched.len();
            touched.extend(events.iter().filter_map(|event| self.fold(&mut table, event, &mut changes)));
            self.changes.lock().extend(&mut changes);
            if touched.len() > before {
                self.version.fetch_add(1, Ordering::Release);
            }
            RwLockWriteGuard::unlock_fair(table);
        }
        touched.sort_unstable();
        touched.dedup();
        touched
    }

    /// Folds an event into its client, unless that is a stranger too many.
    fn fold(&self, table: &mut Table, event: &ConnectionEvent, changes: &mut Vec<Change>) -> Option<u32> {
        let known = table.slot(&event.client_id);
        let before = known.map(|slot| Facts::of(table, slot));
        let slot = known.or_else(|| self.admit(table, event))?;
        // The fold does not look at the id.
        let mut state = table.state_as(slot, String::new())?;
        fold(&mut state, event);
        table.write(slot, &state);
        changes.push(Change::of(table, slot, before));
        Some(slot)
    }

    /// A slot for a client that was not heard of before, unless there are too many strangers.
    fn admit(&self, table: &mut Table, event: &ConnectionEvent) -> Option<u32> {
        let is_stranger = matches!(event.kind, EventKind::FailedConnect { .. } | EventKind::Missed);
        if is_stranger && table.strangers >= self.strangers_max {
            self.strangers_dropped.fetch_add(1, Ordering::Relaxed);
            return None;
        }
        Some(table.insert(&event.client_id))
    }

    /// How many refused (or lost) events of unknown ids were not taken in, because of the bound on strangers.
    #[must_use]
    pub fn refused_strangers_dropped(&self) -> u64 {
        self.strangers_dropped.load(Ordering::Relaxed)
    }

    /// The whole state of the client in a slot; `None` for a slot that was never given out.
    #[must_use]
    pub fn state_at(&self, slot: u32) -> Option<ClientState> {
        self.table.glance().state(slot)
    }

    #[must_use]
    pub fn get(&self, id: &str) -> Option<ClientState> {
        let table = self.table.glance();
        table.slot(id).and_then(|slot| table.state(slot))
    }

    /// What the State API says of a client.
    #[must_use]
    pub fn doc(&self, id: &str, now: Timestamp) -> Option<StateDoc> {
        let table = self.table.glance();
        table.slot(id).and_then(|slot| View { table: &table, now }.doc(slot))
    }

    /// Whether a client of that id was ever connected, as far as is known: refused attempts make no client of a stranger.
    #[must_use]
    pub fn was_connected(&self, id: &str) -> bool {
        let table = self.table.glance();
        table.slot(id).is_some_and(|slot| !table.is_stranger(slot as usize))
    }

    /// Whether a client of that id is known.
    #[must_use]
    pub fn contains(&self, id: &str) -> bool {
        self.table.glance().slot(id).is_some()
    }

    /// Answers a query.
    ///
    /// # Errors
    /// When the query's bookmark is none, or one of another query.
    pub fn query(&self, query: &Query, now: Timestamp) -> Result<Page, BookmarkError> {
        self.page(query, View { table: &self.read(), now }).map(|(page, _)| page)
    }

    /// Answers a query, and tells by what it is known later whether this is still the answer.
    ///
    /// # Errors
    /// As [`Self::query`].
    pub fn query_watched(&self, query: &Query, now: Timestamp) -> Result<(Page, Watch), BookmarkError> {
        let table = self.read();
        let view = View { table: &table, now };
        let (page, slots) = self.page(query, view)?;
        Ok((page, Watch::of(query, view, &slots, self.changes.lock().end())))
    }

    /// Whether a query would get the answer at `now` that this watch was made with. Takes microseconds and does not wait
    /// for other questions.
    pub fn is_unchanged(&self, watch: &mut Watch, now: Timestamp) -> bool {
        watch.is_unchanged(&self.changes.lock(), now)
    }

    /// A page, and the slots of its rows in order.
    fn page(&self, query: &Query, view: View<'_>) -> Result<(Page, Vec<u32>), BookmarkError> {
        let after = query.bookmark.as_deref().map(|text| bookmark::read(text, query, view)).transpose()?;
        let rows = filter::evaluate(&query.filter, view);
        let window = window::take(&rows, &query.sort, after.as_ref(), query.skip, query.limit as usize);
        let facets = facets::count(&rows, &query.facets);
        let counted = |count: &Count| (count.asked().to_owned(), filter::count(&rows, count.term()));
        let last = window.slots.last().filter(|_| window.has_more);
        let page = Page {
            bookmark: last.map(|slot| bookmark::write(query, view, *slot)),
            results: window.slots.iter().filter_map(|slot| view.doc(*slot)).collect(),
            total_rows: rows.count(),
            facets,
            counts: query.counts.iter().map(counted).collect(),
            place: query.place_of.as_deref().and_then(|id| window::place(&rows, &query.sort, id)),
            version: self.version(),
        };
        Ok((page, window.slots))
    }

    /// Grows with each change.
    #[must_use]
    pub fn version(&self) -> u64 {
        self.version.load(Ordering::Acquire)
    }

    /// How many clients are known.
    #[must_use]
    pub fn len(&self) -> usize {
        self.table.glance().len()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many clients are connected; costs nothing.
    #[must_use]
    pub fn connected(&self) -> u64 {
        self.table.glance().connected() as u64
    }

    #[must_use]
    pub fn counts(&self) -> Counts {
        let table = self.read();
        let is_stale = |at: &usize| table.stale_since(*at) != columns::NO_TIME;
        let stale = if table.has_stale() { (0..table.len()).filter(is_stale).count() } else { 0 };
        let connected = table.connected();
        Counts {
            connected: connected as u64,
            disconnected: (table.len() - connected) as u64,
            stale: stale as u64,
        }
    }

    /// The ids of the connected clients, in no particular order.
    #[must_use]
    pub fn connected_ids(&self) -> Vec<String> {
        let table = self.read();
        let slots = (0..table.len() as u32).filter(|slot| table.is_connected(*slot));
        slots.map(|slot| table.ids.get(slot).to_owned()).collect()
    }

    /// The slots of the connected clients, ascending.
    #[must_use]
    pub fn connected_slots(&self) -> Vec<u32> {
        let table = self.read();
        (0..table.len() as u32).filter(|slot| table.is_connected(*slot)).collect()
    }

    /// Notes that the feed from the broker was lost, and when; `None` when it is there again.
    pub fn set_feed_lost(&self, since: Option<Timestamp>) {
        let mut table = self.write();
        if table.feed_lost != since {
            table.feed_lost = since;
            self.rewritten();
        }
    }

    #[must_use]
    pub fn feed_lost(&self) -> Option<Timestamp> {
        self.table.glance().feed_lost
    }
}

#[cfg(test)]
pub(crate) mod tests;
