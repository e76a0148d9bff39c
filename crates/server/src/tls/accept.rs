//! Accepts connections and makes TLS of them, without letting the slow ones pile up.
//!
//! MQTT over TLS runs [`run`] with what is to happen to each connection; the HTTP server takes [`HttpsListener`].
//! A handshake has a time limit and there is a limit to how many are under way: who comes then waits in the
//! system's queue. Failed handshakes are everyday (port scans, probes) and logged at debug only.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::server::TlsStream;

const HANDSHAKE_MAX: Duration = Duration::from_secs(10);
/// Handshakes under way at one port.
const HANDSHAKES_MAX: usize = 1_024;
/// Connections that are ready for the HTTP server, which takes them at once.
const READY_MAX: usize = 64;
/// After a failure such as too many open files, accepting again at once would only fail again.
const ACCEPT_PAUSE: Duration = Duration::from_secs(1);
const HINT_MAX: Duration = Duration::from_secs(2);

/// The first byte of every TLS connection: a record of a handshake (RFC 8446, section 5.1).
const TLS_HANDSHAKE: u8 = 22;
const PLAIN_HTTP: &[u8] = b"HTTP/1.1 400 Bad Request\r\ncontent-type: text/plain; charset=utf-8\r\n\
    content-length: 75\r\nconnection: close\r\n\r\n\
    This port speaks HTTPS. Write https:// instead of http:// in the address.\r\n";

/// What to do with a connection that does not begin as TLS does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Plain {
    /// Tell the browser of the person who wrote `http://`.
    Hint,
    Close,
}

/// Accepts for ever. `serve_one` runs in the connection's own task.
pub async fn run<F, S>(listener: TcpListener, config: Arc<ServerConfig>, plain: Plain, serve_one: S)
where
    S: Fn(TlsStream<TcpStream>, SocketAddr) -> F + Clone + Send + 'static,
    F: Future<Output = ()> + Send + 'static,
{
    let acceptor = TlsAcceptor::from(config);
    let handshakes = Arc::new(Semaphore::new(HANDSHAKES_MAX));
    // The semaphore is never closed.
    while let Ok(permit) = Arc::clone(&handshakes).acquire_owned().await {
        let (stream, client) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                refused(&error).await;
                continue;
            }
        };
        let (acceptor, serve_one) = (acceptor.clone(), serve_one.clone());
        tokio::spawn(async move {
            let shaken = tokio::time::timeout(HANDSHAKE_MAX, shake(&acceptor, stream, plain)).await;
            drop(permit);
            match shaken {
                Ok(Ok(Some(stream))) => serve_one(stream, client).await,
                Ok(Ok(None)) => tracing::debug!(%client, "plain HTTP came to the HTTPS port"),
                Ok(Err(error)) => tracing::debug!(%client, %error, "a TLS handshake failed"),
                Err(_) => tracing::debug!(%client, "a TLS handshake took too long"),
            }
        });
    }
}

/// The connection, or nothing where it got a hint instead.
async fn shake(
    acceptor: &TlsAcceptor,
    stream: TcpStream,
    plain: Plain,
) -> std::io::Result<Option<TlsStream<TcpStream>>> {
    stream.set_nodelay(true)?;
    if plain == Plain::Hint {
        let mut first = [TLS_HANDSHAKE];
        stream.peek(&mut first).await?;
        if first != [TLS_HANDSHAKE] {
            hint(stream).await?;
            return Ok(None);
        }
    }
    acceptor.accept(stream).await.map(Some)
}

async fn hint(mut stream: TcpStream) -> std::io::Result<()> {
    stream.write_all(PLAIN_HTTP).await?;
    stream.shutdown().await?;
    // Closing before the request has been read would reset the connection, and the hint with it.
    let mut rest = [0; 1_024];
    let drained = async { while matches!(stream.read(&mut rest).await, Ok(read) if read > 0) {} };
    // Whoever goes on sending has had the time to read.
    let _ = tokio::time::timeout(HINT_MAX, drained).await;
    Ok(())
}

/// What to do when accepting fails: nothing where only that one client is concerned, else a pause.
pub async fn refused(error: &std::io::Error) {
    use std::io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    if matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset) {
        return;
    }
    tracing::error!(%error, "cannot accept connections");
    tokio::time::sleep(ACCEPT_PAUSE).await;
}

/// A task that ends with its owner.
#[derive(Debug)]
pub struct Running(JoinHandle<()>);

impl Running {
    pub fn spawn(task: impl Future<Output = ()> + Send + 'static) -> Self {
        Self(tokio::spawn(task))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// The listener of an HTTP server that speaks HTTPS.
#[derive(Debug)]
pub struct HttpsListener {
    address: SocketAddr,
    ready: mpsc::Receiver<(TlsStream<TcpStream>, SocketAddr)>,
    _accepting: Running,
}

impl HttpsListener {
    /// # Errors
    /// When the listener does not know its address.
    pub fn new(listener: TcpListener, config: Arc<ServerConfig>) -> std::io::Result<Self> {
        let address = listener.local_addr()?;
        let (sender, ready) = mpsc::channel(READY_MAX);
        let accepting = run(listener, config, Plain::Hint, move |stream, client| {
            let sender = sender.clone();
            async move {
                // The server is being stopped when nobody takes it any more.
                let _ = sender.send((stream, client)).await;
            }
        });
        Ok(Self { address, ready, _accepting: Running::spawn(accepting) })
    }
}

impl axum::serve::Listener for HttpsListener {
    type Io = TlsStream<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        match self.ready.recv().await {
            Some(accepted) => accepted,
            // Only when the runtime is being taken down.
            None => std::future::pending().await,
        }
    }

    fn local_addr(&self) -> std::io::Result<SocketAddr> {
        Ok(self.address)
    }
}
