//! MQTT over TLS: decrypts, and hands the connections to [`crate::mqtt_port`].
//!
//! `serve` starts it where there is a certificate. Doing this instead of using the broker's own TLS listener lets
//! HTTPS and MQTT share one certificate that can be renewed while clients are connected.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::Instant;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::server::TlsStream;

use crate::arrival::Arrival;
use crate::bridge::FIRST_BYTES_MAX;
use crate::mqtt_port::{self, Transport};
use crate::mqtt_ws::Door;
use crate::tls::accept::{self, Plain, Running};

/// Accepts clients until what is returned is dropped. Those that are connected then stay.
pub fn start(listener: TcpListener, config: Arc<ServerConfig>, door: Door) -> Running {
    Running::spawn(accept::run(listener, config, Plain::Close, move |stream, client| {
        welcome(door.clone(), client, stream)
    }))
}

async fn welcome(door: Door, client: SocketAddr, mut stream: TlsStream<TcpStream>) {
    let begun_by = Instant::now() + FIRST_BYTES_MAX;
    // Looked at, and left for whoever reads next.
    let first = match tokio::time::timeout_at(begun_by, stream.fill_buf()).await {
        Ok(Ok(bytes)) => bytes.first().copied(),
        Ok(Err(_)) => return,
        Err(_) => None,
    };
    mqtt_port::welcome(door, Arrival { client, secure: true }, stream, first, begun_by).await;
}

impl Transport for TlsStream<TcpStream> {
    fn halves(self) -> (impl AsyncRead + Send + Unpin, impl AsyncWrite + Send + Unpin) {
        tokio::io::split(self)
    }
}
