//! States and log entries as the JSON of the API, for readers who copy them. Called by the parts of the client's page.
//!
//! Written by hand: what serde would compile for it is several times as much code.

use js_sys::JSON;
use rollcall_model::log::{LogEntry, LogEvent};
use rollcall_model::{Certainty, Initiator, StateDoc, Timestamp};
use wasm_bindgen::JsValue;

use crate::json::{object_of, text};
use crate::store::json_of;

/// A state, over several lines.
pub fn state(doc: &StateDoc) -> String {
    pretty(json_of(doc))
}

/// A list of entries, over several lines.
pub fn entries<'a>(entries: impl Iterator<Item = &'a LogEntry>) -> String {
    let all: Vec<String> = entries.map(of_entry).collect();
    pretty(format!("[{}]", all.join(",")))
}

/// The browser lays it out; as it is when it cannot.
fn pretty(json: String) -> String {
    let indent = JsValue::from_f64(2.0);
    let pretty = JSON::parse(&json)
        .and_then(|value| JSON::stringify_with_replacer_and_space(&value, &JsValue::NULL, &indent));
    pretty.map_or(json, String::from)
}

fn of_entry(entry: &LogEntry) -> String {
    // Every field is named, so that a new one cannot be forgotten.
    let LogEntry {
        message,
        timestamp,
        client_id,
        event,
        disconnect_initiator,
        mqtt_reason_code,
        close_code,
        reason,
        client_addr,
        client_port,
        protocol,
        secure,
        connect_time,
        read_msg,
        write_msg,
        read_bytes,
        write_bytes,
        certainty,
    } = entry;
    let time = |time: Timestamp| text(&time.to_string());
    let texts = |value: &Option<String>| value.as_deref().map(text);
    let number = |value: Option<u64>| value.map(|number| number.to_string());
    let members = [
        ("message", Some(text(message))),
        ("timestamp", Some(time(*timestamp))),
        ("clientId", texts(client_id)),
        ("event", event.map(|event| text(event_name(event)))),
        ("disconnectInitiator", disconnect_initiator.map(Initiator::as_str).map(text)),
        ("mqttReasonCode", number(mqtt_reason_code.map(u64::from))),
        ("closeCode", number(close_code.map(u64::from))),
        ("reason", texts(reason)),
        ("clientAddr", texts(client_addr)),
        ("clientPort", number(client_port.map(u64::from))),
        ("protocol", texts(protocol)),
        ("secure", secure.map(|secure| secure.to_string())),
        ("connectTime", connect_time.map(time)),
        ("readMsg", number(*read_msg)),
        ("writeMsg", number(*write_msg)),
        ("readBytes", number(*read_bytes)),
        ("writeBytes", number(*write_bytes)),
        ("certainty", certainty.map(Certainty::as_str).map(text)),
    ];
    let present: Vec<_> = members.into_iter().filter_map(|(name, value)| Some((name, value?))).collect();
    object_of(&present)
}

fn event_name(event: LogEvent) -> &'static str {
    match event {
        LogEvent::Connect => "connect",
        LogEvent::FailedConnect => "failedConnect",
        LogEvent::Disconnect => "disconnect",
    }
}

#[cfg(test)]
#[cfg(not(target_arch = "wasm32"))]
mod tests {
    use serde::Serialize;
    use serde::de::DeserializeOwned;
    use serde_json::Value;

    use super::*;

    /// What is written is what serde writes of the same.
    fn check<T: Serialize + DeserializeOwned>(json: &str, write: fn(&T) -> String) {
        let value: T = serde_json::from_str(json).unwrap();
        let written: Value = serde_json::from_str(&write(&value)).unwrap();
        assert_eq!(written, serde_json::to_value(&value).unwrap());
    }

    #[test]
    fn a_state_is_written_as_the_api_writes_it() {
        let bare = r#"{"id":"d:a:b:\"ü","clientType":"device","connectionStatus":"connected"}"#;
        let full = r#"{"id":"x","clientType":"other","connectionStatus":"disconnected","lastConnectTime":"2026-11-20T08:40:54.456Z",
            "lastDisconnectTime":"2026-11-20T08:52:01.020Z","lastActivityEvent":"mqttPublish","lastActivityTime":"2026-11-20T08:51:58.113Z",
            "mqttConnectProtocol":"3.1.1","disconnectInitiator":"network","mqttReasonCode":128,"closeCode":91,"reason":"a\nb",
            "certainty":"inferred","clientAddr":"10.0.0.7","secure":false,"deviceType":"thermo","deviceId":"t-17",
            "staleSince":"2026-11-20T09:00:00.000Z","recentConnects":7,"lastRefusedTime":"2026-11-20T08:00:00.000Z"}"#;
        for json in [bare, full] {
            check(json, json_of);
        }
    }

    #[test]
    fn an_entry_is_written_as_the_api_writes_it() {
        let bare = r#"{"message":"Closed \u0001","timestamp":"2026-11-20T08:52:01.020Z"}"#;
        let full = r#"{"message":"m","timestamp":"2026-11-20T08:52:01.020Z","clientId":"x","event":"EVENT","disconnectInitiator":"server",
            "mqttReasonCode":142,"closeCode":288,"reason":"r","clientAddr":"::1","clientPort":1883,"protocol":"mqtt4","secure":true,
            "connectTime":"2026-11-20T08:40:54.456Z","readMsg":1,"writeMsg":2,"readBytes":3,"writeBytes":18446744073709551615,"certainty":"unknown"}"#;
        check(bare, of_entry);
        for event in ["connect", "failedConnect", "disconnect"] {
            check(&full.replace("EVENT", event), of_entry);
        }
    }
}
