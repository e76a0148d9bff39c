//! The overview: the fleet over time, incidents and the clients that are silent longest.
//!
//! It asks only while the overview is on screen, and then no more often than needed: soon after something happened, else
//! now and then. What was read stays while newer answers fail. Nothing is told to have changed unless it has.

use std::time::Duration;

use leptos::prelude::{
    Effect, Get, GetUntracked, LocalStorage, Memo, RwSignal, Set, StoredValue, UpdateValue, WithValue,
    on_cleanup, set_interval, set_interval_with_handle,
};
use leptos::task::spawn_local;
use rollcall_model::query::{Field, Filter, Query, SortKey, Term, Test};
use rollcall_model::{ConnectionEvent, EventKind, Initiator, StateDoc};

use super::{ApiState, Phase, Problem, Session, ViewStore};
use crate::api::{self, Abort, ApiError, Incident, Series, Token};
use crate::browser;
use crate::later::{Asking, answer, later};
use crate::monitor::Backoff;
use crate::url::Period;

/// No two questions about the numbers start within this time, unless the reader asks for another period.
const THROTTLE_MS: i64 = 2_000;
/// How often is asked without cause: time itself begins new buckets.
const IDLE_MS: i64 = 15_000;
/// How often what costs the server more is asked: incidents, and an order of all clients.
const SLOW_MS: i64 = 10_000;
/// How often the trend and the incidents are asked for beside the clients, in milliseconds: without cause, and while many
/// are being lost.
const TREND_MS: i64 = 10_000;
const LOSING_MS: i64 = 2_000;
/// As many as an incident has at least.
const MANY: u32 = 20;
/// How many silent clients are listed.
const SILENT: u32 = 10;

#[derive(Clone, Copy)]
pub struct Overview {
    /// What is on screen, if it is the overview.
    pub period: Memo<Option<Period>>,
    /// With the period that it is about.
    pub series: RwSignal<Option<(Period, Series)>>,
    pub incidents: RwSignal<Option<Vec<Incident>>>,
    /// The connected clients whose last activity is the oldest.
    pub silent: RwSignal<Option<Vec<StateDoc>>>,
    pub api: RwSignal<ApiState>,
    /// The past hour, while the clients are on screen; nothing when it is not known.
    pub trend: RwSignal<Option<Series>>,
    /// The server does not count.
    pub is_missing: RwSignal<bool>,
    inner: StoredValue<Inner, LocalStorage>,
    session: Session,
}

struct Inner {
    /// The period that was shown last.
    last: Period,
    abort: Option<Abort>,
    /// Counts up with every question; an answer to an older one is dropped.
    serial: u32,
    is_wanted: bool,
    is_paused: bool,
    asked_at_ms: i64,
    slow_at_ms: i64,
    retry_at_ms: i64,
    last_good_ms: Option<i64>,
    backoff: Backoff,
    /// When the trend was asked for last, by the clock that never jumps.
    trend_at_ms: Option<i64>,
    /// How many clients were lost since then.
    lost: u32,
}

impl Overview {
    pub(super) fn new(view: ViewStore, session: Session) -> Self {
        let inner = Inner {
            last: Period::default(),
            abort: None,
            serial: 0,
            is_wanted: true,
            is_paused: false,
            asked_at_ms: 0,
            slow_at_ms: 0,
            retry_at_ms: 0,
            last_good_ms: None,
            backoff: Backoff::new(js_sys::Math::random),
            trend_at_ms: None,
            lost: 0,
        };
        Self {
            period: Memo::new(move |_| view.with(|view| view.overview)),
            series: RwSignal::new(None),
            incidents: RwSignal::new(None),
            silent: RwSignal::new(None),
            api: RwSignal::default(),
            trend: RwSignal::new(None),
            is_missing: RwSignal::new(false),
            inner: StoredValue::new_local(inner),
            session,
        }
    }

    pub(super) fn start(self) {
        Effect::new(move || {
            let period = self.period.get();
            let is_in = self.session.phase.get() == Phase::In;
            self.inner.update_value(|inner| inner.abort = None);
            if let Some(period) = period {
                self.inner.update_value(|inner| inner.last = period);
                if is_in {
                    self.retry();
                }
            }
        });
        set_interval(move || self.ask_if_due(), Duration::from_secs(1));
    }

    /// Keeps [`Self::trend`] and [`Self::incidents`] up to date as long as their reader is there. The server counts by the minute.
    pub fn follow_trend(self) {
        let ask = move || {
            let is_wanted = self.session.is_in() && api::is_dialect_known() && !browser::is_hidden();
            let now_ms = browser::steady_ms() as i64;
            let is_due = self.inner.try_update_value(|inner| {
                let rest_ms = if inner.lost < MANY { TREND_MS } else { LOSING_MS };
                let has_rested = inner.trend_at_ms.is_none_or(|at_ms| now_ms - at_ms >= rest_ms);
                let is_due = is_wanted && !inner.is_paused && has_rested;
                if is_due {
                    (inner.trend_at_ms, inner.lost) = (Some(now_ms), 0);
                }
                is_due
            });
            if is_due != Some(true) {
                return;
            }
            spawn_local(async move {
                let series = api::statistics(Period::Hour, &Token::default()).await;
                set_if_new(self.trend, series.ok().flatten());
                // What was known stays while the server is away; the page says that it is.
                if let Ok(incidents) = api::incidents(24, &Token::default()).await {
                    set_if_new(self.incidents, Some(incidents));
                }
            });
        };
        self.inner.update_value(|inner| inner.trend_at_ms = None);
        ask();
        let interval = set_interval_with_handle(ask, Duration::from_secs(1)).ok();
        on_cleanup(move || {
            if let Some(interval) = interval {
                interval.clear();
            }
        });
    }

    /// The period to come back to.
    #[must_use]
    pub fn last(self) -> Period {
        self.inner.with_value(|inner| inner.last)
    }

    /// Asks for everything, at once.
    pub fn retry(self) {
        self.inner.update_value(|inner| {
            inner.slow_at_ms = 0;
            inner.backoff.reset();
        });
        self.ask();
    }

    /// Something may have happened that the numbers contain.
    pub(super) fn hear(self, events: &[(ConnectionEvent, bool)]) {
        let new = || events.iter().filter(|(_, is_retained)| !is_retained).map(|(event, _)| event);
        let is_lost = |event: &&ConnectionEvent| match &event.kind {
            EventKind::Disconnect { end, .. } => end.initiator != Some(Initiator::Client),
            _ => false,
        };
        self.inner.update_value(|inner| {
            inner.is_wanted |= new().any(ConnectionEvent::is_logged);
            inner.lost += new().filter(is_lost).count() as u32;
        });
    }

    /// The feed has gone or come back: the numbers may be out of reach, or can be had again, so this is found out soon.
    pub(super) fn look_again(self, is_live: bool) {
        self.inner.update_value(|inner| {
            inner.is_wanted = true;
            if is_live {
                (inner.retry_at_ms, inner.slow_at_ms) = (0, 0);
            }
        });
    }

    pub(super) fn set_paused(self, is_paused: bool) {
        self.inner.update_value(|inner| inner.is_paused = is_paused);
        if !is_paused {
            // What happened meanwhile was not heard.
            self.look_again(true);
        }
    }

    fn ask_if_due(self) {
        let now_ms = browser::wall_ms();
        let is_due = self.inner.with_value(|inner| {
            let since_ms = now_ms - inner.asked_at_ms;
            let is_old = since_ms >= if inner.is_wanted { THROTTLE_MS } else { IDLE_MS };
            is_old && inner.abort.is_none() && !inner.is_paused && now_ms >= inner.retry_at_ms
        });
        if is_due && self.session.is_in() && !browser::is_hidden() {
            self.ask();
        }
    }

    fn ask(self) {
        // What can be asked depends on which server it is.
        let Some(period) = self.period.get_untracked().filter(|_| api::is_dialect_known()) else { return };
        let now_ms = browser::wall_ms();
        let question = self.inner.try_update_value(|inner| {
            inner.is_wanted = false;
            inner.asked_at_ms = now_ms;
            inner.serial = inner.serial.wrapping_add(1);
            let is_slow_due = now_ms - inner.slow_at_ms >= SLOW_MS;
            if is_slow_due {
                inner.slow_at_ms = now_ms;
            }
            let abort = Abort::default();
            let token = abort.token();
            // An older question is given up by this.
            inner.abort = Some(abort);
            (inner.serial, is_slow_due, token)
        });
        let Some((serial, is_slow_due, token)) = question else { return };
        spawn_local(async move {
            let answer = answer(reading(self, period, is_slow_due, serial, token)).await;
            if self.is_current(serial) {
                self.inner.update_value(|inner| inner.abort = None);
                self.conclude(answer);
            }
        });
    }

    fn is_current(self, serial: u32) -> bool {
        self.inner.with_value(|inner| inner.serial == serial && inner.abort.is_some())
    }

    async fn read(
        self,
        period: Period,
        is_slow_due: bool,
        serial: u32,
        token: &Token,
    ) -> Result<(), ApiError> {
        let series = api::statistics(period, token).await?;
        if self.is_current(serial) {
            set_if_new(self.is_missing, series.is_none());
            set_if_new(self.series, series.map(|series| (period, series)));
            // From here on there are numbers, whose age can be told should the server go before it has answered the rest.
            self.inner.update_value(|inner| {
                inner.last_good_ms.get_or_insert_with(browser::wall_ms);
            });
        }
        if !is_slow_due {
            return Ok(());
        }
        let hours = if period == Period::Hour { 1 } else { 24 };
        let incidents = api::incidents(hours, token).await?;
        let silent = api::list(&silent_ones(), None, token).await?;
        if self.is_current(serial) {
            set_if_new(self.incidents, Some(incidents));
            set_if_new(self.silent, silent.map(|listing| listing.results));
        }
        Ok(())
    }

    fn conclude(self, answer: Result<(), ApiError>) {
        let now_ms = browser::wall_ms();
        let Err(error) = answer else {
            self.inner.update_value(|inner| {
                inner.last_good_ms = Some(now_ms);
                inner.backoff.reset();
            });
            return set_if_new(self.api, ApiState::Fine);
        };
        let Some(problem) = Problem::of(error) else { return };
        let failed = self.inner.try_update_value(|inner| {
            inner.is_wanted = true;
            inner.slow_at_ms = 0;
            inner.retry_at_ms = now_ms + inner.backoff.wait().as_millis() as i64;
            ApiState::Failed { problem, last_good_ms: inner.last_good_ms, retry_at_ms: inner.retry_at_ms }
        });
        if let Some(failed) = failed {
            self.api.set(failed);
        }
    }
}

fn set_if_new<T: PartialEq + Clone + Send + Sync + 'static>(signal: RwSignal<T>, value: T) {
    if signal.get_untracked() != value {
        signal.set(value);
    }
}

// Only the page of the overview asks, and its code comes later, too.
later!(reading(overview: Overview, period: Period, is_slow_due: bool, serial: u32, token: Token) -> Asking<()> {
    Box::pin(async move { overview.read(period, is_slow_due, serial, &token).await })
});

/// Who pings is there, and silent; a plain Watson server does not tell messages from pings, and gets its own parameters only.
fn silent_ones() -> Query {
    let connected = Test::AnyOf(vec!["connected".to_owned()]);
    let field = if api::is_plain() { Field::LastActivityTime } else { Field::LastPublishTime };
    Query {
        filter: Filter {
            terms: vec![Term { field: Field::ConnectionStatus, test: connected, negated: false }],
        },
        sort: vec![SortKey { field, descending: false }],
        limit: SILENT,
        ..Query::default()
    }
}
