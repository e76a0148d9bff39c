//! The marks of a chart as something to point at and to move between: one stop of the Tab key for each chart, the arrow
//! keys within.

use std::cell::RefCell;
use std::rc::Rc;

use leptos::prelude::document;
use wasm_bindgen::JsCast;
use web_sys::{Element, Event, KeyboardEvent, SvgElement};

use super::{Content, Shape, told};
use crate::view::dom::El;

/// What identifies a mark over time: the bucket's time and the kind.
type Mark = (i64, usize);

#[derive(Clone)]
pub struct Marks {
    plot: El,
    readout: El,
    shape: Shape,
    content: Rc<RefCell<Option<Content>>>,
}

impl Marks {
    /// Listens to the plot.
    pub fn new(shape: Shape, plot: El, readout: El) -> Self {
        let marks = Self { plot, readout, shape, content: Rc::default() };
        for event in ["pointerover", "focusin"] {
            let this = marks.clone();
            marks.plot.clone().on(event, move |event| this.tell(column_of(event)));
        }
        for event in ["pointerleave", "focusout"] {
            let this = marks.clone();
            marks.plot.clone().on(event, move |_| this.tell(None));
        }
        let this = marks.clone();
        marks.plot.clone().on("keydown", move |event| this.press(event));
        marks
    }

    /// Puts a new drawing in the place of the old one. The focus stays on its mark.
    pub fn show(&self, content: Option<Content>, drawn: &[El]) {
        let Some(plot) = self.plot.element() else { return };
        let focused = document().active_element().filter(|element| plot.contains(Some(element)));
        let focused = focused.as_ref().and_then(mark_of);
        self.plot.refill(drawn);
        *self.content.borrow_mut() = content;
        let all = self.all();
        let again = focused.and_then(|mark| all.iter().find(|(other, _)| *other == mark));
        if let Some((_, element)) = again.or(all.last()) {
            let _ = element.set_attribute("tabindex", "0");
        }
        match again {
            Some((_, element)) => focus(element),
            None => self.tell(None),
        }
    }

    /// Says what a column holds; without one the newest.
    fn tell(&self, at: Option<usize>) {
        let content = self.content.borrow();
        let text = content
            .as_ref()
            .map(|content| told(content, at.unwrap_or(content.columns.len().saturating_sub(1))));
        self.readout.set_text(&text.unwrap_or_default());
    }

    /// All marks, in the order of time.
    fn all(&self) -> Vec<(Mark, Element)> {
        let Some(found) = self.plot.element().and_then(|plot| plot.query_selector_all("a").ok()) else {
            return Vec::new();
        };
        let elements = (0..found.length()).filter_map(|at| found.get(at)?.dyn_into::<Element>().ok());
        elements.filter_map(|element| Some((mark_of(&element)?, element))).collect()
    }

    fn press(&self, event: &Event) {
        let (Some(key), Some(plot)) = (event.dyn_ref::<KeyboardEvent>(), self.plot.element()) else { return };
        let target: Option<Element> = event.target().and_then(|target| target.dyn_into().ok());
        let Some((time, kind)) = target.as_ref().and_then(mark_of) else { return };
        let all = self.all();
        // Of the next bucket the mark of the same kind, or its first.
        let near = |found: Option<i64>| {
            let of_it = || all.iter().filter(move |(mark, _)| Some(mark.0) == found);
            of_it().find(|(mark, _)| mark.1 == kind).or_else(|| of_it().next())
        };
        let times = || all.iter().map(|(mark, _)| mark.0);
        let within = |is_it: &dyn Fn(usize) -> bool| {
            let mut marks = all.iter().filter(|(mark, _)| mark.0 == time && is_it(mark.1));
            (marks.clone().last(), marks.next())
        };
        let found = match key.key().as_str() {
            "ArrowRight" => near(times().find(|other| *other > time)),
            "ArrowLeft" => near(times().rev().find(|other| *other < time)),
            "Home" => near(times().next()),
            "End" => near(times().next_back()),
            up @ ("ArrowUp" | "ArrowDown") => {
                // The second kind lies above the first, except where one goes up and one down.
                let is_next = (up == "ArrowUp") != (self.shape == Shape::Mirrored);
                if is_next { within(&|other| other > kind).1 } else { within(&|other| other < kind).0 }
            }
            _ => return,
        };
        event.prevent_default();
        if let Some((_, element)) = found {
            if let Ok(Some(old)) = plot.query_selector("a[tabindex='0']") {
                let _ = old.set_attribute("tabindex", "-1");
            }
            let _ = element.set_attribute("tabindex", "0");
            focus(element);
        }
    }
}

fn focus(element: &Element) {
    if let Some(element) = element.dyn_ref::<SvgElement>() {
        let _ = element.focus();
    }
}

fn column_of(event: &Event) -> Option<usize> {
    let target: Element = event.target()?.dyn_into().ok()?;
    target.closest("[data-at]").ok()??.get_attribute("data-at")?.parse().ok()
}

fn mark_of(element: &Element) -> Option<Mark> {
    let number = |name| element.get_attribute(name);
    Some((number("data-time")?.parse().ok()?, number("data-kind")?.parse().ok()?))
}
