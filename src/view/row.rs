//! One row slot: shows whatever row it is given and is recycled while scrolling.
//!
//! The cells are written directly, not by the renderer: one effect for each slot compares what is on screen with what
//! should be and writes only what differs, whatever columns are chosen. What a cell says is in `cells`.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use leptos::html;
use leptos::prelude::*;
use rollcall_model::StateDoc;
use rollcall_model::query::Field;
use wasm_bindgen::JsCast;
use web_sys::{Element, HtmlElement, HtmlInputElement, MouseEvent};

use super::cells::{self, Part, ago_of, content, glow_of};
use super::ui::ui;
use crate::boxed::{effect, then};
use crate::i18n::t;
use crate::store::{Clock, stores};
use crate::text;
use crate::window::{Change, Row};

/// What a slot shows.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Slot {
    pub index: u64,
    /// `None` while the row is on its way from the server.
    pub row: Option<Row>,
    /// There is such a row.
    pub is_shown: bool,
    pub is_active: bool,
    pub is_open: bool,
    pub is_selected: bool,
    pub glow: Option<Change>,
}

/// What the rows of a table share.
#[derive(Clone, Copy)]
pub struct Frame {
    pub columns: Memo<Vec<Field>>,
    /// Where row 0 would be painted, in pixels.
    pub origin: Memo<f64>,
    pub row_px: Memo<f64>,
}

#[component]
pub fn RowView(
    #[prop(name = "of")] slot: RwSignal<Slot>,
    id: String,
    frame: Frame,
    on_click: Callback<(u64, MouseEvent)>,
) -> impl IntoView {
    let row = NodeRef::<html::Div>::new();
    let painter: Rc<RefCell<Option<Painter>>> = Rc::default();
    let (clock, ui) = (stores().clock, ui());
    let ticking = Rc::clone(&painter);
    effect(move || {
        let Some(element) = row.get() else { return };
        let columns = frame.columns.get();
        let offset_px = frame.origin.get() + slot.with(|slot| slot.index) as f64 * frame.row_px.get();
        let mut painter = painter.borrow_mut();
        let painter = painter.get_or_insert_with(|| Painter::new(element.unchecked_into()));
        painter.arrange(&columns);
        painter.place(offset_px);
        slot.with(|slot| painter.paint(slot, clock));
    });
    // How long ago something was changes without the row.
    effect(move || {
        let now = clock.now();
        if let Some(painter) = ticking.borrow_mut().as_mut() {
            painter.tick(now);
        }
    });
    let click = move |event: MouseEvent| {
        on_click.run((slot.with_untracked(|slot| slot.index), event));
        ui.focus_grid();
    };
    view! { <div id=id class="row" role="row" hidden node_ref=row on:click=then(click)></div> }
}

/// A row element and what was last written into it.
struct Painter {
    row: HtmlElement,
    check: Option<HtmlInputElement>,
    columns: Vec<Field>,
    cells: Vec<Cell>,
    shown: Option<Slot>,
    /// What the cells say. While a row is on its way the style sheet hides them: writing nothing into all of them, and the
    /// row a moment later, would be twice the work when the reader scrolls far.
    written: Option<Arc<StateDoc>>,
    language: usize,
    offset_px: i64,
}

struct Cell {
    element: Element,
    parts: [Part; 3],
    /// The elements of the parts, as far as any was needed: most cells have one or two.
    made: Vec<Element>,
    glow: u8,
}

impl Painter {
    fn new(row: HtmlElement) -> Self {
        Self {
            row,
            check: None,
            columns: Vec::new(),
            cells: Vec::new(),
            shown: None,
            written: None,
            language: 0,
            offset_px: i64::MIN,
        }
    }

    /// Makes one cell for each column, if the columns changed.
    fn arrange(&mut self, columns: &[Field]) {
        if self.columns == columns && self.check.is_some() {
            return;
        }
        self.row.set_text_content(None);
        let Some(document) = self.row.owner_document() else { return };
        let make = |tag: &str, class: &str| {
            let element = document.create_element(tag).ok()?;
            element.set_class_name(class);
            Some(element)
        };
        let cell = |at: usize, class: &str| {
            let cell = make("div", class)?;
            put(&cell, "role", Some("gridcell"));
            put(&cell, "aria-colindex", Some(&(at + 1).to_string()));
            let _ = self.row.append_child(&cell);
            Some(cell)
        };
        let check: Option<HtmlInputElement> = cell(0, "cell c-check").and_then(|cell| {
            let input = make("input", "")?;
            put(&input, "type", Some("checkbox"));
            put(&input, "tabindex", Some("-1"));
            let _ = cell.append_child(&input);
            input.dyn_into().ok()
        });
        let cells = columns.iter().enumerate().filter_map(|(at, field)| {
            let element = cell(at + 1, &cells::class_of(*field))?;
            Some(Cell { element, parts: Default::default(), made: Vec::new(), glow: 0 })
        });
        self.cells = cells.collect();
        self.check = check;
        self.columns = columns.to_vec();
        self.shown = None;
    }

    fn place(&mut self, offset_px: f64) {
        // Whole pixels: text stays sharp, and the program needs no code that writes fractions.
        let offset_px = offset_px.round() as i64;
        if std::mem::replace(&mut self.offset_px, offset_px) != offset_px {
            let _ = self.row.style().set_property("transform", &format!("translateY({offset_px}px)"));
        }
    }

    fn paint(&mut self, slot: &Slot, clock: Clock) {
        // Every text depends on the language and the zone.
        let language = crate::format::serial();
        let fresh = self.shown.is_none() || self.language != language;
        let old = self.shown.take().unwrap_or_default();
        self.language = language;
        self.paint_row(&old, slot, fresh);
        let was = self.written.take().filter(|_| !fresh);
        let is = doc_of(slot);
        let now = clock.exact();
        for (field, cell) in self.columns.iter().zip(&mut self.cells) {
            if let Some(doc) = is {
                let says = |was: &Arc<StateDoc>| Arc::ptr_eq(was, doc) || cells::is_same(*field, was, doc);
                if !was.as_ref().is_some_and(says) {
                    cell.write(*field, content(*field, doc, now));
                } else if old.row.is_none()
                    && let Some(ago) = ago_of(*field, doc, now)
                {
                    // Nobody kept it up while it was hidden.
                    cell.write_part(1, ago);
                }
            }
            cell.glow(*field, slot.glow);
        }
        self.written = is.cloned().or(was);
        self.shown = Some(slot.clone());
    }

    /// The attributes of the row itself.
    fn paint_row(&self, old: &Slot, new: &Slot, fresh: bool) {
        let row = &self.row;
        let differs = |read: fn(&Slot) -> bool| fresh || read(old) != read(new);
        let class = |name: &str, read: fn(&Slot) -> bool| {
            if differs(read) {
                let _ = row.class_list().toggle_with_force(name, read(new));
            }
        };
        class("active", |slot| slot.is_active);
        class("open", |slot| slot.is_open);
        class("leaving", |slot| slot.row.as_ref().is_some_and(|row| row.is_leaving));
        class("skeleton", |slot| slot.row.is_none());
        class("stale", |slot| doc_of(slot).is_some_and(|doc| doc.stale_since.is_some()));
        if differs(|slot| slot.is_shown) {
            row.set_hidden(!new.is_shown);
        }
        if fresh || old.index != new.index {
            put(row, "aria-rowindex", Some(&(new.index + 2).to_string()));
        }
        if differs(|slot| slot.is_selected) {
            put(row, "aria-selected", Some(if new.is_selected { "true" } else { "false" }));
            if let Some(check) = &self.check {
                check.set_checked(new.is_selected);
            }
        }
        let hook = |slot: &Slot| (slot.row.is_some() && slot.is_shown).then_some("row");
        if fresh || hook(old) != hook(new) {
            put(row, "data-testid", hook(new));
        }
        let id = |slot| doc_of(slot).map(|doc| doc.id.as_str());
        if fresh || id(old) != id(new) {
            put(row, "data-client-id", id(new));
            if let Some(check) = &self.check {
                let name = text::limited(id(new).unwrap_or_default(), 200);
                put(check, "aria-label", Some(&t::select_row(&name)));
            }
        }
        let status = |slot| doc_of(slot).map(|doc| doc.connection_status.as_str());
        if fresh || status(old) != status(new) {
            put(row, "data-status", status(new));
        }
        let initiator = |slot| doc_of(slot).and_then(|doc| doc.disconnect_initiator).map(|who| who.as_str());
        if fresh || initiator(old) != initiator(new) {
            put(row, "data-initiator", initiator(new));
        }
    }

    /// Writes how long ago the times in the row are.
    fn tick(&mut self, now: rollcall_model::Timestamp) {
        let Some(doc) = self.shown.as_ref().and_then(doc_of) else { return };
        for (field, cell) in self.columns.iter().zip(&mut self.cells) {
            if let Some(ago) = ago_of(*field, doc, now) {
                cell.write_part(1, ago);
            }
        }
    }
}

impl Cell {
    fn write(&mut self, field: Field, content: [Part; 3]) {
        for (at, part) in content.into_iter().enumerate() {
            self.write_part(at, part);
        }
        // A tooltip of another row; the pointer asks for the new one.
        if cells::has_tooltip(field) {
            put(&self.element, "title", None);
        }
    }

    fn write_part(&mut self, at: usize, new: Part) {
        let Some(old) = self.parts.get_mut(at).filter(|old| **old != new) else { return };
        while self.made.len() <= at {
            let part =
                self.element.owner_document().and_then(|document| document.create_element("span").ok());
            let Some(part) = part else { return };
            let _ = self.element.append_child(&part);
            self.made.push(part);
        }
        if let Some(element) = self.made.get(at) {
            if old.class != new.class {
                element.set_class_name(new.class);
            }
            if old.text != new.text {
                element.set_text_content(Some(&new.text));
            }
        }
        *old = new;
    }

    /// Glows once when the cell changed; two names in turn, so that each change starts anew.
    fn glow(&mut self, field: Field, change: Option<Change>) {
        let glow =
            change.filter(|change| glow_of(field, *change)).map_or(0, |change| 1 + u8::from(change.is_odd));
        if std::mem::replace(&mut self.glow, glow) != glow {
            let suffix = ["", " glow-b", " glow-a"].get(usize::from(glow)).copied().unwrap_or_default();
            self.element.set_class_name(&(cells::class_of(field) + suffix));
        }
    }
}

fn doc_of(slot: &Slot) -> Option<&Arc<StateDoc>> {
    slot.row.as_ref().map(|row| &row.doc)
}

/// Writes an attribute, or takes it away.
fn put(element: &Element, name: &str, value: Option<&str>) {
    // Only a malformed name is refused; these are constants.
    let _ = match value {
        Some(value) => element.set_attribute(name, value),
        None => element.remove_attribute(name),
    };
}
