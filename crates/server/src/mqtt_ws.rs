//! MQTT over WebSocket on the HTTP server's own port: carries bytes between a WebSocket and the broker.
//!
//! The HTTP server calls [`accept`] for `GET /mqtt` (or mounts [`router`]). The bytes go to the embedded
//! broker's internal listener, whose PROXY header carries the real address of the client. Nothing in here reads
//! MQTT. Doing this instead of using a broker's own WebSocket listener lets many MQTT packets share one
//! WebSocket message, which is what a browser's throughput hangs on.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade, close_code};
use axum::extract::{ConnectInfo, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt, StreamExt};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};

use crate::access::{Denied, Gate, is_same_origin, names_this_machine};
use crate::identity::Refusal;
use crate::source::embedded::{Announced, Arrival, PACKET_BYTES_MAX};

/// The subprotocols of MQTT, the preferred one first (MQTT 5, section 6; `mqttv3.1` is older clients').
const SUBPROTOCOLS: [&str; 2] = ["mqtt", "mqttv3.1"];
/// The most that one WebSocket message to the client carries, in bytes.
const COALESCED_MAX: usize = 64 * 1024;
const FIRST_READ: usize = 4 * 1024;
/// One WebSocket message from a client may carry a packet of the greatest size and its header.
const MESSAGE_BYTES_MAX: usize = PACKET_BYTES_MAX as usize + 16;
/// A client that has not begun a CONNECT by then is none; from there on the broker has a time limit of its own.
const FIRST_BYTES_MAX: Duration = Duration::from_secs(20);
/// No CONNECT is shorter, in bytes.
const CONNECT_BYTES_MIN: usize = 12;
/// How long a client may take to make room for a message. A sleeping laptop may keep its socket for hours.
const SEND_MAX: Duration = Duration::from_secs(30);
/// How long a client may take to answer a close.
const CLOSE_MAX: Duration = Duration::from_secs(2);

/// Where the bytes go. Cheap to clone.
#[derive(Clone)]
pub struct Bridge {
    broker: SocketAddr,
    announced: Arc<Announced>,
    http: SocketAddr,
    gate: Gate,
}

impl Bridge {
    pub(crate) const fn new(
        broker: SocketAddr,
        announced: Arc<Announced>,
        http: SocketAddr,
        gate: Gate,
    ) -> Self {
        Self { broker, announced, http, gate }
    }

    /// The broker's internal listener. It refuses whoever does not come through a bridge.
    #[must_use]
    pub const fn broker_addr(&self) -> SocketAddr {
        self.broker
    }

    /// Connects to the broker in the name of the client. The announcement lasts as long as its guard.
    async fn connect(
        &self,
        client: SocketAddr,
        arrival: Arrival,
    ) -> std::io::Result<(TcpStream, Announcement)> {
        let client = SocketAddr::new(client.ip().to_canonical(), client.port());
        let mut broker = TcpStream::connect(self.broker).await?;
        broker.set_nodelay(true)?;
        self.announced.announce(client, arrival);
        let announcement = Announcement { announced: Arc::clone(&self.announced), client };
        // The broker's accept loop waits for the header, so it is written at once and whole.
        broker.write_all(&proxy_header(client, self.broker)).await?;
        Ok((broker, announcement))
    }
}

/// Takes back what was announced for a client that never sent a CONNECT.
struct Announcement {
    announced: Arc<Announced>,
    client: SocketAddr,
}

impl Drop for Announcement {
    fn drop(&mut self) {
        self.announced.take(self.client);
    }
}

/// `/mqtt`, for a server that has nothing else to say there. Needs the client's address as connect info.
pub fn router(bridge: Bridge) -> Router {
    Router::new().route("/mqtt", any(mqtt)).with_state(bridge)
}

async fn mqtt(
    State(bridge): State<Bridge>,
    ConnectInfo(client): ConnectInfo<SocketAddr>,
    headers: HeaderMap,
    upgrade: WebSocketUpgrade,
) -> Response {
    accept(bridge, client, &headers, upgrade).await
}

/// Upgrades a request and carries its bytes until one end closes. Credentials in the request speak for a dashboard;
/// every other client presents its own in MQTT.
pub async fn accept(
    bridge: Bridge,
    client: SocketAddr,
    headers: &HeaderMap,
    upgrade: WebSocketUpgrade,
) -> Response {
    if !is_same_origin(headers) {
        return (StatusCode::FORBIDDEN, "A page of another site may not connect to this server's MQTT.")
            .into_response();
    }
    let caller = match bridge.gate.caller(headers, Some(client.ip())).await {
        Ok(caller) => Some(caller),
        Err(Denied::Missing | Denied::Stale) => None,
        Err(Denied::Refused(refusal)) => return refused(refusal),
    };
    let is_local = bridge.http.ip().to_canonical().is_loopback()
        && client.ip().to_canonical().is_loopback()
        && names_this_machine(headers);
    let arrival = Arrival { server_port: bridge.http.port(), caller, is_local };
    upgrade
        .protocols(SUBPROTOCOLS)
        .max_message_size(MESSAGE_BYTES_MAX)
        .max_frame_size(MESSAGE_BYTES_MAX)
        .on_upgrade(move |socket| async move {
            // Its own task: if the upgrade were given up between the connection and the PROXY header, the
            // broker's accept loop would wait for the header in vain.
            tokio::spawn(carry(bridge, client, arrival, socket));
        })
}

fn refused(refusal: Refusal) -> Response {
    let status = match refusal {
        Refusal::Organization => StatusCode::FORBIDDEN,
        Refusal::TooMany(_) => StatusCode::TOO_MANY_REQUESTS,
        Refusal::Store => StatusCode::SERVICE_UNAVAILABLE,
        Refusal::Key | Refusal::Token | Refusal::Link | Refusal::Missing => StatusCode::UNAUTHORIZED,
    };
    (status, format!("{refusal}.")).into_response()
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

async fn carry(bridge: Bridge, client: SocketAddr, arrival: Arrival, socket: WebSocket) {
    let (mut to_client, mut from_client) = socket.split();
    let (broker, announcement) = match bridge.connect(client, arrival).await {
        Ok(connected) => connected,
        Err(error) => {
            tracing::warn!(%error, "the embedded broker does not take WebSocket clients");
            close(&mut to_client, close_code::ERROR).await;
            return;
        }
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

async fn downwards(mut broker: OwnedReadHalf, to_client: &mut SplitSink<WebSocket, Message>) -> Stopped {
    let mut size = FIRST_READ;
    loop {
        // An idle connection holds no buffer.
        if broker.readable().await.is_err() {
            return Stopped::ByBroker;
        }
        let mut bytes = Vec::with_capacity(size);
        match broker.read_buf(&mut bytes).await {
            Ok(0) | Err(_) => return Stopped::ByBroker,
            Ok(read) => {
                size = if read >= size {
                    (size * 2).min(COALESCED_MAX)
                } else {
                    size.min((read * 2).max(FIRST_READ))
                };
            }
        }
        let message = Message::Binary(Bytes::from(bytes));
        if !matches!(tokio::time::timeout(SEND_MAX, to_client.send(message)).await, Ok(Ok(()))) {
            return Stopped::ByClient;
        }
    }
}

/// The binary header of the PROXY protocol, version 2: "a TCP connection from `client` to `server`".
fn proxy_header(client: SocketAddr, server: SocketAddr) -> Vec<u8> {
    const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";
    const VERSION_2_PROXY: u8 = 0x21;
    let mut header = SIGNATURE.to_vec();
    header.push(VERSION_2_PROXY);
    let mut addresses = Vec::with_capacity(36);
    match client.ip() {
        IpAddr::V4(client) => {
            header.push(0x11);
            addresses.extend(client.octets());
            addresses.extend(Ipv4Addr::LOCALHOST.octets());
        }
        IpAddr::V6(client) => {
            header.push(0x21);
            addresses.extend(client.octets());
            addresses.extend(Ipv6Addr::LOCALHOST.octets());
        }
    }
    addresses.extend(client.port().to_be_bytes());
    addresses.extend(server.port().to_be_bytes());
    header.extend((addresses.len() as u16).to_be_bytes());
    header.extend(addresses);
    header
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_proxy_header_carries_either_kind_of_address() {
        let server: SocketAddr = "127.0.0.1:1024".parse().unwrap();
        let header = proxy_header("192.0.2.7:4660".parse().unwrap(), server);
        assert_eq!(
            header,
            b"\r\n\r\n\0\r\nQUIT\n\x21\x11\x00\x0c\xc0\x00\x02\x07\x7f\x00\x00\x01\x12\x34\x04\x00"
        );
        let header = proxy_header("[2001:db8::1]:4660".parse().unwrap(), server);
        assert_eq!(header.len(), 16 + 36);
        assert_eq!(header[13], 0x21);
    }
}
