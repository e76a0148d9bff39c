//! Serves HTTP/1.1 on one listener, with patience for slow clients that has an end. Called by the doors; it knows
//! nothing of what is served.
//!
//! `axum::serve` waits for ever for the head of a request, so that anybody could hold all the sockets of the server
//! by sending a byte now and then. That is all that is different here.

use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::extract::ConnectInfo;
use axum::serve::Listener;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use tower::ServiceExt as _;

/// How long a client may take from the connection, or from the answer before, to the end of a request's head. It is
/// also how long a connection without requests is kept.
pub const HEAD_MAX: Duration = Duration::from_secs(30);

/// Serves for ever. The address of the client goes with each request as axum's `ConnectInfo`.
pub async fn serve<L: Listener<Addr = SocketAddr>>(mut listener: L, app: Router, head_max: Duration) {
    loop {
        let (stream, client) = listener.accept().await;
        let app = app.clone();
        let service = hyper::service::service_fn(move |mut request: hyper::Request<Incoming>| {
            request.extensions_mut().insert(ConnectInfo(client));
            app.clone().oneshot(request)
        });
        tokio::spawn(async move {
            let mut server = http1::Builder::new();
            server.timer(TokioTimer::new()).header_read_timeout(head_max);
            let connection = server.serve_connection(TokioIo::new(stream), service).with_upgrades();
            if let Err(error) = connection.await {
                tracing::debug!(%client, %error, "an HTTP connection failed");
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use axum::routing::get;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::{TcpListener, TcpStream};

    use super::*;

    const SHORT: Duration = Duration::from_millis(200);
    const PATIENCE: Duration = Duration::from_secs(30);

    async fn start() -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let whoami = |ConnectInfo(client): ConnectInfo<SocketAddr>| async move { client.to_string() };
        tokio::spawn(serve(listener, Router::new().route("/", get(whoami)), SHORT));
        address
    }

    /// What the server says until it closes.
    async fn answer(socket: &mut TcpStream) -> String {
        let mut text = String::new();
        let read = socket.read_to_string(&mut text);
        tokio::time::timeout(PATIENCE, read).await.unwrap().unwrap();
        text
    }

    /// A client that sent half a request kept its connection for ever.
    #[tokio::test]
    async fn who_does_not_finish_a_request_is_not_waited_for() {
        let address = start().await;
        for sent in ["", "GET / HTTP/1.1\r\nHost: x\r\nX-Slow: "] {
            let mut socket = TcpStream::connect(address).await.unwrap();
            socket.write_all(sent.as_bytes()).await.unwrap();
            let text = answer(&mut socket).await;
            assert!(text.is_empty() || text.starts_with("HTTP/1.1 408"), "{text}");
        }
    }

    #[tokio::test]
    async fn a_request_is_answered_and_knows_where_it_comes_from() {
        let mut socket = TcpStream::connect(start().await).await.unwrap();
        socket.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
        let text = answer(&mut socket).await;
        assert!(text.starts_with("HTTP/1.1 200"), "{text}");
        assert!(text.ends_with(&socket.local_addr().unwrap().to_string()), "{text}");
    }
}
