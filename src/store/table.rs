//! The table: keeps the live window filled from the State API, applies monitor messages to it, and asks again when
//! only the server can know.
//!
//! Questions are throttled: the first change is asked about at once, the next no sooner than a moment later, however many
//! messages come; the moment is longer where answers take longer. The view tells which rows are in view and reads the window; nothing here paints.

mod ask;
mod counts;
mod facets;
mod plain;
mod walk;

use std::ops::Range;
use std::time::Duration;

use leptos::prelude::{
    Get, GetUntracked, LocalStorage, Memo, RwSignal, Set, StoredValue, Update, UpdateValue, WithValue,
    set_interval,
};
use rollcall_model::ConnectionEvent;
use rollcall_model::query::{Filter, Query, SortKey};

use super::{ApiState, Clock, Session, StatusStore, ViewStore};
use crate::api::Abort;
use crate::boxed::{effect, effect_with_first};
use crate::browser::{self, Rested};
use crate::monitor::Backoff;
use crate::window::{Row, Touched, Window};

pub use counts::Counts;
pub use facets::Facet;
pub use plain::{is_filter, is_told};
pub use walk::{Page, Walk, problem as of_walk};

/// No two questions start within this time, unless the reader asks for something else: the first while messages decide
/// which rows are on screen, the second while only the counts are at stake.
const THROTTLE_MS: i64 = 100;
const CALM_THROTTLE_MS: i64 = 500;
/// So much longer than its answers take the table waits between questions, so that a busy server is asked less often.
const PATIENCE: i64 = 2;
/// How often is asked without cause: while the feed is live, while it is not, and while the answer changes by the
/// mere passing of time.
const IDLE_MS: i64 = 15_000;
const BLIND_MS: i64 = 2_000;
const RELATIVE_MS: i64 = 5_000;

/// What a question asks for.
type Asked = (Filter, Vec<SortKey>);

#[derive(Clone, Copy)]
pub struct Table {
    /// Counts up when rows in the window changed.
    pub revision: RwSignal<u32>,
    pub api: RwSignal<ApiState>,
    pub counts: RwSignal<Counts>,
    /// By how many rows what is in view moved, with a serial number.
    pub moved: RwSignal<(u32, i64)>,
    /// The filter and order that the rows answer to; changes when the reader is shown something else.
    pub asked: Memo<Option<Asked>>,
    /// The rows on screen still answer an older question.
    pub is_outdated: RwSignal<bool>,
    /// No more rows are to be looked for in a plain server.
    pub is_stopped: RwSignal<bool>,
    inner: StoredValue<Inner, LocalStorage>,
    clock: Clock,
    status: StatusStore,
    session: Session,
    view: ViewStore,
    wake: Rested,
}

struct Inner {
    window: Window,
    visible: Range<u64>,
    abort: Option<Abort>,
    /// The rows that the open question is about, if they came into view and are missing.
    filling: Option<Range<u64>>,
    /// Counts up with every question; an answer to an older one is dropped.
    serial: u32,
    etag: Option<(String, String)>,
    is_wanted: bool,
    asked_at_ms: i64,
    /// How long the last answer took.
    took_ms: i64,
    backoff: Backoff,
    last_good_ms: Option<i64>,
    is_live: bool,
    is_paused: bool,
    counts: counts::Wanted,
    /// The question for the next page, for servers that know no jumps.
    next: Option<Query>,
    /// How many clients of a plain server were looked at.
    looked: u64,
    /// How long a plain server is left alone between two questions, in milliseconds.
    rest_ms: i64,
    /// When it was asked last where the rows in view are.
    placed_at_ms: i64,
    /// They are elsewhere, and it has to be asked where.
    is_place_lost: bool,
}

impl Table {
    pub(super) fn new(clock: Clock, view: ViewStore, status: StatusStore, session: Session) -> Self {
        let inner = Inner {
            window: Window::default(),
            visible: 0..40,
            abort: None,
            filling: None,
            serial: 0,
            etag: None,
            is_wanted: false,
            asked_at_ms: 0,
            took_ms: 0,
            backoff: Backoff::new(js_sys::Math::random),
            last_good_ms: None,
            is_live: false,
            is_paused: false,
            counts: counts::Wanted::default(),
            next: None,
            looked: 0,
            rest_ms: 0,
            placed_at_ms: 0,
            is_place_lost: false,
        };
        let asked = Memo::new(move |_| {
            // The first question waits for the status, which says whether demo clients are hidden.
            status.is_settled().then(|| {
                let hides_demo = status.hides_demo();
                view.with(|view| (view.effective_filter(hides_demo), view.sort.clone()))
            })
        });
        Self {
            revision: RwSignal::new(0),
            api: RwSignal::default(),
            counts: RwSignal::default(),
            moved: RwSignal::new((0, 0)),
            asked,
            is_outdated: RwSignal::new(false),
            is_stopped: RwSignal::new(false),
            inner: StoredValue::new_local(inner),
            clock,
            status,
            session,
            view,
            wake: Rested::new(),
        }
    }

    pub(super) fn start(self) {
        effect(move || {
            let Some((filter, sort)) = self.asked.get() else { return };
            self.inner.update_value(|inner| {
                inner.window.ask(filter, sort);
                inner.visible = 0..inner.visible.end.saturating_sub(inner.visible.start).max(1);
                inner.abort = None;
                inner.next = None;
                inner.is_place_lost = false;
                inner.asked_at_ms = 0;
                inner.counts = counts::Wanted::default();
            });
            self.is_outdated.set(true);
            self.refresh();
        });
        // When the server loses or regains its own feed, every state may have become stale or fresh.
        let feed_lost = Memo::new(move |_| self.status.with(|status| status.feed_lost).flatten());
        effect_with_first(move |is_first| {
            feed_lost.get();
            if !is_first {
                self.want_counts();
                self.refresh();
            }
        });
        effect(move || {
            if let Some(since_ms) = self.status.silent_since_ms() {
                self.doubt(since_ms);
            }
        });
        set_interval(move || self.ask_if_idle(), Duration::from_millis(1_000));
    }

    /// Reads the window, untracked; views track [`Self::revision`].
    pub fn read<T>(self, read: impl FnOnce(&Window) -> T) -> T {
        self.inner.with_value(|inner| read(&inner.window))
    }

    /// Whether the window holds every row there is, untracked.
    #[must_use]
    pub fn is_whole(self) -> bool {
        self.read(|window| window.held() == (0..window.len()))
    }

    /// A row of the window, untracked.
    #[must_use]
    pub fn row(self, index: u64) -> Option<Row> {
        self.read(|window| window.row(index).cloned())
    }

    /// The view tells which rows it shows; missing ones are asked for.
    pub fn show(self, visible: Range<u64>) {
        let is_missing = self.inner.try_update_value(|inner| {
            inner.visible = visible;
            // A question that only asks again gives way, and so does one about rows of which none is in view any more; one
            // about rows in view does not, or fast scrolling would never see an answer.
            let is_awaited =
                |rows: &Range<u64>| rows.start < inner.visible.end && inner.visible.start < rows.end;
            let gives_way = inner.abort.is_none() || !inner.filling.as_ref().is_some_and(is_awaited);
            // While rows in view are elsewhere, an answer about where they were would be dropped again, and again.
            let is_place_lost = inner.is_place_lost && is_awaited(&inner.window.held());
            gives_way && !is_place_lost && inner.window.is_short_of(&inner.visible)
        });
        let is_missing = is_missing.filter(|_| !self.is_stopped.get_untracked());
        // Before the first question there is nothing to be missing.
        if is_missing == Some(true) && self.asked.get_untracked().is_some() && !self.is_failing() {
            self.ask_missing();
        }
    }

    /// Asks again, soon.
    pub fn refresh(self) {
        self.inner.update_value(|inner| inner.is_wanted = true);
        self.pump();
    }

    /// Asks again, at once, although the last attempt failed.
    pub fn retry(self) {
        self.inner.update_value(|inner| inner.backoff.reset());
        self.ask_now();
    }

    /// Gives up what was asked for; the rows stay.
    pub(super) fn halt(self) {
        self.inner.update_value(|inner| inner.abort = None);
        self.wake.forget();
    }

    /// Asks for everything that may have changed since the halt, unless that is being asked already.
    pub(super) fn resume(self) {
        self.want_counts();
        if self.inner.with_value(|inner| inner.abort.is_none()) {
            self.retry();
        }
    }

    pub(super) fn set_live(self, is_live: bool) {
        self.inner.update_value(|inner| {
            if is_live && !inner.is_live {
                // What was missed meanwhile is wrong until it is read again.
                inner.rest_ms = 0;
            }
            inner.is_live = is_live;
        });
    }

    pub(super) fn set_paused(self, is_paused: bool) {
        self.inner.update_value(|inner| inner.is_paused = is_paused);
        if !is_paused {
            self.want_counts();
            self.refresh();
        }
    }

    /// Asks again because the page is seen again.
    pub(super) fn wake_up(self) {
        if self.is_failing() { self.retry() } else { self.refresh() }
    }

    /// Applies events of the monitor: each is folded at once, the page is painted once.
    pub(super) fn apply(self, events: &[(ConnectionEvent, bool)]) {
        let now = self.clock.exact();
        let mut all = Touched::default();
        self.inner.update_value(|inner| {
            let remembers = inner.abort.is_some();
            for (event, retained) in events {
                let touched = inner.window.apply(event, remembers, now);
                // A retained message tells what the server's answers already contain.
                all |= if *retained { Touched { row: touched.row, ..Touched::default() } } else { touched };
            }
        });
        if all.row {
            self.revision.update(|revision| *revision = revision.wrapping_add(1));
        }
        if all.counts {
            self.want_counts();
            if self.status.is_watson() {
                self.count_plain();
            }
        }
        if all.order || all.counts {
            self.refresh();
        }
    }

    /// Starts a question if one is wanted and allowed now, else makes sure to be called again when it is.
    pub fn pump(self) {
        if self.asked.get_untracked().is_none() || browser::is_hidden() || self.is_failing() || self.rests() {
            return;
        }
        let now_ms = browser::wall_ms();
        let wait_ms = self.inner.try_update_value(|inner| {
            let keeps_rows = inner.keeps_rows(self.is_outdated.get_untracked());
            if !inner.is_wanted || inner.abort.is_some() || keeps_rows {
                return None;
            }
            let throttle_ms = inner.throttle_ms();
            let since_ms = if inner.is_place_lost { inner.placed_at_ms } else { inner.asked_at_ms };
            let wait_ms = since_ms + throttle_ms - now_ms;
            // A clock that was set back must not stop the questions.
            (wait_ms > 0 && wait_ms <= throttle_ms).then_some(wait_ms).or(Some(0))
        });
        match wait_ms.flatten() {
            None => {}
            Some(0) => self.ask_now(),
            Some(wait_ms) => self.wake_after(Duration::from_millis(wait_ms as u64), Self::pump),
        }
    }

    /// Whether nobody reads the rows, and nobody has to find out whether the server is there: the feed says so. What comes
    /// is applied to them all the same, and the rest asked when they are shown again.
    fn rests(self) -> bool {
        let is_known = self.inner.with_value(|inner| inner.is_live && inner.window.is_loaded());
        is_known && self.view.get_untracked().overview.is_some() && !self.is_outdated.get_untracked()
    }

    fn ask_if_idle(self) {
        let since_ms = self.inner.with_value(|inner| browser::wall_ms() - inner.asked_at_ms);
        let (is_live, is_wanted) = self.inner.with_value(|inner| (inner.is_live, inner.is_wanted));
        let is_relative = self.asked.get_untracked().is_some_and(|(filter, _): Asked| filter.is_relative());
        let limit_ms = match (is_live, is_relative) {
            (false, _) => BLIND_MS,
            (true, true) => RELATIVE_MS,
            (true, false) => IDLE_MS,
        };
        if is_wanted || since_ms > limit_ms {
            self.want_counts();
            self.refresh();
        }
    }

    fn is_failing(self) -> bool {
        matches!(self.api.get_untracked(), ApiState::Failed { .. })
    }

    fn wake_after(self, delay: Duration, then: fn(Self)) {
        self.wake.after(delay, move || then(self));
    }
}

impl Inner {
    /// Whether a pause keeps the rows as they are: they are in view, and answer the reader's question.
    fn keeps_rows(&self, is_outdated: bool) -> bool {
        self.is_paused && !is_outdated && !self.window.is_short_of(&self.visible)
    }

    fn throttle_ms(&self) -> i64 {
        let least_ms = if self.window.is_moving() { THROTTLE_MS } else { CALM_THROTTLE_MS };
        let least_ms = if self.is_place_lost { ask::PLACE_EVERY_MS } else { least_ms };
        least_ms.max(PATIENCE * self.took_ms).max(self.rest_ms)
    }
}
