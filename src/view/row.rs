//! One row slot: shows whatever row it is given and is recycled while scrolling.
//!
//! The cells are written directly, not by the renderer: one effect for each slot compares what is on screen with what
//! should be and writes only what differs, whatever columns are chosen. What a cell says is in `cells`.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use leptos::prelude::*;
use rollcall_model::StateDoc;
use rollcall_model::query::Field;
use wasm_bindgen::JsCast;
use web_sys::{DocumentFragment, Element, HtmlElement, HtmlInputElement};

use super::cells::{self, Part, ago_of, content, glow_of};
use super::dom::{El, el};
use crate::boxed::effect;
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

/// The element of one slot, with an `id`.
pub fn row(id: &str, slot: RwSignal<Slot>, frame: Frame) -> El {
    let row = el("div", "row").attrs(&[("id", id), ("role", "row"), ("hidden", "")]);
    let Some(element) = row.html().cloned() else { return row };
    let painter = Rc::new(RefCell::new(Painter::new(element)));
    let clock = stores().clock;
    let ticking = Rc::clone(&painter);
    effect(move || {
        let columns = frame.columns.get();
        let offset_px = frame.origin.get() + slot.with(|slot| slot.index) as f64 * frame.row_px.get();
        let mut painter = painter.borrow_mut();
        painter.arrange(&columns);
        painter.place(offset_px);
        slot.with(|slot| painter.paint(slot, clock));
    });
    // How long ago something was changes without the row.
    effect(move || {
        let now = clock.now();
        ticking.borrow_mut().tick(now);
    });
    row
}

thread_local! {
    /// The cells of a row that says nothing yet, and of which columns they are.
    static BLANK: RefCell<Option<(Vec<Field>, DocumentFragment)>> = const { RefCell::new(None) };
}

/// The cells of a row that says nothing yet: the check box and one for each column.
fn blank(columns: &[Field]) -> Option<DocumentFragment> {
    BLANK.with_borrow_mut(|blank| {
        if let Some((_, cells)) = blank.as_ref().filter(|(known, _)| known == columns) {
            return Some(cells.clone());
        }
        let cells = document().create_document_fragment();
        let cell = |at: usize, class: &str| {
            el("div", class).attrs(&[("role", "gridcell"), ("aria-colindex", &(at + 1).to_string())])
        };
        let check = el("input", "").attrs(&[("type", "checkbox"), ("tabindex", "-1")]);
        let check = cell(0, "cell c-check").child(&check);
        let others = columns.iter().enumerate().map(|(at, field)| {
            let parts = cells::usual_parts(*field).iter().map(|class| el("span", class));
            cell(at + 1, &cells::class_of(*field)).children(&parts.collect::<Vec<_>>())
        });
        for cell in std::iter::once(check).chain(others) {
            let _ = cells.append_child(cell.element()?);
        }
        *blank = Some((columns.to_vec(), cells.clone()));
        Some(cells)
    })
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
    /// The elements of the parts, as far as any was needed.
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
        let Some(blank) = blank(columns) else { return };
        // Copying what is made already is a fraction of the work of making it.
        self.row.replace_children_with_node_0();
        let mut next = blank.clone_node_with_deep(true).ok().and_then(|copy| {
            let first = copy.first_child();
            let _ = self.row.append_child(&copy);
            first
        });
        let mut elements = std::iter::from_fn(|| {
            let node = next.take()?;
            next = node.next_sibling();
            node.dyn_into::<Element>().ok()
        });
        let input = elements.next().and_then(|cell| cell.first_child());
        self.check = input.and_then(|input| input.dyn_into().ok());
        self.cells =
            columns.iter().zip(elements).map(|(field, element)| Cell::new(*field, element)).collect();
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
    /// A cell that says nothing yet.
    fn new(field: Field, element: Element) -> Self {
        let mut parts: [Part; 3] = Default::default();
        let mut made = Vec::new();
        let mut next = element.first_element_child();
        for (part, class) in parts.iter_mut().zip(cells::usual_parts(field)) {
            part.class = class;
            next = next.and_then(|element| {
                let after = element.next_element_sibling();
                made.push(element);
                after
            });
        }
        Self { element, parts, made, glow: 0 }
    }

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
