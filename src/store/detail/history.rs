//! What the time line of the open client is made of: its log as far back as the time line goes, read page by page.
//!
//! Called by the detail store when a client is opened or something happened, and by the time line when it goes further
//! back. It reads one page at a time, can go on from wherever it was stopped, and never more than a budget without being
//! asked: a client that comes and goes every second has millions of entries a month.

use std::sync::Arc;

use leptos::prelude::{
    GetUntracked, LocalStorage, Memo, RwSignal, Set, SetValue, StoredValue, Update, UpdateValue,
    WithUntracked, WithValue,
};
use leptos::task::spawn_local;
use rollcall_model::log::LogEntry;
use rollcall_model::{StateDoc, Timestamp};

use super::sessions::{Sessions, sessions};
use crate::api::{self, Abort, ApiError};
use crate::browser;
use crate::store::{Clock, Problem, ViewStore};

/// Entries per question: the most that the server gives.
const PAGE: u32 = 1_000;
/// Entries that are read without being asked for more.
const BUDGET: usize = 20_000;
/// The same from a plain Watson server, which gives only a few at a time.
const PLAIN_BUDGET: usize = 2_000;
/// Entries can come to the log late: the last minute is read again.
const OVERLAP_MS: i64 = 60_000;

/// What was read of the log.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct History {
    /// Newest first, without gaps.
    pub entries: Vec<Arc<LogEntry>>,
    /// Everything since then was read.
    pub from: Option<Timestamp>,
    /// The entry before that; `Some(None)` when there is none: the log begins within what was read.
    pub before: Option<Option<Arc<LogEntry>>>,
    /// The budget is used up, and there is more.
    pub is_stopped: bool,
    pub is_reading: bool,
    pub problem: Option<Problem>,
    /// The way on, and how far it leads.
    next: Option<(String, Timestamp)>,
}

impl History {
    /// How far back the log is known, while it is being read too.
    #[must_use]
    pub fn known_since(&self) -> Option<Timestamp> {
        match &self.next {
            Some(_) => self.entries.last().map(|entry| entry.timestamp),
            None => self.from,
        }
    }

    /// When the log begins, if that is known: nothing older was logged, or it is not kept any more.
    #[must_use]
    pub fn begins(&self) -> Option<Timestamp> {
        (self.before == Some(None)).then(|| self.entries.last().map(|entry| entry.timestamp)).flatten()
    }

    /// The sessions that the entries and the client's state come to.
    #[must_use]
    pub fn sessions(&self, doc: Option<&StateDoc>) -> Sessions {
        match &self.before {
            Some(Some(before)) => {
                let mut all = self.entries.clone();
                all.push(Arc::clone(before));
                sessions(&all, doc)
            }
            _ => sessions(&self.entries, doc),
        }
    }

    fn take_older(&mut self, page: api::LogPage, goal: Timestamp) {
        self.entries.extend(page.entries.into_iter().map(Arc::new));
        self.next = page.next.map(|address| (address, goal));
        if self.next.is_none() {
            self.from = Some(goal);
        }
    }

    /// Replaces everything since `since` by what was read of it.
    fn take_newer(&mut self, newer: Vec<LogEntry>, since: Timestamp) {
        let mut all: Vec<Arc<LogEntry>> = newer.into_iter().map(Arc::new).collect();
        all.extend(self.entries.iter().filter(|entry| entry.timestamp < since).map(Arc::clone));
        if all != self.entries {
            self.entries = all;
        }
    }
}

#[derive(Clone, Copy)]
pub struct HistoryStore {
    pub state: RwSignal<History>,
    id: StoredValue<Option<String>>,
    /// Something new was logged since the newest entries were read.
    is_behind: StoredValue<bool>,
    budget: StoredValue<usize>,
    abort: StoredValue<Option<Abort>, LocalStorage>,
    pub(super) span_ms: Memo<i64>,
    clock: Clock,
}

impl HistoryStore {
    pub(super) fn new(clock: Clock, view: ViewStore) -> Self {
        Self {
            state: RwSignal::default(),
            id: StoredValue::new(None),
            is_behind: StoredValue::new(false),
            budget: StoredValue::new(BUDGET),
            abort: StoredValue::new_local(None),
            span_ms: Memo::new(move |_| view.with(|view| view.page.span.ms())),
            clock,
        }
    }

    /// Another client, or none.
    pub(super) fn begin(self, id: Option<String>) {
        self.abort.set_value(None);
        self.id.set_value(id);
        self.is_behind.set_value(false);
        self.budget.set_value(budget());
        self.state.set(History::default());
    }

    /// Reads what is new, and what is missing.
    pub(super) fn read(self) {
        self.is_behind.set_value(self.state.with_untracked(|history| history.known_since().is_some()));
        self.start();
    }

    /// Goes on reading although it is much.
    pub fn read_on(self) {
        self.budget.update_value(|all| *all += budget());
        self.start();
    }

    /// Gives up what is being read; what was read stays, and reading can go on from there.
    pub(super) fn halt(self) {
        self.abort.set_value(None);
        self.state.update(|history| history.is_reading = false);
    }

    fn start(self) {
        if self.state.with_untracked(|history| history.is_reading) {
            return;
        }
        let Some(id) = self.id.with_value(Clone::clone) else { return };
        let abort = Abort::default();
        let token = abort.token();
        self.abort.set_value(Some(abort));
        self.state.update(|history| {
            history.is_reading = true;
            history.is_stopped = false;
            history.problem = None;
        });
        spawn_local(async move {
            let done = self.steps(&id, &token).await;
            // Whoever gave it up has already said what comes next.
            if done != Err(ApiError::Aborted) {
                self.state.update(|history| {
                    history.is_reading = false;
                    history.problem = done.err().and_then(Problem::of);
                });
            }
        });
    }

    async fn steps(self, id: &str, token: &api::Token) -> Result<(), ApiError> {
        // A hidden page costs nothing: what is missing is read when it is seen again.
        while !browser::is_hidden() && self.step(id, token).await? {}
        Ok(())
    }

    /// One question and what comes of it; returns whether there is more to read.
    async fn step(self, id: &str, token: &api::Token) -> Result<bool, ApiError> {
        if self.is_behind.try_update_value(std::mem::take) == Some(true) {
            self.catch_up(id, token).await?;
            return Ok(true);
        }
        let target = self.clock.exact().plus_ms(-self.span_ms.get_untracked());
        let (known, next, from, begins, count) = self.state.with_untracked(|history| {
            let is_begun = history.before == Some(None);
            (history.known_since(), history.next.clone(), history.from, is_begun, history.entries.len())
        });
        if begins {
            return Ok(false);
        }
        if known.is_some_and(|known| known <= target) {
            return match (next, from) {
                (None, Some(from)) => self.look_before(id, from, token).await,
                _ => Ok(false),
            };
        }
        if count >= self.budget.with_value(|budget| *budget) {
            self.state.update(|history| history.is_stopped = true);
            return Ok(false);
        }
        let (address, goal) = next.unwrap_or_else(|| {
            let to = from.map(|from| from.plus_ms(-1));
            (api::log_address(id, Some(target), to, &[], PAGE), target)
        });
        let page = api::log(&address, token).await?;
        self.state.update(|history| {
            history.before = None;
            history.take_older(page, goal);
        });
        Ok(true)
    }

    /// Looks whether the log goes on before what was read; the entry there may begin a session that reaches into it.
    async fn look_before(self, id: &str, from: Timestamp, token: &api::Token) -> Result<bool, ApiError> {
        if self.state.with_untracked(|history| history.before.is_some()) {
            return Ok(false);
        }
        let address = api::log_address(id, None, Some(from.plus_ms(-1)), &[], 1);
        let page = api::log(&address, token).await?;
        let before = page.entries.into_iter().next().map(Arc::new);
        self.state.update(|history| history.before = Some(before));
        Ok(false)
    }

    /// Reads what came since the newest entry.
    async fn catch_up(self, id: &str, token: &api::Token) -> Result<(), ApiError> {
        let since = self.state.with_untracked(|history| {
            let newest = history.entries.first().map(|entry| entry.timestamp.plus_ms(-OVERLAP_MS));
            // Not before what was read: the entries there are not known.
            newest.max(history.known_since())
        });
        let Some(since) = since else { return Ok(()) };
        let mut address = api::log_address(id, Some(since), None, &[], PAGE);
        let mut newer = Vec::new();
        loop {
            let page = api::log(&address, token).await?;
            newer.extend(page.entries);
            match page.next {
                Some(next) => address = next,
                None => break,
            }
        }
        self.state.update(|history| history.take_newer(newer, since));
        Ok(())
    }
}

fn budget() -> usize {
    if api::is_plain() { PLAIN_BUDGET } else { BUDGET }
}

#[cfg(test)]
#[cfg(not(target_arch = "wasm32"))]
mod tests {
    use super::*;

    fn page(times: &[i64], next: Option<&str>) -> api::LogPage {
        let entry = |time: &i64| {
            let json = serde_json::json!({ "message": "", "timestamp": Timestamp::from_millis(*time) });
            serde_json::from_value(json).unwrap()
        };
        api::LogPage { entries: times.iter().map(entry).collect(), next: next.map(str::to_owned) }
    }

    fn at(ms: i64) -> Timestamp {
        Timestamp::from_millis(ms)
    }

    #[test]
    fn while_pages_are_missing_the_log_is_known_back_to_the_last_entry() {
        let mut history = History::default();
        assert_eq!(history.known_since(), None);
        history.take_older(page(&[90, 80], Some("next")), at(10));
        assert_eq!((history.known_since(), history.from), (Some(at(80)), None));
        history.take_older(page(&[70], None), at(10));
        assert_eq!((history.known_since(), history.from), (Some(at(10)), Some(at(10))));
    }

    #[test]
    fn the_log_begins_where_nothing_is_before_it() {
        let mut history = History::default();
        history.take_older(page(&[90, 80], None), at(10));
        assert_eq!(history.begins(), None);
        history.before = Some(None);
        assert_eq!(history.begins(), Some(at(80)));
    }

    #[test]
    fn what_is_read_again_takes_the_place_of_what_was_known() {
        let mut history = History::default();
        history.take_older(page(&[90, 80, 70], None), at(10));
        // 85 came late.
        history.take_newer(page(&[95, 90, 85, 80], None).entries, at(80));
        let times: Vec<i64> = history.entries.iter().map(|entry| entry.timestamp.millis()).collect();
        assert_eq!(times, [95, 90, 85, 80, 70]);
    }
}
