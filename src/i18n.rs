//! What the dashboard says, in the reader's language.
//!
//! Every text that a person sees comes from a function in [`t`], which `build.rs` writes from the catalogues; views
//! call them inside reactive closures, so that a change of the language repaints what is on screen. English is
//! compiled in, every other language is fetched when it is chosen. Knows no view and formats no numbers itself.

use std::sync::Arc;

use leptos::prelude::{ArcRwSignal, Get, Set};
use serde_json::Value;

use crate::format;

include!(concat!(env!("OUT_DIR"), "/catalogue.rs"));

/// The order of the plural forms in the slots of a message.
const CATEGORIES: [&str; 6] = ["zero", "one", "two", "few", "many", "other"];

/// The texts of one language.
#[derive(Debug)]
pub struct Catalogue {
    /// The BCP 47 tag, also for `Intl`.
    pub language: String,
    /// Slot by slot; `None` for the compiled-in language.
    texts: Option<Vec<String>>,
}

impl Catalogue {
    /// The compiled-in language.
    #[must_use]
    pub fn source() -> Self {
        Self { language: "en".to_owned(), texts: None }
    }

    /// Reads a catalogue file. What it lacks (a file older than this program) is said in the source language.
    ///
    /// # Errors
    /// When the text is not a catalogue.
    pub fn parse(language: &str, json: &str) -> Result<Self, serde_json::Error> {
        let messages: serde_json::Map<String, Value> = serde_json::from_str(json)?;
        let mut texts = Vec::with_capacity(SOURCE_TEXTS.len());
        for (key, is_plural) in KEYS {
            let message = messages.get(*key);
            if *is_plural {
                let form = |category| message.and_then(|m| m.get(category)).and_then(Value::as_str);
                let known = message.is_some_and(Value::is_object);
                for category in CATEGORIES {
                    let fallback = if known { "" } else { SOURCE_TEXTS[texts.len()] };
                    texts.push(form(category).unwrap_or(fallback).to_owned());
                }
            } else {
                let text = message.and_then(Value::as_str).unwrap_or(SOURCE_TEXTS[texts.len()]);
                texts.push(text.to_owned());
            }
        }
        Ok(Self { language: language.to_owned(), texts: Some(texts) })
    }

    fn slot(&self, slot: usize) -> &str {
        match &self.texts {
            Some(texts) => texts.get(slot).map_or("", String::as_str),
            None => SOURCE_TEXTS.get(slot).copied().unwrap_or_default(),
        }
    }
}

thread_local! {
    static CURRENT: ArcRwSignal<Arc<Catalogue>> = ArcRwSignal::new(Arc::new(Catalogue::source()));
}

/// Changes the language of everything on screen.
pub fn set_catalogue(catalogue: Catalogue) {
    CURRENT.with(|current| current.set(Arc::new(catalogue)));
}

/// The catalogue now, tracked by the reactive closure that asks.
#[must_use]
pub fn current() -> Arc<Catalogue> {
    CURRENT.with(ArcRwSignal::get)
}

fn text(slot: usize, arguments: &[(&str, &str)]) -> String {
    fill(current().slot(slot), arguments)
}

fn plural(first_slot: usize, count: u64, arguments: &[(&str, &str)]) -> String {
    let catalogue = current();
    let category = format::plural_category(count);
    let at = CATEGORIES.iter().position(|name| *name == category).unwrap_or(CATEGORIES.len() - 1);
    let form = Some(catalogue.slot(first_slot + at)).filter(|form| !form.is_empty());
    let form = form.unwrap_or_else(|| catalogue.slot(first_slot + CATEGORIES.len() - 1));
    let number = format::number(count);
    let mut all = vec![("count", number.as_str())];
    all.extend_from_slice(arguments);
    fill(form, &all)
}

/// Puts the arguments in the place of `{name}`. A brace that names no argument stays.
fn fill(template: &str, arguments: &[(&str, &str)]) -> String {
    let mut filled = String::with_capacity(template.len() + 16);
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('{') {
        filled.push_str(before);
        let found = after.split_once('}').and_then(|(name, tail)| {
            arguments.iter().find(|(n, _)| *n == name).map(|(_, value)| (*value, tail))
        });
        match found {
            Some((value, tail)) => {
                filled.push_str(value);
                rest = tail;
            }
            None => {
                filled.push('{');
                rest = after;
            }
        }
    }
    filled + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders_are_filled_and_what_fills_them_is_not_read_again() {
        assert_eq!(fill("{a} and {b}", &[("a", "{b}"), ("b", "2")]), "{b} and 2");
        assert_eq!(fill("{unknown} {", &[]), "{unknown} {");
    }

    #[test]
    fn a_catalogue_that_lacks_a_key_says_it_in_the_source_language() {
        let catalogue = Catalogue::parse("xx", "{}").unwrap();
        for (slot, text) in SOURCE_TEXTS.iter().enumerate() {
            assert_eq!(catalogue.slot(slot), *text);
        }
    }
}
