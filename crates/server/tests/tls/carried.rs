//! What comes over TLS, and what the events say of it.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::middleware;
use axum::serve::ListenerExt;
use futures_util::{SinkExt, StreamExt};
use rollcall_model::event::MqttVersion;
use rollcall_model::{Initiator, Protocol};
use rollcall_server::arrival::{self, TrustedProxies, Way};
use rollcall_server::tls::accept::{HttpsListener, Running as Task};
use rollcall_server::tls::{CertificateSource, Tls};
use rollcall_server::{mqtt_ws, mqtts};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;

use crate::binary::run;
use crate::certificates::{Authority, connect};
use crate::harness::{Connect, PATIENCE, Running, soon, start};

/// Opens the TLS of the server with the authority's certificate.
pub fn tls(authority: &Authority) -> Tls {
    let source = CertificateSource::Files { certificate: authority.certificate(), key: authority.key() };
    Tls::open(&source, authority.folder.path(), "acme01", &[]).unwrap()
}

async fn listen() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

/// MQTT over TLS for this broker.
pub async fn mqtts(running: &Running, tls: &Tls) -> (SocketAddr, Task) {
    let (listener, address) = listen().await;
    (address, mqtts::start(listener, Arc::clone(&tls.mqtts), running.door(address.port())))
}

#[tokio::test]
async fn an_mqtts_client_of_every_version_is_reported_as_secure_at_its_port() {
    let authority = Authority::new();
    let mut running = start().await;
    let (address, _mqtts) = mqtts(&running, &tls(&authority)).await;
    let (ca, port) = (authority.ca(), address.port().to_string());
    for (option, version) in
        [("mqttv31", MqttVersion::V31), ("mqttv311", MqttVersion::V311), ("mqttv5", MqttVersion::V5)]
    {
        for tls_version in ["tlsv1.2", "tlsv1.3"] {
            let id = format!("{option}-{tls_version}");
            let arguments = [
                "-h",
                "localhost",
                "-p",
                &port,
                "--cafile",
                ca.to_str().unwrap(),
                "--tls-version",
                tls_version,
                "-V",
                option,
                "-i",
                &id,
                "-t",
                "plant/1",
                "-m",
                "x",
            ];
            let (succeeded, text) = run("mosquitto_pub", &arguments).await;
            assert!(succeeded, "{id}: {text}");
            let (session, peer) = running.connect_of(&id).await;
            assert_eq!((peer.secure, peer.server_port), (Some(true), Some(address.port())));
            assert_eq!(peer.protocol, Some(Protocol { version, websocket: false }));
            assert_eq!(peer.addr.as_deref(), Some("127.0.0.1"));
            let (ended, end) = running.end_of(&id).await;
            assert_eq!((ended, end.initiator), (Some(session), Some(Initiator::Client)));
        }
    }
}

#[tokio::test]
async fn a_client_that_does_not_trust_the_ca_does_not_connect() {
    let (authority, stranger) = (Authority::new(), Authority::new());
    let running = start().await;
    let (address, _mqtts) = mqtts(&running, &tls(&authority)).await;
    let (ca, port) = (stranger.ca(), address.port().to_string());
    let arguments = ["-h", "localhost", "-p", &port, "--cafile", ca.to_str().unwrap(), "-t", "a", "-m", "x"];
    assert!(!run("mosquitto_pub", &arguments).await.0);
}

#[tokio::test]
async fn a_large_message_goes_both_ways_whole() {
    let authority = Authority::new();
    let running = start().await;
    let (address, _mqtts) = mqtts(&running, &tls(&authority)).await;
    let mut client = connect(address, &authority.ca(), "localhost").await;
    client.write_all(&Connect::new("large").bytes()).await.unwrap();
    let mut connack = [0; 4];
    soon("CONNACK", client.read_exact(&mut connack)).await.unwrap();
    client.write_all(&crate::harness::subscribe(4, "large", 0)).await.unwrap();
    let mut suback = [0; 5];
    soon("SUBACK", client.read_exact(&mut suback)).await.unwrap();
    let payload: Vec<u8> = (0..900_000_u32).map(|at| (at % 251) as u8).collect();
    let publish = crate::harness::publish(4, "large", 0, &payload);
    let (mut from_server, mut to_server) = tokio::io::split(client);
    let mut echo = vec![0; publish.len()];
    let (sent, read) = soon("the echo", async {
        tokio::join!(to_server.write_all(&publish), from_server.read_exact(&mut echo))
    })
    .await;
    sent.unwrap();
    read.unwrap();
    assert!(echo == publish);
}

#[tokio::test]
async fn a_client_whose_connection_breaks_is_lost_by_the_network() {
    let authority = Authority::new();
    let mut running = start().await;
    let (address, _mqtts) = mqtts(&running, &tls(&authority)).await;
    for is_reset in [false, true] {
        let id = format!("lost-{is_reset}");
        let mut client = connect(address, &authority.ca(), "localhost").await;
        client.write_all(&Connect::new(&id).bytes()).await.unwrap();
        running.connect_of(&id).await;
        if is_reset {
            client.get_ref().0.set_zero_linger().unwrap();
        }
        drop(client);
        assert_eq!(running.end_of(&id).await.1.initiator, Some(Initiator::Network));
    }
}

#[tokio::test]
async fn a_client_that_closes_its_half_still_gets_its_answer() {
    let authority = Authority::new();
    let running = start().await;
    let (address, _mqtts) = mqtts(&running, &tls(&authority)).await;
    let mut client = connect(address, &authority.ca(), "localhost").await;
    // Refused: a will on a reserved topic. The broker answers and closes.
    let refused = Connect::new("refused").will("iot-2/type/t/id/x/mon", b"");
    client.write_all(&refused.bytes()).await.unwrap();
    client.shutdown().await.unwrap();
    let mut answer = Vec::new();
    soon("the server's close", client.read_to_end(&mut answer)).await.unwrap();
    assert_eq!((answer.first(), answer.get(3)), (Some(&0x20), Some(&5)));
}

#[tokio::test]
async fn a_peer_that_never_completes_its_handshake_is_dropped_and_holds_up_nobody() {
    let authority = Authority::new();
    let mut running = start().await;
    let (address, _mqtts) = mqtts(&running, &tls(&authority)).await;
    let mut silent = TcpStream::connect(address).await.unwrap();
    let mut nonsense = TcpStream::connect(address).await.unwrap();
    nonsense.write_all(&Connect::new("plain").bytes()).await.unwrap();
    let mut client = connect(address, &authority.ca(), "localhost").await;
    client.write_all(&Connect::new("prompt").bytes()).await.unwrap();
    running.connect_of("prompt").await;
    for stream in [&mut silent, &mut nonsense] {
        let mut rest = Vec::new();
        // A reset is a close, too.
        let _ = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut rest)).await.unwrap();
    }
    running.settle().await;
    assert!(!running.seen.iter().any(|event| event.client_id == "plain"));
}

#[tokio::test]
async fn a_wss_client_is_reported_as_secure_and_over_websocket() {
    let authority = Authority::new();
    let mut running = start().await;
    let (listener, address) = listen().await;
    let way = Way { secure: true, proxies: None };
    let app = mqtt_ws::router(running.door(address.port()))
        .layer(middleware::from_fn_with_state(way, arrival::note));
    let https = HttpsListener::new(listener, Arc::clone(&tls(&authority).https)).unwrap();
    let service = app.into_make_service_with_connect_info::<SocketAddr>();
    let _https = Task::spawn(async move { axum::serve(https.tap_io(|_| {}), service).await.unwrap() });

    let stream = connect(address, &authority.ca(), "localhost").await;
    let local = stream.get_ref().0.local_addr().unwrap();
    let mut request = format!("wss://localhost:{}/mqtt", address.port()).into_client_request().unwrap();
    request.headers_mut().insert("sec-websocket-protocol", "mqtt".parse().unwrap());
    let origin = format!("https://localhost:{}", address.port());
    request.headers_mut().insert("origin", origin.parse().unwrap());
    // Nobody believes this here: the server is not behind a proxy.
    request.headers_mut().insert("x-forwarded-for", "192.0.2.7".parse().unwrap());
    let upgrade = tokio_tungstenite::client_async(request, stream);
    let (mut socket, _) = soon("the upgrade", upgrade).await.unwrap();
    socket.send(Message::binary(Connect::new("browser").bytes())).await.unwrap();
    soon("CONNACK", socket.next()).await.unwrap().unwrap();
    let (_, peer) = running.connect_of("browser").await;
    assert_eq!((peer.secure, peer.server_port), (Some(true), Some(address.port())));
    assert_eq!(peer.protocol.map(|protocol| protocol.websocket), Some(true));
    assert_eq!((peer.addr.as_deref(), peer.port), (Some("127.0.0.1"), Some(local.port())));
}

#[tokio::test]
async fn behind_a_proxy_a_client_is_reported_as_the_proxy_tells() {
    let mut running = start().await;
    let (listener, address) = listen().await;
    let way = Way { secure: false, proxies: Some(Arc::new(TrustedProxies::default())) };
    let app = mqtt_ws::router(running.door(address.port()))
        .layer(middleware::from_fn_with_state(way, arrival::note));
    let service = app.into_make_service_with_connect_info::<SocketAddr>();
    let _http = Task::spawn(async move { axum::serve(listener, service).await.unwrap() });

    let mut request = format!("ws://{address}/mqtt").into_client_request().unwrap();
    for (name, value) in [
        ("sec-websocket-protocol", "mqtt"),
        ("x-forwarded-for", "1.2.3.4, 192.0.2.7"),
        ("x-forwarded-proto", "https"),
    ] {
        request.headers_mut().insert(name, value.parse().unwrap());
    }
    let stream = TcpStream::connect(address).await.unwrap();
    let (mut socket, _) =
        soon("the upgrade", tokio_tungstenite::client_async(request, stream)).await.unwrap();
    // Everybody comes from this machine here, so that nobody is anonymous.
    let device = running.credentials.add_client("proxied").unwrap();
    let hello = Connect::new("proxied").user("use-token-auth", &device.token);
    socket.send(Message::binary(hello.bytes())).await.unwrap();
    let (_, peer) = running.connect_of("proxied").await;
    assert_eq!((peer.addr.as_deref(), peer.secure), (Some("192.0.2.7"), Some(true)));
}

#[tokio::test]
async fn behind_a_proxy_nobody_is_anonymous() {
    let mut running = start().await;
    let (listener, address) = listen().await;
    let way = Way { secure: false, proxies: Some(Arc::new(TrustedProxies::default())) };
    let app = mqtt_ws::router(running.door(address.port()))
        .layer(middleware::from_fn_with_state(way, arrival::note));
    let service = app.into_make_service_with_connect_info::<SocketAddr>();
    let _http = Task::spawn(async move { axum::serve(listener, service).await.unwrap() });
    let mut request = format!("ws://{address}/mqtt").into_client_request().unwrap();
    request.headers_mut().insert("x-forwarded-for", "192.0.2.7".parse().unwrap());
    let stream = TcpStream::connect(address).await.unwrap();
    let (mut socket, _) =
        soon("the upgrade", tokio_tungstenite::client_async(request, stream)).await.unwrap();
    socket.send(Message::binary(Connect::new("proxied").bytes())).await.unwrap();
    assert_eq!(running.refusal_of("proxied").await.2, "No credentials were presented");
}
