//! Elements made by hand, with as much reactivity as they are given.
//!
//! The renderer is compiled anew for each type of view, some kilobytes and a dozen functions each, which a browser has to
//! fetch and to compile before the first paint; everything here is compiled once. So all that the first paint needs is made of
//! these. The client's page shows whole logs besides, and a signal for each of ten thousand rows would cost more than the rows;
//! a chart has hundreds of marks that are made anew together. Menus and dialogs are left to the renderer. Text is set as text,
//! never as HTML.

mod area;

use std::rc::Rc;
use std::sync::Arc;

use leptos::prelude::{Get, Owner, StoredValue, document};
use wasm_bindgen::prelude::Closure;
use wasm_bindgen::{JsCast, JsValue};
use web_sys::{Element, Event, HtmlElement, MouseEvent};

use super::ui::{Popup, ui};
use crate::boxed::render_effect;
pub use area::{Piece, area, maybe};

const SVG: &str = "http://www.w3.org/2000/svg";

/// Ends with the owner that it was made under. An element that leaves the page after that, with the focus in it, must not
/// tell anybody.
struct Listener {
    element: Element,
    event: String,
    closure: Closure<dyn Fn(Event)>,
}

impl Drop for Listener {
    fn drop(&mut self) {
        let listener = self.closure.as_ref().unchecked_ref();
        let _ = self.element.remove_event_listener_with_callback(&self.event, listener);
    }
}

/// An element in the making.
#[derive(Clone)]
pub struct El(Option<Element>);

/// An element of HTML with a class, or without if that is empty.
#[must_use]
pub fn el(name: &str, class: &str) -> El {
    El(document().create_element(name).ok()).class(class)
}

/// An element of SVG with a class, or without if that is empty.
#[must_use]
pub fn svg(name: &str, class: &str) -> El {
    El(document().create_element_ns(Some(SVG), name).ok()).class(class)
}

/// A button with a text that follows what it is made of.
#[must_use]
pub fn button(
    class: &str,
    hook: &str,
    label: impl Fn() -> String + 'static,
    on_click: impl Fn() + 'static,
) -> El {
    button_boxed(class, hook, Box::new(label), Box::new(on_click))
}

fn button_boxed(class: &str, hook: &str, label: Box<dyn Fn() -> String>, on_click: Box<dyn Fn()>) -> El {
    let button = el("button", class).attr("type", "button").attr("data-testid", hook);
    button.live_text_boxed(label).on("click", move |_| on_click())
}

/// What only those see who see.
#[must_use]
pub fn sign(text: &str) -> El {
    el("span", "").attr("aria-hidden", "true").text(text)
}

/// A button with a sign, and a text for hovering and for screen readers.
#[must_use]
pub fn icon_button(text: &str, hook: &str, label: fn() -> String, on_click: impl Fn() + 'static) -> El {
    let button = el("button", "icon").attr("type", "button").attr("data-testid", hook).child(&sign(text));
    button.named(label).on("click", move |_| on_click())
}

/// Whether a click on a link is one that the page follows itself: with a modifier it opens the link elsewhere.
#[must_use]
pub fn is_plain_click(event: &Event) -> bool {
    event.dyn_ref::<MouseEvent>().is_some_and(|mouse| {
        !(mouse.ctrl_key() || mouse.meta_key() || mouse.shift_key() || mouse.alt_key()) && mouse.button() == 0
    })
}

/// The value of the field that an event is about.
#[must_use]
pub fn value_of(event: &Event) -> String {
    let target: Option<JsValue> = event.target().map(Into::into);
    let value = target.and_then(|target| js_sys::Reflect::get(&target, &"value".into()).ok());
    value.and_then(|value| value.as_string()).unwrap_or_default()
}

/// A button that opens a menu or dialog.
#[must_use]
pub fn opener(class: &str, popup: Popup, label: impl Fn() -> String + 'static) -> El {
    let ui = ui();
    let is_open = move || Some((ui.popup.get() == Some(popup)).to_string());
    el("button", class)
        .attrs(&[("type", "button"), ("aria-haspopup", "dialog"), ("data-opens", &popup.name())])
        .live_attr("aria-expanded", is_open)
        .live_text(label)
        .on("click", move |_| ui.open(popup))
}

/// A button that stays pressed.
#[must_use]
pub fn toggle(hook: &str, is_on: impl Fn() -> bool + 'static, on_click: impl Fn() + 'static) -> El {
    let button = el("button", "toggle").attr("type", "button").attr("data-testid", hook);
    button.live_attr("aria-pressed", move || Some(is_on().to_string())).on("click", move |_| on_click())
}

impl El {
    /// A text for hovering and for screen readers.
    pub fn named(self, label: impl Fn() -> String + Clone + 'static) -> Self {
        let same = label.clone();
        self.live_attr("title", move || Some(label())).live_attr("aria-label", move || Some(same()))
    }

    fn class(self, class: &str) -> Self {
        if class.is_empty() { self } else { self.attr("class", class) }
    }

    /// Sets an attribute. The names are those of this program; a browser refuses none of them.
    pub fn attr(self, name: &str, value: &str) -> Self {
        if let Some(element) = &self.0 {
            let _ = element.set_attribute(name, value);
        }
        self
    }

    pub fn attrs(self, pairs: &[(&str, &str)]) -> Self {
        pairs.iter().fold(self, |element, (name, value)| element.attr(name, value))
    }

    pub fn text(self, text: &str) -> Self {
        if let Some(element) = &self.0 {
            let _ = element.append_with_str_1(text);
        }
        self
    }

    pub fn child(self, child: &El) -> Self {
        if let (Some(element), Some(child)) = (&self.0, &child.0) {
            let _ = element.append_child(child);
        }
        self
    }

    pub fn children(self, children: &[El]) -> Self {
        children.iter().fold(self, |parent, child| parent.child(child))
    }

    /// A text after what is there, which follows what it is made of.
    pub fn live_text(self, text: impl Fn() -> String + 'static) -> Self {
        self.live_text_boxed(Box::new(text))
    }

    fn live_text_boxed(self, text: Box<dyn Fn() -> String>) -> Self {
        let node = document().create_text_node("");
        if let Some(element) = &self.0 {
            let _ = element.append_child(&node);
        }
        render_effect(move || {
            let text = text();
            if node.data() != text {
                node.set_data(&text);
            }
        });
        self
    }

    /// An attribute that follows what it is made of; absent for `None`.
    pub fn live_attr(self, name: &'static str, value: impl Fn() -> Option<String> + 'static) -> Self {
        self.live_attr_boxed(name, Box::new(value))
    }

    fn live_attr_boxed(self, name: &'static str, value: Box<dyn Fn() -> Option<String>>) -> Self {
        let Some(element) = self.0.clone() else { return self };
        // A browser works for each attribute that is written, whether or not it was so before.
        let mut written = None;
        render_effect(move || {
            let value = value();
            if written.as_ref() == Some(&value) {
                return;
            }
            let _ = match &value {
                Some(value) => element.set_attribute(name, value),
                None => element.remove_attribute(name),
            };
            written = Some(value);
        });
        self
    }

    /// An attribute in the reader's language.
    pub fn says(self, name: &'static str, text: fn() -> String) -> Self {
        self.live_attr(name, move || Some(text()))
    }

    /// A class that applies or does not.
    pub fn live_class(self, name: &'static str, is_so: impl Fn() -> bool + 'static) -> Self {
        self.live_class_boxed(name, Box::new(is_so))
    }

    fn live_class_boxed(self, name: &'static str, is_so: Box<dyn Fn() -> bool>) -> Self {
        let Some(element) = self.0.clone() else { return self };
        render_effect(move || {
            let _ = element.class_list().toggle_with_force(name, is_so());
        });
        self
    }

    /// A property of the element's style.
    pub fn live_style(self, name: &'static str, value: impl Fn() -> String + 'static) -> Self {
        let Some(element) = self.html().cloned() else { return self };
        render_effect(move || {
            // Well-formed: the values are those of this program.
            let _ = element.style().set_property(name, &value());
        });
        self
    }

    /// A property of the element that follows what it is made of: what a field holds, which no attribute tells.
    pub fn live_prop(self, name: &'static str, value: impl Fn() -> JsValue + 'static) -> Self {
        self.live_prop_boxed(name, Box::new(value))
    }

    fn live_prop_boxed(self, name: &'static str, value: Box<dyn Fn() -> JsValue>) -> Self {
        let Some(element) = self.0.clone() else { return self };
        render_effect(move || {
            let value = value();
            // Writing what a field holds already would move the caret in some browsers.
            if js_sys::Reflect::get(&element, &name.into()).ok().as_ref() != Some(&value) {
                let _ = js_sys::Reflect::set(&element, &name.into(), &value);
            }
        });
        self
    }

    /// Content that follows what it is made of.
    pub fn live(self, content: impl Fn() -> Vec<El> + 'static) -> Self {
        self.live_boxed(Box::new(content))
    }

    fn live_boxed(self, content: Box<dyn Fn() -> Vec<El>>) -> Self {
        let element = self.clone();
        render_effect(move || element.refill(&content()));
        self
    }

    /// Puts a text in the place of all that is in the element.
    pub fn set_text(&self, text: &str) {
        if let Some(element) =
            self.0.as_ref().filter(|element| element.text_content().as_deref() != Some(text))
        {
            element.set_text_content(Some(text));
        }
    }

    /// A text that may be absent: then the element is hidden.
    pub fn maybe_text(self, text: impl Fn() -> Option<String> + 'static) -> Self {
        self.maybe_text_boxed(Box::new(text))
    }

    fn maybe_text_boxed(self, text: Box<dyn Fn() -> Option<String>>) -> Self {
        let text: Rc<dyn Fn() -> Option<String>> = text.into();
        let same = Rc::clone(&text);
        self.shown_if(move || text().is_some()).live_text(move || same().unwrap_or_default())
    }

    pub fn shown_if(self, is_shown: impl Fn() -> bool + 'static) -> Self {
        self.live_attr("hidden", move || (!is_shown()).then(String::new))
    }

    /// Does something in place of following a link that leads to the same.
    pub fn on_plain_click(self, then: impl Fn() + 'static) -> Self {
        self.on("click", move |event| {
            if is_plain_click(event) {
                event.prevent_default();
                then();
            }
        })
    }

    /// Listens for an event as long as the present owner lives, and on its behalf.
    pub fn on(self, event: &str, then: impl Fn(&Event) + 'static) -> Self {
        self.on_boxed(event, Box::new(then))
    }

    fn on_boxed(self, event: &str, then: Box<dyn Fn(&Event)>) -> Self {
        let owner = Owner::current().unwrap_or_default();
        let closure = Closure::<dyn Fn(Event)>::new(move |event: Event| owner.with(|| then(&event)));
        if let Some(element) = &self.0 {
            let _ = element.add_event_listener_with_callback(event, closure.as_ref().unchecked_ref());
            StoredValue::new_local(Listener { element: element.clone(), event: event.to_owned(), closure });
        }
        self
    }

    /// Puts something into the element that may come and go, as long as the present owner lives.
    pub fn piece(self, piece: Piece) -> Self {
        if let Some(element) = &self.0 {
            area::put(piece, element);
        }
        self
    }

    /// An element for each key, in their order. One stays while its key does.
    pub fn keyed<K: PartialEq + Clone + 'static>(
        self,
        keys: impl Fn() -> Vec<K> + 'static,
        make: impl Fn(K) -> El + 'static,
    ) -> Self {
        if let Some(element) = &self.0 {
            area::keyed(element, keys, make);
        }
        self
    }

    /// The body of the page.
    #[must_use]
    pub fn body() -> Self {
        Self(document().body().map(Into::into))
    }

    #[must_use]
    pub fn element(&self) -> Option<&Element> {
        self.0.as_ref()
    }

    /// The element as one of HTML, which can be focused and measured.
    #[must_use]
    pub fn html(&self) -> Option<&HtmlElement> {
        self.0.as_ref()?.dyn_ref()
    }

    /// Puts these in the place of all that is in the element.
    pub fn fill(&self, children: &[El]) {
        if let Some(element) = &self.0 {
            element.replace_children_with_node_0();
            for child in children.iter().filter_map(El::element) {
                let _ = element.append_child(child);
            }
        }
    }

    /// The same, unless these are what is there already. The focus stays on its link.
    pub fn refill(&self, children: &[El]) {
        let Some(element) = &self.0 else { return };
        let mut old = element.first_element_child();
        let is_same = children.iter().filter_map(El::element).all(|child| {
            let before = old.take();
            old = before.as_ref().and_then(Element::next_element_sibling);
            before.is_some_and(|before| before.is_equal_node(Some(child)))
        });
        if is_same && old.is_none() {
            return;
        }
        let focused = document().active_element().filter(|focused| element.contains(Some(focused)));
        self.fill(children);
        let Some(address) = focused.and_then(|focused| focused.get_attribute("href")) else { return };
        let links = element.query_selector_all("a").ok();
        let links = links.iter().flat_map(|links| (0..links.length()).filter_map(|at| links.get(at)));
        let links = links.filter_map(|link| link.dyn_into::<HtmlElement>().ok());
        if let Some(link) =
            links.into_iter().find(|link| link.get_attribute("href").as_ref() == Some(&address))
        {
            let _ = link.focus();
        }
    }
}

/// The rows of a list that mostly grows at its ends: only what is new is made.
pub struct Rows<T> {
    shown: Vec<Arc<T>>,
    stamp: String,
}

impl<T> Default for Rows<T> {
    fn default() -> Self {
        Self { shown: Vec::new(), stamp: String::new() }
    }
}

impl<T> Rows<T> {
    /// Brings the children of `parent` in line with `items`. Where `stamp` differs from the last time, all are made anew.
    pub fn sync(&mut self, parent: &Element, items: &[Arc<T>], stamp: String, make: &dyn Fn(&T) -> El) {
        let same = |a: &Arc<T>, b: &Arc<T>| Arc::ptr_eq(a, b);
        let first = self.shown.first();
        let at = first.and_then(|first| items.iter().position(|item| same(item, first)));
        let kept = at.filter(|at| {
            let rest = &items[*at..];
            stamp == self.stamp
                && rest.len() >= self.shown.len()
                && rest.iter().zip(&self.shown).all(|(a, b)| same(a, b))
        });
        let (before, after) = match kept {
            Some(at) => (&items[..at], &items[at + self.shown.len()..]),
            None => {
                parent.replace_children_with_node_0();
                (&items[..0], items)
            }
        };
        let anchor = parent.first_child();
        for item in before {
            if let Some(row) = make(item).element() {
                let _ = parent.insert_before(row, anchor.as_ref());
            }
        }
        for item in after {
            if let Some(row) = make(item).element() {
                let _ = parent.append_child(row);
            }
        }
        self.shown = items.to_vec();
        self.stamp = stamp;
    }
}

/// A number as an attribute of SVG, to a tenth of a pixel and without the code that writes fractions.
#[must_use]
pub fn px(value: f64) -> String {
    let tenths = (value * 10.0).round() as i64;
    if tenths % 10 == 0 {
        return (tenths / 10).to_string();
    }
    let sign = if tenths < 0 { "-" } else { "" };
    format!("{sign}{}.{}", tenths.abs() / 10, tenths.abs() % 10)
}

#[cfg(test)]
#[cfg(not(target_arch = "wasm32"))]
mod tests {
    use super::px;

    #[test]
    fn pixels_are_written_to_a_tenth() {
        let all = [0.0, 12.0, 3.12, -0.26, 99.96].map(px);
        assert_eq!(all, ["0", "12", "3.1", "-0.3", "100"]);
    }
}
