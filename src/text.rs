//! Hostile text made safe to look at: client ids may hold anything that UTF-8 can hold.
//!
//! Control characters and invisible or direction-changing ones become visible symbols, and very long texts are cut
//! in the middle, so that both ends of an id stay visible. Called by every view that shows text from a broker;
//! never changes what is copied or sent.

/// A text for display: what may be cut off by the layout, and the end that must stay visible.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Shown {
    pub head: String,
    pub tail: String,
}

/// How many characters of the end stay visible, and how many of the beginning are given to the page at all.
const TAIL: usize = 9;
/// Texts up to this length fit wherever ids are shown, and are not taken apart. From right to left a text would read differently
/// in two parts, so there it may be longer.
const SHORT: usize = 16;
const SHORT_FROM_RIGHT: usize = 24;
const HEAD_MAX: usize = 160;

/// Takes a text apart for display in one line with an ellipsis in the middle.
#[must_use]
pub fn middle(text: &str) -> Shown {
    let head_end = text.char_indices().nth(HEAD_MAX).map_or(text.len(), |(at, _)| at);
    let tail_start = text.char_indices().rev().nth(TAIL - 1).map_or(0, |(at, _)| at);
    let is_from_right =
        |c: char| matches!(c, '\u{590}'..='\u{8FF}' | '\u{FB1D}'..='\u{FDFF}' | '\u{FE70}'..='\u{FEFC}');
    let short = if text.chars().take(SHORT_FROM_RIGHT).any(is_from_right) { SHORT_FROM_RIGHT } else { SHORT };
    if text.chars().nth(short).is_none() {
        return Shown { head: visible(text), tail: String::new() };
    }
    if head_end < tail_start {
        let head = visible(&text[..head_end]) + "…";
        return Shown { head, tail: visible(&text[tail_start..]) };
    }
    Shown { head: visible(&text[..tail_start]), tail: visible(&text[tail_start..]) }
}

/// The text with every character visible, at most `max` of them.
#[must_use]
pub fn limited(text: &str, max: usize) -> String {
    match text.char_indices().nth(max) {
        Some((end, _)) => visible(&text[..end]) + "…",
        None => visible(text),
    }
}

fn visible(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\u{7F}' => shown.push('␡'),
            // The control pictures stand in the order of the controls.
            '\0'..='\u{1F}' => shown.push(char::from_u32(0x2400 + c as u32).unwrap_or('\u{FFFD}')),
            _ if is_treacherous(c) => shown.push_str(&format!("⟨U+{:04X}⟩", c as u32)),
            _ => shown.push(c),
        }
    }
    // A text of blanks alone would look like no text.
    if !shown.is_empty() && shown.chars().all(char::is_whitespace) {
        return shown.chars().map(|_| '␣').collect();
    }
    shown
}

/// Characters that hide, or that change how others are read.
fn is_treacherous(c: char) -> bool {
    matches!(c,
        '\u{80}'..='\u{9F}' | '\u{AD}' | '\u{61C}' | '\u{180E}' | '\u{200B}' | '\u{200C}' | '\u{200E}' | '\u{200F}'
        | '\u{2028}'..='\u{202E}' | '\u{2060}'..='\u{206F}' | '\u{FEFF}' | '\u{FFF9}'..='\u{FFFB}'
        | '\u{E0000}'..='\u{E007F}')
}

#[cfg(test)]
#[cfg(not(target_arch = "wasm32"))]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn controls_and_direction_marks_are_seen() {
        assert_eq!(limited("a\nb\0c\u{7F}", 99), "a␊b␀c␡");
        assert_eq!(limited("\u{202E}gnp.exe", 99), "⟨U+202E⟩gnp.exe");
        assert_eq!(limited("   ", 99), "␣␣␣");
        assert_eq!(limited("日本語 👩‍👩‍👧", 99), "日本語 👩‍👩‍👧");
    }

    #[test]
    fn both_ends_of_a_long_id_are_shown() {
        let shown = middle(&format!("{}{}", "x".repeat(60_000), "d:acme01:t-17"));
        assert!(shown.head.chars().count() <= HEAD_MAX + 1 && shown.head.ends_with('…'));
        assert_eq!(shown.tail, "me01:t-17");
        assert_eq!(middle("short"), Shown { head: "short".to_owned(), tail: String::new() });
    }

    proptest! {
        #[test]
        fn a_plain_text_of_usual_length_loses_nothing(text in "[a-zäöü:日本]{0,100}") {
            let shown = middle(&text);
            prop_assert_eq!(shown.head + &shown.tail, text);
        }

        #[test]
        fn nothing_shown_is_a_control(text in any::<String>()) {
            let shown = middle(&text);
            prop_assert!(!shown.head.chars().chain(shown.tail.chars()).any(|c| c.is_control() || is_treacherous(c)));
        }
    }
}
