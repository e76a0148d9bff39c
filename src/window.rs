//! The live window: the rows that the browser holds out of the server's fleet, kept up to date by monitor messages.
//!
//! The table store fills it from the State API and feeds it every monitor message. It folds messages into the rows
//! it holds (the same fold as the server's) and says what only the server can answer again: who belongs on the
//! page, in what order, and how many. It knows no clock, no network and no page.

use std::cmp::Ordering;
use std::collections::{HashMap, VecDeque};
use std::ops::Range;
use std::sync::Arc;

use rollcall_model::query::{Field, Filter, SortKey, compare};
use rollcall_model::{ClientState, ClientType, ConnectionEvent, StateDoc, Timestamp};

/// A row, as painted.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    pub doc: Arc<StateDoc>,
    /// What changed last, for the glow.
    pub change: Option<Change>,
    /// The row no longer passes the filter; it goes with the next answer of the server.
    pub is_leaving: bool,
}

/// What a message changed in a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Change {
    pub at: Timestamp,
    pub status: bool,
    pub connect: bool,
    pub disconnect: bool,
    pub activity: bool,
    /// Alternates, so that a second change can be shown while the first still glows.
    pub is_odd: bool,
}

/// What a message means for the page.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Touched {
    /// A row of the window changed and must be painted.
    pub row: bool,
    /// Who is on the page, or in what order, may have changed.
    pub order: bool,
    /// The number of connected and disconnected clients may have changed.
    pub counts: bool,
}

/// An answer of the State API, as far as the window needs it.
#[derive(Debug, Clone, Default)]
pub struct Answer {
    /// The row index of the first result.
    pub start: u64,
    pub docs: Vec<StateDoc>,
    /// How many clients pass the filter; a plain Watson server does not say.
    pub total: Option<u64>,
    /// There is a page after this one.
    pub has_more: bool,
}

#[derive(Debug, Default)]
pub struct Window {
    filter: Filter,
    sort: Vec<SortKey>,
    start: u64,
    rows: Vec<Row>,
    at_by_id: HashMap<String, usize>,
    total: Option<u64>,
    has_more: bool,
    is_loaded: bool,
    /// When the rows came.
    installed_at: Option<Timestamp>,
    /// Events since the oldest question that is still unanswered: an answer may have been written before them.
    recent: VecDeque<ConnectionEvent>,
}

/// More events than this between a question and its answer are not remembered; the next question repairs it.
const MAX_RECENT: usize = 20_000;

/// What messages do not change of a client.
const FIXED: [Field; 4] = [Field::Id, Field::ClientType, Field::DeviceType, Field::DeviceId];

impl Window {
    /// Starts over for another filter or order. Old rows stay to be looked at until the answer comes.
    pub fn ask(&mut self, filter: Filter, sort: Vec<SortKey>) {
        self.filter = filter;
        self.sort = sort;
    }

    #[must_use]
    pub fn row(&self, index: u64) -> Option<&Row> {
        let at = usize::try_from(index.checked_sub(self.start)?).ok()?;
        self.rows.get(at)
    }

    #[must_use]
    pub fn index_of(&self, id: &str) -> Option<u64> {
        self.at_by_id.get(id).map(|at| self.start + *at as u64)
    }

    /// How many rows the table has. Without a total, those that are known and, if there are more, room for them.
    #[must_use]
    pub fn len(&self) -> u64 {
        let held = self.start + self.rows.len() as u64;
        self.total.unwrap_or(held + if self.has_more { 50 } else { 0 })
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many clients pass the filter, if the server says so, or all were read.
    #[must_use]
    pub fn total(&self) -> Option<u64> {
        self.total.or_else(|| (self.is_loaded && !self.has_more).then_some(self.held().end))
    }

    /// Whether the rows are filtered by the field.
    #[must_use]
    pub fn is_filtered_by(&self, field: Field) -> bool {
        self.filter.terms.iter().any(|term| term.field == field)
    }

    /// Whether any answer has come yet.
    #[must_use]
    pub fn is_loaded(&self) -> bool {
        self.is_loaded
    }

    /// The rows that the window holds.
    #[must_use]
    pub fn held(&self) -> Range<u64> {
        self.start..self.start + self.rows.len() as u64
    }

    /// Whether rows must be asked for: what is in view is not held, or soon will not be.
    #[must_use]
    pub fn is_short_of(&self, visible: &Range<u64>) -> bool {
        let held = self.held();
        let ahead = (visible.end - visible.start) / 2;
        let first = visible.start.saturating_sub(ahead);
        let last = (visible.end + ahead).min(self.len());
        !self.is_loaded || first < held.start || last > held.end
    }

    /// Whether messages decide which rows there are, or in what order: something is asked for that messages change.
    #[must_use]
    pub fn is_moving(&self) -> bool {
        let mut fields =
            self.sort.iter().map(|key| key.field).chain(self.filter.terms.iter().map(|term| term.field));
        fields.any(|field| !FIXED.contains(&field))
    }

    /// The rows in view, with a screen above and below.
    #[must_use]
    pub fn around(visible: &Range<u64>) -> Range<u64> {
        let margin = (visible.end - visible.start).clamp(20, 200);
        visible.start.saturating_sub(margin)..visible.end + margin
    }

    /// Takes an answer over. Returns by how many rows what is in view moved down (up, when negative), so that the
    /// reader's place can be kept.
    pub fn install(&mut self, answer: Answer, visible: &Range<u64>, now: Timestamp) -> i64 {
        let new = answer.docs.iter().map(|doc| (doc.id.as_str(), doc)).collect();
        let anchor = self.anchor(&new, visible);
        self.installed_at = Some(now);
        let old = std::mem::take(&mut self.rows);
        let old_at = std::mem::take(&mut self.at_by_id);
        self.start = answer.start;
        self.total = answer.total;
        self.has_more = answer.has_more;
        self.is_loaded = true;
        self.rows = answer
            .docs
            .into_iter()
            .map(|doc| {
                let known = old_at.get(&doc.id).and_then(|at| old.get(*at));
                // An unchanged row keeps its allocation, so that its slot sees that there is nothing to paint.
                let same = known.filter(|row| *row.doc == doc).map(|row| Arc::clone(&row.doc));
                let change = known.and_then(|row| row.change);
                Row { doc: same.unwrap_or_else(|| Arc::new(doc)), change, is_leaving: false }
            })
            .collect();
        self.at_by_id = self.rows.iter().enumerate().map(|(at, row)| (row.doc.id.clone(), at)).collect();
        self.replay(now);
        anchor.and_then(|(id, was)| self.index_of(&id).map(|is| is as i64 - was as i64)).unwrap_or(0)
    }

    /// A row in view by which the reader's place can be found again when none of those in view is in an answer: one that has
    /// not changed since it came, so that it has not moved of itself. `None` also at the top, where nobody's place is kept.
    #[must_use]
    pub fn lost(&self, docs: &[StateDoc], visible: &Range<u64>) -> Option<(String, u64)> {
        if visible.start == 0 {
            return None;
        }
        let new: HashMap<&str, &StateDoc> = docs.iter().map(|doc| (doc.id.as_str(), doc)).collect();
        if self.anchor(&new, visible).is_some() {
            return None;
        }
        let is_still = |row: &&Row| {
            !row.is_leaving
                && !new.contains_key(row.doc.id.as_str())
                && row.change.is_none_or(|change| Some(change.at) < self.installed_at)
        };
        visible
            .clone()
            .find_map(|index| self.row(index).filter(is_still).map(|row| (row.doc.id.clone(), index)))
    }

    /// The rows held are so many rows further down, or up.
    pub fn shift(&mut self, by: i64, total: Option<u64>) {
        self.start = self.start.saturating_add_signed(by);
        self.total = total;
    }

    /// Takes the page after the rows held over: how a server without totals and jumps is walked.
    pub fn append(&mut self, docs: Vec<StateDoc>, has_more: bool, now: Timestamp) {
        self.has_more = has_more;
        for doc in docs {
            if !self.at_by_id.contains_key(&doc.id) {
                self.at_by_id.insert(doc.id.clone(), self.rows.len());
                self.rows.push(Row { doc: Arc::new(doc), change: None, is_leaving: false });
            }
        }
        self.replay(now);
    }

    /// The first row in view that has not moved of itself: it says how much the others moved.
    fn anchor(&self, new: &HashMap<&str, &StateDoc>, visible: &Range<u64>) -> Option<(String, u64)> {
        visible.clone().find_map(|index| {
            let old = &self.row(index)?.doc;
            let is_still = compare(old, new.get(old.id.as_str())?, &self.sort) == Ordering::Equal;
            is_still.then(|| (old.id.clone(), index))
        })
    }

    /// Applies the events that an answer may have been written before.
    fn replay(&mut self, now: Timestamp) {
        let recent = std::mem::take(&mut self.recent);
        for event in &recent {
            self.apply_to_row(event, now);
        }
        self.recent = recent;
    }

    /// Forgets the events that every question still open was asked after.
    pub fn forget_recent(&mut self) {
        self.recent.clear();
    }

    /// Applies one event. `remembers` while a question to the server is open.
    pub fn apply(&mut self, event: &ConnectionEvent, remembers: bool, now: Timestamp) -> Touched {
        if remembers && self.recent.len() < MAX_RECENT {
            self.recent.push_back(event.clone());
        }
        self.apply_to_row(event, now).unwrap_or_else(|| self.touched_elsewhere(event))
    }

    fn apply_to_row(&mut self, event: &ConnectionEvent, now: Timestamp) -> Option<Touched> {
        let row = self.rows.get_mut(*self.at_by_id.get(&event.client_id)?)?;
        let doc = row.doc.after([event], now);
        if doc == *row.doc {
            return Some(Touched::default());
        }
        let old = std::mem::replace(&mut row.doc, Arc::new(doc));
        let new = &row.doc;
        row.change = Some(Change {
            at: now,
            status: old.connection_status != new.connection_status,
            connect: old.last_connect_time != new.last_connect_time,
            disconnect: old.last_disconnect_time != new.last_disconnect_time,
            activity: old.last_activity_time != new.last_activity_time,
            is_odd: !row.change.is_some_and(|change| change.is_odd),
        });
        row.is_leaving = !self.filter.matches(new, now);
        Some(Touched {
            row: true,
            order: row.is_leaving || compare(&old, new, &self.sort) != Ordering::Equal,
            counts: old.connection_status != new.connection_status
                || old.stale_since.is_some() != new.stale_since.is_some(),
        })
    }

    /// What an event of a client outside the window may have changed.
    fn touched_elsewhere(&self, event: &ConnectionEvent) -> Touched {
        use rollcall_model::EventKind::{Activity, Connect, Disconnect, FailedConnect, Missed};
        let fields: &[Field] = match &event.kind {
            Connect { .. } | Disconnect { .. } | Missed => return self.touched_if_possible(event),
            Activity { .. } => &[Field::LastActivityTime, Field::LastActivityEvent, Field::LastPublishTime],
            FailedConnect { .. } => &[Field::LastRefusedTime],
        };
        let asks = self.filter.terms.iter().any(|term| fields.contains(&term.field))
            || self.sort.iter().any(|key| fields.contains(&key.field));
        if asks { Touched { counts: false, ..self.touched_if_possible(event) } } else { Touched::default() }
    }

    /// A client that what never changes about it keeps off the page, changes nothing but the counts.
    fn touched_if_possible(&self, event: &ConnectionEvent) -> Touched {
        if !self.filter.terms.iter().any(|term| FIXED.contains(&term.field)) {
            return Touched { row: false, order: true, counts: true };
        }
        let doc = ClientState::new(event.client_id.clone()).doc(event.time, None);
        // What patterns the server has for the ids of others, it does not tell.
        let is_named = doc.client_type != ClientType::Other;
        let is_fixed = |field| match field {
            Field::Id | Field::ClientType => true,
            Field::DeviceType | Field::DeviceId => is_named,
            _ => false,
        };
        let possible = self
            .filter
            .terms
            .iter()
            .filter(|term| is_fixed(term.field))
            .all(|term| term.matches(&doc, event.time));
        Touched { row: false, order: possible, counts: possible }
    }
}

impl std::ops::BitOrAssign for Touched {
    fn bitor_assign(&mut self, other: Self) {
        self.row |= other.row;
        self.order |= other.order;
        self.counts |= other.counts;
    }
}

#[cfg(test)]
#[cfg(not(target_arch = "wasm32"))]
mod tests;
