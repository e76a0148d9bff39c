//! The part of the open client's log that is listed: pages of it, newest first, and a tail that grows at the front.
//!
//! Called by the log's view, and by the detail store when something happened. It never shows new entries to a reader who
//! is not at the front or has paused the tail: those are counted and wait.

use std::sync::Arc;

use leptos::prelude::{
    GetUntracked, LocalStorage, RwSignal, Set, SetValue, StoredValue, Update, WithUntracked,
};
use leptos::task::spawn_local;
use rollcall_model::log::{LogEntry, LogEvent};

use super::{Chosen, kind_of};
use crate::api::{self, Abort, LogPage, Token};
use crate::store::{Clock, Problem};

/// Entries per page of the log.
const PAGE: u32 = 100;

/// The part of the log that was read.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LogState {
    /// Newest first.
    pub entries: Vec<Arc<LogEntry>>,
    /// How many of the newest wait for the reader to ask for them.
    pub held: usize,
    /// The address of the newest page, for whoever wants to ask the API himself.
    pub address: String,
    /// The address of the next, older page.
    pub older: Option<String>,
    pub is_loaded: bool,
    pub is_loading: bool,
    pub problem: Option<Problem>,
}

impl LogState {
    /// What is listed.
    #[must_use]
    pub fn shown(&self) -> &[Arc<LogEntry>] {
        self.entries.get(self.held..).unwrap_or_default()
    }

    /// Puts the newest page in front of what was read before. Entries that were known stay the same objects. Returns
    /// whether the list started anew, so that an older page on its way does not belong to it.
    fn take_newest(&mut self, page: Vec<LogEntry>, next: Option<String>, is_held: bool) -> bool {
        let known = std::mem::take(&mut self.entries);
        // Equal entries may stand side by side, so each known one is met once.
        let front = page.len().min(known.len());
        let meets = (0..page.len()).find(|at| {
            let rest = &page[*at..];
            let count = rest.len().min(front);
            known.first().is_some_and(|first| **first == rest[0])
                && rest[..count].iter().zip(&known).all(|(new, old)| *new == **old)
        });
        let new: Vec<Arc<LogEntry>> = match meets {
            Some(at) => page.into_iter().take(at).map(Arc::new).collect(),
            None => page.into_iter().map(Arc::new).collect(),
        };
        let was_loaded = std::mem::replace(&mut self.is_loaded, true);
        if meets.is_some() {
            self.held = if is_held { self.held + new.len() } else { 0 };
            self.entries = new;
            self.entries.extend(known);
        } else {
            // Nothing in common, or nothing known: what lies between is not known, so the list starts anew.
            self.held = if is_held && was_loaded && known.is_empty() { new.len() } else { 0 };
            self.entries = new;
            self.older = next;
        }
        meets.is_none()
    }
}

#[derive(Clone, Copy)]
pub struct LogStore {
    pub state: RwSignal<LogState>,
    /// New entries appear by themselves.
    pub is_following: RwSignal<bool>,
    /// The reader has scrolled away from the newest entry.
    pub is_away: RwSignal<bool>,
    abort: StoredValue<Option<Abort>, LocalStorage>,
    abort_older: StoredValue<Option<Abort>, LocalStorage>,
    clock: Clock,
}

impl LogStore {
    pub(super) fn new(clock: Clock) -> Self {
        Self {
            state: RwSignal::default(),
            is_following: RwSignal::new(true),
            is_away: RwSignal::new(false),
            abort: StoredValue::new_local(None),
            abort_older: StoredValue::new_local(None),
            clock,
        }
    }

    /// Another client, range or kind: nothing is known.
    pub(super) fn reset(self) {
        self.halt();
        self.state.set(LogState::default());
        self.is_away.set(false);
    }

    pub(super) fn halt(self) {
        self.abort.set_value(None);
        self.abort_older.set_value(None);
    }

    /// Lists what waits.
    pub fn show_held(self) {
        self.state.update(|log| log.held = 0);
    }

    /// Stops the list from growing at the front, or lets it go on.
    pub fn toggle_following(self) {
        let is_following = !self.is_following.get_untracked();
        self.is_following.set(is_following);
        if is_following {
            self.show_held();
        }
    }

    /// Reads the newest page.
    pub(super) fn read_newest(self, chosen: &Chosen) {
        self.state.update(|log| log.is_loading = true);
        let (events, chosen) = (chosen.events.clone(), chosen.clone());
        let abort = Abort::default();
        let token = abort.token();
        self.abort.set_value(Some(abort));
        spawn_local(async move {
            let answer = self.ask_newest(&chosen, &token).await;
            if matches!(answer, Err(api::ApiError::Aborted)) {
                return;
            }
            let is_held = !self.is_following.get_untracked() || self.is_away.get_untracked();
            let is_new = self.state.try_update(|log| {
                log.is_loading = false;
                match answer {
                    Ok(page) => {
                        log.problem = None;
                        log.take_newest(of_kinds(page.entries, &events), page.next, is_held)
                    }
                    Err(error) => {
                        log.problem = Problem::of(error);
                        false
                    }
                }
            });
            if is_new == Some(true) {
                self.abort_older.set_value(None);
            }
        });
    }

    async fn ask_newest(self, chosen: &Chosen, token: &Token) -> Result<LogPage, api::ApiError> {
        let now = self.clock.exact();
        let [from, to] = [chosen.range.after, chosen.range.before].map(|t| t.map(|time| time.resolve(now)));
        let address = api::log_address(&chosen.id, from, to, &chosen.events, PAGE);
        self.state.update(|log| log.address.clone_from(&address));
        api::log(&address, token).await
    }

    /// Reads the next, older page.
    pub fn read_older(self, events: &[LogEvent]) {
        let Some(address) = self.state.with_untracked(|log| log.older.clone().filter(|_| !log.is_loading))
        else {
            return;
        };
        self.state.update(|log| log.is_loading = true);
        let abort = Abort::default();
        let token = abort.token();
        self.abort_older.set_value(Some(abort));
        let events = events.to_vec();
        spawn_local(async move {
            let answer = api::log(&address, &token).await;
            // Reset meanwhile: another log is shown.
            if matches!(answer, Err(api::ApiError::Aborted)) {
                return;
            }
            self.state.update(|log| {
                log.is_loading = false;
                match answer {
                    Ok(LogPage { entries, next }) => {
                        log.entries.extend(of_kinds(entries, &events).into_iter().map(Arc::new));
                        log.older = next;
                        log.problem = None;
                    }
                    Err(error) => log.problem = Problem::of(error),
                }
            });
        });
    }
}

/// A plain Watson server does not know the filter by kind and sends everything.
fn of_kinds(mut entries: Vec<LogEntry>, events: &[LogEvent]) -> Vec<LogEntry> {
    if !events.is_empty() {
        entries.retain(|entry| kind_of(entry).is_some_and(|kind| events.contains(&kind)));
    }
    entries
}

#[cfg(test)]
#[cfg(not(target_arch = "wasm32"))]
mod tests {
    use rollcall_model::Timestamp;

    use super::*;

    fn page(times: &[i64]) -> Vec<LogEntry> {
        let entry = |time: &i64| {
            let time = Timestamp::from_millis(*time);
            serde_json::from_value(serde_json::json!({ "message": "", "timestamp": time })).unwrap()
        };
        times.iter().map(entry).collect()
    }

    fn times(log: &LogState) -> Vec<i64> {
        log.shown().iter().map(|entry| entry.timestamp.millis()).collect()
    }

    fn loaded(newest: &[i64]) -> LogState {
        let mut log = LogState::default();
        log.take_newest(page(newest), Some("older".to_owned()), false);
        log
    }

    #[test]
    fn new_entries_come_to_the_front_and_older_ones_stay() {
        let mut log = loaded(&[5, 4, 3]);
        log.entries.extend(page(&[2, 1]).into_iter().map(Arc::new));
        log.older = None;
        let third = Arc::clone(&log.entries[2]);
        log.take_newest(page(&[7, 6, 5]), Some("another".to_owned()), false);
        assert_eq!(times(&log), [7, 6, 5, 4, 3, 2, 1]);
        assert_eq!(log.older, None, "everything older was read");
        assert!(Arc::ptr_eq(&third, &log.entries[4]));
    }

    #[test]
    fn equal_entries_at_the_same_time_are_all_kept() {
        let mut log = loaded(&[4, 4, 3]);
        log.take_newest(page(&[4, 4, 4, 3]), None, false);
        assert_eq!(times(&log), [4, 4, 4, 3]);
    }

    /// A page holds less than came since the last one: to keep both would hide a gap between them.
    #[test]
    fn what_may_have_a_gap_starts_anew() {
        let mut log = loaded(&[5, 4, 3]);
        log.take_newest(page(&[9, 8, 7]), Some("since 7".to_owned()), true);
        assert_eq!((times(&log), log.older.as_deref()), (vec![9, 8, 7], Some("since 7")));
    }

    #[test]
    fn new_entries_wait_while_the_reader_is_elsewhere() {
        let mut log = loaded(&[5, 4]);
        log.take_newest(page(&[6, 5, 4]), None, true);
        log.take_newest(page(&[8, 7, 6, 5, 4]), None, true);
        assert_eq!((times(&log), log.held), (vec![5, 4], 3));
        log.take_newest(page(&[8, 7, 6, 5, 4]), None, false);
        assert_eq!((times(&log), log.held), (vec![8, 7, 6, 5, 4], 0));
    }
}
