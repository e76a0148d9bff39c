//! MQTT over WebSocket: the bridge from the HTTP server's port to the broker.

use std::net::SocketAddr;

use futures_util::{SinkExt, StreamExt};
use rollcall_model::event::MqttVersion;
use rollcall_model::{EventKind, Initiator, Protocol};
use rollcall_server::identity::{Holder, NewKey, Role};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::handshake::client::Response;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::{Error, Message};

use crate::harness::{Connect, Raw, packet, publish, soon, start, subscribe};

type Socket = WebSocketStream<TcpStream>;

/// Opens a WebSocket with these headers.
async fn open(http: SocketAddr, headers: &[(&'static str, &str)]) -> Result<(Socket, Response), Error> {
    let mut request = format!("ws://{http}/mqtt").into_client_request()?;
    for (name, value) in headers {
        request.headers_mut().insert(*name, value.parse().unwrap());
    }
    upgrade(TcpStream::connect(http).await.unwrap(), request).await
}

async fn upgrade(
    stream: TcpStream,
    request: impl IntoClientRequest + Unpin,
) -> Result<(Socket, Response), Error> {
    soon("the upgrade", tokio_tungstenite::client_async(request, stream)).await
}

pub async fn connect(http: SocketAddr, connect: &Connect) -> Socket {
    let (socket, code) = attempt(http, connect, &[]).await;
    assert_eq!(code, 0);
    socket
}

/// Opens a WebSocket with these headers and sends a CONNECT; answers with the code of the CONNACK.
async fn attempt(http: SocketAddr, connect: &Connect, headers: &[(&'static str, &str)]) -> (Socket, u8) {
    let headers: Vec<_> = [("sec-websocket-protocol", "mqtt")].iter().chain(headers).copied().collect();
    let (mut socket, _) = open(http, &headers).await.unwrap();
    socket.send(Message::binary(connect.bytes())).await.unwrap();
    let connack = bytes(&mut socket).await;
    assert_eq!(connack[0], 0x20);
    (socket, connack[3])
}

/// The `Authorization` header for an API key.
fn basic(NewKey { key, token }: &NewKey) -> String {
    use base64::Engine as _;
    format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(format!("{key}:{token}")))
}

pub async fn bytes(socket: &mut Socket) -> Vec<u8> {
    match soon("a message", socket.next()).await {
        Some(Ok(Message::Binary(bytes))) => bytes.to_vec(),
        other => panic!("no bytes but {other:?}"),
    }
}

/// The code with which the server closes.
async fn close_code(socket: &mut Socket) -> CloseCode {
    match soon("a close", socket.next()).await {
        Some(Ok(Message::Close(Some(frame)))) => frame.code,
        other => panic!("no close but {other:?}"),
    }
}

#[tokio::test]
async fn a_websocket_client_is_reported_with_its_own_address() {
    let mut running = start().await;
    let http = running.http().await;
    for (version, expect) in [(3, MqttVersion::V31), (4, MqttVersion::V311), (5, MqttVersion::V5)] {
        let id = format!("browser-{version}");
        let mut socket = connect(http, &Connect::new(&id).version(version)).await;
        let (session, peer) = running.connect_of(&id).await;
        let local = socket.get_ref().local_addr().unwrap();
        assert_eq!(peer.addr.as_deref(), Some("127.0.0.1"));
        assert_eq!((peer.port, peer.server_port), (Some(local.port()), Some(http.port())));
        let protocol = Protocol { version: expect, websocket: true };
        assert_eq!(peer.protocol, Some(protocol));
        socket.send(Message::binary(vec![0xE0, 0])).await.unwrap();
        socket.close(None).await.unwrap();
        let (ended, end) = running.end_of(&id).await;
        assert_eq!(ended, Some(session));
        assert_eq!((end.initiator, end.close_code), (Some(Initiator::Client), Some(0)));
    }
}

#[tokio::test]
async fn the_subprotocol_is_chosen_from_the_clients_list() {
    let running = start().await;
    let http = running.http().await;
    for (offered, chosen) in [
        (Some("mqtt"), Some("mqtt")),
        (Some("mqttv3.1"), Some("mqttv3.1")),
        (Some("chat, mqttv3.1, mqtt"), Some("mqtt")),
        (None, None),
    ] {
        let headers: Vec<_> = offered.map(|list| ("sec-websocket-protocol", list)).into_iter().collect();
        let (_socket, response) = open(http, &headers).await.unwrap();
        let answer = response.headers().get("sec-websocket-protocol");
        assert_eq!(answer.map(|value| value.to_str().unwrap()), chosen, "{offered:?}");
    }
}

/// Each of the second connections reached the broker without saying whose it was, which stopped the accept loop of an
/// internal listener for a second: some hundreds kept everybody out for minutes.
#[tokio::test]
async fn who_comes_to_two_ports_from_the_same_one_keeps_nobody_out() {
    let running = start().await;
    let http = running.http().await;
    let from_port = async |to, port| {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_reuseaddr(true).unwrap();
        socket.bind(SocketAddr::from(([127, 0, 0, 1], port))).unwrap();
        socket.connect(to).await.unwrap()
    };
    let mut first = from_port(running.broker.mqtt_addr(), 0).await;
    let port = first.local_addr().unwrap().port();
    // A CONNECT that goes on for ever.
    first.write_all(&Connect::new("first").bytes()[..12]).await.unwrap();
    let mut refused = 0;
    for _ in 0..400 {
        let second = from_port(http, port).await;
        let (mut socket, _) = upgrade(second, format!("ws://{http}/mqtt")).await.unwrap();
        refused += u32::from(close_code(&mut socket).await == CloseCode::Error);
        socket.get_ref().set_zero_linger().unwrap();
    }
    assert_eq!(refused, 400);
    Raw::connect(&running.broker, &Connect::new("good")).await;
    drop(first);
}

#[tokio::test]
async fn a_page_of_another_site_is_refused() {
    let running = start().await;
    let http = running.http().await;
    let own = format!("http://{http}");
    open(http, &[("origin", &own)]).await.unwrap();
    for origin in ["https://evil.example", "null"] {
        match open(http, &[("origin", origin)]).await {
            Err(Error::Http(response)) => assert_eq!(response.status(), 403),
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn packets_cross_however_they_are_cut_and_many_share_a_message() {
    let running = start().await;
    let http = running.http().await;
    let mut socket = connect(http, &Connect::new("browser")).await;
    for byte in subscribe(4, "plant/+", 0) {
        socket.send(Message::binary(vec![byte])).await.unwrap();
    }
    assert_eq!(bytes(&mut socket).await, [0x90, 3, 0, 1, 0]);
    let mut burst = Vec::new();
    for number in 0..2_000_u16 {
        burst.extend(publish(4, "plant/1", 0, &number.to_be_bytes()));
    }
    let mut sender = Raw::connect(&running.broker, &Connect::new("sender")).await;
    sender.send(&burst).await;
    let (mut received, mut messages) = (Vec::new(), 0);
    while received.len() < burst.len() {
        received.extend(bytes(&mut socket).await);
        messages += 1;
    }
    assert!(received == burst, "the bytes arrive whole and in order");
    assert!(messages < 2_000, "{messages} messages for 2,000 packets");
}

#[tokio::test]
async fn a_large_message_crosses() {
    let running = start().await;
    let http = running.http().await;
    let mut socket = connect(http, &Connect::new("browser")).await;
    socket.send(Message::binary(subscribe(4, "plant/1", 0))).await.unwrap();
    bytes(&mut socket).await;
    let large = publish(4, "plant/1", 0, &vec![7; 1_000_000]);
    socket.send(Message::binary(large.clone())).await.unwrap();
    let mut received = Vec::new();
    while received.len() < large.len() {
        received.extend(bytes(&mut socket).await);
    }
    assert!(received == large);
}

#[tokio::test]
async fn text_is_no_mqtt() {
    let running = start().await;
    let http = running.http().await;
    let mut socket = connect(http, &Connect::new("talker")).await;
    socket.send(Message::text("hello")).await.unwrap();
    assert_eq!(close_code(&mut socket).await, CloseCode::Unsupported);
}

#[tokio::test]
async fn a_websocket_that_breaks_is_the_networks_doing() {
    let mut running = start().await;
    let http = running.http().await;
    let socket = connect(http, &Connect::new("torn").version(5)).await;
    drop(socket);
    let (_, end) = running.end_of("torn").await;
    assert_eq!((end.initiator, end.close_code), (Some(Initiator::Network), Some(91)));
}

/// The library keeps the socket of a client that has sent DISCONNECT, and a browser then waits for half a minute
/// before it gives up on the close.
#[tokio::test]
async fn after_a_disconnect_the_server_closes_the_websocket() {
    let mut running = start().await;
    let http = running.http().await;
    for version in [4, 5] {
        let id = format!("leaving-{version}");
        let mut socket = connect(http, &Connect::new(&id).version(version).persistent()).await;
        socket.send(Message::binary(packet(0xE0, &[]))).await.unwrap();
        assert_eq!(close_code(&mut socket).await, CloseCode::Normal);
        let (_, end) = running.end_of(&id).await;
        assert_eq!(end.initiator, Some(Initiator::Client));
    }
}

#[tokio::test]
async fn dashboards_of_this_server_are_no_clients() {
    let mut running = start().await;
    let http = running.http().await;
    let session = running.credentials.open_link_session("acme01").await.unwrap();
    let cookie = format!("rollcall_session={}", session.secret);
    running.fixture.observers.lock().unwrap().insert("dashboard".to_owned());
    let dashboard = Connect::new("dashboard").version(5);
    let (mut socket, code) = attempt(http, &dashboard, &[("cookie", &cookie)]).await;
    assert_eq!(code, 0);
    socket.send(Message::binary(subscribe(5, "iot-2/app/+/mon", 0))).await.unwrap();
    assert_eq!(bytes(&mut socket).await.last(), Some(&0));
    socket.send(Message::binary(packet(0xE0, &[]))).await.unwrap();
    assert_eq!(close_code(&mut socket).await, CloseCode::Normal);
    running.settle().await;
    assert!(!running.seen.iter().any(|event| event.client_id == "dashboard"));
    // The same id from elsewhere is a client like any other: nobody hides by knowing it.
    let _client = Raw::connect(&running.broker, &Connect::new("dashboard")).await;
    running.connect_of("dashboard").await;
}

#[tokio::test]
async fn a_dashboard_needs_a_session_or_a_key_of_this_organisation() {
    let mut running = start().await;
    running.credentials.serve("acme01", "http://127.0.0.1/").unwrap();
    let http = running.http().await;
    running.fixture.observers.lock().unwrap().insert("dashboard".to_owned());
    let dashboard = Connect::new("dashboard").version(5);
    for headers in [vec![], vec![("cookie", "rollcall_session=guessed")]] {
        let (_, code) = attempt(http, &dashboard, &headers).await;
        assert_eq!(code, 0x87, "{headers:?}");
    }
    let own = basic(&running.credentials.add_key("acme01", Role::Viewer, None).unwrap());
    let (_, code) = attempt(http, &dashboard, &[("authorization", &own)]).await;
    assert_eq!(code, 0);
    let foreign = basic(&running.credentials.add_key("other", Role::Admin, None).unwrap());
    for (authorization, status) in
        [(foreign, 403), ("Basic eDp5".to_owned(), 401), ("Bearer x".to_owned(), 401)]
    {
        match open(http, &[("authorization", &authorization)]).await {
            Err(Error::Http(response)) => assert_eq!(response.status(), status, "{authorization}"),
            other => panic!("{other:?}"),
        }
    }
    running.settle().await;
    assert!(!running.seen.iter().any(|event| event.client_id == "dashboard"));
}

#[tokio::test]
async fn who_guesses_at_the_websocket_is_told_how_long_to_wait() {
    let running = start().await;
    let http = running.http().await;
    for attempt in 0..20 {
        let guess = NewKey { key: "a-acme01-x".to_owned(), token: format!("guess {attempt}") };
        match open(http, &[("authorization", &basic(&guess))]).await {
            Err(Error::Http(response)) if response.status() == 429 => {
                let wait_s = response.headers()["retry-after"].to_str().unwrap().parse::<u64>().unwrap();
                assert!(wait_s > 0);
                return;
            }
            Err(Error::Http(response)) => assert_eq!(response.status(), 401),
            other => panic!("{other:?}"),
        }
    }
    panic!("nobody had to wait");
}

#[tokio::test]
async fn who_signs_out_hears_nothing_more() {
    let running = start().await;
    let http = running.http().await;
    let session = running.credentials.open_link_session("acme01").await.unwrap();
    let cookie = format!("rollcall_session={}", session.secret);
    running.fixture.observers.lock().unwrap().insert("dashboard".to_owned());
    let (mut socket, _) = attempt(http, &Connect::new("dashboard"), &[("cookie", &cookie)]).await;
    let Holder::Session(id) = session.caller.holder else { panic!("{session:?}") };
    running.credentials.close_session(id).await.unwrap();
    assert_eq!(close_code(&mut socket).await, CloseCode::Normal);
}

/// A site can let its own name point to this machine; its pages are then of the same origin as this server.
#[tokio::test]
async fn a_page_whose_name_only_points_here_is_not_anonymous() {
    let running = start().await;
    let http = running.http().await;
    let origin = format!("http://evil.example:{}", http.port());
    let host = origin.trim_start_matches("http://");
    let mut request = format!("ws://{http}/mqtt").into_client_request().unwrap();
    request.headers_mut().insert("host", host.parse().unwrap());
    request.headers_mut().insert("origin", origin.parse().unwrap());
    let stream = TcpStream::connect(http).await.unwrap();
    let (mut socket, _) = tokio_tungstenite::client_async(request, stream).await.unwrap();
    socket.send(Message::binary(Connect::new("page").version(5).bytes())).await.unwrap();
    assert_eq!(bytes(&mut socket).await[3], 0x86);
}

#[tokio::test]
async fn who_finds_the_internal_listener_cannot_forge_an_address() {
    let mut running = start().await;
    let internal = running.broker.bridge(80).broker_addr();
    let mut forger = Raw::open(internal).await;
    let mut bytes = b"PROXY TCP4 192.0.2.7 127.0.0.1 4660 80\r\n".to_vec();
    bytes.extend(Connect::new("forger").bytes());
    forger.send(&bytes).await;
    assert_eq!(forger.connack().await, 5);
    let mut rest = Vec::new();
    soon("the close", forger.stream.read_to_end(&mut rest)).await.unwrap();
    running.settle().await;
    let event = running.seen.iter().find(|event| event.client_id == "forger");
    assert!(event.is_none_or(|event| !matches!(event.kind, EventKind::Connect { .. })));
}
