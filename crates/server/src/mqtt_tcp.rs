//! Plain MQTT: accepts connections and hands them to [`crate::mqtt_port`].
//!
//! The embedded broker starts it on its public address. Doing this instead of using a listener of the broker's
//! library tells how many bytes each client sent and got, lets WebSocket clients in at the same port, and gives up
//! on those that never say a word.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::time::Instant;

use crate::arrival::Arrival;
use crate::mqtt_port::{self, Transport};
use crate::mqtt_ws::Door;
use crate::tls::accept;

/// Connections that the system keeps until they are accepted.
const BACKLOG: u32 = 4_096;

/// # Errors
/// When the address cannot be listened on.
pub fn listen(address: SocketAddr) -> std::io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    socket.set_reuseaddr(true)?;
    // Inherited by the connections: the system finds clients that vanished without a word, also those without an
    // MQTT keep-alive.
    socket.set_keepalive(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// Accepts clients for ever. A client that has not begun its CONNECT within `begin_max` is closed. Those that are
/// connected when this is dropped stay.
pub async fn run(listener: TcpListener, door: Door, begin_max: Duration) {
    loop {
        match listener.accept().await {
            Ok((stream, client)) => {
                tokio::spawn(welcome(door.clone(), client, stream, begin_max));
            }
            Err(error) => accept::refused(&error).await,
        }
    }
}

async fn welcome(door: Door, client: SocketAddr, stream: TcpStream, begin_max: Duration) {
    let begun_by = Instant::now() + begin_max;
    let mut first = [0];
    // Looked at, and left for whoever reads next.
    let peeked = match tokio::time::timeout_at(begun_by, stream.peek(&mut first)).await {
        Ok(Ok(1)) => Some(first[0]),
        Ok(Err(_)) => return,
        Ok(Ok(_)) | Err(_) => None,
    };
    // Packets are small, and a client waits for most of them. A client that is gone already needs no haste.
    let _ = stream.set_nodelay(true);
    mqtt_port::welcome(door, Arrival { client, secure: false }, stream, peeked, begun_by).await;
}

impl Transport for TcpStream {
    fn halves(self) -> (impl AsyncRead + Send + Unpin, impl AsyncWrite + Send + Unpin) {
        self.into_split()
    }
}
