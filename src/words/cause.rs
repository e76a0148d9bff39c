//! Why a connection ended, in words: a short form for tables, what it means, and what to check.

use rollcall_model::log::LogEntry;
use rollcall_model::reason::{close_code_text, mqtt_reason_name};
use rollcall_model::{Initiator, StateDoc};

use crate::i18n::t;

/// The codes of an end, and its text where the codes have no words of their own.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Cause {
    pub initiator: Option<Initiator>,
    pub mqtt: Option<u8>,
    pub close: Option<u16>,
    pub text: Option<String>,
}

/// What the catalogue has words for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Known {
    Normal,
    WithWill,
    Dropped,
    Unspecified,
    Malformed,
    Protocol,
    BadPassword,
    NotAuthorized,
    ShuttingDown,
    KeepAlive,
    TakenOver,
    TooLarge,
    Administrator,
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
        match self.known() {
            Some(Known::Normal) => t::cause_normal(),
            Some(Known::WithWill) => t::cause_with_will(),
            Some(Known::Dropped) => t::cause_dropped(),
            Some(Known::Unspecified) => t::cause_unspecified(),
            Some(Known::Malformed) => t::cause_malformed(),
            Some(Known::Protocol) => t::cause_protocol(),
            Some(Known::BadPassword) => t::cause_bad_password(),
            Some(Known::NotAuthorized) => t::cause_not_authorized(),
            Some(Known::ShuttingDown) => t::cause_shutting_down(),
            Some(Known::KeepAlive) => t::cause_keep_alive(),
            Some(Known::TakenOver) => t::cause_taken_over(),
            Some(Known::TooLarge) => t::cause_too_large(),
            Some(Known::Administrator) => t::cause_administrator(),
            None => self.standard_name().unwrap_or_else(t::cause_unknown),
        }
    }

    /// What it means, as a sentence.
    #[must_use]
    pub fn meaning(&self) -> String {
        match self.known() {
            Some(Known::Normal) => t::meaning_normal(),
            Some(Known::WithWill) => t::meaning_with_will(),
            Some(Known::Dropped) => t::meaning_dropped(),
            Some(Known::Unspecified) => t::meaning_unspecified(),
            Some(Known::Malformed) => t::meaning_malformed(),
            Some(Known::Protocol) => t::meaning_protocol(),
            Some(Known::BadPassword) => t::meaning_bad_password(),
            Some(Known::NotAuthorized) => t::meaning_not_authorized(),
            Some(Known::ShuttingDown) => t::meaning_shutting_down(),
            Some(Known::KeepAlive) => t::meaning_keep_alive(),
            Some(Known::TakenOver) => t::meaning_taken_over(),
            Some(Known::TooLarge) => t::meaning_too_large(),
            Some(Known::Administrator) => t::meaning_administrator(),
            None => match self.standard_name() {
                Some(name) => t::meaning_other(&name),
                None => t::meaning_unknown(),
            },
        }
    }

    /// What to check, where something can be checked.
    #[must_use]
    pub fn advice(&self) -> Option<String> {
        Some(match self.known()? {
            Known::Normal => return None,
            Known::WithWill => t::advice_with_will(),
            Known::Dropped => t::advice_dropped(),
            Known::Unspecified => t::advice_unspecified(),
            Known::Malformed => t::advice_malformed(),
            Known::Protocol => t::advice_protocol(),
            Known::BadPassword => t::advice_bad_password(),
            Known::NotAuthorized => t::advice_not_authorized(),
            Known::ShuttingDown => t::advice_shutting_down(),
            Known::KeepAlive => t::advice_keep_alive(),
            Known::TakenOver => t::advice_taken_over(),
            Known::TooLarge => t::advice_too_large(),
            Known::Administrator => t::advice_administrator(),
        })
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

    /// The name that the MQTT standard or Watson's documentation gives it, in English; else the broker's words.
    #[must_use]
    pub fn standard_name(&self) -> Option<String> {
        let standard = self.mqtt.and_then(mqtt_reason_name).or_else(|| self.close.and_then(close_code_text));
        standard
            .map(str::to_owned)
            .or_else(|| self.text.clone())
            .map(|text| crate::text::limited(text.trim_end_matches('.'), 200))
    }

    fn known(&self) -> Option<Known> {
        let by_mqtt = self.mqtt.and_then(|code| match code {
            0x00 => Some(Known::Normal),
            0x04 => Some(Known::WithWill),
            0x80 if self.initiator == Some(Initiator::Server) => Some(Known::Unspecified),
            0x80 => Some(Known::Dropped),
            0x81 => Some(Known::Malformed),
            0x82 => Some(Known::Protocol),
            0x86 => Some(Known::BadPassword),
            0x87 => Some(Known::NotAuthorized),
            0x8B => Some(Known::ShuttingDown),
            0x8D => Some(Known::KeepAlive),
            0x8E => Some(Known::TakenOver),
            0x95 => Some(Known::TooLarge),
            0x98 => Some(Known::Administrator),
            _ => None,
        });
        if self.mqtt.is_some() {
            return by_mqtt;
        }
        self.close.and_then(|code| match code {
            0 | 90 => Some(Known::Normal),
            91 => Some(Known::Dropped),
            92 => Some(Known::Unspecified),
            93 => Some(Known::ShuttingDown),
            94 => Some(Known::Administrator),
            160 => Some(Known::KeepAlive),
            180 => Some(Known::NotAuthorized),
            287 => Some(Known::TooLarge),
            288 => Some(Known::TakenOver),
            _ => None,
        })
    }
}
