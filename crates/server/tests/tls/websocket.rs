//! MQTT over WebSocket on the port of MQTT over TLS, where IBM's SDK for Node.js looks for it.

use std::net::SocketAddr;

use futures_util::{SinkExt, StreamExt};
use rollcall_model::event::MqttVersion;
use rollcall_model::{Initiator, Protocol};
use rollcall_server::identity::Role;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::{Error, Message};

use crate::carried::{mqtts, tls};
use crate::certificates::{Authority, Client, connect};
use crate::harness::{Connect, publish, soon, start, subscribe};

/// Asks for a WebSocket at this path with these headers.
async fn open(
    server: SocketAddr,
    authority: &Authority,
    path: &str,
    headers: &[(&'static str, &str)],
) -> Result<WebSocketStream<Client>, Error> {
    let stream = connect(server, &authority.ca(), "localhost").await;
    let mut request = format!("wss://localhost:{}{path}", server.port()).into_client_request()?;
    for (name, value) in [("sec-websocket-protocol", "mqtt")].iter().chain(headers) {
        request.headers_mut().insert(*name, value.parse().unwrap());
    }
    soon("the upgrade", tokio_tungstenite::client_async(request, stream)).await.map(|(socket, _)| socket)
}

async fn bytes(socket: &mut WebSocketStream<Client>) -> Vec<u8> {
    match soon("a message", socket.next()).await {
        Some(Ok(Message::Binary(bytes))) => bytes.to_vec(),
        other => panic!("no bytes but {other:?}"),
    }
}

/// Sends this and reads what the server says until it closes.
async fn answer(server: SocketAddr, authority: &Authority, request: &[u8]) -> String {
    let mut client = connect(server, &authority.ca(), "localhost").await;
    client.write_all(request).await.unwrap();
    let mut answer = Vec::new();
    soon("the server's close", client.read_to_end(&mut answer)).await.unwrap();
    String::from_utf8(answer).unwrap()
}

#[tokio::test]
async fn a_websocket_client_on_the_mqtts_port_is_reported_as_one_and_as_secure() {
    let authority = Authority::new();
    let mut running = start().await;
    let (address, _mqtts) = mqtts(&running, &tls(&authority)).await;
    for (path, id) in [("/mqtt", "at-mqtt"), ("/", "at-root")] {
        // Nobody believes this here: nothing on this port comes from a proxy.
        let told = [("x-forwarded-for", "192.0.2.7")];
        let mut socket = open(address, &authority, path, &told).await.unwrap();
        let local = socket.get_ref().get_ref().0.local_addr().unwrap();
        socket.send(Message::binary(Connect::new(id).bytes())).await.unwrap();
        assert_eq!(bytes(&mut socket).await, [0x20, 2, 0, 0]);
        let (session, peer) = running.connect_of(id).await;
        assert_eq!((peer.secure, peer.server_port), (Some(true), Some(address.port())));
        assert_eq!((peer.addr.as_deref(), peer.port), (Some("127.0.0.1"), Some(local.port())));
        assert_eq!(peer.protocol, Some(Protocol { version: MqttVersion::V311, websocket: true }));
        socket.send(Message::binary(vec![0xE0, 0])).await.unwrap();
        socket.close(None).await.unwrap();
        let (ended, end) = running.end_of(id).await;
        assert_eq!((ended, end.initiator), (Some(session), Some(Initiator::Client)));
    }
}

#[tokio::test]
async fn a_large_message_goes_both_ways_whole_over_websocket_too() {
    let authority = Authority::new();
    let running = start().await;
    let (address, _mqtts) = mqtts(&running, &tls(&authority)).await;
    let mut socket = open(address, &authority, "/mqtt", &[]).await.unwrap();
    let payload: Vec<u8> = (0..900_000_u32).map(|at| (at % 251) as u8).collect();
    let echo = publish(4, "large", 0, &payload);
    let sent = [Connect::new("large").bytes(), subscribe(4, "large", 0), echo.clone()];
    for packet in sent {
        socket.send(Message::binary(packet)).await.unwrap();
    }
    let mut received = Vec::new();
    // CONNACK and SUBACK come first.
    while received.len() < 4 + 5 + echo.len() {
        received.extend(bytes(&mut socket).await);
    }
    assert!(received[9..] == echo);
}

#[tokio::test]
async fn who_may_open_a_websocket_is_the_same_on_the_mqtts_port() {
    let authority = Authority::new();
    let mut running = start().await;
    let key = running.credentials.add_key("acme01", Role::Viewer, None).unwrap();
    running.credentials.add_client("registered").unwrap();
    let (address, _mqtts) = mqtts(&running, &tls(&authority)).await;
    let own = format!("https://localhost:{}", address.port());
    open(address, &authority, "/mqtt", &[("origin", &own)]).await.unwrap();
    let basic = |token: &str| {
        use base64::Engine as _;
        let pair = format!("{}:{token}", key.key);
        format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(pair))
    };
    open(address, &authority, "/mqtt", &[("authorization", &basic(&key.token))]).await.unwrap();
    let (other, wrong) = ("https://evil.example", basic("wrong"));
    for (header, status) in [(("origin", other), 403), (("authorization", wrong.as_str()), 401)] {
        match open(address, &authority, "/mqtt", &[header]).await {
            Err(Error::Http(response)) => assert_eq!(response.status(), status),
            other => panic!("{other:?}"),
        }
    }
    let mut socket = open(address, &authority, "/mqtt", &[]).await.unwrap();
    socket.send(Message::binary(Connect::new("stranger").bytes())).await.unwrap();
    assert_eq!(running.refusal_of("stranger").await.2, "No credentials were presented");
}

#[tokio::test]
async fn the_mqtts_port_has_no_other_pages_and_closes_after_a_request() {
    let authority = Authority::new();
    let running = start().await;
    let (address, _mqtts) = mqtts(&running, &tls(&authority)).await;
    for path in ["/", "/mqtt", "/index.html", "/api/v0002/clientconnectionstates"] {
        let request = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\n\r\n");
        let answer = answer(address, &authority, request.as_bytes()).await;
        assert!(answer.starts_with("HTTP/1.1 404 "), "{path}: {answer}");
    }
    let long = format!("GET / HTTP/1.1\r\nhost: localhost\r\nx: {}\r\n\r\n", "x".repeat(100_000));
    let mut client = connect(address, &authority.ca(), "localhost").await;
    // The server may have closed before it has read all of it.
    let _ = client.write_all(long.as_bytes()).await;
    let mut text = Vec::new();
    let _ = soon("the server's close", client.read_to_end(&mut text)).await;
    assert!(!text.starts_with(b"HTTP/1.1 2"));
    let nonsense = answer(address, &authority, b"GARBAGE\r\n\r\n").await;
    assert!(nonsense.is_empty() || nonsense.starts_with("HTTP/1.1 400 "), "{nonsense}");
}

/// Each record of TLS may bring a single byte.
#[tokio::test]
async fn a_client_that_sends_byte_by_byte_is_understood_whatever_it_speaks() {
    let authority = Authority::new();
    let mut running = start().await;
    let (address, _mqtts) = mqtts(&running, &tls(&authority)).await;
    let request = b"GET /none HTTP/1.1\r\nhost: localhost\r\n\r\n";
    for (bytes, expect) in [(&request[..], "HTTP/1.1 404"), (&Connect::new("slow").bytes(), " \u{2}\0\0")] {
        let mut client = connect(address, &authority.ca(), "localhost").await;
        for byte in bytes {
            client.write_all(&[*byte]).await.unwrap();
            client.flush().await.unwrap();
        }
        let mut answer = vec![0; expect.len()];
        soon("an answer", client.read_exact(&mut answer)).await.unwrap();
        assert_eq!(answer, expect.as_bytes());
    }
    running.connect_of("slow").await;
}
