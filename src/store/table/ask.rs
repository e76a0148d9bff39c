//! Asking the State API for the window, and what happens with the answer.

use std::ops::Range;

use leptos::prelude::{GetUntracked, Set, Update, UpdateValue, WithValue};
use leptos::task::spawn_local;
use rollcall_model::query::{Field, MAX_LIMIT, Query};

use super::{Asked, Table};
use crate::api::{self, Abort, Listing, Token};
use crate::browser;
use crate::later::{Asking, answer, later};
use crate::store::{ApiState, Problem};
use crate::url::encode_pairs;
use crate::window::{Answer, Window};

/// The place of the rows in view costs the server more than they do: no sooner than this is it asked for again.
pub(super) const PLACE_EVERY_MS: i64 = 1_000;
/// Longer answers count as long as this.
const MAX_TOOK_MS: i64 = 1_000;

impl Table {
    /// Asks for the rows in view and around them, whatever was asked before.
    pub(super) fn ask_now(self) {
        let Some(asked) = self.asked.get_untracked().filter(|_| self.session.is_in()) else { return };
        // All that is wanted is in the answer to this; the next page of a plain server is not.
        self.inner.update_value(|inner| {
            inner.is_wanted = false;
            inner.asked_at_ms = browser::wall_ms();
        });
        let (serial, token) = self.begin();
        if self.status.is_watson() {
            return self.ask_plain(serial, token, asked, false);
        }
        let Some((query, etag)) = self.inner.try_update_value(|inner| {
            let query = question(&asked, &inner.visible);
            let address = encode_pairs(&query.to_pairs());
            // Rows that were changed by messages since are not those that the etag names.
            let etag = inner.etag.clone().filter(|(known, _)| *known == address).map(|(_, etag)| etag);
            (query, etag)
        }) else {
            return;
        };
        spawn_local(async move {
            let answer = api::list(&query, etag.as_deref(), &token).await;
            if let Ok(Some(listing)) = &answer
                && self.is_current(serial)
            {
                match self.follow_rows(listing, &query, &token, serial).await {
                    Place::Kept => {}
                    Place::Moved => return self.ask_now(),
                    Place::TooSoon if self.is_current(serial) => return self.conclude(Ok(())),
                    Place::TooSoon => return,
                }
            }
            if self.is_current(serial) {
                let answer =
                    answer.map(|listing| listing.into_iter().for_each(|it| self.install(it, &query)));
                self.conclude(answer);
            }
        });
    }

    /// Where none of the rows that are being read is in the answer, asks where they are now, and goes there: then the answer
    /// is not about what is in view any more.
    async fn follow_rows(self, listing: &Listing, query: &Query, token: &Token, serial: u32) -> Place {
        let now_ms = browser::wall_ms();
        let lost = self.inner.try_update_value(|inner| {
            if self.is_outdated.get_untracked() {
                return None;
            }
            let lost = inner.window.lost(&listing.results, &inner.visible)?;
            inner.is_place_lost = now_ms - inner.placed_at_ms < PLACE_EVERY_MS;
            inner.is_wanted |= inner.is_place_lost;
            if !inner.is_place_lost {
                inner.placed_at_ms = now_ms;
            }
            Some((lost, inner.is_place_lost))
        });
        let Some(((id, was), is_too_soon)) = lost.flatten() else { return Place::Kept };
        if is_too_soon {
            return Place::TooSoon;
        }
        let Ok(place) = answer(placing(id, query.clone(), token.clone())).await else { return Place::Kept };
        let by = place.map(|is| is as i64 - was as i64).filter(|by| *by != 0 && self.is_current(serial));
        let Some(by) = by else { return Place::Kept };
        self.inner.update_value(|inner| {
            inner.window.shift(by, listing.meta.as_ref().and_then(|meta| meta.total_rows));
            let Range { start, end } = inner.visible;
            inner.visible = start.saturating_add_signed(by)..end.saturating_add_signed(by);
            inner.is_place_lost = false;
        });
        self.show_moved(Some(by));
        Place::Moved
    }

    /// Asks for rows that came into view: a jump, or the next page where the server knows no jumps.
    pub(super) fn ask_missing(self) {
        if !self.status.is_watson() {
            return self.ask_now();
        }
        if browser::is_hidden() {
            return self.inner.update_value(|inner| inner.is_wanted = true);
        }
        let has_more = self.inner.with_value(|inner| inner.next.is_some());
        let Some(asked) = self.asked.get_untracked().filter(|_| has_more && self.session.is_in()) else {
            return;
        };
        let (serial, token) = self.begin();
        self.ask_plain(serial, token, asked, true);
    }

    /// Gives an older question up; returns the number of the new one, and what it can be given up by.
    fn begin(self) -> (u32, Token) {
        let abort = Abort::default();
        let token = abort.token();
        let is_plain = api::is_plain();
        let serial = self.inner.try_update_value(|inner| {
            inner.serial = inner.serial.wrapping_add(1);
            inner.abort = Some(abort);
            // A plain server is asked for the next page, wherever the reader is.
            let rows = if is_plain { 0..u64::MAX } else { Window::around(&inner.visible) };
            inner.filling = inner.window.is_short_of(&inner.visible).then_some(rows);
            inner.window.forget_recent();
            inner.serial
        });
        (serial.unwrap_or_default(), token)
    }

    pub(super) fn is_current(self, serial: u32) -> bool {
        self.inner.with_value(|inner| inner.serial == serial && inner.abort.is_some())
    }

    /// The question is over: what was asked for is in the window, or the server does not give it.
    pub(super) fn conclude(self, answer: Result<(), api::ApiError>) {
        self.inner.update_value(|inner| inner.abort = None);
        match answer {
            Ok(()) => {
                let now_ms = browser::wall_ms();
                self.inner.update_value(|inner| {
                    inner.last_good_ms = Some(now_ms);
                    // Never so long that a clock that was set forward, or one bad answer, silences the table.
                    inner.took_ms = (now_ms - inner.asked_at_ms).clamp(0, MAX_TOOK_MS);
                    inner.backoff.reset();
                });
                self.set_api(ApiState::Fine);
                self.is_outdated.set(false);
                self.ask_counts();
                // The reader may have scrolled on meanwhile.
                let visible = self.inner.with_value(|inner| inner.visible.clone());
                self.show(visible);
                self.pump();
            }
            Err(error) => {
                if let Some(problem) = Problem::of(error) {
                    self.fail(problem);
                }
            }
        }
    }

    fn install(self, listing: Listing, query: &Query) {
        // The server was only asked whether it is back.
        if self.inner.with_value(|inner| inner.keeps_rows(self.is_outdated.get_untracked())) {
            return self.inner.update_value(|inner| inner.is_wanted = true);
        }
        let now = self.clock.exact();
        self.take_facets(&listing);
        let moved = self.inner.try_update_value(|inner| {
            inner.etag = listing.etag.map(|etag| (encode_pairs(&query.to_pairs()), etag));
            let answer = Answer {
                start: query.skip,
                docs: listing.results,
                total: listing.meta.and_then(|meta| meta.total_rows),
                has_more: listing.bookmark.is_some(),
            };
            let visible = inner.visible.clone();
            inner.is_place_lost = false;
            inner.window.install(answer, &visible, now)
        });
        self.show_moved(moved);
    }

    /// The window has other rows, and what is in view moved by so many.
    pub(super) fn show_moved(self, moved: Option<i64>) {
        if let Some(moved) = moved.filter(|moved| *moved != 0 && !self.is_outdated.get_untracked()) {
            self.moved.update(|last| *last = (last.0.wrapping_add(1), moved));
        }
        self.revision.update(|revision| *revision = revision.wrapping_add(1));
    }

    /// The server owes an answer since then. Where the table has had none either, what it shows is not live.
    pub(super) fn doubt(self, since_ms: i64) {
        let is_unheard = self.inner.with_value(|inner| inner.last_good_ms.is_none_or(|good| good < since_ms));
        if is_unheard && self.asked.get_untracked().is_some() && !self.is_failing() {
            self.inner.update_value(|inner| inner.abort = None);
            self.fail(Problem::Unreachable);
        }
    }

    pub(super) fn fail(self, problem: Problem) {
        let Some((delay, last_good_ms)) = self.inner.try_update_value(|inner| {
            inner.is_wanted = true;
            (inner.backoff.wait(), inner.last_good_ms)
        }) else {
            return;
        };
        let retry_at_ms = browser::wall_ms() + delay.as_millis() as i64;
        self.set_api(ApiState::Failed { problem, last_good_ms, retry_at_ms });
        self.wake_after(delay, Self::try_again);
    }

    /// A hidden page costs nothing; it asks when it is seen again.
    fn try_again(self) {
        if !browser::is_hidden() {
            self.ask_now();
        }
    }

    fn set_api(self, state: ApiState) {
        if self.api.get_untracked() != state {
            self.api.set(state);
        }
    }
}

/// What became of the rows that are being read.
enum Place {
    /// They are in the answer, or cannot be found.
    Kept,
    /// They are elsewhere, and the reader is there.
    Moved,
    /// They are elsewhere. Where, is asked later; until then they stay.
    TooSoon,
}

// It is seldom that so many rows come at once.
later!(placing(id: String, query: Query, token: Token) -> Asking<Option<u64>> {
    Box::pin(async move { place_of(id, query, &token).await })
});

/// How many of the rows that a question is about come before a client; `None` when it is none of them.
async fn place_of(id: String, query: Query, token: &Token) -> Result<Option<u64>, api::ApiError> {
    let question = Query { place_of: Some(id), limit: 1, skip: 0, facets: Vec::new(), ..query };
    let answer = api::list(&question, None, token).await?;
    Ok(answer.and_then(|listing| listing.meta?.place))
}

/// The question whose answer fills the window around what is in view.
fn question((filter, sort): &Asked, visible: &Range<u64>) -> Query {
    let rows = Window::around(visible);
    let asks_status = filter.terms.iter().any(super::counts::is_counted);
    Query {
        filter: filter.clone(),
        sort: sort.clone(),
        limit: u32::try_from(rows.end - rows.start).unwrap_or(MAX_LIMIT).clamp(1, MAX_LIMIT),
        skip: rows.start,
        bookmark: None,
        // With a filter on the status the facets are no counts of the others; those are asked for on their own.
        facets: if asks_status { Vec::new() } else { vec![Field::ConnectionStatus] },
        counts: Vec::new(),
        place_of: None,
    }
}
