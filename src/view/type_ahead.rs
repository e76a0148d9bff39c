//! Who types letters in a menu goes to the entry that begins with them, as in the menus of a system. Called by what opens
//! over the page.

use leptos::ev::KeyboardEvent;
use wasm_bindgen::JsCast;
use web_sys::{Element, HtmlElement};

use crate::browser;

/// After so long without a letter another word begins, in milliseconds.
const PAUSE_MS: f64 = 800.0;
/// Accents, where they are apart from their letters.
const ACCENTS: std::ops::RangeInclusive<char> = '\u{300}'..='\u{36f}';

/// What hears the keys of one menu.
pub fn type_ahead() -> impl FnMut(KeyboardEvent) + 'static {
    let (mut typed, mut typed_ms) = (String::new(), f64::MIN);
    move |event| {
        let key = event.key();
        let has_modifier = event.ctrl_key() || event.meta_key() || event.alt_key();
        if has_modifier || key.chars().count() != 1 {
            return;
        }
        let target: Option<Element> = event.target().and_then(|target| target.dyn_into().ok());
        let field = "input:not([type=checkbox], [type=radio]), select, textarea";
        let Some(target) = target.filter(|target| !target.matches(field).unwrap_or(true)) else { return };
        let now_ms = browser::steady_ms();
        if now_ms - typed_ms > PAUSE_MS {
            typed.clear();
        }
        let wanted = format!("{typed}{}", plain(&key));
        let entries = entries(&target);
        let names: Vec<String> = entries.iter().map(|(_, name)| plain(name.trim())).collect();
        let from = entries.iter().position(|(entry, _)| entry.contains(Some(&target)));
        if let Some((entry, _)) = entry_of(&names, &wanted, from).and_then(|at| entries.get(at)) {
            event.prevent_default();
            focus(entry);
        } else if key == " " {
            // It presses what has the focus, unless it is within a name.
            return;
        }
        (typed, typed_ms) = (wanted, now_ms);
    }
}

/// The entries of the menu around an element, and what they say.
fn entries(target: &Element) -> Vec<(Element, String)> {
    let body = target.closest(".popup-body").ok().flatten();
    let Some(found) = body.and_then(|body| body.query_selector_all(".item, .option").ok()) else {
        return Vec::new();
    };
    let entry = |at: u32| {
        let entry: Element = found.item(at)?.dyn_into().ok()?;
        let name = entry.query_selector(".option-name").ok()?;
        let name = name.as_ref().unwrap_or(&entry).text_content()?;
        Some((entry, name))
    };
    (0..found.length()).filter_map(entry).collect()
}

/// A box to tick stands in its entry.
fn focus(entry: &Element) {
    let own = entry.query_selector("input").ok().flatten();
    if let Some(own) = own.as_ref().unwrap_or(entry).dyn_ref::<HtmlElement>() {
        let _ = own.focus();
    }
}

/// Without case and accents: who looks for "état" may type "etat".
fn plain(text: &str) -> String {
    let text = String::from(js_sys::JsString::from(text).normalize("NFD"));
    text.to_lowercase().chars().filter(|c| !ACCENTS.contains(c)).collect()
}

/// The entry that begins with what was typed: the one that has the focus, or the next one after it. The same letter again
/// and again goes from one entry to the next.
fn entry_of(names: &[String], typed: &str, from: Option<usize>) -> Option<usize> {
    let first = typed.chars().next()?;
    let is_repeated = typed.chars().all(|letter| letter == first);
    let start = from.map_or(0, |from| from + usize::from(is_repeated));
    let begins = |at: &usize| {
        names
            .get(*at)
            .is_some_and(|name| if is_repeated { name.starts_with(first) } else { name.starts_with(typed) })
    };
    (start..names.len()).chain(0..start).find(begins)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(typed: &str, from: Option<usize>, expect: Option<&str>) {
        let names = ["last connect", "last activity", "status", "stale", "close code"].map(str::to_owned);
        let found = entry_of(&names, typed, from).map(|at| names[at].as_str());
        assert_eq!(found, expect, "{typed} from {from:?}");
    }

    #[test]
    fn letters_go_to_the_entry_that_begins_with_them() {
        check("s", None, Some("status"));
        check("st", Some(2), Some("status"));
        check("sta", Some(2), Some("status"));
        check("stal", Some(2), Some("stale"));
        check("last a", Some(0), Some("last activity"));
        check("x", None, None);
        check("", None, None);
        // No name begins so: it is not the beginning of a name.
        check(" ", None, None);
        check("stale ", Some(3), None);
    }

    #[test]
    fn the_same_letter_again_goes_to_the_next_entry_and_around() {
        check("l", Some(0), Some("last activity"));
        check("ll", Some(1), Some("last connect"));
        check("c", Some(4), Some("close code"));
    }
}
