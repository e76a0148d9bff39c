//! The plain port: what it counts, what it speaks, and whom it gives up on.

use std::time::Duration;

use futures_util::SinkExt;
use rollcall_model::event::MqttVersion;
use rollcall_model::{Initiator, Protocol};
use rollcall_server::mqtt_tcp;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;

use crate::harness::{Connect, PATIENCE, Raw, publish, soon, start, subscribe};
use crate::websocket;

/// A client that subscribes, publishes to itself, sees everything come back and leaves.
fn conversation(id: &str) -> (Vec<Vec<u8>>, usize) {
    let echo = publish(4, "mine", 0, &[7; 3_000]);
    let connack_and_suback = 4 + 5;
    let answers = connack_and_suback + echo.len();
    (vec![Connect::new(id).bytes(), subscribe(4, "mine", 0), echo], answers)
}

#[tokio::test]
async fn the_bytes_of_a_connection_are_counted_exactly_both_ways() {
    let mut running = start().await;
    for id in ["first", "second"] {
        let (sent, answers) = conversation(id);
        let mut client = Raw::open(running.broker.mqtt_addr()).await;
        client.send(&sent.concat()).await;
        let mut received = vec![0; answers];
        soon("the answers", client.stream.read_exact(&mut received)).await.unwrap();
        client.disconnect().await;
        let (_, end) = running.end_of(id).await;
        let bytes = (end.counters.read_bytes, end.counters.write_bytes);
        assert_eq!(bytes, (Some(sent.concat().len() as u64 + 2), Some(answers as u64)), "{id}");
    }
}

#[tokio::test]
async fn over_websocket_the_mqtt_inside_is_counted_and_not_its_wrapping() {
    let mut running = start().await;
    let http = running.http().await;
    let (sent, answers) = conversation("wrapped");
    let mut socket = websocket::connect(http, &Connect::new("wrapped")).await;
    let mut received = 4;
    for packet in &sent[1..] {
        socket.send(Message::binary(packet.clone())).await.unwrap();
    }
    while received < answers {
        received += websocket::bytes(&mut socket).await.len();
    }
    socket.send(Message::binary(vec![0xE0, 0])).await.unwrap();
    let (_, end) = running.end_of("wrapped").await;
    let bytes = (end.counters.read_bytes, end.counters.write_bytes);
    assert_eq!(bytes, (Some(sent.concat().len() as u64 + 2), Some(answers as u64)));
}

#[tokio::test]
async fn each_of_two_sessions_of_one_id_has_its_own_bytes() {
    let mut running = start().await;
    let connect = Connect::new("twice");
    let mut first = Raw::connect(&running.broker, &connect).await;
    for _ in 0..50 {
        first.send(&[0xC0, 0]).await;
        assert_eq!(first.packet().await.0, 0xD0);
    }
    let mut second = Raw::connect(&running.broker, &connect).await;
    first.closed().await;
    let connect_bytes = connect.bytes().len() as u64;
    let (_, end) = running.end_of("twice").await;
    assert_eq!((end.close_code, end.counters.read_bytes), (Some(288), Some(connect_bytes + 100)));
    second.disconnect().await;
    let (_, end) = running.end_of("twice").await;
    assert_eq!((end.close_code, end.counters.read_bytes), (Some(0), Some(connect_bytes + 2)));
}

#[tokio::test]
async fn websocket_clients_come_in_at_the_plain_port_too() {
    let mut running = start().await;
    let address = running.broker.mqtt_addr();
    let mut socket = websocket::connect(address, &Connect::new("browser")).await;
    let (session, peer) = running.connect_of("browser").await;
    let local = socket.get_ref().local_addr().unwrap();
    assert_eq!((peer.addr.as_deref(), peer.port), (Some("127.0.0.1"), Some(local.port())));
    assert_eq!((peer.secure, peer.server_port), (Some(false), Some(address.port())));
    assert_eq!(peer.protocol, Some(Protocol { version: MqttVersion::V311, websocket: true }));
    socket.send(Message::binary(vec![0xE0, 0])).await.unwrap();
    let (ended, end) = running.end_of("browser").await;
    assert_eq!((ended, end.initiator), (Some(session), Some(Initiator::Client)));
}

#[tokio::test]
async fn the_plain_port_has_no_other_pages() {
    let running = start().await;
    let mut client = TcpStream::connect(running.broker.mqtt_addr()).await.unwrap();
    client.write_all(b"GET /index.html HTTP/1.1\r\nhost: localhost\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    soon("the server's close", client.read_to_string(&mut answer)).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 404 ") && answer.contains("This port speaks MQTT"), "{answer}");
}

/// Such clients held a socket for ever.
#[tokio::test]
async fn clients_that_do_not_begin_a_connect_are_closed_and_others_are_not() {
    let mut running = start().await;
    let listener = mqtt_tcp::listen("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = listener.local_addr().unwrap();
    let door = running.door(address.port());
    let accepting = tokio::spawn(mqtt_tcp::run(listener, door, Duration::from_millis(500)));
    let mut served = Raw::open(address).await;
    served.send(&Connect::new("served").bytes()).await;
    assert_eq!(served.connack().await, 0);
    for said in [&b""[..], b"\x10", b"G", b"GET /mqtt HTTP/1.1\r\n"] {
        let mut silent = Raw::open(address).await;
        silent.send(said).await;
        let mut rest = Vec::new();
        let closed = tokio::time::timeout(PATIENCE, silent.stream.read_to_end(&mut rest)).await;
        assert!(closed.is_ok(), "{said:?}");
    }
    served.send(&[0xC0, 0]).await;
    assert_eq!(served.packet().await.0, 0xD0);
    running.connect_of("served").await;
    accepting.abort();
}
