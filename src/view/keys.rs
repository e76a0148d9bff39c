//! The keyboard: one listener for the page, on top of what fields, buttons and dialogs do by themselves. What a reader
//! is told of it is in `help`.

use std::cell::RefCell;

use leptos::ev;
use leptos::prelude::{
    GetUntracked, document, request_animation_frame, window_event_listener, window_event_listener_untyped,
};
use wasm_bindgen::JsCast;
use web_sys::{Element, HtmlElement, KeyboardEvent};

use super::later::{self, Later};
use super::ui::{Command, Popup, Ui, ui};
use crate::browser;
use crate::store::{Stores, stores};

/// After `g`, a page's letter shows the page.
const GO: &str = "g";

pub fn listen(later: Later) {
    let (stores, ui) = (stores(), ui());
    window_event_listener_untyped("beforeprint", move |_| {
        if is_printed_here(later, stores, ui) {
            later::print(stores, false);
        }
    });
    keep_focus(ui);
    let before = RefCell::new(String::new());
    window_event_listener(ev::keydown, move |event| {
        // The sign-in page has no keys of its own.
        if !stores.session.is_in() || event.alt_key() || event.default_prevented() {
            return;
        }
        // A dialog is the browser's, which tells only later that Escape has closed it: until then keys would go nowhere.
        if ui.popup.get_untracked().is_some() {
            if event.key() == "Escape" {
                ui.close();
            }
            return;
        }
        let was_go = before.replace(event.key()) == GO;
        if handle(&event, was_go, (later, stores, ui)) {
            event.prevent_default();
        }
    });
}

/// A button that is gone when it was pressed by key, or was put elsewhere, takes the focus with it: it comes back to the button, or
/// to what is nearest of what the reader was at.
fn keep_focus(ui: Ui) {
    window_event_listener(ev::click, move |event| {
        let pressed: Option<HtmlElement> = event.target().and_then(|target| target.dyn_into().ok());
        // A mouse has clicked at least once.
        let Some(pressed) = pressed.filter(|_| event.detail() == 0) else { return };
        request_animation_frame(move || {
            request_animation_frame(move || {
                if browser::has_no_focus() {
                    let _ = pressed.focus();
                }
                if !browser::has_no_focus() {
                    return;
                }
                let nearest = document().query_selector("dialog[open] button, #overview").ok().flatten();
                match nearest.and_then(|nearest| nearest.dyn_into::<HtmlElement>().ok()) {
                    Some(nearest) => drop(nearest.focus()),
                    None => ui.focus_grid(),
                }
            });
        });
    });
}

/// Returns whether the key was used.
fn handle(event: &KeyboardEvent, was_go: bool, (later, stores, ui): (Later, Stores, Ui)) -> bool {
    let target: Option<Element> = event.target().and_then(|target| target.dyn_into().ok());
    let is_in = |selector: &str| {
        target.as_ref().is_some_and(|element| element.closest(selector).ok().flatten().is_some())
    };
    let key = event.key();
    if event.ctrl_key() || event.meta_key() {
        if key == "p" && is_printed_here(later, stores, ui) {
            later::print(stores, true);
            return true;
        }
        return is_in(".grid") && with_control(&key, ui);
    }
    let is_in_field = is_in("input:not([type=checkbox]), select, textarea");
    if key == "Escape" {
        return escape(target.as_ref(), is_in_field, stores, ui);
    }
    let is_letter = key.chars().count() == 1 && key != " ";
    if is_in_field || is_letter && !stores.prefs.has_letters.get_untracked() {
        return false;
    }
    match key.as_str() {
        "o" if was_go => stores.show_overview(true),
        "c" if was_go => stores.show_overview(false),
        GO => {}
        "?" => ui.open(Popup::Help),
        "p" => stores.feed.toggle_pause(),
        "/" | "f" | "s" | "c" | "v" | "e" if is_overview(stores) => {
            stores.show_overview(false);
            // The table is there by then. It is where the focus comes back to when a menu closes.
            request_animation_frame(move || {
                ui.focus_grid();
                at_table(&key, ui);
            });
        }
        // The rest is about the rows.
        _ if is_overview(stores) => return false,
        _ if at_table(&key, ui) => {}
        "j" => ui.command(Command::Rows(1), false),
        "k" => ui.command(Command::Rows(-1), false),
        // The rest belongs to what has the focus, when that is not the table.
        _ if is_in("button, a, aside, summary, input") => return false,
        _ => return move_active(&key, event.shift_key(), ui),
    }
    true
}

fn is_overview(stores: Stores) -> bool {
    stores.overview.period.get_untracked().is_some()
}

/// What the reader does at the table, whichever row is active.
fn at_table(key: &str, ui: Ui) -> bool {
    ui.open(match key {
        "f" => Popup::Filters,
        "s" => Popup::Sort,
        "c" => Popup::Columns,
        "v" => Popup::Views,
        "e" => Popup::Export,
        "/" => {
            ui.focus_search();
            return true;
        }
        _ => return false,
    });
    true
}

/// Whether there is nothing before the table: anything else is printed as it is.
fn is_printed_here(later: Later, stores: Stores, ui: Ui) -> bool {
    let view = stores.view.get_untracked();
    let is_clients = view.client.is_none() && view.overview.is_none();
    is_clients && later.is_here_now() && stores.session.is_in() && ui.popup.get_untracked().is_none()
}

fn move_active(key: &str, extends: bool, ui: Ui) -> bool {
    let command = match key {
        "ArrowDown" => Command::Rows(1),
        "ArrowUp" => Command::Rows(-1),
        "PageDown" => Command::Pages(1),
        "PageUp" => Command::Pages(-1),
        "Home" => Command::First,
        "End" => Command::Last,
        "Enter" => Command::Open,
        " " => Command::Select,
        _ => return false,
    };
    ui.command(command, extends && !matches!(command, Command::Open | Command::Select));
    true
}

fn with_control(key: &str, ui: Ui) -> bool {
    match key {
        "a" => ui.selection.select_held(),
        // Without a selection the browser copies what is marked.
        "c" if !ui.selection.is_empty() && !has_marked_text() => ui.selection.copy(),
        _ => return false,
    }
    true
}

fn has_marked_text() -> bool {
    let marked = web_sys::window().and_then(|window| window.get_selection().ok().flatten());
    marked.is_some_and(|selection| !selection.is_collapsed())
}

/// Closes the uppermost thing that is open.
fn escape(target: Option<&Element>, is_in_field: bool, stores: Stores, ui: Ui) -> bool {
    if is_in_field {
        if let Some(field) = target.and_then(|element| element.dyn_ref::<HtmlElement>()) {
            let _ = field.blur();
        }
        ui.focus_grid();
    } else if is_overview(stores) {
        return false;
    } else if stores.view.get_untracked().client.is_some() {
        stores.view.change(|view| view.client = None);
        ui.focus_grid();
    } else if !ui.selection.is_empty() {
        ui.selection.clear();
    } else {
        return false;
    }
    true
}
