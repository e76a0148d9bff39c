//! Client ids: Watson's grammar where an id follows it, opaque text where it does not.
//!
//! Used by the fold's readers to tell devices from applications, and to build topics and URL paths. It never
//! rejects an id: every UTF-8 text that MQTT allows is a client id.

use percent_encoding::{AsciiSet, CONTROLS, percent_decode_str, utf8_percent_encode};
use serde::{Deserialize, Serialize};

/// What kind of client an id belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ClientType {
    Device,
    Gateway,
    Application,
    /// An id that does not follow Watson's grammar.
    Other,
}

impl ClientType {
    pub const ALL: [Self; 4] = [Self::Device, Self::Gateway, Self::Application, Self::Other];

    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Device => "device",
            Self::Gateway => "gateway",
            Self::Application => "application",
            Self::Other => "other",
        }
    }
}

/// The device type of ids that name none.
pub const DEFAULT_DEVICE_TYPE: &str = "mqtt";
/// The device type that marks the clients of the demo fleet.
pub const DEMO_DEVICE_TYPE: &str = "demo";
/// Applications have no device type; those of the demo fleet are marked by this prefix of their id.
const DEMO_APP_PREFIX: &str = "demo-";

/// A client id, taken apart. Borrows from the id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClientId<'a> {
    pub client_type: ClientType,
    /// The organisation, where the id names one.
    pub org: Option<&'a str>,
    /// `None` only for applications, except those of the demo fleet.
    pub device_type: Option<&'a str>,
    /// The device id of devices and gateways.
    pub device_id: Option<&'a str>,
    /// The application id (with the instance of a scalable application, if it has one).
    pub app_id: Option<&'a str>,
}

impl<'a> ClientId<'a> {
    /// Takes an id apart: `d:{org}:{typeId}:{deviceId}`, `g:…`, `a:{org}:{appId}`, `A:{org}:{appId}[:{instance}]`;
    /// everything else is [`ClientType::Other`].
    #[must_use]
    pub fn parse(id: &'a str) -> Self {
        Self::parse_watson(id).unwrap_or(Self {
            client_type: ClientType::Other,
            org: None,
            device_type: Some(DEFAULT_DEVICE_TYPE),
            device_id: None,
            app_id: None,
        })
    }

    fn parse_watson(id: &'a str) -> Option<Self> {
        let (kind, rest) = id.split_once(':')?;
        let (org, rest) = rest.split_once(':')?;
        let valid = |part: &str| {
            !part.is_empty()
                && part.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
        };
        if !valid(org) {
            return None;
        }
        match kind {
            "d" | "g" => {
                let (device_type, device_id) = rest.split_once(':')?;
                (valid(device_type) && valid(device_id)).then_some(Self {
                    client_type: if kind == "d" { ClientType::Device } else { ClientType::Gateway },
                    org: Some(org),
                    device_type: Some(device_type),
                    device_id: Some(device_id),
                    app_id: None,
                })
            }
            "a" | "A" => {
                let mut parts = rest.splitn(if kind == "A" { 2 } else { 1 }, ':');
                parts.all(valid).then_some(Self {
                    client_type: ClientType::Application,
                    org: Some(org),
                    device_type: rest.starts_with(DEMO_APP_PREFIX).then_some(DEMO_DEVICE_TYPE),
                    device_id: None,
                    app_id: Some(rest),
                })
            }
            _ => None,
        }
    }

    /// The monitor topic of the client whose id this is; `id` is the whole id.
    #[must_use]
    pub fn monitor_topic(&self, id: &str) -> String {
        match (self.client_type, self.device_type, self.device_id, self.app_id) {
            (ClientType::Application, _, _, Some(app)) => {
                format!("iot-2/app/{}/mon", encode_topic_level(app))
            }
            (_, device_type, device_id, _) => format!(
                "iot-2/type/{}/id/{}/mon",
                encode_topic_level(device_type.unwrap_or(DEFAULT_DEVICE_TYPE)),
                encode_topic_level(device_id.unwrap_or(id)),
            ),
        }
    }
}

/// What may not stand in a topic level as it is.
const TOPIC_LEVEL: &AsciiSet = &CONTROLS.add(b'/').add(b'+').add(b'#').add(b'%');
/// What may not stand in a path segment as it is. Colons may (IBM's SDKs send them unescaped).
const PATH_SEGMENT: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'#')
    .add(b'%')
    .add(b'/')
    .add(b'<')
    .add(b'>')
    .add(b'?')
    .add(b'[')
    .add(b'\\')
    .add(b']')
    .add(b'^')
    .add(b'`')
    .add(b'{')
    .add(b'|')
    .add(b'}')
    .add(b'+')
    .add(b'&');

/// Percent-encodes `/ + # %` and controls, so that any text is one level of a topic. Everything else stays as it is,
/// letters of other scripts too: the library would encode them.
#[must_use]
pub fn encode_topic_level(text: &str) -> String {
    let mut level = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_ascii() || c.is_control() {
            level.extend(utf8_percent_encode(c.encode_utf8(&mut [0; 4]), TOPIC_LEVEL));
        } else {
            level.push(c);
        }
    }
    level
}

/// Undoes [`encode_topic_level`]. `None` when the bytes are not UTF-8.
#[must_use]
pub fn decode_topic_level(level: &str) -> Option<String> {
    percent_decode_str(level).decode_utf8().ok().map(std::borrow::Cow::into_owned)
}

/// Percent-encodes an id as one segment of a URL path.
#[must_use]
pub fn encode_path_segment(text: &str) -> String {
    // `.` and `..` alone would be resolved away by every URL parser.
    match text {
        "." => "%2E".to_owned(),
        ".." => "%2E%2E".to_owned(),
        _ => utf8_percent_encode(text, PATH_SEGMENT).to_string(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(
        id: &str,
        client_type: ClientType,
        device_type: Option<&str>,
        device_id: Option<&str>,
        topic: &str,
    ) {
        let parsed = ClientId::parse(id);
        assert_eq!(
            (parsed.client_type, parsed.device_type, parsed.device_id),
            (client_type, device_type, device_id),
            "{id}"
        );
        assert_eq!(parsed.monitor_topic(id), topic, "{id}");
    }

    #[test]
    fn ids_are_taken_apart_by_watsons_grammar_and_everything_else_is_opaque() {
        use ClientType::{Application, Device, Gateway, Other};
        check("d:acme01:thermo:t-17", Device, Some("thermo"), Some("t-17"), "iot-2/type/thermo/id/t-17/mon");
        check("g:acme01:gw:north", Gateway, Some("gw"), Some("north"), "iot-2/type/gw/id/north/mon");
        check("a:acme01:console", Application, None, None, "iot-2/app/console/mon");
        check("A:acme01:console:1", Application, None, None, "iot-2/app/console:1/mon");
        check("a:acme01:demo-console", Application, Some("demo"), None, "iot-2/app/demo-console/mon");
        check("mqttjs_1", Other, Some("mqtt"), None, "iot-2/type/mqtt/id/mqttjs_1/mon");
        check("d:acme01:thermo", Other, Some("mqtt"), None, "iot-2/type/mqtt/id/d:acme01:thermo/mon");
        check("d:acme01:a/b:c", Other, Some("mqtt"), None, "iot-2/type/mqtt/id/d:acme01:a%2Fb:c/mon");
        check("köln/日本", Other, Some("mqtt"), None, "iot-2/type/mqtt/id/köln%2F日本/mon");
        check("a+b#c%", Other, Some("mqtt"), None, "iot-2/type/mqtt/id/a%2Bb%23c%25/mon");
    }

    proptest! {
        #[test]
        fn any_text_is_one_topic_level_and_comes_back(text in any::<String>()) {
            let level = encode_topic_level(&text);
            prop_assert!(!level.contains(['/', '+', '#']));
            prop_assert_eq!(decode_topic_level(&level), Some(text));
        }
    }
}
