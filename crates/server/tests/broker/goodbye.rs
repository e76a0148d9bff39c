//! What a client of version 5 is told when the server ends its connection.

use rollcall_model::Initiator;

use crate::harness::{Connect, Raw, packet, publish, start};

/// The next packet is a DISCONNECT, and then the connection is closed. Returns its reason code.
async fn told(client: &mut Raw) -> u8 {
    let (first, body) = client.packet().await;
    assert_eq!(first, 0xE0);
    client.closed().await;
    body[0]
}

/// The broker's library closes before it sends its DISCONNECT, so no client ever knew: one whose id was taken over
/// connected again at once and took it back.
#[tokio::test]
async fn a_client_of_version_5_is_told_why_the_server_ends_its_connection() {
    let mut running = start().await;
    let open = async |id: &str, keep_alive| {
        Raw::connect(&running.broker, &Connect::new(id).version(5).keep_alive(keep_alive)).await
    };
    let mut first = open("taken over", 0).await;
    let second = open("taken over", 0).await;
    assert_eq!(told(&mut first).await, 0x8E);
    drop(second);
    assert_eq!(told(&mut open("silent", 1).await).await, 0x8D);
    let mut malformed = open("malformed", 0).await;
    malformed.send(&[0xF7, 0]).await;
    assert!(told(&mut malformed).await >= 0x80);
    let mut large = open("large", 0).await;
    large.send(&[0x30, 0xFF, 0xFF, 0xFF, 0x7F]).await;
    assert_eq!(told(&mut large).await, 0x95);
    let mut stays = open("stays", 0).await;
    running.broker.shutdown().await;
    assert_eq!(told(&mut stays).await, 0x8B);
    for (id, code) in [("taken over", 0x8E), ("silent", 0x8D), ("large", 0x95), ("stays", 0x8B)] {
        let (_, end) = running.end_of(id).await;
        assert_eq!((end.initiator, end.mqtt_reason_code), (Some(Initiator::Server), Some(code)), "{id}");
        // CONNACK and DISCONNECT.
        assert!(end.counters.write_bytes > Some(4), "{id}: {end:?}");
    }
}

#[tokio::test]
async fn who_said_goodbye_or_speaks_an_older_version_is_told_nothing() {
    let running = start().await;
    for version in [4, 5] {
        let mut client = Raw::connect(&running.broker, &Connect::new("leaves").version(version)).await;
        client.send(&publish(version, "a", 0, b"x")).await;
        client.send(&packet(0xE0, &[])).await;
        let mut rest = Vec::new();
        tokio::io::AsyncReadExt::read_to_end(&mut client.stream, &mut rest).await.unwrap();
        assert!(rest.is_empty(), "{version}: {rest:?}");
    }
    let mut first = Raw::connect(&running.broker, &Connect::new("older")).await;
    let _second = Raw::connect(&running.broker, &Connect::new("older")).await;
    let mut rest = Vec::new();
    tokio::io::AsyncReadExt::read_to_end(&mut first.stream, &mut rest).await.unwrap();
    assert!(rest.is_empty(), "{rest:?}");
}
