//! A small box below the button that opens it: the menu of the account, the picker of a span of time.

use leptos::html;
use leptos::prelude::*;
use wasm_bindgen::JsCast;

use crate::boxed::{effect, then};

/// Takes the focus when it comes; Escape, and a press anywhere else but on what holds it, close it.
pub fn popover(label: Signal<String>, on_close: Callback<()>, content: AnyView) -> AnyView {
    let menu = NodeRef::<html::Div>::new();
    effect(move || {
        if let Some(menu) = menu.get() {
            let _ = menu.focus();
        }
    });
    let handle = window_event_listener(leptos::ev::pointerdown, move |event| {
        let target: Option<web_sys::Node> = event.target().and_then(|target| target.dyn_into().ok());
        let holder = menu.get_untracked().and_then(|menu| menu.parent_element());
        // The holder's own button toggles it.
        if holder.is_some_and(|holder| !holder.contains(target.as_ref())) {
            on_close.run(());
        }
    });
    on_cleanup(move || handle.remove());
    let close_on_escape = move |event: leptos::ev::KeyboardEvent| {
        if event.key() == "Escape" {
            event.prevent_default();
            on_close.run(());
        }
    };
    view! {
        <div class="popover" role="dialog" tabindex="-1" aria-label=label node_ref=menu
            on:keydown=then(close_on_escape)>{content}</div>
    }
    .into_any()
}
