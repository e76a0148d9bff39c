//! The few things of the browser that more than one module needs, each wrapped once: time, storage, media queries,
//! visibility. Knows nothing of the dashboard.

use std::time::Duration;

use leptos::prelude::{
    ArcRwSignal, LocalStorage, Set, StoredValue, TimeoutHandle, UpdateValue, on_cleanup,
    set_timeout_with_handle,
};
use leptos::task::spawn_local;
use wasm_bindgen::prelude::Closure;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::Window;

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

/// How wide and how high the page is, in pixels; 0 where that is not known.
#[must_use]
pub fn page_px() -> (f64, f64) {
    let window = web_sys::window();
    let size = |read: fn(&Window) -> Result<JsValue, JsValue>| {
        window.as_ref().and_then(|window| read(window).ok()?.as_f64()).unwrap_or(0.0)
    };
    (size(Window::inner_width), size(Window::inner_height))
}

/// Does things when what asks for them has rested for a while: what is asked for takes the place of what has not been done.
/// Belongs to the view or the page that makes it, and ends with it.
#[derive(Clone, Copy)]
pub struct Rested(StoredValue<Option<TimeoutHandle>, LocalStorage>);

impl Rested {
    #[expect(clippy::new_without_default, reason = "one that nobody asked for would belong to nobody")]
    #[must_use]
    pub fn new() -> Self {
        let rested = Self(StoredValue::new_local(None));
        on_cleanup(move || rested.forget());
        rested
    }

    pub fn after(self, rest: Duration, then: impl FnOnce() + 'static) {
        self.replace(set_timeout_with_handle(then, rest).ok());
    }

    /// What has not been done is not done any more.
    pub fn forget(self) {
        self.replace(None);
    }

    fn replace(self, new: Option<TimeoutHandle>) {
        let old = self.0.try_update_value(|handle| std::mem::replace(handle, new)).flatten();
        if let Some(old) = old {
            old.clear();
        }
    }
}

/// A setting that this browser remembers; `None` where storage is forbidden.
#[must_use]
pub fn remembered(key: &str) -> Option<String> {
    storage()?.get_item(key).ok().flatten()
}

/// Whether this browser remembers such a setting, or may have had one: storage is forbidden.
#[must_use]
pub fn may_remember(key: &str) -> bool {
    storage().is_none_or(|storage| storage.get_item(key).ok().flatten().is_some())
}

/// Remembers a setting, or forgets it. Where storage is forbidden the setting lasts as long as the page.
pub fn remember(key: &str, value: Option<&str>) {
    let Some(storage) = storage() else { return };
    let _ = match value {
        Some(value) => storage.set_item(key, value),
        None => storage.remove_item(key),
    };
}

thread_local! {
    /// The names of this tab while its page lives, with their keys.
    static NAMES: std::cell::RefCell<Vec<(&'static str, String)>> = const { std::cell::RefCell::new(Vec::new()) };
}

/// A name that the tab keeps when its page is loaded again. While the page lives it is in the page's memory only, so that
/// a copy of the tab, which gets a copy of its storage, makes one of its own.
#[must_use]
pub fn name_of_tab(key: &'static str, make: impl FnOnce() -> String) -> String {
    let known = NAMES.with_borrow(|names| names.iter().find(|(other, _)| *other == key).cloned());
    if let Some((_, name)) = known {
        return name;
    }
    let storage = web_sys::window().and_then(|window| window.session_storage().ok().flatten());
    let name = storage.as_ref().and_then(|storage| storage.get_item(key).ok().flatten()).unwrap_or_else(make);
    NAMES.with_borrow_mut(|names| names.push((key, name.clone())));
    if let Some(storage) = storage {
        let _ = storage.remove_item(key);
        let kept = name.clone();
        leptos::prelude::window_event_listener_untyped("pagehide", move |_| {
            // Where storage is full, the next page makes another name.
            let _ = storage.set_item(key, &kept);
        });
    }
    name
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

/// Takes a fragment that begins like this out of the address, so that neither the history nor whoever copies the
/// address has it, and returns the rest of it.
#[must_use]
pub fn take_fragment(prefix: &str) -> Option<String> {
    let window = web_sys::window()?;
    let location = window.location();
    let rest = location.hash().ok()?.strip_prefix(prefix)?.to_owned();
    let address = location.pathname().ok()? + &location.search().ok()?;
    // It can only fail for an address of another origin, which this is not.
    let _ = window.history().ok()?.replace_state_with_url(&JsValue::NULL, "", Some(&address));
    Some(rest)
}

#[must_use]
pub fn is_hidden() -> bool {
    web_sys::window().and_then(|window| window.document()).is_some_and(|document| document.hidden())
}

/// Whether the focus is on nothing.
#[must_use]
pub fn has_no_focus() -> bool {
    let focused = web_sys::window().and_then(|window| window.document()?.active_element());
    focused.is_none_or(|focused| focused.tag_name() == "BODY")
}

/// Whether this is Firefox, whose tallest element is half as tall as Chromium's.
#[must_use]
pub fn is_firefox() -> bool {
    let agent = web_sys::window().and_then(|window| window.navigator().user_agent().ok());
    agent.is_some_and(|agent| agent.contains("Firefox/"))
}

/// Has the style sheets fetched that the page names and does not need from the beginning. They are on their way when this
/// returns; the future waits for them.
pub fn enable_styles() -> impl Future<Output = Result<(), JsValue>> {
    let document = web_sys::window().and_then(|window| window.document());
    let mut on_their_way = Vec::new();
    while let Some(link) = document.as_ref().and_then(|page| page.query_selector("link[disabled]").ok()?) {
        let link: web_sys::HtmlLinkElement = link.unchecked_into();
        let fetched = js_sys::Promise::new(&mut |load, error| {
            link.set_onload(Some(&load));
            link.set_onerror(Some(&error));
            link.set_disabled(false);
        });
        // At once, so that no failure comes before somebody waits for it.
        on_their_way.push((link, JsFuture::from(fetched)));
    }
    async {
        for (link, fetched) in on_their_way {
            // So that it can be tried again.
            fetched.await.inspect_err(|_| link.set_disabled(true))?;
        }
        Ok(())
    }
}

/// Puts a text on the clipboard, and tells whether the browser took it.
pub fn copy(text: &str, told: impl FnOnce(bool) + 'static) {
    // Outside secure contexts, such as plain HTTP in a company's network, there is no `navigator.clipboard`.
    let Some(clipboard) = clipboard() else { return told(copy_by_selection(text).unwrap_or(false)) };
    let (text, written) = (text.to_owned(), clipboard.write_text(text));
    spawn_local(async move {
        // Whoever may not write may still copy what is selected.
        let is_written = JsFuture::from(written).await.is_ok();
        told(is_written || copy_by_selection(&text).unwrap_or(false));
    });
}

fn clipboard() -> Option<web_sys::Clipboard> {
    let navigator = web_sys::window()?.navigator();
    let clipboard = js_sys::Reflect::get(&navigator, &JsValue::from_str("clipboard")).ok()?;
    clipboard.is_object().then(|| clipboard.unchecked_into())
}

/// The old way: a text area for a moment, its content selected, and the browser's own copy command.
fn copy_by_selection(text: &str) -> Option<bool> {
    let document = web_sys::window()?.document()?;
    let before = document.active_element();
    let area: web_sys::HtmlTextAreaElement = document.create_element("textarea").ok()?.dyn_into().ok()?;
    area.set_class_name("for-readers");
    area.set_value(text);
    // Outside an open dialog nothing can be selected.
    let dialog = document.query_selector("dialog[open]").ok()?;
    let place: web_sys::Element = dialog.or_else(|| document.body().map(JsCast::unchecked_into))?;
    place.append_child(&area).ok()?;
    area.select();
    let command = js_sys::Reflect::get(&document, &JsValue::from_str("execCommand")).ok();
    let command = command.and_then(|command| command.dyn_into::<js_sys::Function>().ok());
    let done = command.and_then(|command| command.call1(&document, &JsValue::from_str("copy")).ok());
    area.remove();
    if let Some(before) = before.and_then(|before| before.dyn_into::<web_sys::HtmlElement>().ok()) {
        let _ = before.focus();
    }
    Some(done.is_some_and(|done| done.is_truthy()))
}
