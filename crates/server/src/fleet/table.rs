//! The rows: every client has a slot, a number that it keeps. This file knows how a [`ClientState`] lies in the
//! columns and comes back out of them.

use ahash::RandomState;
use hashbrown::HashTable;
use rollcall_model::{ActivityEvent, ClientId, ClientState, ClientType, Timestamp};

use crate::naming::Naming;

use super::arena::Arena;
use super::columns::{Columns, NO_TIME, is_long_addr, recent, unpack_addr, unpack_code, unpack_time};
use super::order::Order;
use super::symbols::{Dictionary, Symbols};
use super::{cold, columns};

#[derive(Debug)]
pub struct Table {
    pub ids: Arena,
    /// The lower case of those ids that it differs from, for searches that ignore case.
    pub lower_ids: Arena,
    /// The slots of `lower_ids`, ascending.
    pub lower_slots: Vec<u32>,
    index: HashTable<u32>,
    hasher: RandomState,
    pub order: Order,
    pub columns: Columns,
    pub device_types: Symbols,
    naming: Naming,
    /// Where in its id a client's device id is, by slot, for clients outside Watson's grammar: begin and end in bytes,
    /// as [`pack_span`]. Empty while there are no patterns.
    id_spans: Vec<u32>,
    pub reasons: Symbols,
    dictionary: Dictionary,
    cold: Vec<Box<[u8]>>,
    /// Clients known only by refused or lost events.
    pub strangers: usize,
    pub connected: usize,
    pub feed_lost: Option<Timestamp>,
}

impl Table {
    pub fn new() -> Self {
        Self::named_by(Naming::default())
    }

    /// An empty table whose clients outside Watson's grammar are named by these patterns.
    pub fn named_by(naming: Naming) -> Self {
        Self {
            ids: Arena::new(),
            lower_ids: Arena::new(),
            lower_slots: Vec::new(),
            index: HashTable::new(),
            hasher: RandomState::new(),
            order: Order::new(),
            columns: Columns::default(),
            device_types: Symbols::default(),
            naming,
            id_spans: Vec::new(),
            reasons: Symbols::default(),
            dictionary: Dictionary::default(),
            cold: Vec::new(),
            strangers: 0,
            connected: 0,
            feed_lost: None,
        }
    }

    pub const fn len(&self) -> usize {
        self.ids.len()
    }

    pub fn slot(&self, id: &str) -> Option<u32> {
        self.index.find(self.hasher.hash_one(id), |slot| self.ids.get(*slot) == id).copied()
    }

    /// Adds rows for states, most of which are new. For the start of the server: sorts once at the end.
    pub fn load(&mut self, states: impl IntoIterator<Item = ClientState>) {
        let states = states.into_iter();
        self.columns.reserve(states.size_hint().0);
        for state in states {
            let slot = match self.slot(&state.id) {
                Some(slot) => slot,
                None => self.push(&state.id),
            };
            self.write(slot, &state);
        }
        self.order = Order::rebuild(&self.ids);
    }

    /// Adds empty rows: clients of which only the id is known.
    pub fn load_ids(&mut self, ids: impl IntoIterator<Item = String>) {
        for id in ids {
            if self.slot(&id).is_none() {
                self.push(&id);
            }
        }
        self.order = Order::rebuild(&self.ids);
    }

    /// A new, empty row, found by its id, in its place in the order.
    pub fn insert(&mut self, id: &str) -> u32 {
        let slot = self.push(id);
        self.order.insert(slot, &self.ids);
        slot
    }

    fn push(&mut self, id: &str) -> u32 {
        let slot = self.len() as u32;
        self.ids.push(id);
        let (ids, hasher) = (&self.ids, &self.hasher);
        self.index.insert_unique(hasher.hash_one(id), slot, |slot| hasher.hash_one(ids.get(*slot)));
        let lower = id.to_lowercase();
        if lower != id {
            self.lower_ids.push(&lower);
            self.lower_slots.push(slot);
        }
        self.columns.push_empty();
        let parsed = self.naming.parse(id);
        self.columns.write_id(slot as usize, &parsed, &mut self.device_types);
        if !self.naming.is_empty() {
            self.id_spans.push(pack_span(id, &parsed));
        }
        self.cold.push(Box::default());
        slot
    }

    /// Whether clients outside Watson's grammar can have device ids.
    pub fn names_others(&self) -> bool {
        !self.naming.is_empty()
    }

    /// The device id of a client outside Watson's grammar.
    pub fn named_id(&self, slot: u32) -> Option<&str> {
        let span = *self.id_spans.get(slot as usize)?;
        let (begin, end) = (span >> 16, span & 0xFFFF);
        self.ids.get(slot).get(begin as usize..end as usize).filter(|id| !id.is_empty())
    }

    /// Puts a state into the row of its client.
    pub fn write(&mut self, slot: u32, state: &ClientState) {
        let at = slot as usize;
        if self.cold[at].is_empty() {
            self.strangers += usize::from(is_stranger(state));
            self.connected += usize::from(state.is_connected());
        } else {
            let (was_stranger, was_connected) = (self.is_stranger(at), self.is_connected(slot));
            self.strangers = self.strangers + usize::from(is_stranger(state)) - usize::from(was_stranger);
            self.connected = self.connected + usize::from(state.is_connected()) - usize::from(was_connected);
        }
        self.columns.write(at, state, &mut self.reasons);
        let recent_list = self.columns.recent[at] == recent::LIST;
        let long_addr = is_long_addr(self.columns.addr[at]);
        self.cold[at] = cold::pack(state, recent_list, long_addr, &mut self.dictionary);
    }

    fn is_stranger(&self, at: usize) -> bool {
        self.columns.heard[at] == NO_TIME
            && self.columns.connect_time[at] == NO_TIME
            // Without a session only a loose end gives a disconnect time, or makes the client connected.
            && self.columns.disconnect_time[at] == NO_TIME
            && !self.is_connected(at as u32)
    }

    pub fn is_connected(&self, slot: u32) -> bool {
        self.columns.status[slot as usize] == 1
    }

    /// Takes the state out of its row; `None` for a slot that does not exist.
    pub fn state(&self, slot: u32) -> Option<ClientState> {
        let at = slot as usize;
        let cold = self.cold.get(at)?;
        let columns = &self.columns;
        let mut state = ClientState::new(self.ids.get(slot).to_owned());
        state.last_activity = unpack_time(columns.activity_time[at])
            .zip(unpack_code(&ActivityEvent::ALL, columns.activity_event[at]));
        state.last_refused = unpack_time(columns.refused_time[at]);
        state.heard = unpack_time(columns.heard[at]);
        state.missed = unpack_time(columns.missed[at]);
        let start = unpack_time(columns.connect_time[at]);
        if columns.recent[at] == recent::NEWEST {
            state.recent_connects.extend(start);
        }
        if !cold.is_empty() {
            let current = cold::CurrentInColumns {
                start,
                addr: unpack_addr(columns.addr[at]),
                protocol: columns.protocol[at],
                secure: columns.secure[at],
            };
            cold::unpack(cold, current, &mut state, &self.dictionary);
        }
        Some(state)
    }

    /// The starts of recent sessions, for rows that [`recent::LIST`] marks.
    pub fn recent_list(&self, slot: u32) -> Vec<Timestamp> {
        cold::recent_connects(&self.cold[slot as usize])
    }

    /// Since when the state in this row is stale, in milliseconds or [`NO_TIME`]; as `ClientState::stale_since`.
    pub fn stale_since(&self, at: usize) -> i64 {
        let (heard, missed) = (self.columns.heard[at], self.columns.missed[at]);
        let lost = columns::pack_time(self.feed_lost);
        let by_event = missed != NO_TIME && heard <= missed;
        let by_feed = lost != NO_TIME && heard <= lost;
        match (by_event, by_feed) {
            (true, true) => missed.min(lost),
            (true, false) => missed,
            (false, true) => lost,
            (false, false) => NO_TIME,
        }
    }
}

/// Where the device id of a client outside Watson's grammar is in its id; 0 for none. An id has at most 65,535 bytes
/// (MQTT 5, section 1.5.4).
fn pack_span(id: &str, parsed: &ClientId<'_>) -> u32 {
    let named = parsed.device_id.filter(|_| parsed.client_type == ClientType::Other);
    let span = named.and_then(|named| {
        let begin = (named.as_ptr() as usize).checked_sub(id.as_ptr() as usize)?;
        Some((u16::try_from(begin).ok()?, u16::try_from(begin + named.len()).ok()?))
    });
    span.map_or(0, |(begin, end)| u32::from(begin) << 16 | u32::from(end))
}

/// Whether nothing was ever heard of the client itself: only refused attempts under its id, or lost events.
fn is_stranger(state: &ClientState) -> bool {
    state.heard.is_none() && state.current.is_none() && state.loose_end.is_none()
}
