//! What time it is, by the server's clock: a laptop that is two minutes off must not show clients as active in two
//! minutes. A plain Watson server tells it by the dates of its answers. Ticks once a second while the page is visible.

use std::time::Duration;

use leptos::prelude::{Get, GetUntracked, Memo, RwSignal, Set, Track, set_interval};
use rollcall_model::Timestamp;

use crate::api::Dated;
use crate::browser;

/// The date of an answer has whole seconds; it is taken for the middle of its second.
const SECOND_MS: i64 = 1_000;

#[derive(Clone, Copy)]
pub struct Clock {
    now: RwSignal<Timestamp>,
    /// The server's clock minus this computer's.
    offset_ms: RwSignal<i64>,
}

impl Clock {
    #[must_use]
    pub fn start() -> Self {
        let clock = Self {
            now: RwSignal::new(Timestamp::from_millis(browser::wall_ms())),
            offset_ms: RwSignal::new(0),
        };
        let tick = move || {
            if !browser::is_hidden() {
                clock.now.set(clock.exact());
            }
        };
        set_interval(tick, Duration::from_secs(1));
        clock
    }

    /// The time, to the second; whoever asks inside a reactive closure is asked again each second.
    #[must_use]
    pub fn now(self) -> Timestamp {
        self.now.get()
    }

    /// The beginning of the minute, for what changes only with it.
    #[must_use]
    pub fn minute(self) -> Memo<Option<Timestamp>> {
        Memo::new(move |_| {
            let now_ms = self.now.get().millis();
            Some(Timestamp::from_millis(now_ms - now_ms.rem_euclid(60_000)))
        })
    }

    /// Makes the reactive closure that calls it run again each second.
    pub fn tick(self) {
        self.now.track();
    }

    /// The time, to the millisecond, at this moment.
    #[must_use]
    pub fn exact(self) -> Timestamp {
        self.at_wall(browser::wall_ms())
    }

    /// A moment by this computer's clock, by the server's.
    #[must_use]
    pub fn at_wall(self, ms: i64) -> Timestamp {
        Timestamp::from_millis(ms + self.offset_ms.get_untracked())
    }

    /// Learns the server's clock from an answer that was `round_trip_ms` on its way there and back. Small
    /// differences are the network's.
    pub fn learn(self, server: Timestamp, round_trip_ms: i64) {
        let offset_ms = server.millis() + round_trip_ms / 2 - browser::wall_ms();
        self.correct(offset_ms, 250);
    }

    /// Learns it from the date of an answer. Two dates of the same clock can differ by a second and what the network takes.
    pub fn learn_date(self, Dated { date, asked_ms, told_ms }: &Dated) {
        let date_ms = js_sys::Date::parse(date);
        if date_ms.is_finite() {
            let offset_ms = date_ms as i64 + SECOND_MS / 2 - (asked_ms + told_ms) / 2;
            self.correct(offset_ms, SECOND_MS + (told_ms - asked_ms) / 2);
        }
    }

    /// A difference of no more than `least_ms` is none.
    fn correct(self, offset_ms: i64, least_ms: i64) {
        if (offset_ms - self.offset_ms.get_untracked()).abs() > least_ms {
            self.offset_ms.set(offset_ms);
            self.now.set(self.exact());
        }
    }
}
