//! What the ids of clients outside Watson's grammar say of their devices: the operator's patterns.
//!
//! The settings make a [`Naming`], and the fleet asks it once for each id that it learns. Ids that follow the
//! grammar are never touched, and neither are monitor topics: a pattern changes what the APIs say of a client, not
//! where its messages go. The expressions have no backtracking, so no id can make one slow.

use std::sync::Arc;

use regex::{Regex, RegexBuilder};
use rollcall_model::{ClientId, ClientType};

const PATTERNS_MAX: usize = 32;
/// Of one pattern, in characters.
const PATTERN_CHARS_MAX: usize = 1_000;
/// What a compiled pattern may take, in bytes.
const COMPILED_BYTES_MAX: usize = 1 << 20;
const TYPE: &str = "type";
const ID: &str = "id";

/// The patterns in their order; the first that matches an id decides. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Naming(Arc<[Regex]>);

#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum NamingError {
    #[error("--device-type-pattern “{pattern}” is not a regular expression that can be used: {reason}")]
    Invalid { pattern: String, reason: String },
    #[error(
        "--device-type-pattern “{0}” names no device type: put a group named type around it, as in ^(?<type>[^/]+)/"
    )]
    NoType(String),
    #[error("--device-type-pattern “{pattern}” has a group named “{group}”: only type and id have a meaning")]
    UnknownGroup { pattern: String, group: String },
    #[error("--device-type-pattern is longer than {PATTERN_CHARS_MAX} characters: “{0}…”")]
    TooLong(String),
    #[error("--device-type-pattern was given {0} times: at most {PATTERNS_MAX} are possible")]
    TooMany(usize),
}

impl Naming {
    /// # Errors
    /// When a pattern cannot be used; the message names it.
    pub fn new(patterns: &[String]) -> Result<Self, NamingError> {
        if patterns.len() > PATTERNS_MAX {
            return Err(NamingError::TooMany(patterns.len()));
        }
        patterns.iter().map(|pattern| compiled(pattern)).collect::<Result<_, _>>().map(Self)
    }

    /// Whether there is no pattern.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Takes an id apart: by Watson's grammar or else by the patterns.
    #[must_use]
    pub fn parse<'a>(&self, id: &'a str) -> ClientId<'a> {
        let parsed = ClientId::parse(id);
        if parsed.client_type != ClientType::Other {
            return parsed;
        }
        let Some(found) = self.0.iter().find_map(|pattern| pattern.captures(id)) else {
            return parsed;
        };
        // An empty name is none.
        let group = |name| found.name(name).map(|part| part.as_str()).filter(|part| !part.is_empty());
        ClientId { device_type: group(TYPE).or(parsed.device_type), device_id: group(ID), ..parsed }
    }
}

impl PartialEq for Naming {
    fn eq(&self, other: &Self) -> bool {
        self.0.iter().map(Regex::as_str).eq(other.0.iter().map(Regex::as_str))
    }
}

impl Eq for Naming {}

fn compiled(pattern: &str) -> Result<Regex, NamingError> {
    if pattern.chars().count() > PATTERN_CHARS_MAX {
        return Err(NamingError::TooLong(pattern.chars().take(60).collect()));
    }
    let regex = RegexBuilder::new(pattern)
        .size_limit(COMPILED_BYTES_MAX)
        .dfa_size_limit(COMPILED_BYTES_MAX)
        .build()
        .map_err(|error| NamingError::Invalid { pattern: pattern.to_owned(), reason: reason(&error) })?;
    let mut names = regex.capture_names().flatten();
    if let Some(group) = names.find(|name| ![TYPE, ID].contains(name)) {
        return Err(NamingError::UnknownGroup { pattern: pattern.to_owned(), group: group.to_owned() });
    }
    if !regex.capture_names().flatten().any(|name| name == TYPE) {
        return Err(NamingError::NoType(pattern.to_owned()));
    }
    Ok(regex)
}

/// One line: the library draws the pattern and an arrow above its last one.
fn reason(error: &regex::Error) -> String {
    let text = error.to_string();
    let last = text.lines().last().unwrap_or_default();
    last.trim_start_matches("error: ").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn naming(patterns: &[&str]) -> Result<Naming, NamingError> {
        Naming::new(&patterns.iter().map(|&pattern| pattern.to_owned()).collect::<Vec<_>>())
    }

    fn check(patterns: &[&str], id: &str, device_type: Option<&str>, device_id: Option<&str>) {
        let naming = naming(patterns).unwrap();
        let parsed = naming.parse(id);
        assert_eq!((parsed.device_type, parsed.device_id), (device_type, device_id), "{id}");
    }

    #[test]
    fn the_first_pattern_that_matches_names_the_device_type_and_the_device_id() {
        let patterns = ["^(?<type>[^/]+)/(?<id>.+)$", "^shelly(?<type>[a-z0-9]+)-", "(?<id>x)?(?<type>y*)z"];
        check(&patterns, "pump/hall 7/a", Some("pump"), Some("hall 7/a"));
        check(&patterns, "shellyplug-A4", Some("plug"), None);
        check(&patterns, "xyz", Some("y"), Some("x"));
        check(&patterns, "köln/日本", Some("köln"), Some("日本"));
        check(&patterns, "mqttjs_1", Some("mqtt"), None);
        check(&patterns, "z", Some("mqtt"), None);
        check(&[], "pump/7", Some("mqtt"), None);
    }

    #[test]
    fn ids_that_follow_the_grammar_are_not_touched_and_topics_do_not_change() {
        let patterns = ["(?<type>.).*(?<id>.)$"];
        check(&patterns, "d:acme01:thermo:t-17", Some("thermo"), Some("t-17"));
        check(&patterns, "a:acme01:console", None, None);
        let other = naming(&patterns).unwrap();
        assert_eq!(other.parse("pump/7").client_type, ClientType::Other);
        assert_eq!(ClientId::parse("pump/7").monitor_topic("pump/7"), "iot-2/type/mqtt/id/pump%2F7/mon");
    }

    #[test]
    fn a_pattern_that_cannot_be_used_is_refused_with_the_reason_in_one_line() {
        let check = |pattern: &str, expect: &str| {
            let error = naming(&["(?<type>a)", pattern]).unwrap_err().to_string();
            assert!(error.contains(expect) && !error.contains('\n'), "{error}");
        };
        check("(?<type>", "unclosed group");
        check("(?<type>a)(?=b)", "look-around");
        check("^a/", "names no device type");
        check("(?<type>a)(?<ID>b)", "group named “ID”");
        check("(?<type>\\w{5000})", "size limit");
        check(&format!("(?<type>{})", "a".repeat(1_000)), "longer than 1000");
        assert_eq!(naming(&["(?<type>a)"; 33]), Err(NamingError::TooMany(33)));
    }
}
