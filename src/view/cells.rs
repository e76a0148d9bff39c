//! What a cell of the table says about a state, column by column. Called by the rows; touches no page.

use rollcall_model::query::{Field, SortValue};
use rollcall_model::{Certainty, StateDoc, Timestamp};

use super::icons::mark_of;
use crate::i18n::t;
use crate::window::Change;
use crate::words::{self, Cause};
use crate::{format, text};

/// A part of a cell: its class and its text. A cell has up to three.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Part {
    pub class: &'static str,
    pub text: String,
}

const fn part(class: &'static str, text: String) -> Part {
    Part { class, text }
}

/// The classes of the cells of a column.
#[must_use]
pub fn class_of(field: Field) -> String {
    let time = if field.is_time() { " c-time" } else { "" };
    format!("cell c-{}{time}", field.name())
}

/// The classes of the parts that nearly every cell of a column has.
#[must_use]
pub const fn usual_parts(field: Field) -> &'static [&'static str] {
    match field {
        _ if field.is_time() => &["at", "ago"],
        Field::ConnectionStatus => &["mark mark-connected", "word"],
        Field::Id => &["id id-head", "id id-tail"],
        Field::MqttReasonCode => &["why"],
        _ => &["text"],
    }
}

/// The time in a column of times.
#[must_use]
pub fn time_of(field: Field, doc: &StateDoc) -> Option<Timestamp> {
    match field.key(doc) {
        SortValue::Number(ms) if field.is_time() => Some(Timestamp::from_millis(ms)),
        _ => None,
    }
}

/// Whether two states say the same in a column.
#[must_use]
pub fn is_same(field: Field, a: &StateDoc, b: &StateDoc) -> bool {
    let more: &[Field] = match field {
        Field::ConnectionStatus => &[Field::Certainty, Field::StaleSince],
        Field::MqttReasonCode => {
            &[Field::CloseCode, Field::DisconnectInitiator, Field::Reason, Field::Certainty]
        }
        Field::DeviceType => &[Field::ClientType],
        _ => &[],
    };
    [field].iter().chain(more).all(|field| field.key(a) == field.key(b))
}

/// Whether what a message changed is told by the column.
#[must_use]
pub const fn glow_of(field: Field, change: Change) -> bool {
    match field {
        Field::ConnectionStatus
        | Field::DisconnectInitiator
        | Field::MqttReasonCode
        | Field::CloseCode
        | Field::Reason => change.status,
        Field::LastConnectTime | Field::RecentConnects => change.connect,
        Field::LastDisconnectTime => change.disconnect,
        Field::LastActivityTime | Field::LastPublishTime | Field::LastActivityEvent => change.activity,
        _ => false,
    }
}

/// Whether pointing at a cell of the column explains it.
#[must_use]
pub const fn has_tooltip(field: Field) -> bool {
    field.is_time() || matches!(field, Field::Id | Field::MqttReasonCode | Field::Reason | Field::DeviceId)
}

/// What pointing at a cell explains: exact times in both zones, whole ids, what a reason means.
#[must_use]
pub fn tooltip(field: Field, doc: &StateDoc) -> Option<String> {
    match field {
        Field::MqttReasonCode => Cause::of_state(doc).map(|cause| cause.meaning()),
        Field::Id | Field::Reason | Field::DeviceId => {
            field.text(doc).map(|text| text::limited(&text, 1_000))
        }
        _ => time_of(field, doc).map(format::exact),
    }
}

/// How long ago the time in a column is.
#[must_use]
pub fn ago_of(field: Field, doc: &StateDoc, now: Timestamp) -> Option<Part> {
    time_of(field, doc).map(|time| part("ago", format::relative(time, now)))
}

#[must_use]
pub fn content(field: Field, doc: &StateDoc, now: Timestamp) -> [Part; 3] {
    let plain = |text: String| [part("text", text), Part::default(), Part::default()];
    if field.is_time() {
        // The blank is for those who hear the cell or copy it.
        let at = time_of(field, doc).map(|time| format::moment_brief(time, now) + " ").unwrap_or_default();
        return [part("at", at), ago_of(field, doc, now).unwrap_or_default(), Part::default()];
    }
    match field {
        Field::ConnectionStatus => {
            let as_of = doc.stale_since.map(|time| t::as_of(&format::moment(time, now)));
            [
                part(mark_of(doc), String::new()),
                part("word", words::state(doc)),
                part("as-of", as_of.unwrap_or_default()),
            ]
        }
        Field::Id => {
            let id = text::middle(&doc.id);
            [part("id id-head", id.head), part("id id-tail", id.tail), Part::default()]
        }
        Field::MqttReasonCode => reason(doc),
        Field::DisconnectInitiator => {
            let class = match doc.disconnect_initiator.map(|who| who.as_str()) {
                Some("server") => "text ended-server",
                Some("network") => "text ended-network",
                _ => "text",
            };
            let who = doc.disconnect_initiator.map(words::initiator);
            [part(class, who.unwrap_or_default()), Part::default(), Part::default()]
        }
        // What has no device type is at least an application or some other client.
        Field::DeviceType if doc.device_type.is_none() => plain(words::client_type(doc.client_type)),
        Field::RecentConnects => plain(format::number(u64::from(doc.recent_connects))),
        Field::Secure => plain(match doc.secure {
            Some(true) => t::yes(),
            Some(false) => t::no(),
            None => String::new(),
        }),
        Field::CloseCode | Field::Reason | Field::DeviceId | Field::DeviceType | Field::ClientAddr => {
            plain(field.text(doc).map(|value| text::limited(&value, 200)).unwrap_or_default())
        }
        _ => plain(field.text(doc).map(|value| words::value(field, &value)).unwrap_or_default()),
    }
}

/// Why the connection ended: in words, by code, and whether that is known or only follows from something else.
fn reason(doc: &StateDoc) -> [Part; 3] {
    let cause = Cause::of_state(doc);
    let code = cause.as_ref().and_then(|cause| cause.mqtt.map(words::code).or_else(|| cause.codes()));
    let mark = (doc.certainty == Certainty::Inferred).then(t::inferred_mark);
    [
        part("why", cause.map(|cause| cause.short()).unwrap_or_default()),
        part("code", code.unwrap_or_default()),
        part("inferred", mark.unwrap_or_default()),
    ]
}
