//! What a button says that copies a text: what became of it, for a moment.

use std::time::Duration;

use leptos::prelude::{Get, RwSignal, Set, set_timeout};

use crate::browser;
use crate::i18n::t;

/// For how long it is told.
const TOLD: Duration = Duration::from_secs(2);

/// Whether the browser took the text; `None` when nothing was copied lately.
#[derive(Clone, Copy)]
pub struct Copied(RwSignal<Option<bool>>);

impl Copied {
    #[must_use]
    pub fn new() -> Self {
        Self(RwSignal::new(None))
    }

    pub fn copy(self, text: &str) {
        browser::copy(text, move |is_copied| {
            // The button may be gone by then.
            let _ = self.0.try_set(Some(is_copied));
            let calm = move || {
                let _ = self.0.try_set(None);
            };
            set_timeout(calm, TOLD);
        });
    }

    /// What became of it, or the button's own words; tracked.
    #[must_use]
    pub fn or(self, label: fn() -> String) -> String {
        match self.0.get() {
            None => label(),
            Some(true) => t::copied(),
            Some(false) => t::copy_failed(),
        }
    }
}
