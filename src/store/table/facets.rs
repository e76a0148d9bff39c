//! How often each value of a field occurs among the clients that pass every filter except the one on that field: what
//! a menu of filters shows beside its options. Asked for only while a menu is open.

use leptos::prelude::{GetUntracked, RwSignal, Set};
use leptos::task::spawn_local;
use rollcall_model::query::{Field, Query};

use super::Table;
use crate::api::{self, Token};
use crate::browser;

/// Values and their counts, the most frequent first; `None` as long as the server has not said.
pub type Facet = RwSignal<Option<Vec<(String, u64)>>>;

impl Table {
    /// Asks once; a server that cannot count leaves it as it is.
    pub fn ask_facet(self, field: Field, facet: Facet) {
        let Some((mut filter, _)) = self.asked.get_untracked() else { return };
        if self.status.is_watson() || browser::is_hidden() || !self.session.is_in() {
            return;
        }
        filter.terms.retain(|term| term.field != field);
        let query = Query { filter, limit: 1, facets: vec![field], ..Query::default() };
        spawn_local(async move {
            let Ok(Some(listing)) = api::list(&query, None, &Token::default()).await else { return };
            let counts = listing.meta.and_then(|mut meta| meta.facets.remove(field.name()));
            let mut counts: Vec<(String, u64)> = counts.into_iter().flatten().collect();
            counts.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
            // The menu may be closed by now.
            let is_news = facet.try_get_untracked().is_some_and(|old| old.as_ref() != Some(&counts));
            if is_news {
                let _ = facet.try_set(Some(counts));
            }
        });
    }
}
