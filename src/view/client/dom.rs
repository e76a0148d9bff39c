//! Plain elements without reactivity, for lists and drawings of thousands of them.
//!
//! The parts of the client's page that show a whole log make their elements here, inside one effect: a signal for each
//! of ten thousand rows would cost more than the rows. Text is set as text, never as HTML.

use std::sync::Arc;

use leptos::prelude::document;
use wasm_bindgen::JsValue;
use web_sys::Element;

const SVG: &str = "http://www.w3.org/2000/svg";

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
    #[must_use]
    pub fn attr(self, name: &str, value: &str) -> Self {
        if let Some(element) = &self.0 {
            let _ = element.set_attribute(name, value);
        }
        self
    }

    #[must_use]
    pub fn text(self, text: &str) -> Self {
        if let Some(element) = &self.0 {
            let _ = element.append_with_str_1(text);
        }
        self
    }

    #[must_use]
    pub fn child(self, child: &El) -> Self {
        if let (Some(element), Some(child)) = (&self.0, &child.0) {
            let _ = element.append_child(child);
        }
        self
    }

    #[must_use]
    pub fn element(&self) -> Option<&Element> {
        self.0.as_ref()
    }
}

/// Puts these in the place of all that is in `parent`.
pub fn fill(parent: &Element, children: &[El]) {
    parent.replace_children_with_node_0();
    for child in children.iter().filter_map(El::element) {
        let _ = parent.append_child(child);
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

/// Pretty JSON, for copying.
#[must_use]
pub fn json<T: serde::Serialize + ?Sized>(value: &T) -> String {
    let text = serde_json::to_string(value).unwrap_or_default();
    let pretty = js_sys::JSON::parse(&text).and_then(|value| {
        js_sys::JSON::stringify_with_replacer_and_space(&value, &JsValue::NULL, &JsValue::from_f64(2.0))
    });
    pretty.map(String::from).unwrap_or(text)
}

#[cfg(test)]
#[cfg(not(target_arch = "wasm32"))]
mod tests {
    use super::px;

    #[test]
    fn pixels_are_written_to_a_tenth() {
        let all = [0.0, 12.0, 3.14, -0.26, 99.96].map(px);
        assert_eq!(all, ["0", "12", "3.1", "-0.3", "100"]);
    }
}
