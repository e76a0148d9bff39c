//! A port of MQTT: carries bytes between its connections and the broker, whatever the transport.
//!
//! Plain TCP ([`crate::mqtt_tcp`]) and TLS ([`crate::mqtts`]) hand over their connections. MQTT goes over the
//! [`crate::bridge`] to the embedded broker; a client that begins like a browser takes the way of [`crate::mqtt_ws`]
//! there. Nothing in here reads MQTT beyond the first byte, which tells the two apart.

mod websocket;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::Instant;

use crate::arrival::Arrival;
use crate::bridge::{CLOSE_MAX, CONNECT_BYTES_MIN, Crossing, FromBroker, Guest, SEND_MAX, ToBroker};
use crate::mqtt_ws::Door;

/// The most that is passed on at once, in bytes; what a TLS record holds.
const PIECE_MAX: usize = 16 * 1_024;
/// What the reader of a quiet client holds, in bytes; a busy one's grows to [`PIECE_MAX`].
const READ_MIN: usize = 1_024;

/// The first byte of `GET`. MQTT begins with a CONNECT, whose first byte is 0x10 (MQTT 5, section 3.1.1).
const HTTP_BEGIN: u8 = b'G';

/// A connection, and how it comes apart into its two directions.
pub trait Transport: AsyncRead + AsyncWrite + Send + Unpin + 'static {
    fn halves(self) -> (impl AsyncRead + Send + Unpin, impl AsyncWrite + Send + Unpin);
}

/// Lets a client in. `first` is the first byte that it sent, which is still to be read; `None` when it has closed or
/// has said nothing until `begun_by`, by when its CONNECT must have begun.
pub async fn welcome(
    door: Door,
    arrival: Arrival,
    mut stream: impl Transport,
    first: Option<u8>,
    begun_by: Instant,
) {
    match first {
        Some(HTTP_BEGIN) => {
            let head_max = begun_by.saturating_duration_since(Instant::now());
            websocket::serve(door, arrival, stream, head_max).await;
        }
        Some(_) => carry(door, arrival, stream.halves(), begun_by).await,
        None => {
            // It may be gone.
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
    /// The client began no CONNECT.
    Silent,
}

/// Carries a client's MQTT until one end closes.
async fn carry<R, W>(
    door: Door,
    arrival: Arrival,
    (mut from_client, mut to_client): (R, W),
    begun_by: Instant,
) where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
{
    let is_local = door.is_local && arrival.client.ip().to_canonical().is_loopback();
    let guest = Guest { arrival, websocket: false, caller: None, is_local };
    let Some(Crossing { from_broker, to_broker, announcement }) = door.bridge.connect(guest).await else {
        return;
    };
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
    to_client: &mut (impl AsyncWrite + Unpin),
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
    from_client: &mut (impl AsyncRead + Unpin),
    mut broker: ToBroker,
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
    from_client: &mut (impl AsyncRead + Unpin),
    broker: &mut ToBroker,
    bytes: &mut Vec<u8>,
    bytes_max: usize,
) -> Option<Stopped> {
    let mut passed: usize = 0;
    while passed < bytes_max {
        let read = match from_client.read(bytes).await {
            Ok(0) | Err(_) => return Some(Stopped::ByClient),
            Ok(read) => read,
        };
        if broker.send(bytes.get(..read).unwrap_or_default()).await.is_err() {
            return Some(Stopped::ByBroker);
        }
        passed = passed.saturating_add(read);
        if read == bytes.len() && read < PIECE_MAX {
            bytes.resize(read * 2, 0);
        }
    }
    None
}

async fn downwards(mut from_broker: FromBroker, to_client: &mut (impl AsyncWrite + Unpin)) -> Stopped {
    while let Some(bytes) = from_broker.next().await {
        // In pieces, so that a client on a slow line has the time for each.
        for piece in bytes.chunks(PIECE_MAX) {
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
