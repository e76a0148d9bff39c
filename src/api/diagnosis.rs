//! The diagnosis of one client, as the server gives it. Every kind of finding is read into one flat shape: what a kind
//! does not have is absent, and a kind that this dashboard does not know is told in the server's words.

use rollcall_model::Timestamp;
use rollcall_model::client_id::encode_path_segment;
use rollcall_model::diagnosis::Cause;
use rollcall_model::log::LogEntry;
use serde::Deserialize;

use super::fetch::get_json;
use super::{ApiError, STATES, Token};

/// Something that is wrong with a client. Durations are in milliseconds.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Finding {
    /// As in `rollcall_model::diagnosis::FindingKind`.
    pub kind: String,
    pub confidence: String,
    pub since: Timestamp,
    pub until: Option<Timestamp>,
    pub message: String,
    #[serde(default)]
    pub evidence: Vec<LogEntry>,
    #[serde(default)]
    pub addresses: Vec<String>,
    pub takeovers: Option<u64>,
    pub sessions: Option<u64>,
    pub attempts: Option<u64>,
    pub losses: Option<u64>,
    pub hold_ms: Option<i64>,
    pub interval_ms: Option<i64>,
    pub spread_ms: Option<i64>,
    pub over_ms: Option<i64>,
    pub session_ms: Option<i64>,
    pub silent_ms: Option<i64>,
    pub usual_gap_ms: Option<i64>,
    pub cause: Option<Cause>,
    pub mqtt_reason_code: Option<u8>,
    pub close_code: Option<u16>,
    pub reason: Option<String>,
    #[serde(default)]
    pub while_connected: bool,
    pub incident: Option<Incident>,
}

/// A mass disconnect that the client was part of.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Incident {
    pub clients: u64,
    pub since: Timestamp,
}

#[derive(Deserialize)]
struct Diagnosis {
    findings: Vec<Finding>,
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
    match get_json::<Diagnosis>(&diagnosis_address(id), token).await {
        Err(ApiError::Refused { status: 404, .. }) => Ok(Vec::new()),
        other => other.map(|diagnosis| diagnosis.findings),
    }
}

#[cfg(test)]
mod tests {
    use rollcall_model::diagnosis::{Confidence, FindingKind};

    use super::*;

    #[test]
    fn every_kind_of_finding_that_the_model_has_is_read() {
        let at = Timestamp::from_millis(1_800_000_000_000);
        let kinds = [
            FindingKind::SharedId { takeovers: 9, addresses: vec!["10.0.0.7".to_owned()], hold_ms: 5_000 },
            FindingKind::RegularTimeout {
                interval_ms: 3_600_000,
                spread_ms: 5_000,
                sessions: 8,
                cause: Cause::Network,
            },
            FindingKind::Refused {
                attempts: 3,
                mqtt_reason_code: Some(0x87),
                close_code: Some(180),
                reason: None,
                addresses: Vec::new(),
                while_connected: true,
            },
            FindingKind::Flapping { losses: 40, over_ms: 9, session_ms: 7, cause: Cause::KeepAlive },
            FindingKind::Silent { silent_ms: 90, usual_gap_ms: 5, sessions: 12 },
        ];
        for kind in kinds {
            let name = kind.as_str();
            let finding = rollcall_model::diagnosis::Finding {
                kind,
                confidence: Confidence::High,
                since: at,
                until: None,
                message: "m".to_owned(),
                evidence: Vec::new(),
            };
            let text = serde_json::json!({ "clientId": "c", "findings": [finding] }).to_string();
            let read: Diagnosis = serde_json::from_str(&text).unwrap();
            assert_eq!((read.findings[0].kind.as_str(), read.findings[0].since), (name, at));
        }
    }
}
