//! MQTT over TLS: carries bytes between TLS connections and the broker.
//!
//! `serve` starts it where there is a certificate. The decrypted bytes go over the [`crate::bridge`] to the
//! embedded broker; those of a client that begins like a browser take the way of [`crate::mqtt_ws`] there. Nothing
//! in here reads MQTT beyond the first byte, which tells the two apart. Doing this instead of using the broker's own
//! TLS listener lets HTTPS and MQTT share one certificate that can be renewed while clients are connected.

mod websocket;

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::net::tcp::OwnedWriteHalf;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::Instant;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::server::TlsStream;

use crate::arrival::Arrival;
use crate::bridge::{CLOSE_MAX, CONNECT_BYTES_MIN, FIRST_BYTES_MAX, FromBroker, Guest, SEND_MAX};
use crate::mqtt_ws::Door;
use crate::tls::accept::{self, Plain, Running};

/// What a TLS record holds at most, in bytes.
const RECORD_MAX: usize = 16 * 1_024;
/// What the reader of a quiet client holds, in bytes; a busy one's grows to [`RECORD_MAX`].
const READ_MIN: usize = 1_024;

/// The first byte of `GET`. MQTT begins with a CONNECT, whose first byte is 0x10 (MQTT 5, section 3.1.1).
const HTTP_BEGIN: u8 = b'G';

/// Accepts clients until what is returned is dropped. Those that are connected then stay.
pub fn start(listener: TcpListener, config: Arc<ServerConfig>, door: Door) -> Running {
    Running::spawn(accept::run(listener, config, Plain::Close, move |stream, client| {
        welcome(door.clone(), client, stream)
    }))
}

/// Finds out what a client speaks and lets it in.
async fn welcome(door: Door, client: SocketAddr, mut stream: TlsStream<TcpStream>) {
    let begun_by = Instant::now() + FIRST_BYTES_MAX;
    // Looked at, and left for whoever reads next.
    let first = match tokio::time::timeout_at(begun_by, stream.fill_buf()).await {
        Ok(Ok(bytes)) => bytes.first().copied(),
        Ok(Err(_)) => return,
        Err(_) => None,
    };
    let arrival = Arrival { client, secure: true };
    match first {
        Some(HTTP_BEGIN) => {
            let head_max = begun_by.saturating_duration_since(Instant::now());
            websocket::serve(door, arrival, stream, head_max).await;
        }
        Some(_) => carry(door, arrival, stream, begun_by).await,
        None => {
            // It has closed, or has said nothing for too long, and may be gone.
            let _ = tokio::time::timeout(CLOSE_MAX, stream.shutdown()).await;
        }
    }
}

/// Which end closed first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stopped {
    /// It closed its half, or is gone.
    ByClient,
    ByBroker,
    /// The client completed the handshake and began no CONNECT.
    Silent,
}

async fn carry(door: Door, arrival: Arrival, stream: TlsStream<TcpStream>, begun_by: Instant) {
    let is_local = door.is_local && arrival.client.ip().to_canonical().is_loopback();
    let guest = Guest { arrival, websocket: false, caller: None, is_local };
    let Some((broker, announcement)) = door.bridge.connect(guest).await else {
        return;
    };
    let (from_broker, to_broker) = broker.into_split();
    let (mut from_client, mut to_client) = tokio::io::split(stream);
    let from_broker = FromBroker::new(from_broker);
    let upwards = upwards(&mut from_client, to_broker, begun_by);
    let stopped = exchange(upwards, &mut to_client, from_broker).await;
    // Both halves of the broker's connection are closed by now, so that it learns of the end at once.
    drop(announcement);
    let goodbye = async {
        to_client.shutdown().await?;
        // Closing before everything has been read would reset the connection, and with it the broker's last
        // words: a refusal, for one.
        let mut rest = [0; READ_MIN];
        while stopped != Stopped::ByClient && from_client.read(&mut rest).await? > 0 {}
        Ok::<(), std::io::Error>(())
    };
    // A client that is gone cannot hear it, which is as good.
    let _ = tokio::time::timeout(CLOSE_MAX, goodbye).await;
}

/// Carries bytes both ways until one end has stopped. What the broker still has to say to a client that has
/// closed its own half is passed on.
async fn exchange(
    upwards: impl Future<Output = Stopped>,
    to_client: &mut WriteHalf<TlsStream<TcpStream>>,
    from_broker: FromBroker,
) -> Stopped {
    let downwards = downwards(from_broker, to_client);
    tokio::pin!(downwards);
    let stopped = tokio::select! {
        stopped = upwards => stopped,
        stopped = &mut downwards => return stopped,
    };
    let _ = tokio::time::timeout(CLOSE_MAX, downwards).await;
    stopped
}

async fn upwards(
    from_client: &mut ReadHalf<TlsStream<TcpStream>>,
    mut broker: OwnedWriteHalf,
    begun_by: Instant,
) -> Stopped {
    let mut bytes = vec![0; READ_MIN];
    let begin = pass(from_client, &mut broker, &mut bytes, CONNECT_BYTES_MIN);
    match tokio::time::timeout_at(begun_by, begin).await {
        Ok(None) => pass(from_client, &mut broker, &mut bytes, usize::MAX).await.unwrap_or(Stopped::ByClient),
        Ok(Some(stopped)) => stopped,
        Err(_) => Stopped::Silent,
    }
}

/// Passes bytes on until there were so many (`None`) or one end has stopped.
async fn pass(
    from_client: &mut ReadHalf<TlsStream<TcpStream>>,
    broker: &mut OwnedWriteHalf,
    bytes: &mut Vec<u8>,
    bytes_max: usize,
) -> Option<Stopped> {
    let mut passed: usize = 0;
    while passed < bytes_max {
        let read = match from_client.read(bytes).await {
            Ok(0) | Err(_) => return Some(Stopped::ByClient),
            Ok(read) => read,
        };
        if broker.write_all(bytes.get(..read).unwrap_or_default()).await.is_err() {
            return Some(Stopped::ByBroker);
        }
        passed = passed.saturating_add(read);
        if read == bytes.len() && read < RECORD_MAX {
            bytes.resize(read * 2, 0);
        }
    }
    None
}

async fn downwards(mut from_broker: FromBroker, to_client: &mut WriteHalf<TlsStream<TcpStream>>) -> Stopped {
    while let Some(bytes) = from_broker.next().await {
        // In pieces, so that a client on a slow line has the time for each.
        for piece in bytes.chunks(RECORD_MAX) {
            let sent = async {
                to_client.write_all(piece).await?;
                to_client.flush().await
            };
            if !matches!(tokio::time::timeout(SEND_MAX, sent).await, Ok(Ok(()))) {
                return Stopped::ByClient;
            }
        }
    }
    Stopped::ByBroker
}
