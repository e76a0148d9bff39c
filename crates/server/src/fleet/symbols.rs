//! Texts that many clients share, kept once and named by a number: device types, reasons, user names, the
//! beginnings of ids.

use std::collections::BTreeMap;
use std::sync::Arc;

use ahash::AHashMap;

/// The number of no text.
pub const ABSENT: u32 = 0;

/// Counts how often each text is used, and forgets those that no longer are: reasons can be as many as the
/// disconnects of years.
#[derive(Debug, Default)]
pub struct Symbols {
    numbers: AHashMap<Arc<str>, u32>,
    /// The same in order, so that a sort finds the ranks of the texts without sorting them.
    order: BTreeMap<Arc<str>, u32>,
    /// By number minus one, with the count of uses; `None` where a number is free.
    texts: Vec<Option<(Arc<str>, u32)>>,
    free: Vec<u32>,
}

impl Symbols {
    pub fn acquire(&mut self, text: Option<&str>) -> u32 {
        let Some(text) = text else { return ABSENT };
        if let Some(&number) = self.numbers.get(text) {
            self.hold(number);
            return number;
        }
        let shared: Arc<str> = Arc::from(text);
        let entry = Some((Arc::clone(&shared), 1));
        let number = if let Some(number) = self.free.pop() {
            self.texts[number as usize - 1] = entry;
            number
        } else {
            self.texts.push(entry);
            self.texts.len() as u32
        };
        self.numbers.insert(Arc::clone(&shared), number);
        self.order.insert(shared, number);
        number
    }

    /// Counts one more use of a text that has a number.
    pub fn hold(&mut self, number: u32) {
        let entry = (number as usize).checked_sub(1).and_then(|at| self.texts.get_mut(at));
        if let Some(Some((_, uses))) = entry {
            *uses += 1;
        }
    }

    pub fn release(&mut self, number: u32) {
        let Some(entry) = (number as usize).checked_sub(1).and_then(|at| self.texts.get_mut(at)) else {
            return;
        };
        if let Some((_, uses)) = entry {
            *uses -= 1;
            if *uses == 0 {
                if let Some((text, _)) = entry.take() {
                    self.numbers.remove(&text);
                    self.order.remove(&text);
                }
                self.free.push(number);
            }
        }
    }

    pub fn text(&self, number: u32) -> Option<&str> {
        let at = (number as usize).checked_sub(1)?;
        self.texts.get(at)?.as_ref().map(|(text, _)| &**text)
    }

    pub fn number(&self, text: &str) -> Option<u32> {
        self.numbers.get(text).copied()
    }

    /// One more than the greatest number.
    pub fn bound(&self) -> usize {
        self.texts.len() + 1
    }

    /// How many texts there are.
    pub fn len(&self) -> usize {
        self.numbers.len()
    }

    /// The texts in order, each with its number.
    pub fn sorted(&self) -> impl Iterator<Item = (&str, u32)> {
        self.order.iter().map(|(text, number)| (&**text, *number))
    }
}

/// How many texts a dictionary holds, and how long they may be. What does not fit is spelled out where it is used.
const DICTIONARY_MAX: usize = 4_096;
const DICTIONARY_TEXT_MAX: usize = 64;

/// A bounded list of texts that were seen first, so that the common ones (`use-token-auth`) take a byte or two.
#[derive(Debug, Default)]
pub struct Dictionary {
    numbers: AHashMap<Arc<str>, u32>,
    texts: Vec<Arc<str>>,
}

impl Dictionary {
    /// The text's number, if it has one or can still get one.
    pub fn number(&mut self, text: &str) -> Option<u32> {
        if let Some(&number) = self.numbers.get(text) {
            return Some(number);
        }
        if self.texts.len() >= DICTIONARY_MAX || text.len() > DICTIONARY_TEXT_MAX {
            return None;
        }
        let shared: Arc<str> = Arc::from(text);
        let number = self.texts.len() as u32;
        self.texts.push(Arc::clone(&shared));
        self.numbers.insert(shared, number);
        Some(number)
    }

    pub fn text(&self, number: u32) -> Option<&str> {
        self.texts.get(number as usize).map(|text| &**text)
    }
}
