//! Serves HTTP/1.1 on one listener, with patience for slow clients that has an end, for a crowd that has one, too.
//! Called by the doors; it knows nothing of what is served.
//!
//! `axum::serve` waits for ever for the head of a request and accepts whoever comes, so that anybody could hold all
//! the sockets of the server by sending a byte now and then. And to requests that cannot be read it answers without a
//! body ([`answering`]). That is all that is different here.

mod answering;
pub mod crowd;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::ConnectInfo;
use axum::serve::Listener;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::sync::Semaphore;
use tower::ServiceExt as _;

use self::answering::Answering;
use self::crowd::Crowd;
use crate::api::error::ApiError;

/// How long a client may take from the connection, or from the answer before, to the end of a request's head. It is
/// also how long a connection without requests is kept.
pub const HEAD_MAX: Duration = Duration::from_secs(30);

/// Clients that are being told that there is no room. Who comes beside these is closed without a word.
const REFUSALS_MAX: usize = 64;
/// How long telling one may take.
const REFUSAL_MAX: Duration = Duration::from_secs(2);

/// Serves for ever. The address of the client goes with each request as axum's `ConnectInfo`.
pub async fn serve<L: Listener<Addr = SocketAddr>>(
    mut listener: L,
    app: Router,
    head_max: Duration,
    crowd: Arc<Crowd>,
) {
    let refusals = Arc::new(Semaphore::new(REFUSALS_MAX));
    loop {
        let (stream, client) = listener.accept().await;
        let Some(place) = crowd.enter(client.ip()) else {
            if let Ok(permit) = Arc::clone(&refusals).try_acquire_owned() {
                tokio::spawn(async move {
                    // A client that is gone cannot hear it, which is as good.
                    let _ = tokio::time::timeout(REFUSAL_MAX, refuse(stream)).await;
                    drop(permit);
                });
            }
            continue;
        };
        let app = app.clone();
        let service = hyper::service::service_fn(move |mut request: hyper::Request<Incoming>| {
            request.extensions_mut().insert(ConnectInfo(client));
            app.clone().oneshot(request)
        });
        tokio::spawn(async move {
            let mut server = http1::Builder::new();
            server.timer(TokioTimer::new()).header_read_timeout(head_max);
            let connection =
                server.serve_connection(TokioIo::new(Answering::new(stream, place)), service).with_upgrades();
            if let Err(error) = connection.await {
                tracing::debug!(%client, %error, "an HTTP connection failed");
            }
        });
    }
}

async fn refuse(mut stream: impl AsyncRead + AsyncWrite + Unpin) -> std::io::Result<()> {
    stream.write_all(&ApiError::crowded().to_wire()).await?;
    stream.shutdown().await?;
    // Closing before the request has been read would reset the connection, and the answer with it.
    let mut rest = [0; 1_024];
    while stream.read(&mut rest).await? > 0 {}
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use axum::routing::get;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::{TcpListener, TcpStream};

    use super::crowd::Limits;
    use super::*;

    const SHORT: Duration = Duration::from_millis(200);
    const PATIENCE: Duration = Duration::from_secs(30);

    async fn start() -> SocketAddr {
        start_for(100, SHORT).await
    }

    /// A server with room for so many.
    async fn start_for(connections: u32, head_max: Duration) -> SocketAddr {
        let limit = NonZeroU32::new(connections).unwrap();
        let crowd = Crowd::new(Limits { all: limit, per_address: limit }, None);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let whoami = |ConnectInfo(client): ConnectInfo<SocketAddr>| async move { client.to_string() };
        tokio::spawn(serve(listener, Router::new().route("/", get(whoami)), head_max, crowd));
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

    /// Sends this and reads the whole answer: status, and the id of the error in the body.
    async fn refusal(address: SocketAddr, request: &[u8]) -> (String, String) {
        let (mut reader, mut writer) = TcpStream::connect(address).await.unwrap().into_split();
        let request = request.to_owned();
        // The server may answer before it has read everything.
        let sending = tokio::spawn(async move {
            let _ = writer.write_all(&request).await;
            writer
        });
        let mut text = String::new();
        tokio::time::timeout(PATIENCE, reader.read_to_string(&mut text)).await.unwrap().unwrap();
        drop(sending.await.unwrap());
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(head.contains("\r\ncontent-type: application/json\r\n"), "{head}");
        assert!(head.contains(&format!("\r\ncontent-length: {}\r\n", body.len())), "{head}");
        let body: serde_json::Value = serde_json::from_str(body).unwrap();
        (head[9..12].to_owned(), body["exception"]["id"].as_str().unwrap().to_owned())
    }

    /// The HTTP library answered these itself, without a body.
    #[tokio::test]
    async fn requests_that_cannot_be_read_get_an_error_with_a_body() {
        let address = start_for(100, PATIENCE).await;
        let check = async |request: String, status: &str, id: &str| {
            let expect = (status.to_owned(), id.to_owned());
            assert_eq!(refusal(address, request.as_bytes()).await, expect, "{}", &request[..40]);
        };
        let path = |bytes| format!("GET /{} HTTP/1.1\r\nHost: x\r\n\r\n", "x".repeat(bytes));
        check(path(65_534), "414", "ROLLC0414E").await;
        check(path(180_000), "414", "ROLLC0414E").await;
        check(path(3_000_000), "431", "ROLLC0431E").await;
        let headers = "X-A: b\r\n".repeat(101);
        check(format!("GET / HTTP/1.1\r\nHost: x\r\n{headers}\r\n"), "431", "ROLLC0431E").await;
        check("NO HTTP AT ALL, which is more than four words\r\n\r\n".to_owned(), "400", "ROLLC0002E").await;
    }

    #[tokio::test]
    async fn who_finds_no_room_is_told_to_come_again_and_room_comes_back() {
        let address = start_for(2, PATIENCE).await;
        let served = async || {
            let mut socket = TcpStream::connect(address).await.unwrap();
            socket.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
            let mut first = [0; 12];
            tokio::time::timeout(PATIENCE, socket.read_exact(&mut first)).await.unwrap().unwrap();
            (first == *b"HTTP/1.1 200").then_some(socket)
        };
        let (first, _second) = (served().await.unwrap(), served().await.unwrap());
        let mut socket = TcpStream::connect(address).await.unwrap();
        socket.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
        let text = answer(&mut socket).await;
        assert!(text.starts_with("HTTP/1.1 503") && text.contains("\r\nretry-after: 10\r\n"), "{text}");
        drop(first);
        // The server hears of the end a moment later.
        let again = async { while served().await.is_none() {} };
        tokio::time::timeout(PATIENCE, again).await.unwrap();
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
