//! What the server says of itself: asked for at the start and every few seconds while the page is visible.

use std::time::Duration;

use leptos::prelude::{Get, GetUntracked, RwSignal, Set, With, WithUntracked, set_interval};
use leptos::task::spawn_local;
use rollcall_model::query::Field;

use super::table::{is_filter, is_told};
use super::{Clock, Session};
use crate::api::{self, ApiError, Status, Token};
use crate::browser;

const EVERY: Duration = Duration::from_secs(5);
/// The answer is a small one. A server that has not given it by then is frozen, and the reader has to know: nothing else
/// may be asked for a minute while all is calm.
const LIMIT: Duration = Duration::from_secs(7);

/// What is known of the server.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Server {
    #[default]
    Unknown,
    /// A server that speaks Watson's API and nothing more.
    Watson,
    Rollcall(Box<Status>),
}

#[derive(Clone, Copy)]
pub struct StatusStore {
    server: RwSignal<Server>,
    is_asking: RwSignal<bool>,
    has_answered: RwSignal<bool>,
    /// When the question was asked that got no answer, in wall-clock milliseconds.
    silent_since: RwSignal<Option<i64>>,
    clock: Clock,
    session: Session,
}

impl StatusStore {
    pub(super) fn new(clock: Clock, session: Session) -> Self {
        Self {
            server: RwSignal::default(),
            is_asking: RwSignal::new(false),
            has_answered: RwSignal::new(false),
            silent_since: RwSignal::new(None),
            clock,
            session,
        }
    }

    pub(super) fn start(self) {
        self.ask();
        set_interval(
            move || {
                // A plain Watson server has nothing to say.
                if !browser::is_hidden() && !self.is_watson() {
                    self.ask();
                }
            },
            EVERY,
        );
    }

    /// Asks now, unless a question is open or nobody is signed in. A failure is the table's to report, which asks the same
    /// server.
    /// The first question also finds out whether anybody is signed in.
    pub fn ask(self) {
        if self.is_asking.get_untracked() || !self.session.may_ask() {
            return;
        }
        self.is_asking.set(true);
        spawn_local(async move {
            let asked_ms = browser::wall_ms();
            let mut answer = api::status(&Token::within(LIMIT)).await;
            self.is_asking.set(false);
            if answer == Err(ApiError::Unreachable) {
                self.silent_since.set(Some(asked_ms));
            }
            if matches!(answer, Err(ApiError::Refused { status: 401, .. })) {
                return;
            }
            if matches!(answer, Ok(None)) && self.with_untracked(|_| ()).is_some() {
                // A server that was a Rollcall has not become another one: something in between answers in its place.
                answer = Err(ApiError::Unreachable);
            }
            // When it does not answer, all that can be is asked.
            if answer.is_ok() || !api::is_dialect_known() {
                api::learn_dialect(matches!(answer, Ok(None)));
            }
            if !self.has_answered.get_untracked() {
                self.has_answered.set(true);
            }
            let (has_answered, is_plain) = (answer.is_ok(), matches!(answer, Ok(None)));
            match answer {
                Ok(Some(status)) => {
                    self.clock.learn(status.now, browser::wall_ms() - asked_ms);
                    self.learn(Server::Rollcall(Box::new(status)));
                }
                Ok(None) => self.learn(Server::Watson),
                Err(_) => {}
            }
            self.session.hear_first(has_answered, is_plain);
        });
    }

    /// The time of the answer alone is no news.
    fn learn(self, server: Server) {
        let is_news = self.server.with_untracked(|old| without_time(old) != without_time(&server));
        if is_news {
            self.server.set(server);
        }
    }

    /// Reads a part of the status, tracked; `None` before the first answer and from a plain Watson server.
    pub fn with<T>(self, read: impl FnOnce(&Status) -> T) -> Option<T> {
        self.server.with(|server| match server {
            Server::Rollcall(status) => Some(read(status)),
            _ => None,
        })
    }

    pub fn with_untracked<T>(self, read: impl FnOnce(&Status) -> T) -> Option<T> {
        self.server.with_untracked(|server| match server {
            Server::Rollcall(status) => Some(read(status)),
            _ => None,
        })
    }

    /// Whether the server knows Watson's API and nothing more: no totals, no facets, no jumps.
    #[must_use]
    pub fn is_watson(self) -> bool {
        self.server.with_untracked(|server| *server == Server::Watson)
    }

    /// The same, tracked.
    #[must_use]
    pub fn is_plain(self) -> bool {
        self.server.with(|server| *server == Server::Watson)
    }

    /// Whether the server can sort by the field, tracked.
    #[must_use]
    pub fn can_sort(self, field: Field) -> bool {
        is_told(field) || !self.is_plain()
    }

    /// Whether clients can be filtered by the field, tracked.
    #[must_use]
    pub fn can_filter(self, field: Field) -> bool {
        is_filter(field) || !self.is_plain()
    }

    /// Whether any server has answered, tracked.
    #[must_use]
    pub fn is_known(self) -> bool {
        self.server.with(|server| *server != Server::Unknown)
    }

    /// Since when the server owes an answer, in wall-clock milliseconds, tracked; told anew for each that it owes.
    #[must_use]
    pub fn silent_since_ms(self) -> Option<i64> {
        self.silent_since.get()
    }

    /// Whether the first question is over, well or badly, tracked.
    #[must_use]
    pub fn is_settled(self) -> bool {
        self.has_answered.get()
    }

    /// Whether clients that a demo left behind are hidden unless the reader wants them, tracked.
    #[must_use]
    pub fn hides_demo(self) -> bool {
        self.with(|status| status.had_demo != Some(false) && status.demo_clients == 0).unwrap_or(false)
    }
}

fn without_time(server: &Server) -> Server {
    match server {
        Server::Rollcall(status) => {
            let mut status = status.clone();
            status.now = rollcall_model::Timestamp::from_millis(0);
            status.monitor_client_id = None;
            Server::Rollcall(status)
        }
        other => other.clone(),
    }
}
