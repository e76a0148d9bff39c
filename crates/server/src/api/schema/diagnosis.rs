//! Shapes of the answers about diagnosis, incidents and statistics.

use std::collections::BTreeMap;

use utoipa::ToSchema;

use super::{Certainty, ConnectionLogEntry, DisconnectInitiator};

/// What is wrong with one client.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
pub struct DiagnosisAnswer {
    #[schema(example = "d:acme01:thermo:t-17")]
    client_id: String,
    /// The moment that the findings are true of.
    #[schema(value_type = String, format = DateTime)]
    now: String,
    /// How many log entries were read.
    entries: u64,
    /// The most specific first; empty when nothing is wrong.
    findings: Vec<Finding>,
}

/// One thing that is wrong, with what shows it. Which fields there are depends on `kind`; durations are in
/// milliseconds.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
struct Finding {
    kind: FindingKind,
    confidence: Confidence,
    /// When it began, as far back as the log tells.
    #[schema(value_type = String, format = DateTime)]
    since: String,
    /// When it was over; absent while it goes on.
    #[schema(required = false, value_type = String, format = DateTime)]
    until: Option<String>,
    /// In English.
    message: String,
    /// The log entries that it rests on, newest first, at most 20.
    evidence: Vec<ConnectionLogEntry>,
    /// `sharedId`: how often the id was taken over.
    #[schema(required = false, value_type = u32)]
    takeovers: Option<u32>,
    /// `sharedId`: from where the clients come. `refused`: from where it was tried.
    #[schema(required = false, value_type = Vec<String>)]
    addresses: Option<Vec<String>>,
    /// `sharedId`: for how long either client holds the id.
    #[schema(required = false, value_type = i64)]
    hold_ms: Option<i64>,
    /// `regularTimeout`: after what time the connection is lost.
    #[schema(required = false, value_type = i64)]
    interval_ms: Option<i64>,
    /// `regularTimeout`: half of the sessions are within this much of it.
    #[schema(required = false, value_type = i64)]
    spread_ms: Option<i64>,
    /// `regularTimeout`: how many sessions. `silent`: how many the habit is known from.
    #[schema(required = false, value_type = u32)]
    sessions: Option<u32>,
    /// `regularTimeout`, `flapping`: how most of the sessions ended.
    #[schema(required = false, value_type = Cause)]
    cause: Option<Cause>,
    /// `refused`: how many attempts.
    #[schema(required = false, value_type = u32)]
    attempts: Option<u32>,
    /// `refused`: the most frequent code.
    #[schema(required = false, value_type = u8)]
    mqtt_reason_code: Option<u8>,
    #[schema(required = false, value_type = u16)]
    close_code: Option<u16>,
    #[schema(required = false, value_type = String)]
    reason: Option<String>,
    /// `refused`: the client itself is connected, so somebody else tries its id.
    #[schema(required = false, value_type = bool)]
    while_connected: Option<bool>,
    /// `flapping`: how often the connection was lost,
    #[schema(required = false, value_type = u32)]
    losses: Option<u32>,
    /// over what time,
    #[schema(required = false, value_type = i64)]
    over_ms: Option<i64>,
    /// and the median life of a session.
    #[schema(required = false, value_type = i64)]
    session_ms: Option<i64>,
    /// `silent`: for how long nothing came,
    #[schema(required = false, value_type = i64)]
    silent_ms: Option<i64>,
    /// and how long it takes from one message to the next usually.
    #[schema(required = false, value_type = i64)]
    usual_gap_ms: Option<i64>,
    /// `massDisconnect`: what hit this client together with others.
    #[schema(required = false, value_type = Incident)]
    incident: Option<Incident>,
}

/// `sharedId`: two clients use the id in turn. `regularTimeout`: the connection is lost after the same time each
/// time, as by a NAT or a load balancer. `refused`: no attempt succeeds. `flapping`: lost and back, over and over.
/// `silent`: connected, but silent for much longer than usual. `massDisconnect`: lost together with many others.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
enum FindingKind {
    SharedId,
    RegularTimeout,
    Refused,
    Flapping,
    Silent,
    MassDisconnect,
}

/// `high`: hard to explain in another way. `medium`: the most likely explanation.
#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
enum Confidence {
    Medium,
    High,
}

/// How a session ended.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
enum Cause {
    Goodbye,
    TakenOver,
    KeepAlive,
    Network,
    ServerShutdown,
    Administrator,
    Server,
    Unknown,
}

/// What hit many clients at once.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
pub struct IncidentsAnswer {
    #[schema(value_type = String, format = DateTime)]
    from: String,
    #[schema(value_type = String, format = DateTime)]
    to: String,
    /// Incidents before this time are not, or not yet, known.
    #[schema(value_type = String, format = DateTime)]
    complete_from: String,
    /// The newest first.
    incidents: Vec<Incident>,
}

/// Many clients were lost at once.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
struct Incident {
    cause: Cause,
    certainty: Certainty,
    #[schema(value_type = String, format = DateTime)]
    since: String,
    /// The last loss; absent while it goes on.
    #[schema(required = false, value_type = String, format = DateTime)]
    until: Option<String>,
    /// How many different clients.
    #[schema(example = 412)]
    clients: u64,
    /// How many are usually lost in as much time.
    #[schema(example = 1.5)]
    usual: f64,
    /// What nearly all of them have in common and most of the fleet does not.
    shares: Vec<Share>,
    /// How their connections ended, the most frequent first. Together with the time these are the filters that find
    /// those that have not come back.
    ends: Vec<IncidentEnd>,
    /// How many of them are disconnected since.
    #[schema(required = false, value_type = u64, example = 398)]
    still_away: Option<u64>,
    /// In English.
    message: String,
}

/// One way in which the connections of an incident ended.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
struct IncidentEnd {
    /// Absent where it is not known.
    #[schema(required = false, value_type = DisconnectInitiator)]
    initiator: Option<DisconnectInitiator>,
    /// Absent where there is none.
    #[schema(required = false, value_type = u8, example = 128)]
    mqtt_reason_code: Option<u8>,
    /// How many clients.
    #[schema(example = 412)]
    clients: u64,
}

/// Something that the clients of an incident have in common.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
struct Share {
    field: ShareField,
    #[schema(example = "10.0.7.0/24")]
    value: String,
    /// The part of these clients that has it.
    #[schema(minimum = 0, maximum = 1, example = 0.98)]
    share: f64,
    /// The part of the fleet that has it (of `mqttReasonCode`: of the other losses); absent when that is not known.
    #[schema(required = false, value_type = f64, minimum = 0, maximum = 1, example = 0.05)]
    base_share: Option<f64>,
}

#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
enum ShareField {
    Subnet,
    DeviceType,
    MqttConnectProtocol,
    MqttReasonCode,
}

/// The fleet over a range of time, in steps.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
pub struct StatisticsAnswer {
    /// The start of the first bucket.
    #[schema(value_type = String, format = DateTime)]
    from: String,
    #[schema(value_type = String, format = DateTime)]
    to: String,
    /// The length of a bucket. Buckets begin at whole multiples of it since 1970 in UTC.
    #[schema(example = 900_000)]
    step_ms: i64,
    /// What happened before this time is not, or not yet, counted.
    #[schema(value_type = String, format = DateTime)]
    complete_from: String,
    /// The oldest time that the log tells of, or the server's start if the log was empty then.
    #[schema(value_type = String, format = DateTime)]
    begins: String,
    /// Oldest first.
    buckets: Vec<Bucket>,
    /// The clients that lost their connection most often, by whole hours; at most 20, as are the next two.
    top_flappers: Vec<Top>,
    /// The ids under which most attempts were refused.
    top_refused: Vec<Top>,
    /// The addresses from which most attempts were refused.
    top_refused_addresses: Vec<Top>,
}

/// One step of time.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
struct Bucket {
    /// When it begins.
    #[schema(value_type = String, format = DateTime)]
    time: String,
    /// How many clients were connected at its end; absent when that is not known.
    #[schema(required = false, value_type = u64)]
    connected: Option<u64>,
    /// `inferred` before the server's start, when it is reckoned back from the log.
    #[schema(required = false, value_type = Certainty)]
    connected_certainty: Option<Certainty>,
    connects: u64,
    /// Ends of sessions, takeovers among them.
    disconnects: u64,
    /// Attempts that failed.
    refused: u64,
    /// The disconnects by `client`, `server`, `network`, `unknown`.
    #[schema(example = json!({ "client": 12, "network": 3 }))]
    by_initiator: BTreeMap<String, u64>,
    /// The disconnects by MQTT 5 reason code; `unknown` without one, `other` for rare ones of a bucket with many kinds.
    #[schema(example = json!({ "0": 12, "128": 3 }))]
    by_reason: BTreeMap<String, u64>,
    /// Both at once: the reasons of the disconnects by `client`, of those by `server`, and so on.
    #[schema(example = json!({ "client": { "0": 12 }, "network": { "128": 3 } }))]
    reasons_by_initiator: BTreeMap<String, BTreeMap<String, u64>>,
}

/// How often something happened to one client, or from one address.
#[derive(ToSchema)]
struct Top {
    /// The client id or the address.
    name: String,
    /// At least so often.
    count: u64,
}
