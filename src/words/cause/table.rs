//! Which words each code has: the MQTT 5 reason codes and Watson's close codes of `rollcall_model::reason`.
//!
//! Pure data, asked by `cause`. A row is one meaning; all codes of a row share its words.

use crate::i18n::t;

type Text = fn() -> String;

/// The words of one meaning.
pub struct Words {
    /// For tables: a few words, in lower case.
    pub short: Text,
    /// What it means and what usually causes it.
    pub meaning: Text,
    /// What to check next.
    pub advice: Option<Text>,
}

struct Row {
    mqtt: &'static [u8],
    close: &'static [u16],
    words: Words,
}

const fn row(
    mqtt: &'static [u8],
    close: &'static [u16],
    short: Text,
    meaning: Text,
    advice: Option<Text>,
) -> Row {
    Row { mqtt, close, words: Words { short, meaning, advice } }
}

/// The connection broke off.
pub static DROPPED: Words =
    Words { short: t::cause_dropped, meaning: t::meaning_dropped, advice: Some(t::advice_dropped) };

/// The server closed the connection and said no more.
pub static UNSPECIFIED: Words = Words {
    short: t::cause_unspecified,
    meaning: t::meaning_unspecified,
    advice: Some(t::advice_unspecified),
};

#[rustfmt::skip]
static ROWS: &[Row] = &[
    row(&[0x00], &[0, 90], t::cause_normal, t::meaning_normal, None),
    row(&[0x04], &[], t::cause_with_will, t::meaning_with_will, Some(t::advice_with_will)),
    row(&[0x83], &[], t::cause_own_reason, t::meaning_own_reason, Some(t::advice_own_reason)),
    row(&[0x81], &[105, 271, 272, 275], t::cause_malformed, t::meaning_malformed, Some(t::advice_malformed)),
    row(&[0x82], &[282, 285], t::cause_protocol, t::meaning_protocol, Some(t::advice_protocol)),
    row(&[0x84], &[293, 297], t::cause_version, t::meaning_version, Some(t::advice_version)),
    row(&[0x85], &[166, 174], t::cause_client_id, t::meaning_client_id, Some(t::advice_client_id)),
    row(&[], &[292], t::cause_durable, t::meaning_durable, Some(t::advice_durable)),
    row(&[0x86], &[181, 183, 286], t::cause_bad_password, t::meaning_bad_password, Some(t::advice_bad_password)),
    row(&[0x87], &[159, 180], t::cause_not_authorized, t::meaning_not_authorized, Some(t::advice_not_authorized)),
    row(&[0x88], &[150, 167, 168], t::cause_unavailable, t::meaning_unavailable, Some(t::advice_unavailable)),
    row(&[], &[188], t::cause_auth_service, t::meaning_auth_service, Some(t::advice_auth_service)),
    row(&[0x89], &[104], t::cause_busy, t::meaning_busy, Some(t::advice_busy)),
    row(&[0x8A], &[], t::cause_banned, t::meaning_banned, Some(t::advice_banned)),
    row(&[0x8B], &[93], t::cause_shutting_down, t::meaning_shutting_down, Some(t::advice_shutting_down)),
    row(&[0x8C], &[], t::cause_auth_method, t::meaning_auth_method, Some(t::advice_auth_method)),
    row(&[0x8D], &[160, 161, 162], t::cause_keep_alive, t::meaning_keep_alive, Some(t::advice_keep_alive)),
    row(&[0x8E], &[288], t::cause_taken_over, t::meaning_taken_over, Some(t::advice_taken_over)),
    row(&[], &[213], t::cause_in_use, t::meaning_in_use, Some(t::advice_in_use)),
    row(&[0x8F], &[], t::cause_filter, t::meaning_filter, Some(t::advice_filter)),
    row(&[0x90], &[276, 289], t::cause_topic, t::meaning_topic, Some(t::advice_topic)),
    row(&[0x93], &[299], t::cause_receive_max, t::meaning_receive_max, Some(t::advice_receive_max)),
    row(&[], &[96, 178], t::cause_slow, t::meaning_slow, Some(t::advice_slow)),
    row(&[0x94], &[298], t::cause_topic_alias, t::meaning_topic_alias, Some(t::advice_topic_alias)),
    row(&[0x95], &[287], t::cause_too_large, t::meaning_too_large, Some(t::advice_too_large)),
    row(&[], &[165, 294], t::cause_first_packet, t::meaning_first_packet, Some(t::advice_first_packet)),
    row(&[], &[164], t::cause_silent, t::meaning_silent, Some(t::advice_silent)),
    row(&[0x96], &[], t::cause_rate, t::meaning_rate, Some(t::advice_rate)),
    row(&[0x9F], &[176], t::cause_connect_rate, t::meaning_connect_rate, Some(t::advice_connect_rate)),
    row(&[0x97], &[154, 173], t::cause_quota, t::meaning_quota, Some(t::advice_quota)),
    row(&[0x98], &[94], t::cause_administrator, t::meaning_administrator, Some(t::advice_administrator)),
    row(&[0x99], &[273], t::cause_payload, t::meaning_payload, Some(t::advice_payload)),
    row(&[0x9A], &[], t::cause_retain, t::meaning_retain, Some(t::advice_retain)),
    row(&[0x9B], &[284, 291], t::cause_qos, t::meaning_qos, Some(t::advice_qos)),
    row(&[0x9E, 0xA1, 0xA2], &[290], t::cause_subscription, t::meaning_subscription, Some(t::advice_subscription)),
    row(&[0x9C, 0x9D], &[], t::cause_moved, t::meaning_moved, Some(t::advice_moved)),
    row(&[0xA0], &[193], t::cause_max_time, t::meaning_max_time, Some(t::advice_max_time)),
    row(&[], &[163], t::cause_tls, t::meaning_tls, Some(t::advice_tls)),
    row(&[], &[169, 170], t::cause_certificate, t::meaning_certificate, Some(t::advice_certificate)),
    row(&[], &[270, 277], t::cause_will, t::meaning_will, Some(t::advice_will)),
    row(&[], &[171, 175, 295], t::cause_web_socket, t::meaning_web_socket, Some(t::advice_web_socket)),
    row(&[], &[177, 278, 279, 280, 281, 296], t::cause_setup, t::meaning_setup, Some(t::advice_setup)),
];

/// The words of an MQTT reason code, except 0x80, whose meaning depends on who ended the connection.
#[must_use]
pub fn of_mqtt(code: u8) -> Option<&'static Words> {
    ROWS.iter().find(|row| row.mqtt.contains(&code)).map(|row| &row.words)
}

/// The words of a close code of Watson's.
#[must_use]
pub fn of_close(code: u16) -> Option<&'static Words> {
    match code {
        91 | 95 | 152 | 153 => Some(&DROPPED),
        92 => Some(&UNSPECIFIED),
        code => ROWS.iter().find(|row| row.close.contains(&code)).map(|row| &row.words),
    }
}

#[cfg(test)]
#[cfg(not(target_arch = "wasm32"))]
mod tests {
    use std::collections::BTreeSet;

    use rollcall_model::reason::{CLOSE_CODES, MQTT_REASON_CODES};

    use super::*;

    #[test]
    fn every_code_that_ends_or_refuses_a_connection_has_words() {
        let mqtt = MQTT_REASON_CODES.iter().filter(|(code, _)| *code != 0x80 && of_mqtt(*code).is_none());
        assert_eq!(mqtt.collect::<Vec<_>>(), Vec::<&(u8, &str)>::new());
        let close = CLOSE_CODES.iter().filter(|(code, _)| of_close(*code).is_none());
        assert_eq!(close.collect::<Vec<_>>(), Vec::<&(u16, &str)>::new());
    }

    #[test]
    fn no_row_has_a_code_that_does_not_exist_or_that_another_row_has() {
        let mut mqtt: BTreeSet<u8> = MQTT_REASON_CODES.iter().map(|(code, _)| *code).collect();
        let mut close: BTreeSet<u16> = CLOSE_CODES.iter().map(|(code, _)| *code).collect();
        for row in ROWS {
            assert!(!row.mqtt.is_empty() || !row.close.is_empty(), "{} has no code", (row.words.short)());
            assert!(row.mqtt.iter().all(|code| mqtt.remove(code)), "{:?}", row.mqtt);
            assert!(row.close.iter().all(|code| close.remove(code)), "{:?}", row.close);
        }
        assert_eq!(mqtt, BTreeSet::from([0x80]));
        assert_eq!(close, BTreeSet::from([91, 92, 95, 152, 153]));
    }

    #[test]
    fn every_meaning_says_something_of_its_own_and_what_to_check() {
        let words = || ROWS.iter().map(|row| &row.words).chain([&DROPPED, &UNSPECIFIED]);
        let shorts: BTreeSet<String> = words().map(|words| (words.short)()).collect();
        let meanings: BTreeSet<String> = words().map(|words| (words.meaning)()).collect();
        assert_eq!((shorts.len(), meanings.len()), (words().count(), words().count()));
        let silent = words().filter(|words| words.advice.is_none()).map(|words| (words.short)());
        assert_eq!(silent.collect::<Vec<_>>(), [t::cause_normal()]);
    }
}
