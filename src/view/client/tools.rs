//! Small controls of the client's page: copy a text, and see the answer of the API that is behind what is shown.

use std::time::Duration;

use leptos::prelude::{Get, RwSignal, Set, set_timeout};

use crate::browser;
use crate::i18n::t;
use crate::view::dom::{El, el};

/// A button that copies a text and says that it did.
pub fn copy(label: fn() -> String, hook: &str, text: impl Fn() -> String + 'static) -> El {
    let is_copied = RwSignal::new(false);
    // No role of its own: the button would have no name then.
    let said = el("span", "").attr("aria-live", "polite");
    let said = said.live_text(move || if is_copied.get() { t::copied() } else { label() });
    let button = el("button", "plain").attr("type", "button").attr("data-testid", hook).child(&said);
    button.on("click", move |_| {
        if browser::copy(&text()) {
            is_copied.set(true);
            // The button may be gone by then.
            let calm = move || {
                let _ = is_copied.try_set(false);
            };
            set_timeout(calm, Duration::from_secs(2));
        }
    })
}

/// A link to the call of the API that gives what is shown.
pub fn api_link(address: impl Fn() -> String + 'static) -> El {
    let link =
        el("a", "api").attr("target", "_blank").attr("rel", "noreferrer").attr("data-testid", "api-link");
    link.live_attr("href", move || Some(address()))
        .live_attr("title", || Some(t::api_link_title()))
        .live_text(t::api_link)
}

/// Takes the room between what stands at the left and what stands at the right.
pub fn gap() -> El {
    el("span", "grow")
}
