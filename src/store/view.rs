//! The view and the address bar: what the reader chose, in both directions. The only module that knows the URL.

use leptos::prelude::{Get, GetUntracked, RwSignal, Set, With, window_event_listener_untyped};

use crate::url::View;

#[derive(Clone, Copy)]
pub struct ViewStore {
    view: RwSignal<View>,
    /// What the address asked for and the view has not, because it was not understood.
    left_out: RwSignal<Vec<String>>,
}

impl ViewStore {
    /// Reads the address bar, now and whenever the reader goes back or forward.
    #[must_use]
    pub fn load() -> Self {
        let (view, left_out) = View::read(&query_string());
        let store = Self { view: RwSignal::new(view), left_out: RwSignal::new(left_out) };
        window_event_listener_untyped("popstate", move |_| {
            let (view, left_out) = View::read(&query_string());
            store.left_out.set(left_out);
            store.view.set(view);
        });
        store
    }

    /// What the link asked for in vain, until the reader has another filter or took note; tracked.
    pub fn left_out(self) -> Vec<String> {
        self.left_out.get()
    }

    /// The reader took note of what was left out.
    pub fn take_note(self) {
        self.left_out.set(Vec::new());
    }

    /// Reads a part of the view, tracked.
    pub fn with<T>(self, read: impl FnOnce(&View) -> T) -> T {
        self.view.with(read)
    }

    #[must_use]
    pub fn get_untracked(self) -> View {
        self.view.get_untracked()
    }

    /// The whole address of a view, to be given to somebody.
    #[must_use]
    pub fn address_of(self, view: &View) -> String {
        let location = web_sys::window().map(|window| window.location());
        let part = |read: fn(&web_sys::Location) -> Result<String, wasm_bindgen::JsValue>| {
            location.as_ref().and_then(|location| read(location).ok()).unwrap_or_default()
        };
        let path = part(web_sys::Location::pathname);
        format!("{}{}", part(web_sys::Location::origin), address_at(&path, view))
    }

    /// Changes the view as a step that the reader can go back from.
    pub fn change(self, change: impl FnOnce(&mut View)) {
        self.write(change, false);
    }

    /// Changes the view in place, as typing a search does.
    pub fn adjust(self, change: impl FnOnce(&mut View)) {
        self.write(change, true);
    }

    fn write(self, change: impl FnOnce(&mut View), in_place: bool) {
        let old = self.view.get_untracked();
        let mut new = old.clone();
        change(&mut new);
        if new == old {
            return;
        }
        let history = web_sys::window().and_then(|window| window.history().ok());
        let path = web_sys::window().and_then(|window| window.location().pathname().ok());
        let address = address_at(&path.unwrap_or_else(|| "/".to_owned()), &new);
        if let Some(history) = history {
            let nothing = wasm_bindgen::JsValue::NULL;
            // A browser that refuses (too many changes a second) keeps the older address; the view changes anyway.
            let _ = if in_place {
                history.replace_state_with_url(&nothing, "", Some(&address))
            } else {
                history.push_state_with_url(&nothing, "", Some(&address))
            };
        }
        if new.filter != old.filter {
            self.take_note();
        }
        self.view.set(new);
    }
}

/// The address of a view without the server's, at the path of the page.
fn address_at(path: &str, view: &View) -> String {
    let query = view.to_query_string();
    if query.is_empty() { path.to_owned() } else { format!("{path}?{query}") }
}

fn query_string() -> String {
    web_sys::window().and_then(|window| window.location().search().ok()).unwrap_or_default()
}
