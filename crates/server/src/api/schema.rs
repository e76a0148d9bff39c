//! Shapes for the description only. The model crate knows nothing of OpenAPI, so its types are described here; a
//! test compares the names with those on the wire.

#![expect(dead_code, reason = "the fields are read by the derived descriptions, never by code")]

pub mod diagnosis;

use utoipa::{IntoParams, ToSchema};

use super::devices::Device;

/// The state of one client; what is not known is absent.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
pub struct ClientConnectionState {
    /// The client id.
    #[schema(example = "d:acme01:thermo:t-17")]
    id: String,
    client_type: ClientType,
    connection_status: ConnectionStatus,
    #[schema(required = false, value_type = String, format = DateTime, example = "2026-11-20T08:40:54.456Z")]
    last_connect_time: Option<String>,
    /// While connected: when the session before this one ended.
    #[schema(required = false, value_type = String, format = DateTime, example = "2026-11-20T08:52:01.020Z")]
    last_disconnect_time: Option<String>,
    #[schema(required = false, value_type = ActivityEvent)]
    last_activity_event: Option<ActivityEvent>,
    #[schema(required = false, value_type = String, format = DateTime, example = "2026-11-20T08:51:58.113Z")]
    last_activity_time: Option<String>,
    /// The last message that the client published.
    #[schema(required = false, value_type = String, format = DateTime, example = "2026-11-20T08:51:58.113Z")]
    last_publish_time: Option<String>,
    #[schema(required = false, value_type = MqttConnectProtocol)]
    mqtt_connect_protocol: Option<MqttConnectProtocol>,
    /// Who ended the connection; only while disconnected, as are the next three.
    #[schema(required = false, value_type = DisconnectInitiator)]
    disconnect_initiator: Option<DisconnectInitiator>,
    /// The MQTT 5 reason code that was sent or, where none was, the one that names what happened.
    #[schema(required = false, value_type = u8, example = 128)]
    mqtt_reason_code: Option<u8>,
    /// Watson's close code.
    #[schema(required = false, value_type = u16, example = 91)]
    close_code: Option<u16>,
    /// The broker's own words, or the text of the code.
    #[schema(required = false, value_type = String, example = "The connection was closed by the client or network.")]
    reason: Option<String>,
    certainty: Certainty,
    /// The address of the client, without the port.
    #[schema(required = false, value_type = String, example = "10.0.0.7")]
    client_addr: Option<String>,
    /// Whether the connection is over TLS.
    #[schema(required = false, value_type = bool)]
    secure: Option<bool>,
    #[schema(required = false, value_type = String, example = "thermo")]
    device_type: Option<String>,
    #[schema(required = false, value_type = String, example = "t-17")]
    device_id: Option<String>,
    /// Since when the state is stale: the feed that tells it was lost.
    #[schema(required = false, value_type = String, format = DateTime)]
    stale_since: Option<String>,
    /// Connects in the past hour; of more than 64 it says 64.
    recent_connects: u32,
    /// The last failed attempt under this id.
    #[schema(required = false, value_type = String, format = DateTime)]
    last_refused_time: Option<String>,
}

/// The kind of client; `other` for an id that does not follow Watson's grammar.
#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
enum ClientType {
    Device,
    Gateway,
    Application,
    Other,
}

#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
enum ConnectionStatus {
    Connected,
    Disconnected,
}

/// How sure a claim is: the broker said it, it follows from what the broker said, or nothing said it.
#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
enum Certainty {
    Unknown,
    Inferred,
    Reported,
}

#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
enum DisconnectInitiator {
    Client,
    Server,
    Network,
}

#[derive(ToSchema)]
enum ActivityEvent {
    #[schema(rename = "mqttConnect")]
    Connect,
    #[schema(rename = "mqttPing")]
    Ping,
    #[schema(rename = "mqttSubscribe")]
    Subscribe,
    #[schema(rename = "mqttUnsubscribe")]
    Unsubscribe,
    #[schema(rename = "mqttPublish")]
    Publish,
    #[schema(rename = "mqttDisconnect")]
    Disconnect,
}

#[derive(ToSchema)]
enum MqttConnectProtocol {
    #[schema(rename = "3.1")]
    V31,
    #[schema(rename = "3.1.1")]
    V311,
    #[schema(rename = "5")]
    V5,
}

/// One page of states.
#[derive(ToSchema)]
pub struct ClientConnectionStates {
    results: Vec<ClientConnectionState>,
    /// Give it as `_bookmark`, with the other parameters unchanged, for the next page; absent on the last one.
    #[schema(required = false, value_type = String)]
    bookmark: Option<String>,
    meta: Meta,
}

/// One page of devices.
#[derive(ToSchema)]
pub struct DeviceList {
    results: Vec<Device>,
    /// Give it as `_bookmark`, with the other parameters unchanged, for the next page; absent on the last one.
    #[schema(required = false, value_type = String)]
    bookmark: Option<String>,
    meta: Meta,
}

/// About the whole of a list.
#[derive(ToSchema)]
struct Meta {
    /// How many rows all pages have together.
    #[schema(example = 1_000_000)]
    total_rows: u64,
    /// Present when `_facets` asked for it: of each field how often each value occurs in all rows, the most frequent
    /// values first, at most 100.
    #[schema(
        required = false,
        value_type = std::collections::BTreeMap<String, std::collections::BTreeMap<String, u64>>,
        example = json!({ "connectionStatus": { "connected": 911_002, "disconnected": 88_998 } })
    )]
    facets: Option<()>,
    /// Present when `_count` asked for it: how many of all rows pass each of these filters.
    #[schema(
        required = false,
        value_type = std::collections::BTreeMap<String, u64>,
        example = json!({ "connectedAfter=now-15m": 4_711 })
    )]
    counts: Option<()>,
    /// Present when `_placeOf` asked for it and the client is one of the rows: how many rows come before it.
    #[schema(required = false, value_type = u64, example = 4_711)]
    place: Option<u64>,
}

/// Which rows of a list, in which order.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub struct PagingParameters {
    /// The most rows in the answer.
    #[param(required = false, rename = "_limit", minimum = 1, maximum = 1000, default = 25)]
    limit: u32,
    /// The `bookmark` of the page before.
    #[param(required = false, rename = "_bookmark")]
    bookmark: String,
    /// How many rows to pass over; not together with `_bookmark`.
    #[param(required = false, rename = "_skip", minimum = 0, default = 0, format = "uint64")]
    skip: u64,
    /// Fields to sort by, comma-separated, `-` before a field for descending. Ties are sorted by id, absent values
    /// come last.
    #[param(required = false, rename = "_sort", example = "-lastActivityTime")]
    sort: String,
    /// Fields, comma-separated, whose values are to be counted over all rows.
    #[param(required = false, rename = "_facets", example = "connectionStatus,deviceType")]
    facets: String,
    /// A filter whose rows are to be counted: how many of all rows would be left if it were in force. Up to 32 of them.
    #[param(required = false, rename = "_count", example = json!(["connectedAfter=now-15m"]))]
    count: Vec<String>,
    /// A client whose place among all rows is to be told.
    #[param(required = false, rename = "_placeOf", example = "d:acme01:thermo:t-17")]
    place_of: String,
}

/// The filters of the list of states. Times are ISO 8601, with or without zone (without is UTC), or
/// relative as in `now-2d` (units `s m h d w`).
#[derive(IntoParams)]
#[into_params(parameter_in = Query, rename_all = "camelCase")]
pub struct FilterParameters {
    #[param(required = false, style = Form, explode = false, inline)]
    connection_status: Vec<ConnectionStatus>,
    #[param(required = false, style = Form, explode = false, inline)]
    client_type: Vec<ClientType>,
    #[param(required = false, example = json!(["thermo"]))]
    device_type: Vec<String>,
    /// Another name of `deviceType`.
    #[param(required = false, example = json!(["thermo"]))]
    type_id: Vec<String>,
    #[param(required = false, example = json!(["t-17"]))]
    device_id: Vec<String>,
    #[param(required = false, style = Form, explode = false, inline)]
    disconnect_initiator: Vec<DisconnectInitiator>,
    /// MQTT 5 reason codes, decimal or as in `0x8D`.
    #[param(required = false, style = Form, explode = false, example = json!(["141", "0x8E"]))]
    mqtt_reason_code: Vec<String>,
    /// Watson's close codes.
    #[param(required = false, style = Form, explode = false, example = json!(["91", "160"]))]
    close_code: Vec<String>,
    #[param(required = false, style = Form, explode = false, inline)]
    last_activity_event: Vec<ActivityEvent>,
    #[param(required = false, style = Form, explode = false, inline)]
    mqtt_connect_protocol: Vec<MqttConnectProtocol>,
    #[param(required = false, style = Form, explode = false, inline)]
    certainty: Vec<Certainty>,
    /// An address, or a network as in `10.0.7.0/24`.
    #[param(required = false, example = json!(["10.0.7.0/24"]))]
    client_addr: Vec<String>,
    /// Whether the state is stale.
    #[param(required = false)]
    stale: bool,
    /// Last connected at or after this time.
    #[param(required = false, example = "now-2d")]
    connected_after: String,
    /// The older spelling of `connectedAfter`.
    #[param(required = false, example = "{currentTime-2D}")]
    last_connected_after: String,
    /// Last connected before this time. A client that never connected counts as before.
    #[param(required = false, example = "2026-11-20T08:40:54Z")]
    connected_before: String,
    /// Last disconnected at or after this time.
    #[param(required = false, example = "now-15m")]
    disconnected_after: String,
    /// Last disconnected before this time.
    #[param(required = false, example = "now-15m")]
    disconnected_before: String,
    /// Last active at or after this time.
    #[param(required = false, example = "now-1h")]
    active_after: String,
    /// Last active before this time. A client that never was active counts as before.
    #[param(required = false, example = "now-1w")]
    active_before: String,
    /// Last published a message at or after this time.
    #[param(required = false, example = "now-1h")]
    published_after: String,
    /// Last published a message before this time. A client that never did counts as before.
    #[param(required = false, example = "now-1h")]
    published_before: String,
    /// A connect under this id was refused at or after this time.
    #[param(required = false, example = "now-1h")]
    refused_after: String,
    /// At least so many connects in the past hour, up to 64.
    #[param(required = false, minimum = 0, maximum = 64, format = "uint32", example = 5)]
    min_recent_connects: u32,
    /// A part of the id; upper and lower case are the same.
    #[param(required = false, example = "thermo:t-1")]
    search: String,
}

/// How an export is written, and in which order.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ExportParameters {
    /// NDJSON has a state a line as the list of states has it; CSV (RFC 4180) has a header and the same fields.
    #[param(required = false, inline, default = "ndjson")]
    format: ExportFormat,
    /// Fields to sort by, comma-separated, `-` before a field for descending. Ties are sorted by id, absent values
    /// come last.
    #[param(required = false, rename = "_sort", example = "-lastActivityTime")]
    sort: String,
    /// Only the clients after this id, for going on where an export broke off. Not together with `_sort`. A CSV has no
    /// header then.
    #[param(required = false, rename = "_afterId", example = "d:acme01:thermo:t-17")]
    after_id: String,
}

#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
enum ExportFormat {
    Ndjson,
    Csv,
}

/// Whose log, and which part of it.
#[derive(IntoParams)]
#[into_params(parameter_in = Query, rename_all = "camelCase")]
pub struct LogParameters {
    /// The device type; together with `deviceId`.
    #[param(required = false, example = "thermo")]
    type_id: String,
    /// The device id; together with `typeId`.
    #[param(required = false, example = "t-17")]
    device_id: String,
    /// The id of any client, instead of `typeId` and `deviceId`.
    #[param(required = false, example = "d:acme01:thermo:t-17")]
    client_id: String,
    /// The most entries in the answer: up to 20, with `clientId` up to 1,000.
    #[param(required = false, minimum = 1, maximum = 1000, default = 10)]
    limit: u32,
    /// How many entries to pass over.
    #[param(required = false, minimum = 1, maximum = 1000)]
    offset: u32,
    /// Only entries at or after this time: ISO 8601 or as in `now-2d`.
    #[param(required = false, example = "2026-11-19T00:00:00Z")]
    from_time: String,
    /// Only entries at or before this time.
    #[param(required = false, example = "2026-11-20T00:00:00Z")]
    to_time: String,
    /// Only entries of these kinds.
    #[param(required = false, style = Form, explode = false, inline)]
    event: Vec<LogEvent>,
    /// Where the page before ended, as the header `Link` gave it; with `clientId` only.
    #[param(required = false)]
    bookmark: String,
}

#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
enum LogEvent {
    Connect,
    FailedConnect,
    Disconnect,
}

/// One entry of a connection log; what is not known is absent.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
pub struct ConnectionLogEntry {
    /// Watson's wording.
    #[schema(example = "Closed connection from 10.0.0.7. The connection timed out.")]
    message: String,
    #[schema(value_type = String, format = DateTime)]
    timestamp: String,
    #[schema(required = false, value_type = String, example = "d:acme01:thermo:t-17")]
    client_id: Option<String>,
    #[schema(required = false, value_type = LogEvent)]
    event: Option<LogEvent>,
    #[schema(required = false, value_type = DisconnectInitiator)]
    disconnect_initiator: Option<DisconnectInitiator>,
    #[schema(required = false, value_type = u8)]
    mqtt_reason_code: Option<u8>,
    #[schema(required = false, value_type = u16)]
    close_code: Option<u16>,
    /// The reason alone.
    #[schema(required = false, value_type = String)]
    reason: Option<String>,
    #[schema(required = false, value_type = String)]
    client_addr: Option<String>,
    #[schema(required = false, value_type = u16)]
    client_port: Option<u16>,
    /// The MQTT version, `-ws` over WebSocket.
    #[schema(required = false, value_type = String, example = "mqtt4")]
    protocol: Option<String>,
    #[schema(required = false, value_type = bool)]
    secure: Option<bool>,
    /// When the session started.
    #[schema(required = false, value_type = String, format = DateTime)]
    connect_time: Option<String>,
    /// Messages from the client to the server.
    #[schema(required = false, value_type = u64)]
    read_msg: Option<u64>,
    /// Messages from the server to the client.
    #[schema(required = false, value_type = u64)]
    write_msg: Option<u64>,
    #[schema(required = false, value_type = u64)]
    read_bytes: Option<u64>,
    #[schema(required = false, value_type = u64)]
    write_bytes: Option<u64>,
    #[schema(required = false, value_type = Certainty)]
    certainty: Option<Certainty>,
}
