//! Small controls of the client's page: copy a text, and see the answer of the API that is behind what is shown.

use std::time::Duration;

use leptos::prelude::*;

use crate::browser;
use crate::i18n::t;
use crate::view::live::{live, say};

/// A button that copies a text and says that it did.
#[component]
pub fn Copy(label: fn() -> String, text: Callback<(), String>, test_id: &'static str) -> impl IntoView {
    let is_copied = RwSignal::new(false);
    let copy = move |_| {
        if browser::copy(&text.run(())) {
            is_copied.set(true);
            // The button may be gone by then.
            let calm = move || {
                let _ = is_copied.try_set(false);
            };
            set_timeout(calm, Duration::from_secs(2));
        }
    };
    view! {
        <button type="button" class="plain" data-testid=test_id on:click=copy>
            <span role="status">{live(move || if is_copied.get() { t::copied() } else { label() })}</span>
        </button>
    }
}

/// A link to the call of the API that gives what is shown.
#[component]
pub fn ApiLink(address: Signal<String>) -> impl IntoView {
    view! {
        <a class="api" target="_blank" rel="noreferrer" data-testid="api-link" href=address title=say(t::api_link_title)>
            {say(t::api_link)}
        </a>
    }
}
