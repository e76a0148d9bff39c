//! Reactive values of few types.
//!
//! The renderer is compiled anew for each type of closure that it is given, some kilobytes each. Texts, flags and
//! optional texts therefore go through one boxed type each; a text of the catalogue goes as a plain function pointer.

use leptos::prelude::Signal;

/// A text of the catalogue.
#[must_use]
pub fn say(text: fn() -> String) -> fn() -> String {
    text
}

/// A text that follows what it is made of.
#[must_use]
pub fn live(text: impl Fn() -> String + Send + Sync + 'static) -> Signal<String> {
    fn make(text: Box<dyn Fn() -> String + Send + Sync>) -> Signal<String> {
        Signal::derive(text)
    }
    make(Box::new(text))
}

/// A text that may be absent; an absent attribute is not written.
#[must_use]
pub fn maybe(text: impl Fn() -> Option<String> + Send + Sync + 'static) -> Signal<Option<String>> {
    fn make(text: Box<dyn Fn() -> Option<String> + Send + Sync>) -> Signal<Option<String>> {
        Signal::derive(text)
    }
    make(Box::new(text))
}

/// Whether a class or a boolean attribute applies.
#[must_use]
pub fn flag(is_so: impl Fn() -> bool + Send + Sync + 'static) -> Signal<bool> {
    fn make(is_so: Box<dyn Fn() -> bool + Send + Sync>) -> Signal<bool> {
        Signal::derive(is_so)
    }
    make(Box::new(is_so))
}
