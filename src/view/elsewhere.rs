//! Clients in tabs of their own: a row is opened there by the middle button, as a link is, and by Ctrl with Enter. Called
//! where the table is, when the code for it is here.

use leptos::ev;
use leptos::prelude::{GetUntracked, on_cleanup, window, window_event_listener};
use wasm_bindgen::JsCast;
use web_sys::{Element, Event};

use super::ui::ui;
use crate::store::stores;
use crate::url::View;

/// Listens as long as the table is on screen.
pub fn listen() {
    let (stores, ui) = (stores(), ui());
    let open = move |id: String| {
        let view = View { client: Some(id), ..stores.view.get_untracked() };
        // A browser that opens none says so itself.
        let _ = window().open_with_url_and_target_and_features(&view.link(), "_blank", "noopener");
    };
    let click = window_event_listener(ev::auxclick, move |event| {
        let id = nearest(&event, ".row").and_then(|row| row.get_attribute("data-client-id"));
        if let Some(id) = id.filter(|_| event.button() == 1) {
            event.prevent_default();
            open(id);
        }
    });
    // Where the middle button scrolls, it must not begin to.
    let press = window_event_listener(ev::mousedown, move |event| {
        if event.button() == 1 && nearest(&event, ".row").is_some() {
            event.prevent_default();
        }
    });
    let key = window_event_listener(ev::keydown, move |event| {
        let is_it = event.key() == "Enter" && (event.ctrl_key() || event.meta_key()) && !event.repeat();
        let is_row = || nearest(&event, ".grid").is_some() && nearest(&event, "button, input").is_none();
        let active = || ui.active.get_untracked()?.id;
        if let Some(id) = (is_it && is_row()).then(active).flatten() {
            event.prevent_default();
            open(id);
        }
    });
    on_cleanup(move || [click, press, key].into_iter().for_each(|listener| listener.remove()));
}

/// The element of an event, or the nearest around it, that a selector names.
fn nearest(event: &Event, selector: &str) -> Option<Element> {
    let target: Element = event.target()?.dyn_into().ok()?;
    target.closest(selector).ok().flatten()
}
