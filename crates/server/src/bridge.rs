//! The way into the embedded broker, for every client.
//!
//! The ports of MQTT ([`crate::mqtt_port`]) and MQTT over WebSocket ([`crate::mqtt_ws`]) unwrap a client's bytes and
//! send them over here to one of the broker's internal listeners, whose PROXY header carries the real address of the
//! client. What else the broker cannot see (the port the client came to, TLS, WebSocket, how many bytes went either
//! way) is announced beside it. Nothing in here reads MQTT or knows what the bytes were wrapped in. It writes one packet,
//! the last one: the broker's library closes before it sends its DISCONNECT.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};

use crate::arrival::Arrival;
use crate::identity::Caller;
use crate::source::embedded::{Announced, Entrance};

/// A client that has not begun a CONNECT by then is none; from there on the broker has a time limit of its own.
pub const FIRST_BYTES_MAX: Duration = Duration::from_secs(20);
/// No CONNECT is shorter, in bytes.
pub const CONNECT_BYTES_MIN: usize = 12;
/// How long a client may take to make room for a message. A sleeping laptop may keep its socket for hours.
pub const SEND_MAX: Duration = Duration::from_secs(30);
/// How long a client may take to answer a close.
pub const CLOSE_MAX: Duration = Duration::from_secs(2);
/// The most that is passed on to the client at once, in bytes.
const CHUNK_MAX: usize = 64 * 1024;
const FIRST_READ: usize = 4 * 1024;

/// A client on its way to the broker, and what its way says of it.
pub(crate) struct Guest {
    pub arrival: Arrival,
    pub websocket: bool,
    /// Whose credentials came with the request, where it was one and had any.
    pub caller: Option<Caller>,
    /// Came by a way that is open to this machine only.
    pub is_local: bool,
}

/// How many bytes of MQTT a connection has carried, whatever they were wrapped in, and how it ends.
#[derive(Debug, Default)]
pub(crate) struct Traffic {
    read_bytes: AtomicU64,
    write_bytes: AtomicU64,
    /// Why the broker is about to close, where the client is to be told; 0 when it is not.
    farewell: AtomicU8,
}

impl Traffic {
    pub fn read_bytes(&self) -> u64 {
        self.read_bytes.load(Ordering::Relaxed)
    }

    pub fn write_bytes(&self) -> u64 {
        self.write_bytes.load(Ordering::Relaxed)
    }

    /// The broker is about to close, and a client of version 5 gets a DISCONNECT with this reason code as the last thing.
    /// It counts from now on: the session is reported as ended before the bytes are on their way.
    pub fn bid_farewell(&self, reason_code: u8) {
        if self.farewell.swap(reason_code, Ordering::AcqRel) == 0 {
            self.write_bytes.fetch_add(disconnect(reason_code).len() as u64, Ordering::Relaxed);
        }
    }

    fn take_farewell(&self) -> Option<Vec<u8>> {
        let code = self.farewell.swap(0, Ordering::AcqRel);
        (code != 0).then(|| disconnect(code).to_vec())
    }
}

/// A DISCONNECT without properties (MQTT 5, section 3.14).
const fn disconnect(reason_code: u8) -> [u8; 4] {
    [0xE0, 2, reason_code, 0]
}

/// Where the bytes go. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Bridge {
    /// Never empty.
    brokers: Arc<[SocketAddr]>,
    next: Arc<AtomicUsize>,
    announced: Arc<Announced>,
    server_port: u16,
}

impl Bridge {
    pub(crate) fn new(brokers: Arc<[SocketAddr]>, announced: Arc<Announced>, server_port: u16) -> Self {
        Self { brokers, next: Arc::default(), announced, server_port }
    }

    /// One of the broker's internal listeners, each in turn. They refuse whoever does not come through a bridge.
    #[must_use]
    pub fn broker_addr(&self) -> SocketAddr {
        let next = self.next.fetch_add(1, Ordering::Relaxed);
        self.brokers[next % self.brokers.len()]
    }

    /// Connects to the broker in the name of the client. A failure is logged here.
    pub(crate) async fn connect(&self, guest: Guest) -> Option<Crossing> {
        let websocket = guest.websocket;
        match self.try_connect(guest).await {
            Ok(connected) => Some(connected),
            // A client can bring this about, so it must not fill the log.
            Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => {
                tracing::debug!(%error, "a client was not let in");
                None
            }
            Err(error) => {
                tracing::warn!(%error, websocket, "the embedded broker does not take a client");
                None
            }
        }
    }

    async fn try_connect(&self, guest: Guest) -> std::io::Result<Crossing> {
        let Guest { arrival, websocket, caller, is_local } = guest;
        let client = SocketAddr::new(arrival.client.ip().to_canonical(), arrival.client.port());
        let (server_port, secure) = (self.server_port, arrival.secure);
        let traffic = Arc::new(Traffic::default());
        let entrance =
            Entrance { server_port, secure, websocket, caller, is_local, traffic: Arc::clone(&traffic) };
        // Before the broker hears of it: one second of its accept loop goes with each connection that sends no header.
        if !self.announced.announce(client, entrance) {
            // Possible where one address comes to two ports from the same port. The client will come again,
            // from another one.
            let text = format!("another connection of {client} is in the middle of its handshake");
            return Err(std::io::Error::new(std::io::ErrorKind::AddrInUse, text));
        }
        let (announced, counted) = (Arc::clone(&self.announced), Arc::clone(&traffic));
        let announcement = Announcement { announced, client, traffic: counted };
        let address = self.broker_addr();
        let mut broker = TcpStream::connect(address).await?;
        broker.set_nodelay(true)?;
        // The broker's accept loop waits for the header, so it is written at once and whole.
        broker.write_all(&proxy_header(client, address)).await?;
        let (reader, writer) = broker.into_split();
        let from_broker = FromBroker::new(reader, Arc::clone(&traffic));
        Ok(Crossing { from_broker, to_broker: ToBroker { broker: writer, traffic }, announcement })
    }
}

/// A client's connection to the broker. It ends when both halves are dropped, the announcement not before them.
pub(crate) struct Crossing {
    pub from_broker: FromBroker,
    pub to_broker: ToBroker,
    pub announcement: Announcement,
}

/// Takes back what was announced for a client that never sent a CONNECT.
pub(crate) struct Announcement {
    announced: Arc<Announced>,
    client: SocketAddr,
    traffic: Arc<Traffic>,
}

impl Drop for Announcement {
    fn drop(&mut self) {
        self.announced.withdraw(self.client, &self.traffic);
    }
}

/// Takes what the client sends.
pub(crate) struct ToBroker {
    broker: OwnedWriteHalf,
    traffic: Arc<Traffic>,
}

impl ToBroker {
    /// # Errors
    /// When the broker has closed.
    pub async fn send(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        // First: whatever the broker has read is counted when it ends the session.
        self.traffic.read_bytes.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        self.broker.write_all(bytes).await
    }
}

/// What the broker sends, in chunks that grow with the traffic. An idle connection holds no buffer.
pub(crate) struct FromBroker {
    broker: OwnedReadHalf,
    size: usize,
    /// The last chunk was full, so that more is waiting.
    is_full: bool,
    /// What the client had sent when it was last looked at.
    read_bytes: u64,
    traffic: Arc<Traffic>,
}

impl FromBroker {
    fn new(broker: OwnedReadHalf, traffic: Arc<Traffic>) -> Self {
        Self { broker, size: FIRST_READ, is_full: false, read_bytes: 0, traffic }
    }

    /// The next bytes, or nothing when the broker has closed and said why, where it had to.
    pub(crate) async fn next(&mut self) -> Option<Vec<u8>> {
        match self.read().await {
            Some(bytes) => Some(bytes),
            None => self.traffic.take_farewell(),
        }
    }

    /// Waits for a moment so that what the broker sends meanwhile is in one chunk, unless the client may be waiting for an answer or
    /// more than a chunk is there already.
    pub(crate) async fn gather(&mut self, moment: Duration) {
        let read_bytes = self.traffic.read_bytes();
        let was_silent = std::mem::replace(&mut self.read_bytes, read_bytes) == read_bytes;
        if was_silent && !self.is_full {
            tokio::time::sleep(moment).await;
        }
    }

    async fn read(&mut self) -> Option<Vec<u8>> {
        self.broker.readable().await.ok()?;
        let mut bytes = Vec::with_capacity(self.size);
        let read = self.broker.read_buf(&mut bytes).await.ok().filter(|read| *read > 0)?;
        // Before the client has them: whatever it has seen is counted when it leaves.
        self.traffic.write_bytes.fetch_add(read as u64, Ordering::Relaxed);
        self.is_full = read >= self.size;
        self.size = if self.is_full {
            (self.size * 2).min(CHUNK_MAX)
        } else {
            self.size.min((read * 2).max(FIRST_READ))
        };
        Some(bytes)
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

    #[tokio::test(start_paused = true)]
    async fn what_comes_within_a_moment_is_gathered_unless_the_client_may_be_waiting() {
        const MOMENT: Duration = Duration::from_millis(8);
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let stream = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (mut broker, _) = listener.accept().await.unwrap();
        let (traffic, (broker_side, _writer)) = (Arc::new(Traffic::default()), stream.into_split());
        let mut from_broker = FromBroker::new(broker_side, Arc::clone(&traffic));
        let waited = async |from_broker: &mut FromBroker| {
            let begun = tokio::time::Instant::now();
            from_broker.gather(MOMENT).await;
            begun.elapsed()
        };

        broker.write_all(b"told").await.unwrap();
        assert_eq!(from_broker.next().await.unwrap(), b"told");
        assert!(waited(&mut from_broker).await >= MOMENT);
        traffic.read_bytes.fetch_add(2, Ordering::Relaxed);
        assert_eq!(waited(&mut from_broker).await, Duration::ZERO, "the client may be waiting");
        assert!(waited(&mut from_broker).await >= MOMENT);

        broker.write_all(&vec![0; 2 * FIRST_READ]).await.unwrap();
        assert_eq!(from_broker.next().await.unwrap().len(), FIRST_READ);
        assert_eq!(waited(&mut from_broker).await, Duration::ZERO, "more is waiting");
    }
}
