//! The state of the page, split by responsibility. Views read it; only stores talk to the API, the monitor feed,
//! the address bar and the browser's storage.

mod clock;
mod detail;
mod export;
mod feed;
mod overview;
pub mod paper;
mod prefs;
mod session;
mod status;
mod table;
mod view;

use leptos::prelude::{Get, expect_context, provide_context, untrack};

use crate::boxed::effect;
use crate::columns::Layout;

pub use clock::Clock;
pub use detail::{
    ClientSession, Detail, Ending, History, HistoryStore, LogState, LogStore, Open, Sessions, kind_of,
};
pub use export::{Export, Format, Stage, json_of};
pub use feed::Feed;
pub use overview::Overview;
pub use prefs::{Prefs, SavedView, Theme, clean_name};
pub use session::{Ended, Phase, Session, SignInProblem};
pub use status::StatusStore;
pub use table::{Counts, Facet, Table, Walk};
pub use view::ViewStore;

/// Whether answers come from the API.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum ApiState {
    #[default]
    Loading,
    Fine,
    /// No answer, or a refusal, since the last good answer; times in wall-clock milliseconds.
    Failed {
        problem: Problem,
        last_good_ms: Option<i64>,
        retry_at_ms: i64,
    },
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Problem {
    Unreachable,
    Refused { status: u16, message: String },
    Malformed,
}

impl Problem {
    /// `None` for what the dashboard itself gave up, and for what the sign-in page is shown for instead.
    #[must_use]
    pub fn of(error: crate::api::ApiError) -> Option<Self> {
        use crate::api::ApiError;
        Some(match error {
            ApiError::Aborted | ApiError::Refused { status: 401, .. } => return None,
            ApiError::Unreachable => Self::Unreachable,
            ApiError::Refused { status, message, .. } => Self::Refused { status, message },
            ApiError::Malformed => Self::Malformed,
        })
    }
}

/// All stores. Handles only: copying is free.
#[derive(Clone, Copy)]
pub struct Stores {
    pub session: Session,
    pub clock: Clock,
    pub prefs: Prefs,
    pub view: ViewStore,
    pub status: StatusStore,
    pub table: Table,
    pub detail: Detail,
    pub overview: Overview,
    pub feed: Feed,
    pub export: Export,
}

impl Stores {
    /// Makes the stores, starts what runs by itself, and lets every view below find them.
    pub fn provide() {
        // First of all, because it takes the code of a sign-in link out of the address.
        let session = Session::load();
        let clock = Clock::start();
        let prefs = Prefs::load();
        let view = ViewStore::load();
        let status = StatusStore::new(clock, session);
        let table = Table::new(clock, view, status, session);
        let detail = Detail::new(clock, view, session);
        let overview = Overview::new(view, session);
        let feed = Feed::new(table, detail, overview, status, session);
        let export = Export::new(table);
        let stores = Self { session, clock, prefs, view, status, table, detail, overview, feed, export };
        provide_context(stores);
        status.start();
        table.start();
        detail.start();
        overview.start();
        feed.start();
        stores.follow_session();
    }

    /// Shows the overview, over the time that it showed last, or the clients.
    pub fn show_overview(self, is_shown: bool) {
        let last = self.overview.last();
        self.view.change(|view| view.overview = is_shown.then(|| view.overview.unwrap_or(last)));
    }

    /// The columns: those of the link that the page was opened with, else the reader's own; tracked.
    #[must_use]
    pub fn layout(self) -> Layout {
        let mut layout = self.prefs.layout.get();
        if let Some(columns) = self.view.with(|view| view.columns.clone()) {
            layout.choose(columns);
        }
        layout
    }

    /// Changes the columns. From then on those of the link do not matter.
    pub fn arrange(self, change: impl FnOnce(&mut Layout)) {
        let mut layout = untrack(|| self.layout());
        change(&mut layout);
        self.view.adjust(|view| view.columns = None);
        self.prefs.arrange(|own| *own = layout);
    }

    /// While nobody is signed in nothing is asked for. What was on screen waits in memory, so that the reader goes on
    /// from there; the feed follows by itself.
    fn follow_session(self) {
        let Self { session, status, table, detail, overview, .. } = self;
        let mut before = None;
        effect(move || {
            let phase = session.phase.get();
            let is_settled = status.is_settled();
            match (before, phase) {
                // What waited for the server to say which one it is.
                (Some(Phase::In), Phase::In) if is_settled => {
                    detail.refresh();
                    overview.retry();
                }
                (Some(Phase::In), Phase::In) => {}
                (_, Phase::In) => {
                    // Where the status itself was what told that somebody is signed in, it has just been asked.
                    if !is_settled || untrack(|| session.is_sure()) {
                        status.ask();
                    }
                    table.resume();
                    detail.refresh();
                }
                (Some(Phase::In), _) => {
                    table.halt();
                    detail.halt();
                }
                _ => {}
            }
            before = Some(phase);
        });
        // Who it is could not be asked while the server was away.
        effect(move || {
            if table.api.get() == ApiState::Fine {
                session.ask_if_unsure();
            }
        });
    }
}

/// The stores of the page.
#[must_use]
pub fn stores() -> Stores {
    expect_context()
}
