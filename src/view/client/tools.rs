//! Small controls of the client's page: copy a text, and see the answer of the API that is behind what is shown.

use crate::i18n::t;
use crate::view::copied::Copied;
use crate::view::dom::{El, el};

/// A button that copies a text and says that it did.
pub fn copy(label: fn() -> String, hook: &str, text: impl Fn() -> String + 'static) -> El {
    let copied = Copied::new();
    // No role of its own: the button would have no name then.
    let said = el("span", "").attr("aria-live", "polite").live_text(move || copied.or(label));
    let button = el("button", "plain").attr("type", "button").attr("data-testid", hook).child(&said);
    button.on("click", move |_| copied.copy(&text()))
}

/// A link to the call of the API that gives what is shown.
pub fn api_link(address: impl Fn() -> String + 'static) -> El {
    let link =
        el("a", "api").attr("target", "_blank").attr("rel", "noreferrer").attr("data-testid", "api-link");
    link.live_attr("href", move || Some(address())).says("title", t::api_link_title).live_text(t::api_link)
}

/// Takes the room between what stands at the left and what stands at the right.
pub fn gap() -> El {
    el("span", "grow")
}
