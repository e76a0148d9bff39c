//! Why a connection ended, in words: a short form for tables, what it means, and what to check.
//!
//! Called by views. The codes and which words they have are in [`table`]; codes that mean the same share their words.

mod table;

use rollcall_model::log::LogEntry;
use rollcall_model::reason::{close_code_text, mqtt_reason_name};
use rollcall_model::{Initiator, StateDoc};

use crate::i18n::t;
use table::Words;

/// The codes of an end, and its text where the codes have no words of their own.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Cause {
    pub initiator: Option<Initiator>,
    pub mqtt: Option<u8>,
    pub close: Option<u16>,
    pub text: Option<String>,
}

impl Cause {
    /// Why the client is disconnected; `None` while it is connected or nothing is known.
    #[must_use]
    pub fn of_state(doc: &StateDoc) -> Option<Self> {
        let cause = Self {
            initiator: doc.disconnect_initiator,
            mqtt: doc.mqtt_reason_code,
            close: doc.close_code,
            text: doc.reason.clone(),
        };
        (cause != Self::default()).then_some(cause)
    }

    #[must_use]
    pub fn of_entry(entry: &LogEntry) -> Option<Self> {
        let cause = Self {
            initiator: entry.disconnect_initiator,
            mqtt: entry.mqtt_reason_code,
            close: entry.close_code,
            text: entry.reason.clone(),
        };
        (cause != Self::default()).then_some(cause)
    }

    /// A few words: `keep-alive ran out`.
    #[must_use]
    pub fn short(&self) -> String {
        if self.is_complaint() {
            return t::cause_client_error(&self.standard_name().unwrap_or_default());
        }
        match self.words() {
            Some(words) => (words.short)(),
            None => self.standard_name().unwrap_or_else(t::cause_unknown),
        }
    }

    /// What it means and what usually causes it.
    #[must_use]
    pub fn meaning(&self) -> String {
        // What the broker said is no name of the code.
        let name = self.name_of_code().map(str::to_owned);
        match (self.words(), name) {
            (_, name) if self.is_complaint() => t::meaning_client_error(&name.unwrap_or_default()),
            (Some(words), _) => (words.meaning)(),
            (None, Some(name)) => t::meaning_other(&name),
            (None, None) => t::meaning_unknown(),
        }
    }

    /// What to check, where something can be checked.
    #[must_use]
    pub fn advice(&self) -> Option<String> {
        if self.is_complaint() {
            return Some(t::advice_client_error());
        }
        self.words()?.advice.map(|text| text())
    }

    /// Meaning and advice, for hovering over.
    #[must_use]
    pub fn explained(&self) -> String {
        match self.advice() {
            Some(advice) => format!("{}\n{advice}", self.meaning()),
            None => self.meaning(),
        }
    }

    /// The codes: `0x8D · 160`, as far as there are any.
    #[must_use]
    pub fn codes(&self) -> Option<String> {
        match (self.mqtt.map(super::code), self.close) {
            (Some(mqtt), Some(close)) => Some(format!("{mqtt} · {close}")),
            (Some(mqtt), None) => Some(mqtt),
            (None, Some(close)) => Some(close.to_string()),
            (None, None) => None,
        }
    }

    /// The codes where there is room to say which is which: `0x8D, close code 160`.
    #[must_use]
    pub fn named_codes(&self) -> Option<String> {
        match (self.mqtt.map(super::code), self.close.map(|code| t::close_code_is(&code.to_string()))) {
            (Some(mqtt), Some(close)) => Some(format!("{mqtt}, {close}")),
            (one, other) => one.or(other),
        }
    }

    /// The codes within a sentence: `0x8D, close code 160`. A dropped connection sent no MQTT code.
    #[must_use]
    pub fn codes_in_words(&self) -> Option<String> {
        let mqtt = self.mqtt.filter(|_| self.initiator != Some(Initiator::Network) || self.close.is_none());
        Self { mqtt, close: self.close, ..Self::default() }.named_codes()
    }

    /// The name that the MQTT standard or Watson's documentation gives it, in English; else the broker's words.
    #[must_use]
    pub fn standard_name(&self) -> Option<String> {
        let name = self.name_of_code().map(str::to_owned).or_else(|| self.text.clone())?;
        Some(crate::text::limited(name.trim_end_matches('.'), 200))
    }

    fn name_of_code(&self) -> Option<&'static str> {
        let name = self.mqtt.and_then(mqtt_reason_name).or_else(|| self.close.and_then(close_code_text))?;
        Some(name.trim_end_matches('.'))
    }

    /// What the broker said beyond the standard's name for it.
    #[must_use]
    pub fn own_words(&self) -> Option<String> {
        let text = self.text.as_deref()?;
        let is_standard = |name: Option<&str>| {
            name.is_some_and(|name| {
                name.trim_end_matches('.').eq_ignore_ascii_case(text.trim_end_matches('.'))
            })
        };
        let mqtt = self.mqtt.and_then(mqtt_reason_name);
        let close = self.close.and_then(close_code_text);
        (!is_standard(mqtt) && !is_standard(close)).then(|| crate::text::limited(text, 500))
    }

    /// A client of MQTT 5 may leave with the code of an error: then the server is accused, not the client.
    fn is_complaint(&self) -> bool {
        self.initiator == Some(Initiator::Client) && self.mqtt.is_some_and(|code| code >= 0x80)
    }

    /// An MQTT code is more exact than a close code. Without a known code, who ended it says something too.
    fn words(&self) -> Option<&'static Words> {
        match (self.mqtt, self.initiator) {
            // Where no code was sent, 0x80 stands for a dropped connection.
            (Some(0x80), Some(Initiator::Server)) => Some(&table::UNSPECIFIED),
            (Some(0x80), _) => Some(&table::DROPPED),
            (Some(code), _) => table::of_mqtt(code),
            (None, _) => table::of_close(self.close?),
        }
    }
}

#[cfg(test)]
#[cfg(not(target_arch = "wasm32"))]
mod tests {
    use super::*;

    #[test]
    fn a_reason_that_only_repeats_the_code_is_not_said_twice() {
        let check = |text: &str, expect: Option<&str>| {
            let cause = Cause { close: Some(160), text: Some(text.to_owned()), ..Cause::default() };
            assert_eq!(cause.own_words().as_deref(), expect);
        };
        check("The connection timed out.", None);
        check("the connection timed out", None);
        check("idle \u{202E}for 90 s", Some("idle ⟨U+202E⟩for 90 s"));
    }

    #[test]
    fn an_error_that_the_client_reports_is_not_said_of_the_client() {
        let of = |initiator| Cause { initiator: Some(initiator), mqtt: Some(0x82), ..Cause::default() };
        assert_eq!(of(Initiator::Client).short(), "the client reported: Protocol Error");
        assert_ne!(of(Initiator::Server).short(), of(Initiator::Client).short());
    }

    #[test]
    fn the_code_of_a_dropped_connection_is_watsons_because_none_was_sent() {
        let of = |initiator, mqtt, close| {
            Cause { initiator: Some(initiator), mqtt: Some(mqtt), close: Some(close), text: None }
                .codes_in_words()
        };
        assert_eq!(of(Initiator::Network, 0x80, 91).as_deref(), Some("close code 91"));
        assert_eq!(of(Initiator::Server, 0x8D, 160).as_deref(), Some("0x8D, close code 160"));
    }
}
