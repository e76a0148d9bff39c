//! Elements made by hand, with as much reactivity as they are given.
//!
//! A chart has hundreds of marks that are made anew together, and the renderer is compiled anew for each type of view,
//! some kilobytes each, while everything here is compiled once. Called by the parts of the overview. Text is set as text,
//! never as HTML.

use leptos::prelude::{Effect, Owner, StoredValue, document};
use wasm_bindgen::JsCast;
use wasm_bindgen::prelude::Closure;
use web_sys::{Element, Event, HtmlElement};

const SVG: &str = "http://www.w3.org/2000/svg";

/// Runs now and whenever something changes that it has read, as long as its owner lives.
pub fn effect(run: impl Fn() + 'static) {
    fn boxed(run: Box<dyn Fn()>) {
        Effect::new(move |_: Option<()>| run());
    }
    boxed(Box::new(run));
}

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

impl El {
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

    /// An attribute that follows what it is made of; absent for `None`.
    pub fn live_attr(self, name: &'static str, value: impl Fn() -> Option<String> + 'static) -> Self {
        self.live_attr_boxed(name, Box::new(value))
    }

    fn live_attr_boxed(self, name: &'static str, value: Box<dyn Fn() -> Option<String>>) -> Self {
        let Some(element) = self.0.clone() else { return self };
        effect(move || {
            let _ = match value() {
                Some(value) => element.set_attribute(name, &value),
                None => element.remove_attribute(name),
            };
        });
        self
    }

    /// Content that follows what it is made of.
    pub fn live(self, content: impl Fn() -> Vec<El> + 'static) -> Self {
        self.live_boxed(Box::new(content))
    }

    fn live_boxed(self, content: Box<dyn Fn() -> Vec<El>>) -> Self {
        let element = self.clone();
        effect(move || element.fill(&content()));
        self
    }

    /// Text in its place, which follows what it is made of.
    pub fn live_text(self, text: impl Fn() -> String + 'static) -> Self {
        self.live_text_boxed(Box::new(text))
    }

    fn live_text_boxed(self, text: Box<dyn Fn() -> String>) -> Self {
        let element = self.clone();
        effect(move || element.set_text(&text()));
        self
    }

    pub fn set_text(&self, text: &str) {
        if let Some(element) =
            self.0.as_ref().filter(|element| element.text_content().as_deref() != Some(text))
        {
            element.set_text_content(Some(text));
        }
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

    #[must_use]
    pub fn element(&self) -> Option<&Element> {
        self.0.as_ref()
    }

    /// Puts these in the place of all that is in the element, unless they are the same. The focus stays on its link.
    pub fn fill(&self, children: &[El]) {
        let Some(element) = &self.0 else { return };
        let new: Vec<&Element> = children.iter().filter_map(El::element).collect();
        let mut old = element.first_element_child();
        let is_same = new.iter().all(|child| {
            let before = old.take();
            old = before.as_ref().and_then(Element::next_element_sibling);
            before.is_some_and(|before| before.is_equal_node(Some(child)))
        });
        if is_same && old.is_none() {
            return;
        }
        let focused = document().active_element().filter(|focused| element.contains(Some(focused)));
        element.replace_children_with_node_0();
        for child in new {
            let _ = element.append_child(child);
        }
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
