//! The few things of the browser that more than one module needs, each wrapped once: time, storage, media queries,
//! visibility. Knows nothing of the dashboard.

use leptos::prelude::{ArcRwSignal, Set};
use wasm_bindgen::prelude::Closure;
use wasm_bindgen::{JsCast, JsValue};

/// Milliseconds since 1970 by this computer's clock.
#[must_use]
pub fn wall_ms() -> i64 {
    js_sys::Date::now() as i64
}

/// Milliseconds by a clock that never jumps; only differences mean something.
#[must_use]
pub fn steady_ms() -> f64 {
    web_sys::window().and_then(|window| window.performance()).map_or(0.0, |clock| clock.now())
}

/// A setting that this browser remembers; `None` where storage is forbidden.
#[must_use]
pub fn remembered(key: &str) -> Option<String> {
    storage()?.get_item(key).ok().flatten()
}

/// Remembers a setting, or forgets it. Where storage is forbidden the setting lasts as long as the page.
pub fn remember(key: &str, value: Option<&str>) {
    let Some(storage) = storage() else { return };
    let _ = match value {
        Some(value) => storage.set_item(key, value),
        None => storage.remove_item(key),
    };
}

fn storage() -> Option<web_sys::Storage> {
    web_sys::window()?.local_storage().ok().flatten()
}

/// Whether a media query holds, followed for the life of the page.
#[must_use]
pub fn media(query: &str) -> ArcRwSignal<bool> {
    let list = web_sys::window().and_then(|window| window.match_media(query).ok().flatten());
    let signal = ArcRwSignal::new(list.as_ref().is_some_and(web_sys::MediaQueryList::matches));
    if let Some(list) = list {
        let follower = signal.clone();
        let on_change = Closure::<dyn Fn(web_sys::MediaQueryListEvent)>::new(
            move |event: web_sys::MediaQueryListEvent| follower.set(event.matches()),
        );
        let _ = list.add_event_listener_with_callback("change", on_change.as_ref().unchecked_ref());
        on_change.forget();
    }
    signal
}

#[must_use]
pub fn is_hidden() -> bool {
    web_sys::window().and_then(|window| window.document()).is_some_and(|document| document.hidden())
}

/// Whether this is Firefox, whose tallest element is half as tall as Chromium's.
#[must_use]
pub fn is_firefox() -> bool {
    let agent = web_sys::window().and_then(|window| window.navigator().user_agent().ok());
    agent.is_some_and(|agent| agent.contains("Firefox/"))
}

/// Puts a text on the clipboard. Nothing happens where the browser forbids it (pages without HTTPS).
pub fn copy(text: &str) {
    let Some(window) = web_sys::window() else { return };
    let navigator = window.navigator();
    // `navigator.clipboard` is undefined outside secure contexts, which the binding does not say.
    let known = js_sys::Reflect::has(&navigator, &JsValue::from_str("clipboard")).unwrap_or(false);
    if known && window.is_secure_context() {
        let _ = navigator.clipboard().write_text(text);
    }
}
