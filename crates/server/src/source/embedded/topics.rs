//! Which topics are the server's own, and which filters would flood a subscriber with them.
//!
//! The hooks ask before a publish, a will or a subscription is accepted; the retained storage asks before it
//! answers or stores. Nothing in here knows a session.

use rmqtt::types::Publish;

/// The monitor topics, with `+` for the variable levels, and below each the topic of its activity messages.
const RESERVED: [&str; 4] =
    ["iot-2/type/+/id/+/mon", "iot-2/type/+/id/+/mon/act", "iot-2/app/+/mon", "iot-2/app/+/mon/act"];

/// Whether only the server publishes to this topic.
pub fn is_reserved(topic: &str) -> bool {
    RESERVED.iter().any(|pattern| overlap(topic, pattern))
}

/// Whether some reserved topic matches this filter.
pub fn may_match_reserved(filter: &str) -> bool {
    is_reserved(filter)
}

/// Whether a client may subscribe to the filter. `#` would deliver the monitor messages of a whole fleet to
/// whoever asks for everything, so a filter with `#` that could match one is refused (`+` is allowed).
pub fn may_subscribe(filter: &str) -> bool {
    !filter.contains('#') || !may_match_reserved(filter)
}

/// The library walks down the levels of a topic by recursion: with the 32,767 that a topic can have, its stack would end.
const LEVELS_MAX: usize = 128;

/// Whether a topic or a filter has more levels than the broker takes.
pub fn is_too_deep(topic: &str) -> bool {
    topic.bytes().filter(|byte| *byte == b'/').count() >= LEVELS_MAX
}

/// Whether a text has U+0000, which no text of MQTT may have (MQTT 5, section 1.5.4).
pub fn has_null(text: &str) -> bool {
    text.contains('\0')
}

/// Why nothing can be published to this topic, by whomever.
pub fn problem(topic: &str) -> Option<&'static str> {
    if has_null(topic) {
        Some("A topic name has no U+0000.")
    // MQTT 5, section 4.7.1.
    } else if topic.contains(['+', '#']) {
        Some("A topic name has no wildcards.")
    } else if is_too_deep(topic) {
        Some("A topic may have 128 levels.")
    } else {
        None
    }
}

/// A topic alias, although the server offers none; comes back as the reason of the session's end.
pub const ALIAS_NOT_OFFERED: &str = "topic aliases are not offered";
/// Neither a topic nor an alias; comes back likewise.
pub const NO_TOPIC: &str = "a PUBLISH without a topic";

/// What is wrong with the way in which a PUBLISH of version 5 names its topic, so that the connection has to end (MQTT 5,
/// sections 3.3.2.1 and 3.3.2.3.4).
pub fn alias_violation(publish: &Publish) -> Option<&'static str> {
    let properties = publish.properties.as_ref();
    if properties.is_some_and(|properties| properties.topic_alias.is_some()) {
        Some(ALIAS_NOT_OFFERED)
    } else if publish.topic.is_empty() {
        Some(NO_TOPIC)
    } else {
        None
    }
}

/// Whether the filter is that of a shared subscription (MQTT 5, section 4.8.2), of which there are none.
pub fn is_shared(filter: &str) -> bool {
    filter.starts_with("$share/")
}

/// Whether a topic passes a filter with `+` in any level. `#` is not for monitor topics.
pub fn matches(filter: &str, topic: &str) -> bool {
    let mut levels = topic.split('/');
    filter.split('/').all(|wanted| levels.next().is_some_and(|level| wanted == "+" || wanted == level))
        && levels.next().is_none()
}

/// Whether some topic matches both filters. Only `filter` may contain `#`.
fn overlap(filter: &str, pattern: &str) -> bool {
    let mut filter = filter.split('/');
    let mut pattern = pattern.split('/');
    loop {
        match (filter.next(), pattern.next()) {
            // `#` also matches the level above it (MQTT 5, section 4.7.1.2).
            (Some("#"), _) | (None, None) => return true,
            (None, Some(_)) | (Some(_), None) => return false,
            (Some(a), Some(b)) if a == b || a == "+" || b == "+" => {}
            (Some(_), Some(_)) => return false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plus_stands_for_exactly_one_level() {
        let topic = "iot-2/type/thermo/id/t-17/mon";
        for filter in [topic, "iot-2/type/+/id/+/mon", "+/+/+/+/+/+", "iot-2/type/thermo/id/+/mon"] {
            assert!(matches(filter, topic), "{filter}");
        }
        for filter in ["iot-2/type/+/id/+", "iot-2/type/+/id/+/mon/act", "iot-2/app/+/mon", "+", ""] {
            assert!(!matches(filter, topic), "{filter}");
        }
    }

    #[test]
    fn a_topic_has_at_most_128_levels_no_wildcards_and_no_null() {
        assert_eq!(problem(&vec!["x"; 128].join("/")), None);
        for topic in [vec!["x"; 129].join("/"), "/".repeat(65_535), "a/+".into(), "#".into(), "a\0".into()] {
            assert!(problem(&topic).is_some(), "{topic}");
        }
    }

    #[test]
    fn monitor_and_activity_topics_are_reserved_and_nothing_else() {
        for reserved in [
            "iot-2/type/thermo/id/t-17/mon",
            "iot-2/type/thermo/id/t-17/mon/act",
            "iot-2/app/console/mon",
            "iot-2/app/console/mon/act",
            "iot-2/type//id//mon",
        ] {
            assert!(is_reserved(reserved), "{reserved}");
        }
        for free in [
            "iot-2/type/thermo/id/t-17/evt/mon/fmt/json",
            "iot-2/type/thermo/id/t-17/mon/other",
            "iot-2/app/mon",
            "mon",
            "",
            "/iot-2/app/console/mon",
        ] {
            assert!(!is_reserved(free), "{free}");
        }
    }

    #[test]
    fn a_filter_with_a_hash_that_could_match_a_monitor_topic_is_refused() {
        for refused in [
            "#",
            "+/#",
            "iot-2/#",
            "iot-2/type/+/id/+/#",
            "iot-2/type/thermo/id/t-17/mon/#",
            "iot-2/type/thermo/id/t-17/mon/act/#",
            "iot-2/app/#",
        ] {
            assert!(!may_subscribe(refused), "{refused}");
        }
        for accepted in [
            "iot-2/type/+/id/+/mon",
            "iot-2/app/+/mon",
            "+/+/+/+/+/+",
            "iot-2/type/+/id/+/evt/#",
            "plant/#",
            "$SYS/#",
        ] {
            assert!(may_subscribe(accepted), "{accepted}");
        }
    }
}
