//! What the dashboard says, in the reader's language.
//!
//! Every text that a person sees comes from a function in [`t`], which `build.rs` writes from the catalogues; views
//! call them inside reactive closures, so that a change of the language repaints what is on screen. English is
//! compiled in, every other language is fetched when it is chosen. Knows no view and formats no numbers itself.

use std::collections::HashMap;
use std::sync::Arc;

use leptos::prelude::{ArcRwSignal, Get, GetUntracked, Set};

use crate::format;
use crate::json::{self, Malformed};

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
    pub fn parse(language: &str, json: &str) -> Result<Self, Malformed> {
        let messages: HashMap<String, &str> = json::members(json)?.into_iter().collect();
        let mut texts = Vec::with_capacity(SOURCE_TEXTS.len());
        for (key, is_plural) in KEYS {
            let message = messages.get(*key).copied();
            if *is_plural {
                let forms: Option<HashMap<String, &str>> =
                    message.and_then(|message| Some(json::members(message).ok()?.into_iter().collect()));
                for category in CATEGORIES {
                    let fallback = if forms.is_some() { "" } else { SOURCE_TEXTS[texts.len()] };
                    let form = forms.as_ref().and_then(|forms| forms.get(category));
                    texts.push(
                        form.and_then(|form| json::from_str(form).ok())
                            .unwrap_or_else(|| fallback.to_owned()),
                    );
                }
            } else {
                let text = message.and_then(|message| json::from_str(message).ok());
                texts.push(text.unwrap_or_else(|| SOURCE_TEXTS[texts.len()].to_owned()));
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

/// The catalogue now, untracked.
#[must_use]
pub fn shown() -> Arc<Catalogue> {
    CURRENT.with(ArcRwSignal::get_untracked)
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
    fn a_catalogue_says_its_texts_and_the_source_says_what_is_no_text() {
        let at =
            |is_wanted: fn(bool) -> bool| KEYS.iter().position(|(_, plural)| is_wanted(*plural)).unwrap();
        let (plain, plural) = (at(|plural| !plural), at(|plural| plural));
        let slot = |key: usize| -> usize {
            KEYS[..key].iter().map(|(_, plural)| if *plural { CATEGORIES.len() } else { 1 }).sum()
        };
        let parse = |plain_text: &str, forms: &str| {
            let json = format!(r#"{{"{}": {plain_text}, "{}": {forms}}}"#, KEYS[plain].0, KEYS[plural].0);
            Catalogue::parse("xx", &json).unwrap()
        };
        let catalogue = parse(r#""\u00e9t\u00e9""#, r#"{"one": "un", "other": "des"}"#);
        assert_eq!(catalogue.slot(slot(plain)), "été");
        let forms: Vec<&str> =
            (0..CATEGORIES.len()).map(|form| catalogue.slot(slot(plural) + form)).collect();
        assert_eq!(forms, ["", "un", "", "", "", "des"]);

        let odd = parse("7", "null");
        assert_eq!(odd.slot(slot(plain)), SOURCE_TEXTS[slot(plain)]);
        assert_eq!(odd.slot(slot(plural) + 5), SOURCE_TEXTS[slot(plural) + 5]);
        assert!(Catalogue::parse("xx", "[]").is_err());
    }

    #[test]
    fn a_catalogue_that_lacks_a_key_says_it_in_the_source_language() {
        let catalogue = Catalogue::parse("xx", "{}").unwrap();
        for (slot, text) in SOURCE_TEXTS.iter().enumerate() {
            assert_eq!(catalogue.slot(slot), *text);
        }
    }
}
