//! `GET /api/rollcall/v1/status`: what the dashboard shows about the server itself.

use axum::Json;
use axum::extract::State;
use rollcall_model::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

use super::SharedState;
use super::error::ApiError;

/// Tells how the parts of the server are that the API does not know itself.
pub trait ServerStatus: Send + Sync {
    fn status(&self) -> Status;
}

/// How the server is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Status {
    /// The version of Rollcall.
    #[schema(example = "0.1.0")]
    pub version: String,
    /// The organisation whose fleet this is.
    #[schema(example = "acme01")]
    pub org: String,
    /// How many clients of the demo fleet run; 0 when there is none.
    pub demo_clients: u32,
    /// A demo fleet runs on this data folder, or did; its clients have the type `demo`.
    pub had_demo: bool,
    /// Where MQTT clients connect, when the server has a broker.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false, example = "0.0.0.0:1883")]
    pub mqtt_addr: Option<String>,
    /// Where MQTT clients connect over TLS, when the server has a certificate.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false, example = "0.0.0.0:8883")]
    pub mqtts_addr: Option<String>,
    /// Whether devices connect without credentials: only as long as none is registered and the broker listens on
    /// loopback only.
    pub accepts_anonymous: bool,
    /// Since when the feed from the broker is lost; absent while it is there.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false, value_type = Option<String>, format = DateTime)]
    pub feed_lost: Option<Timestamp>,
    /// Events that were lost since the start because the server could not keep up.
    pub lost_events: u64,
    /// Why the journal cannot be written; absent while it can.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false)]
    pub journal_error: Option<String>,
    /// When the server was started.
    #[schema(value_type = String, format = DateTime)]
    pub started: Timestamp,
}

/// How the server is, and what it holds.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct StatusAnswer {
    #[serde(flatten)]
    status: Status,
    /// Grows with each change of the fleet.
    fleet_version: u64,
    /// How many clients of the fleet are in which state.
    counts: StatusCounts,
    /// The server's clock.
    #[schema(value_type = String, format = DateTime)]
    now: Timestamp,
    /// A fresh client id for one MQTT connection of a dashboard. A connection under it is no client of the fleet.
    #[schema(example = "rollcall-dashboard-Xq3vN0aZ81LkPd5RtUwY7c")]
    monitor_client_id: String,
}

/// How many clients of the fleet are in which state.
#[derive(Debug, Serialize, ToSchema)]
pub struct StatusCounts {
    connected: u64,
    disconnected: u64,
    /// Of all, how many have a state that is stale.
    stale: u64,
}

/// How the server is, and a client id for a dashboard that wants to watch.
#[utoipa::path(
    get,
    path = "/api/rollcall/v1/status",
    operation_id = "getStatus",
    tag = "Rollcall",
    responses((status = 200, description = "How the server is.", body = StatusAnswer)),
)]
pub async fn get(State(shared): SharedState) -> Result<Json<StatusAnswer>, ApiError> {
    let now = shared.now();
    let answer = shared.busy(move |api| {
        let counts = api.fleet.counts();
        StatusAnswer {
            status: api.status.status(),
            fleet_version: api.fleet.version(),
            counts: StatusCounts {
                connected: counts.connected,
                disconnected: counts.disconnected,
                stale: counts.stale,
            },
            now,
            monitor_client_id: api.observers.issue(),
        }
    });
    answer.await.map(Json)
}
