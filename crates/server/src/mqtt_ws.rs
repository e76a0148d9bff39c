//! MQTT over WebSocket on the HTTP server's own port: carries bytes between a WebSocket and the broker.
//!
//! The HTTP server calls [`accept`] for `GET /mqtt` (or mounts [`router`]). The bytes go over the
//! [`crate::bridge`] to the embedded broker. Nothing in here reads MQTT. Doing this instead of using a broker's own WebSocket listener lets many MQTT packets share one
//! WebSocket message, which is what a browser's throughput hangs on.

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade, close_code};
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt, StreamExt};
use tokio::io::AsyncWriteExt;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};

use crate::arrival::Arrival;
use crate::bridge::{Bridge, CLOSE_MAX, CONNECT_BYTES_MIN, FIRST_BYTES_MAX, FromBroker, SEND_MAX};
use crate::source::embedded::PACKET_BYTES_MAX;

/// The subprotocols of MQTT, the preferred one first (MQTT 5, section 6; `mqttv3.1` is older clients').
const SUBPROTOCOLS: [&str; 2] = ["mqtt", "mqttv3.1"];
/// One WebSocket message from a client may carry a packet of the greatest size and its header.
const MESSAGE_BYTES_MAX: usize = PACKET_BYTES_MAX as usize + 16;
/// `/mqtt`, for a server that has nothing else to say there. Needs the client's address as connect info.
pub fn router(bridge: Bridge) -> Router {
    Router::new().route("/mqtt", any(mqtt)).with_state(bridge)
}

async fn mqtt(
    State(bridge): State<Bridge>,
    arrival: Arrival,
    headers: HeaderMap,
    upgrade: WebSocketUpgrade,
) -> Response {
    accept(bridge, arrival, &headers, upgrade)
}

/// Upgrades a request and carries its bytes until one end closes.
pub fn accept(bridge: Bridge, arrival: Arrival, headers: &HeaderMap, upgrade: WebSocketUpgrade) -> Response {
    if !is_same_origin(headers) {
        return (StatusCode::FORBIDDEN, "A page of another site may not connect to this server's MQTT.")
            .into_response();
    }
    upgrade
        .protocols(SUBPROTOCOLS)
        .max_message_size(MESSAGE_BYTES_MAX)
        .max_frame_size(MESSAGE_BYTES_MAX)
        .on_upgrade(move |socket| async move {
            // Its own task: if the upgrade were given up between the connection and the PROXY header, the
            // broker's accept loop would wait for the header in vain.
            tokio::spawn(carry(bridge, arrival, socket));
        })
}

/// A browser lets any page open a WebSocket to any host and sends its cookies along; the `Origin` header, which
/// no script can forge, tells from where. Clients that are no browsers send none.
fn is_same_origin(headers: &HeaderMap) -> bool {
    let Some(origin) = headers.get(header::ORIGIN) else {
        return true;
    };
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
    let origin = origin.to_str().ok().and_then(|o| o.parse::<Uri>().ok());
    let (Some(origin), Some(host)) = (origin, host) else {
        return false;
    };
    let default_port = match origin.scheme_str() {
        Some("https" | "wss") => ":443",
        Some("http" | "ws") => ":80",
        _ => return false,
    };
    let without_default = |authority: &str| {
        let authority = authority.to_ascii_lowercase();
        authority.strip_suffix(default_port).map_or_else(|| authority.clone(), ToOwned::to_owned)
    };
    origin.authority().is_some_and(|authority| without_default(authority.as_str()) == without_default(host))
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

async fn carry(bridge: Bridge, arrival: Arrival, socket: WebSocket) {
    let (mut to_client, mut from_client) = socket.split();
    let Some((broker, announcement)) = bridge.connect(arrival, true).await else {
        close(&mut to_client, close_code::ERROR).await;
        return;
    };
    let (from_broker, to_broker) = broker.into_split();
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

async fn upwards(from_client: &mut SplitStream<WebSocket>, mut broker: OwnedWriteHalf) -> Stopped {
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
    broker: &mut OwnedWriteHalf,
    bytes_max: usize,
) -> Option<Stopped> {
    let mut passed: usize = 0;
    while passed < bytes_max {
        match from_client.next().await {
            Some(Ok(Message::Binary(bytes))) => {
                if broker.write_all(&bytes).await.is_err() {
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

async fn downwards(broker: OwnedReadHalf, to_client: &mut SplitSink<WebSocket, Message>) -> Stopped {
    let mut from_broker = FromBroker::new(broker);
    while let Some(bytes) = from_broker.next().await {
        let message = Message::Binary(Bytes::from(bytes));
        if !matches!(tokio::time::timeout(SEND_MAX, to_client.send(message)).await, Ok(Ok(()))) {
            return Stopped::ByClient;
        }
    }
    Stopped::ByBroker
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(origin: Option<&str>, host: &str, expect: bool) {
        let mut headers = HeaderMap::new();
        headers.insert(header::HOST, host.parse().unwrap());
        if let Some(origin) = origin {
            headers.insert(header::ORIGIN, origin.parse().unwrap());
        }
        assert_eq!(is_same_origin(&headers), expect, "{origin:?} {host}");
    }

    #[test]
    fn only_pages_of_the_same_host_and_clients_without_origin_may_connect() {
        check(None, "rollcall.example", true);
        check(Some("https://rollcall.example"), "rollcall.example", true);
        check(Some("https://Rollcall.Example"), "rollcall.example:443", true);
        check(Some("http://rollcall.example:8080"), "rollcall.example:8080", true);
        check(Some("http://[::1]:8080"), "[::1]:8080", true);
        check(Some("http://rollcall.example:8080"), "rollcall.example", false);
        check(Some("https://evil.example"), "rollcall.example", false);
        check(Some("https://rollcall.example.evil"), "rollcall.example", false);
        check(Some("null"), "rollcall.example", false);
        check(Some("file://"), "rollcall.example", false);
        check(Some(""), "rollcall.example", false);
    }
}
