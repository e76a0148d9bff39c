//! The diagnosis of one client, as the server gives it. Only what every kind of finding has is read here; the numbers of
//! a kind are read when they are told, and a kind that this dashboard does not know is told in the server's words.

use rollcall_model::Timestamp;
use rollcall_model::client_id::encode_path_segment;
use rollcall_model::log::LogEntry;
use serde::de::DeserializeOwned;

use super::fetch::get;
use super::{ApiError, Incident, STATES, Token, is_plain};
use crate::json;

/// Something that is wrong with a client, as `rollcall_model::diagnosis::Finding` is written: its members, each with the
/// text of its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding(Vec<(String, String)>);

impl Finding {
    fn of(text: &str) -> Option<Self> {
        let members = json::members(text).ok()?;
        Some(Self(members.into_iter().map(|(name, value)| (name, value.to_owned())).collect()))
    }

    fn read<T: DeserializeOwned>(&self, name: &str) -> Option<T> {
        let (_, value) = self.0.iter().find(|(known, _)| known == name)?;
        json::from_str(value).ok()
    }

    /// A text of the finding; empty when it has none of that name.
    #[must_use]
    pub fn text(&self, name: &str) -> String {
        self.read(name).unwrap_or_default()
    }

    /// A whole number of the finding.
    #[must_use]
    pub fn number(&self, name: &str) -> Option<i64> {
        self.read(name)
    }

    /// A time of the finding.
    #[must_use]
    pub fn time(&self, name: &str) -> Option<Timestamp> {
        Timestamp::parse(&self.text(name)).ok()
    }

    #[must_use]
    pub fn flag(&self, name: &str) -> bool {
        self.read(name).unwrap_or_default()
    }

    #[must_use]
    pub fn addresses(&self) -> Vec<String> {
        self.read("addresses").unwrap_or_default()
    }

    /// The mass disconnect that the client was part of.
    #[must_use]
    pub fn incident(&self) -> Option<Incident> {
        let (_, value) = self.0.iter().find(|(name, _)| name == "incident")?;
        Incident::read(value)
    }

    /// The entries that it rests on, newest first.
    #[must_use]
    pub fn evidence(&self) -> Vec<LogEntry> {
        self.read("evidence").unwrap_or_default()
    }
}

/// The address of a client's diagnosis.
#[must_use]
pub fn diagnosis_address(id: &str) -> String {
    format!("{STATES}/{}/diagnosis", encode_path_segment(id))
}

/// What is wrong with a client; nothing from a server that does not diagnose.
///
/// # Errors
/// When the server cannot be reached or refuses.
pub async fn diagnosis(id: &str, token: &Token) -> Result<Vec<Finding>, ApiError> {
    if is_plain() {
        return Ok(Vec::new());
    }
    match get(&diagnosis_address(id), None, token).await {
        Err(ApiError::Refused { status: 404, .. }) => Ok(Vec::new()),
        other => other.map(|answer| answer.map_or_else(Vec::new, |answer| findings(&answer.body))),
    }
}

fn findings(answer: &str) -> Vec<Finding> {
    let members = json::members(answer).unwrap_or_default();
    let all = members.iter().find(|(name, _)| name == "findings").map_or("[]", |(_, value)| value);
    json::items(all).unwrap_or_default().into_iter().filter_map(Finding::of).collect()
}

#[cfg(test)]
#[cfg(not(target_arch = "wasm32"))]
mod tests {
    use rollcall_model::diagnosis::{Confidence, FindingKind};

    use super::*;

    #[test]
    fn what_the_model_writes_is_read_by_the_same_names() {
        let at = Timestamp::from_millis(1_800_000_000_000);
        let finding = rollcall_model::diagnosis::Finding {
            kind: FindingKind::SharedId {
                takeovers: 9,
                addresses: vec!["10.0.0.7".to_owned()],
                hold_ms: 5_000,
            },
            confidence: Confidence::High,
            since: at,
            until: None,
            message: "m".to_owned(),
            evidence: vec![
                serde_json::from_value(serde_json::json!({ "message": "x", "timestamp": at })).unwrap(),
            ],
        };
        let answer = serde_json::json!({ "clientId": "c", "findings": [finding] });
        let [read] = findings(&answer.to_string()).try_into().unwrap();
        assert_eq!(["kind", "confidence", "message"].map(|name| read.text(name)), ["sharedId", "high", "m"]);
        assert_eq!((read.number("takeovers"), read.number("holdMs")), (Some(9), Some(5_000)));
        assert_eq!((read.time("since"), read.time("until")), (Some(at), None));
        assert_eq!((read.addresses(), read.evidence().len()), (vec!["10.0.0.7".to_owned()], 1));
        assert_eq!(findings("{}"), []);
    }
}
