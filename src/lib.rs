//! The dashboard of Rollcall: who is connected, when it was last active, why it disconnected.
//!
//! Views read stores; stores talk to the API, the monitor feed and the address bar; nothing else touches the network
//! or the URL. The modules without a browser in them (`json`, `url`, `scroll`, `window`, `text`) are tested natively.

pub mod api;
pub mod boxed;
pub mod browser;
pub mod columns;
pub mod format;
pub mod i18n;
pub mod json;
mod later;
pub mod monitor;
pub mod scroll;
pub mod store;
pub mod text;
pub mod url;
pub mod view;
pub mod window;
pub mod words;

/// Shows the dashboard in the page.
pub fn mount() {
    let unloaded = leptos::prelude::document().query_selector(".unloaded").ok().flatten();
    if let Some(unloaded) = unloaded {
        unloaded.remove();
    }
    leptos::mount::mount_to_body(view::start);
}
