//! The open client: its state and its log, read when the panel opens and kept up to date by monitor messages.

use std::sync::Arc;
use std::time::Duration;

use leptos::prelude::{
    Effect, Get, GetUntracked, LocalStorage, Memo, RwSignal, Set, SetValue, StoredValue, Update, UpdateValue,
    set_timeout,
};
use leptos::task::spawn_local;
use rollcall_model::log::LogEntry;
use rollcall_model::{ConnectionEvent, EventKind, StateDoc};

use super::{Clock, Problem, Session, ViewStore};
use crate::api::{self, Abort, LogPage};
use crate::url::Range;

/// Entries per page of the log.
const PAGE: u32 = 50;
/// Messages of a chatty client cause no more questions than one in this time.
const THROTTLE: Duration = Duration::from_millis(400);

/// What is known of the open client.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Open {
    #[default]
    Loading,
    Known(Arc<StateDoc>),
    /// The server knows no client of that id.
    Unknown,
    Failed(Problem),
}

/// The part of the log that was read.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LogState {
    /// Newest first.
    pub entries: Vec<Arc<LogEntry>>,
    /// The address of the next, older page.
    pub older: Option<String>,
    pub is_loaded: bool,
    pub is_loading: bool,
    pub problem: Option<Problem>,
}

#[derive(Clone, Copy)]
pub struct Detail {
    pub open: RwSignal<Open>,
    pub log: RwSignal<LogState>,
    /// The id of the open client and the range of its log.
    pub chosen: Memo<Option<(String, Range)>>,
    abort: StoredValue<Option<Abort>, LocalStorage>,
    is_refresh_asked: StoredValue<bool>,
    clock: Clock,
    session: Session,
}

impl Detail {
    pub(super) fn new(clock: Clock, view: ViewStore, session: Session) -> Self {
        Self {
            open: RwSignal::default(),
            log: RwSignal::default(),
            chosen: Memo::new(move |_| view.with(|view| view.client.clone().map(|id| (id, view.log)))),
            abort: StoredValue::new_local(None),
            is_refresh_asked: StoredValue::new(false),
            clock,
            session,
        }
    }

    pub(super) fn start(self) {
        Effect::new(move |before: Option<Option<String>>| {
            let chosen = self.chosen.get();
            let id = chosen.map(|(id, _)| id);
            if before.flatten() != id {
                self.open.set(Open::Loading);
            }
            self.log.set(LogState::default());
            self.read();
            id
        });
    }

    /// Reads the state and the newest page of the log again.
    pub fn refresh(self) {
        if self.chosen.get_untracked().is_some() {
            self.read();
        }
    }

    /// Gives up what is being read; what was read stays.
    pub(super) fn halt(self) {
        self.abort.set_value(None);
    }

    /// Reads the next, older page of the log.
    pub fn read_older(self) {
        let Some(address) = self.log.get_untracked().older else { return };
        self.log.update(|log| log.is_loading = true);
        self.spawn(async move |token| {
            let page = api::log(&address, &token).await;
            self.log.update(|log| {
                log.is_loading = false;
                match page {
                    Ok(LogPage { entries, next }) => {
                        log.entries.extend(entries.into_iter().map(Arc::new));
                        log.older = next;
                        log.problem = None;
                    }
                    Err(error) => log.problem = Problem::of(error),
                }
            });
        });
    }

    /// Applies events of the monitor to the open client.
    pub(super) fn apply(self, events: &[(ConnectionEvent, bool)]) {
        let Some((id, _)) = self.chosen.get_untracked() else { return };
        let Open::Known(doc) = self.open.get_untracked() else { return };
        let mine: Vec<&ConnectionEvent> =
            events.iter().map(|(event, _)| event).filter(|event| event.client_id == id).collect();
        if mine.is_empty() {
            return;
        }
        let new = doc.after(mine.iter().copied(), self.clock.exact());
        if new != *doc {
            self.open.set(Open::Known(Arc::new(new)));
        }
        if mine.iter().any(|event| !matches!(event.kind, EventKind::Activity { .. })) {
            self.refresh_soon();
        }
    }

    fn refresh_soon(self) {
        let is_asked = self.is_refresh_asked.try_update_value(|asked| std::mem::replace(asked, true));
        if is_asked == Some(false) {
            let refresh = move || {
                self.is_refresh_asked.set_value(false);
                self.refresh();
            };
            set_timeout(refresh, THROTTLE);
        }
    }

    fn read(self) {
        let Some((id, range)) = self.chosen.get_untracked().filter(|_| self.session.is_in()) else {
            return self.halt();
        };
        self.log.update(|log| log.is_loading = true);
        let now = self.clock.exact();
        let [from, to] = [range.after, range.before].map(|time| time.map(|time| time.resolve(now)));
        self.spawn(async move |token| {
            let page = api::log(&api::log_address(&id, from, to, PAGE), &token).await;
            let aborted = matches!(page, Err(api::ApiError::Aborted));
            if !aborted {
                self.log.update(|log| take_newest(log, page));
            }
            match api::client(&id, &token).await {
                Ok(Some(doc)) => self.open.set(Open::Known(Arc::new(doc))),
                Ok(None) => self.open.set(Open::Unknown),
                Err(error) => {
                    // What is on screen is better than nothing; the indicator says how old it is.
                    let is_shown = matches!(self.open.get_untracked(), Open::Known(_));
                    if let Some(problem) = Problem::of(error).filter(|_| !is_shown) {
                        self.open.set(Open::Failed(problem));
                    }
                }
            }
        });
    }

    /// Runs a question that ends when another client is opened.
    fn spawn<F: Future<Output = ()> + 'static>(self, ask: impl FnOnce(api::Token) -> F) {
        let abort = Abort::default();
        let token = abort.token();
        self.abort.set_value(Some(abort));
        spawn_local(ask(token));
    }
}

/// Puts the newest page in front of what was already read of older ones.
fn take_newest(log: &mut LogState, page: Result<LogPage, api::ApiError>) {
    log.is_loading = false;
    match page {
        Err(error) => log.problem = Problem::of(error),
        Ok(LogPage { entries, next }) => {
            log.problem = None;
            let oldest_new = entries.last().map(|entry| entry.timestamp);
            let known: Vec<Arc<LogEntry>> = std::mem::take(&mut log.entries);
            let same = |new: &LogEntry| known.iter().find(|old| ***old == *new).map(Arc::clone);
            let mut all: Vec<Arc<LogEntry>> =
                entries.into_iter().map(|entry| same(&entry).unwrap_or_else(|| Arc::new(entry))).collect();
            let was_loaded = std::mem::replace(&mut log.is_loaded, true);
            let rest = known.into_iter().filter(|entry| oldest_new.is_some_and(|t| entry.timestamp < t));
            let before = all.len();
            all.extend(rest);
            // Only when nothing older had been read does the new page say where older ones are.
            if !was_loaded || all.len() == before {
                log.older = next;
            }
            log.entries = all;
        }
    }
}
