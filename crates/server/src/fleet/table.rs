//! The rows: every client has a slot, a number that it keeps. This file knows how a [`ClientState`] lies in the
//! columns and comes back out of them.

use rollcall_model::query::lowercase;
use rollcall_model::{ActivityEvent, ClientId, ClientState, ClientType, Timestamp};

use crate::codec::Writer;
use crate::naming::Naming;

use super::arena::Arena;
use super::columns::{Columns, NO_TIME, push, recent, unpack_code, unpack_time, write_profile};
use super::index::Index;
use super::order::Order;
use super::packed_addr;
use super::profiles::{Profile, Profiles};
use super::symbols::Dictionary;
use super::{cold, columns};

/// After so many states their ids tell how much room the others will need.
const LOADED_FIRST: usize = 4_096;

#[derive(Debug)]
pub struct Table {
    pub ids: Arena,
    /// The lower case of those ids that it differs from, for searches that ignore case.
    pub lower_ids: Arena,
    /// The slots of `lower_ids`, ascending.
    pub lower_slots: Vec<u32>,
    index: Index,
    pub order: Order,
    pub columns: Columns,
    pub profiles: Profiles,
    naming: Naming,
    /// Where in its id a client's device id is, by slot, for clients outside Watson's grammar: begin and end in bytes,
    /// as [`pack_span`]. Empty while there are no patterns.
    id_spans: Vec<u32>,
    dictionary: Dictionary,
    cold: Vec<Box<[u8]>>,
    /// Where a cold part is put together.
    scratch: Writer,
    /// Clients known only by refused or lost events.
    pub strangers: usize,
    /// Rows that have an address which is too long for its column.
    pub long_addrs: usize,
    /// Rows of which an event was lost once.
    pub missed: usize,
    /// Rows whose recent connects do not end with the start of the newest session.
    pub odd_recent: usize,
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
            index: Index::new(),
            order: Order::new(),
            columns: Columns::default(),
            profiles: Profiles::default(),
            naming,
            id_spans: Vec::new(),
            dictionary: Dictionary::default(),
            cold: Vec::new(),
            scratch: Writer::default(),
            strangers: 0,
            long_addrs: 0,
            missed: 0,
            odd_recent: 0,
            feed_lost: None,
        }
    }

    pub const fn len(&self) -> usize {
        self.ids.len()
    }

    pub fn slot(&self, id: &str) -> Option<u32> {
        self.index.find(id, &self.ids)
    }

    /// Adds rows for states, most of which are new. For the start of the server: sorts once at the end.
    pub fn load(&mut self, states: impl IntoIterator<Item = ClientState>) {
        let states = states.into_iter();
        let expected = states.size_hint().0;
        self.reserve(expected);
        for (loaded, state) in states.enumerate() {
            if loaded == LOADED_FIRST {
                self.ids.reserve(expected);
            }
            match self.push(&state.id, Some(&state)) {
                Pushed::New(slot) => {
                    self.write_cells(slot as usize, &state);
                    self.count(Marks::default(), self.marks(slot as usize));
                }
                Pushed::Known(slot) => self.write(slot, &state),
            }
        }
        self.order = Order::rebuild(&self.ids);
    }

    fn reserve(&mut self, rows: usize) {
        self.columns.reserve(rows);
        self.cold.reserve_exact(rows);
        self.index.reserve(rows, &self.ids);
    }

    /// Adds empty rows: clients of which only the id is known.
    pub fn load_ids(&mut self, ids: impl IntoIterator<Item = String>) {
        for id in ids {
            self.push(&id, None);
        }
        self.order = Order::rebuild(&self.ids);
    }

    /// The row of an id: one that is there, or a new, empty one in its place in the order.
    pub fn insert(&mut self, id: &str) -> u32 {
        match self.push(id, None) {
            Pushed::New(slot) => {
                self.order.insert(slot, &self.ids);
                slot
            }
            Pushed::Known(slot) => slot,
        }
    }

    /// Adds a row for an id that has none, at the end, outside the order. It has the profile of its id and of a state,
    /// if there is one; the rest of it is empty.
    fn push(&mut self, id: &str, state: Option<&ClientState>) -> Pushed {
        let slot = self.len() as u32;
        if let Some(known) = self.index.find_or_insert(id, slot, &self.ids) {
            return Pushed::Known(known);
        }
        self.ids.push(id);
        if id.bytes().any(|byte| byte.is_ascii_uppercase() || !byte.is_ascii()) {
            let lower = lowercase(id);
            if lower != id {
                self.lower_ids.push(&lower);
                push(&mut self.lower_slots, slot);
            }
        }
        self.columns.push_empty();
        let (profile, span) = self.first_profile(id, state);
        self.columns.profile[slot as usize] = profile;
        if self.names_others() {
            push(&mut self.id_spans, span);
        }
        push(&mut self.cold, Box::default());
        Pushed::New(slot)
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

    /// The profile of a new row, and where a pattern finds the device id in the id.
    fn first_profile(&mut self, id: &str, state: Option<&ClientState>) -> (u32, u32) {
        let parsed = self.naming.parse(id);
        // What a pattern finds can be anywhere in the id, behind any beginning.
        let is_end = parsed.client_type != ClientType::Other;
        let origin = parsed.device_id.filter(|_| is_end).and_then(|device_id| id.strip_suffix(device_id));
        let profiles = &mut self.profiles;
        let origin = profiles.origins.acquire(origin);
        let device_type = profiles.device_types.acquire(parsed.device_type);
        let client_type = 1 + parsed.client_type as u8;
        let mut profile = Profile { origin, device_type, client_type, ..Profile::default() };
        if let Some(state) = state {
            write_profile(&mut profile, state);
            profile.reason = profiles.reasons.acquire(reason_of(&profile, state));
        }
        let number = profiles.acquire(profile);
        profiles.origins.release(origin);
        profiles.device_types.release(device_type);
        profiles.reasons.release(profile.reason);
        (number, pack_span(id, &parsed))
    }

    /// Puts a state into the row of its client.
    pub fn write(&mut self, slot: u32, state: &ClientState) {
        let at = slot as usize;
        let before = self.marks(at);
        self.write_profile(at, state);
        self.write_cells(at, state);
        self.count(before, self.marks(at));
    }

    /// Writes everything of a state but its profile.
    fn write_cells(&mut self, at: usize, state: &ClientState) {
        self.columns.write(at, state);
        let recent_list = self.columns.recent[at] & recent::LISTED != 0;
        let long_addr = packed_addr::is_long(self.columns.addr[at]);
        let Self { dictionary, scratch, cold, .. } = self;
        cold::pack(state, recent_list, long_addr, dictionary, scratch, &mut cold[at]);
    }

    fn count(&mut self, before: Marks, after: Marks) {
        let counted = |count: &mut usize, before: bool, after: bool| {
            *count = *count + usize::from(after) - usize::from(before);
        };
        counted(&mut self.strangers, before.is_stranger, after.is_stranger);
        counted(&mut self.long_addrs, before.has_long_addr, after.has_long_addr);
        counted(&mut self.missed, before.is_missed, after.is_missed);
        counted(&mut self.odd_recent, before.is_odd_recent, after.is_odd_recent);
    }

    fn write_profile(&mut self, at: usize, state: &ClientState) {
        let number = self.columns.profile[at];
        let old = *self.profiles.get(number);
        let mut new = old;
        write_profile(&mut new, state);
        let reason = reason_of(&new, state);
        let reasons = &mut self.profiles.reasons;
        if reasons.text(old.reason) == reason {
            if new == old {
                return;
            }
            reasons.hold(old.reason);
        } else {
            new.reason = reasons.acquire(reason);
        }
        self.columns.profile[at] = self.profiles.acquire(new);
        self.profiles.release(number);
        self.profiles.reasons.release(new.reason);
    }

    /// What of a row is counted.
    fn marks(&self, at: usize) -> Marks {
        Marks {
            is_stranger: self.is_stranger(at),
            has_long_addr: packed_addr::is_long(self.columns.addr[at]),
            is_missed: self.columns.missed[at] != NO_TIME,
            is_odd_recent: self.columns.recent[at] != 0
                && self.columns.recent_span_s[at] == recent::UNKNOWN_SPAN,
        }
    }

    /// Whether nothing was ever heard of the client itself: only refused attempts under its id, or lost events.
    pub fn is_stranger(&self, at: usize) -> bool {
        let columns = &self.columns;
        // A row that was never written is nobody's.
        self.profile(at).status != 0
            && columns.heard[at] == NO_TIME
            && columns.connect_time[at] == NO_TIME
            // Without a session only a loose end gives a disconnect time, or makes the client connected.
            && columns.disconnect_time[at] == NO_TIME
            && !self.is_connected(at as u32)
    }

    pub fn profile(&self, at: usize) -> &Profile {
        self.profiles.get(self.columns.profile[at])
    }

    pub fn is_connected(&self, slot: u32) -> bool {
        self.profile(slot as usize).is_connected()
    }

    /// How many clients are connected.
    pub fn connected(&self) -> usize {
        let connected = self.profiles.iter().filter(|(profile, _)| profile.is_connected());
        connected.map(|(_, rows)| rows as usize).sum()
    }

    /// Takes the state out of its row; `None` for a slot that does not exist.
    pub fn state(&self, slot: u32) -> Option<ClientState> {
        let id = self.ids.find(slot)?;
        self.state_as(slot, id.to_owned())
    }

    /// The same under the id that the caller gives: the fold does not look at it.
    pub fn state_as(&self, slot: u32, id: String) -> Option<ClientState> {
        let at = slot as usize;
        let cold = self.cold.get(at)?;
        let columns = &self.columns;
        let profile = self.profile(at);
        let mut state = ClientState::new(id);
        state.last_activity = unpack_time(columns.activity_time[at])
            .zip(unpack_code(&ActivityEvent::ALL, profile.activity_event));
        state.last_publish = unpack_time(columns.publish_time[at]);
        state.last_refused = unpack_time(columns.refused_time[at]);
        state.heard = unpack_time(columns.heard[at]);
        state.missed = unpack_time(columns.missed[at]);
        let start = unpack_time(columns.connect_time[at]);
        if columns.recent[at] == 1 {
            state.recent_connects.extend(start);
        }
        if !cold.is_empty() {
            let current = cold::CurrentInColumns {
                start,
                addr: packed_addr::unpack(columns.addr[at]),
                protocol: profile.protocol,
                secure: profile.secure,
            };
            cold::unpack(cold, current, &mut state, &self.dictionary);
        }
        Some(state)
    }

    /// The starts of recent sessions, for rows that [`recent::LISTED`] marks.
    pub fn recent_list(&self, slot: u32) -> Vec<Timestamp> {
        cold::recent_connects(&self.cold[slot as usize])
    }

    /// Whether any row can be stale.
    pub const fn has_stale(&self) -> bool {
        self.missed > 0 || self.feed_lost.is_some()
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

/// Why the client is disconnected, as far as that is told.
fn reason_of<'a>(profile: &Profile, state: &'a ClientState) -> Option<&'a str> {
    let is_disconnected = !profile.is_connected();
    state.current_end().filter(|_| is_disconnected).and_then(rollcall_model::End::reason_str)
}

/// The slot of a row that was to be added.
enum Pushed {
    New(u32),
    /// There was one.
    Known(u32),
}

/// What of a row is counted, see [`Table`].
#[derive(Clone, Copy, Default)]
struct Marks {
    is_stranger: bool,
    has_long_addr: bool,
    is_missed: bool,
    is_odd_recent: bool,
}
