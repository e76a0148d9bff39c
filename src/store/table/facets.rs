//! How many clients each option of a filter would find among those that pass every filter except the ones on that field:
//! what a menu of filters shows beside its options. Asked for only while a menu is open.

use std::collections::HashMap;

use leptos::prelude::{GetUntracked, RwSignal, Set, WithUntracked};
use leptos::task::spawn_local;
use rollcall_model::query::{Count, Field, Query};

use super::Table;
use crate::api::{self, Token};
use crate::browser;

/// What the server has counted.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Counted {
    /// The clients, whatever the field is.
    pub all: Option<u64>,
    /// Values of the field and how often each occurs, the most frequent first; the rare ones of very many are missing.
    pub values: Vec<(String, u64)>,
    /// How many would pass a filter, by the filter as it was asked for.
    filters: HashMap<String, u64>,
}

impl Counted {
    #[must_use]
    pub fn of(&self, filter: &Count) -> Option<u64> {
        self.filters.get(filter.asked()).copied()
    }
}

/// `None` as long as the server has not said.
pub type Facet = RwSignal<Option<Counted>>;

impl Table {
    /// Asks once for the values of the field, if `has_values`, and for these filters; a server that cannot count leaves
    /// the facet as it is.
    pub fn ask_facet(self, field: Field, has_values: bool, counts: Vec<Count>, facet: Facet) {
        let Some((mut filter, _)) = self.asked.get_untracked() else { return };
        if self.status.is_watson() || browser::is_hidden() || !self.session.is_in() {
            return;
        }
        filter.terms.retain(|term| term.field != field);
        let facets = if has_values { vec![field] } else { Vec::new() };
        let query = Query { filter, limit: 1, facets, counts, ..Query::default() };
        spawn_local(async move {
            let Ok(Some(listing)) = api::list(&query, None, &Token::default()).await else { return };
            let Some(mut meta) = listing.meta else { return };
            let mut values: Vec<_> = meta.facets.remove(field.name()).into_iter().flatten().collect();
            values.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
            let counted = Counted { all: meta.total_rows, values, filters: meta.counts };
            // The menu may be closed by now.
            let is_news = facet.try_with_untracked(|old| old.as_ref() != Some(&counted));
            if is_news == Some(true) {
                let _ = facet.try_set(Some(counted));
            }
        });
    }
}
