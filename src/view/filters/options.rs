//! The counts beside the options of a filter, while its menu is open. The menus make one, and read from it.

use std::time::Duration;

use leptos::prelude::*;
use rollcall_model::query::{Count, Field, Term, Test};

use crate::boxed::effect;
use crate::format;
use crate::store::{Facet, stores};
use crate::view::live::maybe;
use crate::view::range::{Offers, presets};

/// How often a menu that is open asks for its counts again.
const COUNTS_EVERY: Duration = Duration::from_secs(2);

/// The options of the filter on a field.
#[derive(Clone, Copy)]
pub struct Options {
    pub field: Field,
    pub facet: Facet,
}

impl Options {
    pub fn of(field: Field) -> Self {
        Self { field, facet: RwSignal::new(None) }
    }

    /// Has the options counted: the values that there are, if `has_values`, and these tests. Now, when the question
    /// changes, and again and again while the menu is open.
    pub fn count(self, has_values: bool, tests: impl Fn() -> Vec<Test> + Send + Sync + 'static) -> Self {
        let Self { field, facet } = self;
        let table = stores().table;
        let tests: Signal<Vec<Test>> = Signal::derive(tests);
        let ask = move || {
            let tests = untrack(|| tests.get());
            let counts = tests.into_iter().map(|test| self.filter(test)).collect();
            table.ask_facet(field, has_values, counts, facet);
        };
        effect(move || {
            table.asked.with(|_| ());
            ask();
        });
        let interval = set_interval_with_handle(ask, COUNTS_EVERY).ok();
        on_cleanup(move || {
            if let Some(interval) = interval {
                interval.clear();
            }
        });
        self
    }

    pub fn count_presets(self, offers: Offers) -> Self {
        self.count(false, move || presets(offers).collect())
    }

    fn filter(self, test: Test) -> Count {
        Count::of(Term { field: self.field, test, negated: false })
    }

    /// How many clients the test finds, in the reader's digits.
    pub fn count_of(self, test: Test) -> Signal<Option<String>> {
        let filter = self.filter(test);
        maybe(move || {
            self.facet.with(|facet| facet.as_ref().and_then(|facet| facet.of(&filter))).map(format::number)
        })
    }

    /// How many clients there are without the filter.
    pub fn count_of_all(self) -> Signal<Option<String>> {
        maybe(move || self.facet.with(|facet| facet.as_ref().and_then(|facet| facet.all)).map(format::number))
    }

    /// How many clients have a value; of one that is not among those that were counted nothing is known.
    pub fn count_of_value(self, value: &str) -> Signal<Option<String>> {
        let filter = self.filter(Test::AnyOf(vec![value.to_owned()]));
        let (value, is_closed) = (value.to_owned(), self.field.closed_list().is_some());
        maybe(move || {
            let count = self.facet.with(|facet| {
                let facet = facet.as_ref()?;
                let counted = facet.values.iter().find(|(other, _)| *other == value).map(|(_, count)| *count);
                facet.of(&filter).or(counted).or(is_closed.then_some(0))
            });
            count.map(format::number)
        })
    }
}
