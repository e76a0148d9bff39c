//! The keyboard: one listener for the page, on top of what fields and buttons do by themselves.

use std::cell::RefCell;

use leptos::ev;
use leptos::prelude::{GetUntracked, Set, window_event_listener};
use wasm_bindgen::JsCast;
use web_sys::{Element, HtmlElement, KeyboardEvent};

use super::ui::{Command, Ui, ui};
use crate::store::{Stores, stores};

/// After `g`, a page's letter shows the page.
const GO: &str = "g";

pub fn listen() {
    let (stores, ui) = (stores(), ui());
    let before = RefCell::new(String::new());
    window_event_listener(ev::keydown, move |event| {
        // The sign-in page has no keys of its own.
        if !stores.session.is_in()
            || event.ctrl_key()
            || event.meta_key()
            || event.alt_key()
            || event.default_prevented()
        {
            return;
        }
        let was_go = before.replace(event.key()) == GO;
        if handle(&event, was_go, stores, ui) {
            event.prevent_default();
        }
    });
}

/// Returns whether the key was used.
fn handle(event: &KeyboardEvent, was_go: bool, stores: Stores, ui: Ui) -> bool {
    let target: Option<Element> = event.target().and_then(|target| target.dyn_into().ok());
    let is_in = |selector: &str| {
        target.as_ref().is_some_and(|element| element.closest(selector).ok().flatten().is_some())
    };
    let key = event.key();
    if key == "Escape" {
        return escape(target.as_ref(), is_in("input, select, textarea"), stores, ui);
    }
    if ui.has_help.get_untracked() || is_in("input, select, textarea") {
        return false;
    }
    match key.as_str() {
        "o" if was_go => stores.show_overview(true),
        "c" if was_go => stores.show_overview(false),
        GO => {}
        "?" => ui.has_help.set(true),
        "p" => stores.feed.toggle_pause(),
        // The rest is about the table.
        _ if stores.overview.period.get_untracked().is_some() => return false,
        "/" => ui.focus_search(),
        "j" => ui.command(Command::Rows(1)),
        "k" => ui.command(Command::Rows(-1)),
        // The rest belongs to what has the focus, when that is not the table.
        _ if is_in("button, a, aside, summary") => return false,
        "ArrowDown" => ui.command(Command::Rows(1)),
        "ArrowUp" => ui.command(Command::Rows(-1)),
        "PageDown" => ui.command(Command::Pages(1)),
        "PageUp" => ui.command(Command::Pages(-1)),
        "Home" => ui.command(Command::First),
        "End" => ui.command(Command::Last),
        "Enter" => ui.command(Command::Open),
        _ => return false,
    }
    true
}

/// Closes the uppermost thing that is open.
fn escape(target: Option<&Element>, is_in_field: bool, stores: Stores, ui: Ui) -> bool {
    if ui.has_help.get_untracked() {
        ui.has_help.set(false);
    } else if is_in_field {
        if let Some(field) = target.and_then(|element| element.dyn_ref::<HtmlElement>()) {
            let _ = field.blur();
        }
        ui.focus_grid();
    } else if stores.overview.period.get_untracked().is_some() {
        return false;
    } else if ui.has_sheet.get_untracked() {
        ui.has_sheet.set(false);
    } else if stores.view.get_untracked().client.is_some() {
        stores.view.change(|view| view.client = None);
        ui.focus_grid();
    } else {
        return false;
    }
    true
}
