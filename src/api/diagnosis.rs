//! The diagnosis of one client, as the server gives it. Only what every kind of finding has is read here; the numbers of
//! a kind are read when they are told, and a kind that this dashboard does not know is told in the server's words.

use rollcall_model::Timestamp;
use rollcall_model::client_id::encode_path_segment;
use rollcall_model::log::LogEntry;
use serde_json::Value;

use super::fetch::get_json;
use super::{ApiError, STATES, Token};

/// Something that is wrong with a client, as `rollcall_model::diagnosis::Finding` is written.
#[derive(Debug, Clone, PartialEq)]
pub struct Finding(Value);

impl Finding {
    /// A text of the finding; empty when it has none of that name.
    #[must_use]
    pub fn text(&self, name: &str) -> &str {
        self.0[name].as_str().unwrap_or_default()
    }

    /// A whole number of the finding.
    #[must_use]
    pub fn number(&self, name: &str) -> Option<i64> {
        self.0[name].as_i64()
    }

    /// A time of the finding.
    #[must_use]
    pub fn time(&self, name: &str) -> Option<Timestamp> {
        Timestamp::parse(self.text(name)).ok()
    }

    #[must_use]
    pub fn flag(&self, name: &str) -> bool {
        self.0[name].as_bool().unwrap_or_default()
    }

    #[must_use]
    pub fn addresses(&self) -> Vec<&str> {
        self.0["addresses"]
            .as_array()
            .map(|all| all.iter().filter_map(Value::as_str).collect())
            .unwrap_or_default()
    }

    /// The mass disconnect that the client was part of.
    #[must_use]
    pub fn incident(&self) -> Self {
        Self(self.0["incident"].clone())
    }

    /// The entries that it rests on, newest first.
    #[must_use]
    pub fn evidence(&self) -> Vec<LogEntry> {
        // By way of a text, because the code that reads entries from a text is there already.
        serde_json::from_str(&self.0["evidence"].to_string()).unwrap_or_default()
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
    match get_json::<Value>(&diagnosis_address(id), token).await {
        Err(ApiError::Refused { status: 404, .. }) => Ok(Vec::new()),
        other => other.map(|answer| findings(&answer)),
    }
}

fn findings(answer: &Value) -> Vec<Finding> {
    answer["findings"].as_array().map(|all| all.iter().cloned().map(Finding).collect()).unwrap_or_default()
}

#[cfg(test)]
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
        let [read] = findings(&answer).try_into().unwrap();
        assert_eq!(
            [read.text("kind"), read.text("confidence"), read.text("message")],
            ["sharedId", "high", "m"]
        );
        assert_eq!((read.number("takeovers"), read.number("holdMs")), (Some(9), Some(5_000)));
        assert_eq!((read.time("since"), read.time("until")), (Some(at), None));
        assert_eq!((read.addresses(), read.evidence().len()), (vec!["10.0.0.7"], 1));
        assert_eq!(findings(&serde_json::json!({})), []);
    }
}
