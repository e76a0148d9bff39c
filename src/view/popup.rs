//! What opens over the page: menus and dialogs, one at a time, in one element.
//!
//! The browser's own modal dialog keeps the focus inside, gives it back, closes on Escape and lies above everything. A
//! menu stands below the button that opens it (`data-opens`), a dialog in the middle; on a phone both are sheets.

use leptos::prelude::*;
use wasm_bindgen::JsCast;
use web_sys::{Element, Event, EventTarget, HtmlDialogElement, HtmlElement};

use super::dom::{El, area, el, sign};
use super::type_ahead::type_ahead;
use super::ui::{Popup, ui};
use super::{columns, export, filters, help, later, sort, views};
use crate::boxed::{effect, then};
use crate::browser;
use crate::i18n::t;
use crate::words;

/// The least distance to the edges of the page, in pixels.
const MARGIN_PX: f64 = 8.0;

pub fn popups() -> El {
    let ui = ui();
    let dialog = el("dialog", "popup").attr("data-testid", "popup");
    let Some(element) = dialog.element().and_then(|element| element.dyn_ref::<HtmlDialogElement>().cloned())
    else {
        return dialog;
    };
    let later = later::later();
    let mut was_here = later.is_here_now();
    let shown = element.clone();
    effect(move || {
        // Once more when the content has come.
        let is_here = later.is_here();
        let (popup, dialog) = (ui.popup.get(), &shown);
        match popup {
            None if dialog.open() => dialog.close(),
            Some(popup) => {
                let is_new = !dialog.open();
                if is_new {
                    // It can only fail for a dialog that is not in the page.
                    let _ = dialog.show_modal();
                    place(dialog, popup);
                }
                focus_first(dialog);
                if is_here && !was_here {
                    // The content is put in after this, and is larger than what stood in its place.
                    let dialog = dialog.clone();
                    request_animation_frame(move || {
                        place(&dialog, popup);
                        focus_first(&dialog);
                    });
                }
            }
            None => {}
        }
        was_here = is_here;
    });
    let label = move || ui.popup.get().map(title).unwrap_or_default();
    let content = area(move || ui.popup.get().map(later::popup).into_iter().collect());
    let leave = {
        let dialog: EventTarget = element.clone().into();
        move |event: &Event| {
            if event.target().as_ref() == Some(&dialog) {
                ui.close();
            }
        }
    };
    // The browser tells of it later: the next menu may be open by then.
    let closed = move |_: &Event| {
        if !element.open() {
            ui.close();
        }
    };
    let close = el("button", "icon")
        .attr("type", "button")
        .named(t::close)
        .child(&sign("✕"))
        .on("click", move |_| ui.close());
    let head = el("header", "").children(&[el("h2", "").live_text(label), close]);
    dialog
        .live_attr("aria-label", move || Some(label()))
        .child(&el("div", "popup-body").child(&head).piece(content))
        .on("close", closed)
        .on("pointerdown", leave)
}

fn title(popup: Popup) -> String {
    match popup {
        Popup::Help => t::help_title(),
        Popup::Columns => t::columns_title(),
        Popup::Sort => t::sort_title(),
        Popup::Views => t::views_title(),
        Popup::Export => t::export_title(),
        Popup::Filters => t::filter_add_title(),
        Popup::Filter(field, _) => words::field(field),
    }
}

/// What is in it. Called where its code is here.
pub fn content(popup: Popup) -> AnyView {
    let ui = ui();
    let content = match popup {
        Popup::Help => help::help(),
        Popup::Columns => columns::columns(),
        Popup::Sort => sort::sort(),
        Popup::Views => views::views(ui),
        Popup::Export => export::export(ui),
        Popup::Filters => filters::choose(ui),
        Popup::Filter(field, negated) => filters::edit(field, negated, ui),
    };
    view! { <div on:keydown=then(type_ahead())>{content}</div> }.into_any()
}

/// Puts a menu below its button, within the page. The style sheet centres what has no button in view.
fn place(dialog: &HtmlElement, popup: Popup) {
    let style = dialog.style();
    for side in ["left", "top"] {
        let _ = style.remove_property(side);
    }
    let (width, height) = browser::page_px();
    let document = web_sys::window().and_then(|window| window.document());
    let opener = document.and_then(|document| {
        document.query_selector(&format!("[data-opens=\"{}\"]", popup.name())).ok().flatten()
    });
    let Some(rect) = opener.as_ref().map(Element::get_bounding_client_rect).filter(|rect| rect.width() > 0.0)
    else {
        return;
    };
    let own = dialog.get_bounding_client_rect();
    let left = rect.left().min(width - own.width() - MARGIN_PX).max(MARGIN_PX);
    let below = rect.bottom() + 4.0;
    // A button at the lower edge has its menu above it.
    let top =
        if below + own.height() > height { (rect.top() - own.height() - 4.0).max(MARGIN_PX) } else { below };
    let _ = style.set_property("left", &format!("{}px", left as i64));
    let _ = style.set_property("top", &format!("{}px", top as i64));
}

/// The first thing in the content, not the button that closes it.
fn focus_first(dialog: &Element) {
    let found = dialog.query_selector(
        ".popup-body > :not(header) :is(input, button, a, select), .popup-body > :is(input, button, a)",
    );
    let first: Option<HtmlElement> = found.ok().flatten().and_then(|element| element.dyn_into().ok());
    if let Some(first) = first {
        let _ = first.focus();
    }
}
