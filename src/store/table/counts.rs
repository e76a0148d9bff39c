//! The counts in the summary bar: how many clients are connected, disconnected and stale among those that pass
//! every filter except the one on exactly that.

use leptos::prelude::{GetUntracked, Update, UpdateValue, WithValue};
use leptos::task::spawn_local;
use rollcall_model::query::{Field, Filter, Query, Term, Test};

use super::Table;
use crate::api::{self, Listing, Token};
use crate::browser;

/// `None` where the server does not say.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    pub connected: Option<u64>,
    pub disconnected: Option<u64>,
    pub stale: Option<u64>,
    /// Only the rows that were read are counted.
    pub is_so_far: bool,
    /// How many clients of a plain server were looked at, while more rows are looked for.
    pub looked: Option<u64>,
}

/// Which counts are to be asked for with the next question.
pub(super) struct Wanted {
    is_wanted: bool,
    stale_at_ms: i64,
}

impl Default for Wanted {
    fn default() -> Self {
        Self { is_wanted: true, stale_at_ms: 0 }
    }
}

/// Staleness comes with a lost feed, not with messages: this often is enough.
const STALE_EVERY_MS: i64 = 5_000;

/// Whether a filter is one that the counts leave out.
pub(super) fn is_counted(term: &Term) -> bool {
    matches!(term.field, Field::ConnectionStatus | Field::StaleSince)
}

impl Table {
    /// The facets of an answer are the counts, if it asked for them.
    pub(super) fn take_facets(self, listing: &Listing) {
        let Some(facets) = listing.meta.as_ref().and_then(|meta| meta.facets.get("connectionStatus")) else {
            return;
        };
        let count = |status: &str| Some(facets.get(status).copied().unwrap_or(0));
        let (connected, disconnected) = (count("connected"), count("disconnected"));
        self.set_counts(|counts| Counts { connected, disconnected, is_so_far: false, ..counts });
    }

    /// The counts may have changed: they are asked for with the next question.
    pub(super) fn want_counts(self) {
        self.inner.update_value(|inner| inner.counts.is_wanted = true);
    }

    /// Asks for the counts that the answer about the window does not contain, if they are wanted.
    pub(super) fn ask_counts(self) {
        if self.status.is_watson() || self.inner.with_value(|inner| inner.is_paused) {
            return;
        }
        let Some((filter, _)) = self.asked.get_untracked() else { return };
        let is_contained = !filter.terms.iter().any(is_counted);
        let rest = Filter { terms: filter.terms.into_iter().filter(|term| !is_counted(term)).collect() };
        let now_ms = browser::wall_ms();
        let wanted = self.inner.try_update_value(|inner| {
            let asks_status = std::mem::take(&mut inner.counts.is_wanted) && !is_contained;
            let asks_stale = inner.counts.stale_at_ms + STALE_EVERY_MS <= now_ms;
            if asks_stale {
                inner.counts.stale_at_ms = now_ms;
            }
            (asks_status, asks_stale)
        });
        let (asks_status, asks_stale) = wanted.unwrap_or_default();
        spawn_local(async move {
            if asks_status {
                self.ask_status_counts(rest.clone()).await;
            }
            if asks_stale {
                self.ask_stale_count(rest).await;
            }
        });
    }

    async fn ask_status_counts(self, filter: Filter) {
        let query = Query { filter, limit: 1, facets: vec![Field::ConnectionStatus], ..Query::default() };
        // A count that cannot be had stays as it is; the table says that the server is away.
        if let Ok(Some(listing)) = api::list(&query, None, &Token::default()).await {
            self.take_facets(&listing);
        }
    }

    async fn ask_stale_count(self, mut filter: Filter) {
        filter.terms.push(Term { field: Field::StaleSince, test: Test::Present(true), negated: false });
        let query = Query { filter, limit: 1, ..Query::default() };
        if let Ok(Some(listing)) = api::list(&query, None, &Token::default()).await {
            let stale = listing.meta.and_then(|meta| meta.total_rows);
            self.set_counts(|counts| Counts { stale, ..counts });
        }
    }

    pub(super) fn set_counts(self, change: impl FnOnce(Counts) -> Counts) {
        let old = self.counts.get_untracked();
        let new = change(old);
        if new != old {
            self.counts.update(|counts| *counts = new);
        }
    }
}
