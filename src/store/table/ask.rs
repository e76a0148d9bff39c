//! Asking the State API for the window, and what happens with the answer.

use leptos::prelude::{GetUntracked, Set, Update, UpdateValue, WithValue};
use leptos::task::spawn_local;
use rollcall_model::query::{Field, MAX_LIMIT, Query};

use super::{Asked, Table};
use crate::api::{self, Abort, Listing};
use crate::browser;
use crate::store::{ApiState, Problem};
use crate::url::encode_pairs;
use crate::window::{Answer, Window};

/// What a plain Watson server is asked for at a time; its pages are appended to each other.
const PAGE: u32 = 100;
/// Longer answers count as long as this.
const MAX_TOOK_MS: i64 = 1_000;

impl Table {
    /// Asks for the rows in view and around them, whatever was asked before.
    pub(super) fn ask_now(self) {
        self.ask(None);
    }

    /// Asks for rows that came into view: a jump, or the next page where the server knows no jumps.
    pub(super) fn ask_missing(self) {
        if !self.status.is_watson() {
            return self.ask_now();
        }
        let bookmark = self.inner.with_value(|inner| inner.bookmark.clone());
        if bookmark.is_some() {
            self.ask(bookmark);
        }
    }

    fn ask(self, bookmark: Option<String>) {
        let Some(asked) = self.asked.get_untracked().filter(|_| self.session.is_in()) else { return };
        let is_watson = self.status.is_watson();
        let Some((serial, query, etag, token)) = self.inner.try_update_value(|inner| {
            inner.is_wanted = false;
            inner.asked_at_ms = browser::wall_ms();
            inner.serial = inner.serial.wrapping_add(1);
            let abort = Abort::default();
            let token = abort.token();
            // An older question is given up by this.
            inner.abort = Some(abort);
            inner.is_filling = inner.window.is_short_of(&inner.visible);
            inner.window.forget_recent();
            let query = if is_watson {
                watson_question(&asked, inner.window.held().end, bookmark)
            } else {
                question(&asked, &inner.visible)
            };
            let address = encode_pairs(&query.to_pairs());
            // Rows that were changed by messages since are not those that the etag names.
            let etag = inner.etag.clone().filter(|(known, _)| *known == address).map(|(_, etag)| etag);
            (inner.serial, query, etag, token)
        }) else {
            return;
        };
        spawn_local(async move {
            let answer = api::list(&query, etag.as_deref(), &token).await;
            let is_current = self.inner.with_value(|inner| inner.serial == serial && inner.abort.is_some());
            if is_current {
                self.inner.update_value(|inner| inner.abort = None);
                self.take(answer, &query);
            }
        });
    }

    fn take(self, answer: Result<Option<Listing>, api::ApiError>, query: &Query) {
        match answer {
            Ok(listing) => {
                let now_ms = browser::wall_ms();
                self.inner.update_value(|inner| {
                    inner.last_good_ms = Some(now_ms);
                    // Never so long that a clock that was set forward, or one bad answer, silences the table.
                    inner.took_ms = (now_ms - inner.asked_at_ms).clamp(0, MAX_TOOK_MS);
                    inner.backoff.reset();
                });
                self.set_api(ApiState::Fine);
                if let Some(listing) = listing {
                    self.install(listing, query);
                }
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
        let now = self.clock.exact();
        self.take_facets(&listing);
        self.inner.update_value(|inner| inner.bookmark.clone_from(&listing.bookmark));
        if query.bookmark.is_some() {
            let has_more = listing.bookmark.is_some();
            self.inner.update_value(|inner| inner.window.append(listing.results, has_more, now));
            self.revision.update(|revision| *revision = revision.wrapping_add(1));
            return;
        }
        let moved = self.inner.try_update_value(|inner| {
            inner.etag = listing.etag.map(|etag| (encode_pairs(&query.to_pairs()), etag));
            let answer = Answer {
                start: query.skip,
                docs: listing.results,
                total: listing.meta.and_then(|meta| meta.total_rows),
                has_more: listing.bookmark.is_some(),
            };
            let visible = inner.visible.clone();
            inner.window.install(answer, &visible, now)
        });
        if let Some(moved) = moved.filter(|moved| *moved != 0 && !self.is_outdated.get_untracked()) {
            self.moved.update(|last| *last = (last.0.wrapping_add(1), moved));
        }
        self.revision.update(|revision| *revision = revision.wrapping_add(1));
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
        self.wake_after(delay, Self::ask_now);
    }

    fn set_api(self, state: ApiState) {
        if self.api.get_untracked() != state {
            self.api.set(state);
        }
    }
}

/// The question whose answer fills the window around what is in view.
fn question((filter, sort): &Asked, visible: &std::ops::Range<u64>) -> Query {
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
    }
}

/// The same for a server that knows only bookmarks: again all that is held, as far as one answer goes, or the next
/// page.
fn watson_question((filter, sort): &Asked, held: u64, bookmark: Option<String>) -> Query {
    let pages = u32::try_from(held).unwrap_or(MAX_LIMIT).div_ceil(PAGE).max(1);
    let limit = if bookmark.is_some() { PAGE } else { (pages * PAGE).min(MAX_LIMIT) };
    Query { filter: filter.clone(), sort: sort.clone(), limit, bookmark, ..Query::default() }
}
