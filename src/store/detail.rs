//! The open client: its state, its log and its history, read when it is opened and kept up to date by monitor messages.
//!
//! Called by the views of the client and by the feed. What the log shows is in [`log`], what the time line is made of in
//! [`history`]; this part reads the state and says when the others have to read.

mod findings;
mod history;
mod log;
mod sessions;

use std::sync::Arc;
use std::time::Duration;

use leptos::prelude::{
    Effect, Get, GetUntracked, GetValue, LocalStorage, Memo, RwSignal, Set, SetValue, StoredValue,
    UpdateValue, With, WithUntracked, set_interval, set_timeout,
};
use leptos::task::spawn_local;
use rollcall_model::log::LogEvent;
use rollcall_model::{ConnectionEvent, EventKind, StateDoc};

use super::{Clock, Problem, Session, ViewStore};
use crate::api::{self, Abort, ApiError};
use crate::browser;
use crate::later::{Asking, answer, later};
use crate::url::Range;

pub use findings::FindingStore;
pub use history::{History, HistoryStore};
pub use log::{LogState, LogStore};
pub use sessions::{Ending, Session as ClientSession, Sessions, kind_of};

/// Messages of a chatty client cause no more questions than one in this time.
const THROTTLE: Duration = Duration::from_millis(400);

/// How often the state is asked for again while nobody tells of events, or it could not be had.
const BLIND_MS: i64 = 2_000;
/// The same for a client that the server does not know: the feed tells when it comes, unless the server was not itself.
const UNKNOWN_MS: i64 = 10_000;

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

/// Whose log is shown, and which part of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chosen {
    pub id: String,
    pub range: Range,
    /// The kinds of entry; none means all.
    pub events: Vec<LogEvent>,
}

#[derive(Clone, Copy)]
pub struct Detail {
    pub open: RwSignal<Open>,
    pub log: LogStore,
    pub history: HistoryStore,
    pub findings: FindingStore,
    chosen: Memo<Option<Chosen>>,
    abort: StoredValue<Option<Abort>, LocalStorage>,
    is_refresh_asked: StoredValue<bool>,
    /// The state is being asked for.
    is_asking: StoredValue<bool>,
    /// It is to be asked for again.
    is_behind: StoredValue<bool>,
    /// When it was asked for last.
    asked_at_ms: StoredValue<i64>,
    is_live: StoredValue<bool>,
    is_paused: StoredValue<bool>,
    clock: Clock,
    session: Session,
}

impl Detail {
    pub(super) fn new(clock: Clock, view: ViewStore, session: Session) -> Self {
        let chosen = Memo::new(move |_| {
            view.with(|view| {
                let events = view.page.events.clone();
                view.client.clone().map(|id| Chosen { id, range: view.log, events })
            })
        });
        Self {
            open: RwSignal::default(),
            log: LogStore::new(clock),
            history: HistoryStore::new(clock, view),
            findings: FindingStore::new(),
            chosen,
            abort: StoredValue::new_local(None),
            is_refresh_asked: StoredValue::new(false),
            is_asking: StoredValue::new(false),
            is_behind: StoredValue::new(false),
            asked_at_ms: StoredValue::new(0),
            is_live: StoredValue::new(false),
            is_paused: StoredValue::new(false),
            clock,
            session,
        }
    }

    pub(super) fn start(self) {
        Effect::new(move |before: Option<Option<String>>| {
            let id = self.chosen.get().map(|chosen| chosen.id);
            let before = before.flatten();
            if before.is_some() && id.is_some() && before != id {
                self.abort.set_value(None);
                // A task of its own: what is known of the client before makes room meanwhile for nothing but its name, and
                // whoever holds an arrow key down sees the table follow.
                set_timeout(move || self.begin(), Duration::ZERO);
            } else if before != id {
                self.begin();
            } else {
                self.log.reset();
                self.read();
            }
            id
        });
        // Another span goes further back.
        Effect::new(move |before: Option<Option<i64>>| {
            let span_ms = self.chosen.with(Option::is_some).then(|| self.history.span_ms.get());
            if before.flatten().is_some() && before.flatten() != span_ms {
                self.refresh();
            }
            span_ms
        });
        set_interval(move || self.look_again(), Duration::from_secs(1));
    }

    pub(super) fn set_live(self, is_live: bool) {
        let was_live = self.is_live.try_update_value(|live| std::mem::replace(live, is_live));
        if is_live && was_live == Some(false) && !self.is_paused.get_value() {
            // What happened while nobody listened.
            self.refresh();
        }
    }

    pub(super) fn set_paused(self, is_paused: bool) {
        self.is_paused.set_value(is_paused);
        if !is_paused {
            self.refresh();
        }
    }

    /// Asks again where the feed does not tell when there is something new.
    fn look_again(self) {
        let after_ms = self.open.with_untracked(|open| match open {
            Open::Failed(_) => BLIND_MS,
            Open::Unknown => UNKNOWN_MS,
            Open::Known(_) if !self.is_live.get_value() => BLIND_MS,
            Open::Known(_) | Open::Loading => i64::MAX,
        });
        let is_due = browser::wall_ms() - self.asked_at_ms.get_value() >= after_ms;
        if is_due && !self.is_asking.get_value() && !self.is_paused.get_value() && !browser::is_hidden() {
            self.read();
        }
    }

    /// Forgets the client before, and reads the one that is chosen now.
    fn begin(self) {
        let id = self.chosen.get_untracked().map(|chosen| chosen.id);
        self.open.set(Open::Loading);
        self.is_asking.set_value(false);
        self.history.begin(id.clone());
        self.findings.begin(id);
        self.log.reset();
        self.read();
    }

    /// Reads the state and what is new in the log again. A client that the server does not know is not asked for again:
    /// the feed tells when it comes.
    pub fn refresh(self) {
        let open = self.open.get_untracked();
        if self.chosen.get_untracked().is_none() || open == Open::Unknown {
            return;
        }
        // Whether there is such a client at all is being asked.
        if open == Open::Loading && self.is_asking.get_value() {
            return self.is_behind.set_value(true);
        }
        self.read();
    }

    /// Gives up what is being read; what was read stays.
    pub(super) fn halt(self) {
        self.abort.set_value(None);
        self.is_asking.set_value(false);
        self.log.halt();
        self.history.halt();
    }

    /// Applies events of the monitor to the open client.
    pub(super) fn apply(self, events: &[(ConnectionEvent, bool)]) {
        let Some(Chosen { id, .. }) = self.chosen.get_untracked() else { return };
        let open = self.open.get_untracked();
        if open == Open::Unknown && events.iter().any(|(event, _)| event.client_id == id) {
            self.open.set(Open::Loading);
            return self.read();
        }
        // For a moment it is still the state of the client before.
        let Open::Known(doc) = open else { return };
        if doc.id != id {
            return;
        }
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
        if self.chosen.get_untracked().is_none() {
            return self.halt();
        }
        spawn_local(async move {
            let is_read = answer(reading(self)).await.is_ok();
            if !is_read && self.open.get_untracked() == Open::Loading {
                self.open.set(Open::Failed(Problem::Unreachable));
            }
        });
    }

    async fn read_all(self) {
        // What can be asked depends on which server it is.
        let may_ask = self.session.is_in() && api::is_dialect_known();
        let Some(chosen) = self.chosen.get_untracked().filter(|_| may_ask) else { return };
        let abort = Abort::default();
        let token = abort.token();
        self.abort.set_value(Some(abort));
        self.is_asking.set_value(true);
        self.asked_at_ms.set_value(browser::wall_ms());
        self.is_behind.set_value(false);
        self.log.read_newest(&chosen);
        self.history.read();
        self.findings.read();
        let state = api::client(&chosen.id, &token).await;
        // Whoever gave the question up has asked another one.
        if state != Err(ApiError::Aborted) {
            self.is_asking.set_value(false);
        }
        match state {
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
        if !self.is_asking.get_value() && self.is_behind.get_value() {
            self.refresh();
        }
    }
}

// Everything about one client is asked for by code that its page brings.
later!(reading(detail: Detail) -> Asking<()> {
    Box::pin(async move {
        detail.read_all().await;
        Ok(())
    })
});
