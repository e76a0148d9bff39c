//! MQTT over WebSocket: carries bytes between a WebSocket and the broker.
//!
//! The HTTP server calls [`accept`] for `GET /mqtt` (or mounts [`router`]), and so do the ports of MQTT
//! ([`crate::mqtt_port`]). The bytes go over the [`crate::bridge`] to the embedded broker. Nothing in here reads MQTT.
//! Doing this instead of using a broker's own WebSocket listener lets many MQTT packets share one WebSocket message,
//! which is what a browser's throughput hangs on.

use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade, close_code};
use axum::http::header::RETRY_AFTER;
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt, StreamExt};

use crate::access::{Denied, Gate, is_same_origin, names_this_machine};
use crate::arrival::Arrival;
use crate::bridge::{
    Bridge, CLOSE_MAX, CONNECT_BYTES_MIN, Crossing, FIRST_BYTES_MAX, FromBroker, Guest, SEND_MAX, ToBroker,
};
use crate::identity::Refusal;
use crate::source::embedded::PACKET_BYTES_MAX;

/// The subprotocols of MQTT, the preferred one first (MQTT 5, section 6; `mqttv3.1` is older clients').
const SUBPROTOCOLS: [&str; 2] = ["mqtt", "mqttv3.1"];
/// One WebSocket message from a client may carry a packet of the greatest size and its header.
const MESSAGE_BYTES_MAX: usize = PACKET_BYTES_MAX as usize + 16;

/// For so long what the broker sends after a message is gathered into the next one. A browser's work is in the number of messages:
/// each is a task of several processes. Half of a frame, so nobody sees it.
const GATHERED: Duration = Duration::from_millis(8);

/// What it takes to let a WebSocket client in. Cheap to clone.
#[derive(Clone)]
pub struct Door {
    pub bridge: Bridge,
    /// Knows who sends a request.
    pub gate: Gate,
    /// Only this machine can reach the port.
    pub is_local: bool,
}

/// `/mqtt`, for a server that has nothing else to say there. Needs the client's address as connect info.
pub fn router(door: Door) -> Router {
    Router::new().route("/mqtt", any(mqtt)).with_state(door)
}

async fn mqtt(
    State(door): State<Door>,
    arrival: Arrival,
    headers: HeaderMap,
    upgrade: WebSocketUpgrade,
) -> Response {
    accept(door, arrival, &headers, upgrade).await
}

/// Upgrades a request and carries its bytes until one end closes. Credentials in the request speak for a dashboard;
/// every other client presents its own in MQTT.
pub async fn accept(
    door: Door,
    arrival: Arrival,
    headers: &HeaderMap,
    upgrade: WebSocketUpgrade,
) -> Response {
    if !is_same_origin(headers) {
        return (StatusCode::FORBIDDEN, "A page of another site may not connect to this server's MQTT.")
            .into_response();
    }
    let from = arrival.client.ip().to_canonical();
    let caller = match door.gate.over(arrival.secure).caller(headers, Some(from)).await {
        Ok(caller) => Some(caller),
        Err(Denied::Missing | Denied::Stale) => None,
        Err(Denied::Refused(refusal)) => return refused(refusal),
    };
    let is_local = door.is_local && from.is_loopback() && names_this_machine(headers);
    let guest = Guest { arrival, websocket: true, caller, is_local };
    upgrade
        .protocols(SUBPROTOCOLS)
        .max_message_size(MESSAGE_BYTES_MAX)
        .max_frame_size(MESSAGE_BYTES_MAX)
        .on_upgrade(move |socket| async move {
            // Its own task: if the upgrade were given up between the connection and the PROXY header, the
            // broker's accept loop would wait for the header in vain.
            tokio::spawn(carry(door.bridge, guest, socket));
        })
}

fn refused(refusal: Refusal) -> Response {
    let status = match refusal {
        Refusal::Organization => StatusCode::FORBIDDEN,
        Refusal::TooMany(_) => StatusCode::TOO_MANY_REQUESTS,
        Refusal::Store => StatusCode::SERVICE_UNAVAILABLE,
        Refusal::Key | Refusal::Token | Refusal::Link | Refusal::Missing => StatusCode::UNAUTHORIZED,
    };
    let mut response = (status, format!("{refusal}.")).into_response();
    if let Refusal::TooMany(wait_s) = refusal {
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(wait_s));
    }
    response
}

/// Why the bytes stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stopped {
    ByClient,
    ByBroker,
    /// The client sent text, which is no MQTT (MQTT 5, section 6.0).
    Text,
    /// The client opened a WebSocket and said nothing.
    Silent,
}

async fn carry(bridge: Bridge, guest: Guest, socket: WebSocket) {
    let (mut to_client, mut from_client) = socket.split();
    let Some(Crossing { from_broker, to_broker, announcement }) = bridge.connect(guest).await else {
        close(&mut to_client, close_code::ERROR).await;
        return;
    };
    let stopped = tokio::select! {
        stopped = upwards(&mut from_client, to_broker) => stopped,
        stopped = downwards(from_broker, &mut to_client) => stopped,
    };
    // Both halves of the broker's connection are closed by now, so that it learns of the end at once. The
    // client's port is still its own, so that no other client's announcement is taken back.
    drop(announcement);
    let code = match stopped {
        Stopped::ByClient | Stopped::ByBroker => close_code::NORMAL,
        Stopped::Text => close_code::UNSUPPORTED,
        Stopped::Silent => close_code::POLICY,
    };
    close(&mut to_client, code).await;
    if stopped != Stopped::ByClient {
        let answered = async { while let Some(Ok(_)) = from_client.next().await {} };
        let _ = tokio::time::timeout(CLOSE_MAX, answered).await;
    }
}

/// Says goodbye; a client that is gone cannot hear it, which is as good.
async fn close(to_client: &mut SplitSink<WebSocket, Message>, code: u16) {
    let frame = CloseFrame { code, reason: "".into() };
    let goodbye = to_client.send(Message::Close(Some(frame)));
    let _ = tokio::time::timeout(CLOSE_MAX, goodbye).await;
}

async fn upwards(from_client: &mut SplitStream<WebSocket>, mut broker: ToBroker) -> Stopped {
    let begin = tokio::time::timeout(FIRST_BYTES_MAX, pass(from_client, &mut broker, CONNECT_BYTES_MIN));
    match begin.await {
        Ok(None) => pass(from_client, &mut broker, usize::MAX).await.unwrap_or(Stopped::ByClient),
        Ok(Some(stopped)) => stopped,
        Err(_) => Stopped::Silent,
    }
}

/// Passes messages on until there were so many bytes (`None`) or one end has stopped.
async fn pass(
    from_client: &mut SplitStream<WebSocket>,
    broker: &mut ToBroker,
    bytes_max: usize,
) -> Option<Stopped> {
    let mut passed: usize = 0;
    while passed < bytes_max {
        match from_client.next().await {
            Some(Ok(Message::Binary(bytes))) => {
                if broker.send(&bytes).await.is_err() {
                    return Some(Stopped::ByBroker);
                }
                passed = passed.saturating_add(bytes.len());
            }
            Some(Ok(Message::Text(_))) => return Some(Stopped::Text),
            // Axum answers a ping by itself.
            Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
            Some(Ok(Message::Close(_)) | Err(_)) | None => return Some(Stopped::ByClient),
        }
    }
    None
}

async fn downwards(mut from_broker: FromBroker, to_client: &mut SplitSink<WebSocket, Message>) -> Stopped {
    while let Some(bytes) = from_broker.next().await {
        let message = Message::Binary(Bytes::from(bytes));
        if !matches!(tokio::time::timeout(SEND_MAX, to_client.send(message)).await, Ok(Ok(()))) {
            return Stopped::ByClient;
        }
        from_broker.gather(GATHERED).await;
    }
    Stopped::ByBroker
}
