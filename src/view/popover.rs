//! A small box below the button that opens it: the menu of the account, the picker of a span of time.

use std::rc::Rc;

use leptos::prelude::{on_cleanup, window_event_listener};
use wasm_bindgen::JsCast;
use web_sys::{KeyboardEvent, Node};

use super::dom::{El, el};
use crate::boxed::effect;

/// An empty one. Takes the focus when it comes; Escape, and a press anywhere else but on what holds it, close it.
pub fn popover(label: impl Fn() -> String + 'static, on_close: impl Fn() + 'static) -> El {
    popover_boxed(Box::new(label), Rc::new(on_close))
}

fn popover_boxed(label: Box<dyn Fn() -> String>, on_close: Rc<dyn Fn()>) -> El {
    let menu = el("div", "popover").attrs(&[("role", "dialog"), ("tabindex", "-1")]);
    let menu = menu.live_attr("aria-label", move || Some(label()));
    let (pressed, close) = (menu.clone(), Rc::clone(&on_close));
    let handle = window_event_listener(leptos::ev::pointerdown, move |event| {
        let target: Option<Node> = event.target().and_then(|target| target.dyn_into().ok());
        let holder = pressed.element().and_then(|menu| menu.parent_element());
        // The holder's own button toggles it.
        if holder.is_some_and(|holder| !holder.contains(target.as_ref())) {
            close();
        }
    });
    on_cleanup(move || handle.remove());
    let shown = menu.clone();
    // When it is in the page.
    effect(move || {
        if let Some(menu) = shown.html() {
            let _ = menu.focus();
        }
    });
    menu.on("keydown", move |event| {
        if event.dyn_ref::<KeyboardEvent>().is_some_and(|event| event.key() == "Escape") {
            event.prevent_default();
            on_close();
        }
    })
}
