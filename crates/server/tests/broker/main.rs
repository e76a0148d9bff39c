//! The embedded broker as its clients and the recorder see it: a real broker, real sockets, every way to end a
//! connection.

// Here a failure is a panic; helpers outside test functions are not recognised as tests.
#![allow(clippy::unwrap_used)]

mod backlog;
mod credentials;
mod goodbye;
mod harness;
mod packet_size;
mod refusals;
mod retained;
mod returning;
mod subscribers;
mod tcp;
mod topics;
mod websocket;

use rollcall_model::event::MqttVersion;
use rollcall_model::{ActivityEvent, Certainty, EventKind, Initiator, Protocol};
use rollcall_server::source::embedded::{EmbeddedBroker, EmbeddedConfig, EmbeddedError};
use rollcall_server::source::queue;

use harness::{Connect, Fixture, Raw, Running, packet, publish, soon, start, subscribe};

/// Waits for the end of a connection and compares who, why and Watson's close code.
async fn check_end(running: &mut Running, id: &str, expect: (Initiator, u8, u16)) {
    let (connected, _) = running.connect_of(id).await;
    let (session, end) = running.end_of(id).await;
    assert_eq!(session, Some(connected), "{id}");
    let actual = (end.initiator.unwrap(), end.mqtt_reason_code.unwrap(), end.close_code.unwrap());
    assert_eq!(actual, expect, "{id}: {end:?}");
    assert_eq!(end.certainty, Certainty::Reported);
    assert!(end.time >= connected.start);
}

#[tokio::test]
async fn clients_of_every_version_are_reported_from_connect_to_disconnect() {
    let mut running = start().await;
    let port = running.broker.mqtt_addr().port();
    for (option, version) in
        [("mqttv31", MqttVersion::V31), ("mqttv311", MqttVersion::V311), ("mqttv5", MqttVersion::V5)]
    {
        let arguments = ["-V", option, "-i", option, "-u", "ann", "-t", "plant/1", "-m", "x"];
        let status = running.mosquitto("mosquitto_pub", &arguments).status();
        assert!(soon(option, status).await.unwrap().success());
        let (session, peer) = running.connect_of(option).await;
        assert_eq!(peer.addr.as_deref(), Some("127.0.0.1"));
        assert_eq!(peer.server_port, Some(port));
        assert!(peer.port.is_some());
        assert_eq!((peer.secure, peer.user.as_deref()), (Some(false), Some("ann")));
        let protocol = Protocol { version, websocket: false };
        assert_eq!(peer.protocol, Some(protocol));
        running.activity_of(option, ActivityEvent::Publish).await;
        let (ended, end) = running.end_of(option).await;
        assert_eq!(ended, Some(session));
        assert_eq!(end.initiator, Some(Initiator::Client));
        assert_eq!((end.mqtt_reason_code, end.close_code), (Some(0), Some(0)));
        assert_eq!((end.counters.read_msg, end.counters.write_msg), (Some(1), Some(0)));
    }
}

#[tokio::test]
async fn the_code_of_a_version_5_disconnect_is_kept() {
    let mut running = start().await;
    for (id, code, close_code) in [("will", 0x04, 0), ("trouble", 0x83, 91), ("plain", 0, 0)] {
        let mut client = Raw::connect(&running.broker, &Connect::new(id).version(5)).await;
        client.send(&packet(0xE0, &[code, 0])).await;
        drop(client);
        check_end(&mut running, id, (Initiator::Client, code, close_code)).await;
    }
}

#[tokio::test]
async fn a_disconnect_counts_at_once_even_if_the_client_keeps_its_socket() {
    let mut running = start().await;
    for version in [3, 4, 5] {
        let id = format!("lingering-{version}");
        let connect = Connect::new(&id).version(version);
        let mut client = Raw::connect(&running.broker, &connect).await;
        client.disconnect().await;
        client.closed().await;
        check_end(&mut running, &id, (Initiator::Client, 0, 0)).await;
    }
}

#[tokio::test]
async fn a_socket_that_closes_without_disconnect_is_the_networks_doing() {
    let mut running = start().await;
    for version in [4, 5] {
        let lost = (Initiator::Network, 0x80, 91);
        let id = format!("fin-{version}");
        drop(Raw::connect(&running.broker, &Connect::new(&id).version(version)).await);
        check_end(&mut running, &id, lost).await;
        let id = format!("rst-{version}");
        Raw::connect(&running.broker, &Connect::new(&id).version(version)).await.reset();
        check_end(&mut running, &id, lost).await;
        let id = format!("half-{version}");
        let mut client = Raw::connect(&running.broker, &Connect::new(&id).version(version)).await;
        client.send(&[0x30, 20, 0]).await;
        drop(client);
        check_end(&mut running, &id, lost).await;
    }
}

#[tokio::test]
async fn a_client_that_goes_silent_is_closed_after_one_and_a_half_keep_alives() {
    let mut running = start().await;
    let connect = Connect::new("silent").keep_alive(2);
    let mut client = Raw::connect(&running.broker, &connect).await;
    client.closed().await;
    let (connected, _) = running.connect_of("silent").await;
    let (_, end) = running.end_of("silent").await;
    assert_eq!(end.initiator, Some(Initiator::Server));
    assert_eq!((end.mqtt_reason_code, end.close_code), (Some(0x8D), Some(160)));
    let after_ms = end.time.millis() - connected.start.millis();
    assert!(after_ms >= 2_990, "{after_ms}");
}

#[tokio::test]
async fn pings_keep_a_client_and_are_its_activity() {
    let mut running = start().await;
    let mut client = Raw::connect(&running.broker, &Connect::new("pinging")).await;
    client.send(&[0xC0, 0]).await;
    assert_eq!(client.packet().await, (0xD0, vec![]));
    running.activity_of("pinging", ActivityEvent::Ping).await;
    client.send(&subscribe(4, "plant/+", 0)).await;
    assert_eq!(client.suback().await, 0);
    running.activity_of("pinging", ActivityEvent::Subscribe).await;
    let mut unsubscribe = vec![0, 3];
    unsubscribe.extend(harness::string("plant/+"));
    client.send(&packet(0xA2, &unsubscribe)).await;
    assert_eq!(client.packet().await.0, 0xB0);
    running.activity_of("pinging", ActivityEvent::Unsubscribe).await;
}

#[tokio::test]
async fn a_takeover_ends_the_older_session_and_leaves_the_newer_one_open() {
    let mut running = start().await;
    for version in [4, 5] {
        let id = format!("twice-{version}");
        let connect = Connect::new(&id).version(version);
        let mut first = Raw::connect(&running.broker, &connect).await;
        let (older, _) = running.connect_of(&id).await;
        let mut second = Raw::connect(&running.broker, &connect).await;
        let (newer, _) = running.connect_of(&id).await;
        assert!(older < newer);
        first.closed().await;
        let (session, end) = running.end_of(&id).await;
        assert_eq!(session, Some(older));
        assert_eq!(end.initiator, Some(Initiator::Server));
        assert_eq!((end.mqtt_reason_code, end.close_code), (Some(0x8E), Some(288)));
        second.send(&[0xC0, 0]).await;
        assert_eq!(second.packet().await.0, 0xD0);
    }
}

#[tokio::test]
async fn a_persistent_session_that_outlives_its_connection_ends_only_once() {
    let mut running = start().await;
    for version in [4, 5] {
        let id = format!("persistent-{version}");
        let connect = Connect::new(&id).version(version).persistent();
        let mut client = Raw::connect(&running.broker, &connect).await;
        client.disconnect().await;
        client.closed().await;
        check_end(&mut running, &id, (Initiator::Client, 0, 0)).await;
        // Taking the session up again ends no connection.
        let mut client = Raw::connect(&running.broker, &connect).await;
        client.disconnect().await;
        check_end(&mut running, &id, (Initiator::Client, 0, 0)).await;
        running.settle().await;
        let ends = running
            .seen
            .iter()
            .filter(|event| event.client_id == id && matches!(event.kind, EventKind::Disconnect { .. }));
        assert_eq!(ends.count(), 2);
    }
}

#[tokio::test]
async fn bad_packets_end_the_connection_with_their_code() {
    let mut running = start().await;
    let too_large = [0x30, 0xFF, 0xFF, 0xFF, 0x7F];
    let type_0 = [0x00, 0x00];
    let second_connect = Connect::new("again").bytes();
    for (id, bytes, code, close_code) in [
        ("type-0", &type_0[..], 0x81, 105),
        ("too-large", &too_large[..], 0x95, 287),
        ("second-connect", &second_connect[..], 0x82, 105),
        ("empty-topic", &publish(4, "", 0, b"x")[..], 0x90, 276),
    ] {
        let mut client = Raw::connect(&running.broker, &Connect::new(id)).await;
        client.send(bytes).await;
        client.closed().await;
        check_end(&mut running, id, (Initiator::Server, code, close_code)).await;
    }
}

#[tokio::test]
async fn a_client_that_is_gone_before_its_connack_does_not_stay_connected() {
    let mut running = start().await;
    for round in 0..30 {
        let connect = Connect::new(&format!("hasty-{round}"));
        let mut client = Raw::open(running.broker.mqtt_addr()).await;
        client.send(&connect.bytes()).await;
        client.reset();
    }
    running.settle().await;
    let announced: Vec<_> = running
        .seen
        .iter()
        .filter(|event| event.client_id.starts_with("hasty"))
        .filter(|event| matches!(event.kind, EventKind::Connect { .. }))
        .map(|event| event.client_id.clone())
        .collect();
    for id in announced {
        let (_, end) = running.end_of(&id).await;
        assert_eq!(end.initiator, Some(Initiator::Network), "{id}");
    }
}

#[tokio::test]
async fn a_will_is_delivered_and_is_no_activity_of_its_client() {
    let mut running = start().await;
    let mut watcher = Raw::connect(&running.broker, &Connect::new("watcher")).await;
    watcher.send(&subscribe(4, "wills/+", 0)).await;
    assert_eq!(watcher.suback().await, 0);
    let connect = Connect::new("mortal").will("wills/mortal", b"gone");
    drop(Raw::connect(&running.broker, &connect).await);
    let (first, body) = watcher.packet().await;
    assert_eq!((first, &body[14..]), (0x30, &b"gone"[..]));
    running.settle().await;
    let activity = running
        .seen
        .iter()
        .find(|event| event.client_id == "mortal" && matches!(event.kind, EventKind::Activity { .. }));
    assert_eq!(activity, None);
}

#[tokio::test]
async fn a_client_may_ask_for_its_will_when_it_disconnects() {
    let mut running = start().await;
    let mut watcher = Raw::connect(&running.broker, &Connect::new("watcher")).await;
    watcher.send(&subscribe(4, "wills/+", 0)).await;
    assert_eq!(watcher.suback().await, 0);
    for (id, code) in [("content", 0x00), ("wistful", 0x04)] {
        let connect = Connect::new(id).version(5).will("wills/5", id.as_bytes());
        let mut client = Raw::connect(&running.broker, &connect).await;
        client.send(&packet(0xE0, &[code, 0])).await;
        check_end(&mut running, id, (Initiator::Client, code, 0)).await;
    }
    assert!(watcher.packet().await.1.ends_with(b"wistful"));
}

/// A CONNECT of MQTT 5 whose session stays for an hour, and whose will waits for so many seconds.
fn with_delayed_will(id: &str, delay_s: u8) -> Vec<u8> {
    let mut body = harness::string("MQTT");
    body.extend([5, 0x04, 0, 0, 5, 0x11, 0, 0, 0x0E, 0x10]);
    body.extend(harness::string(id));
    body.extend([5, 0x18, 0, 0, 0, delay_s]);
    body.extend([harness::string("wills/delayed"), harness::string(id)].concat());
    packet(0x10, &body)
}

#[tokio::test]
async fn a_will_with_a_delay_is_published_unless_its_client_comes_back_in_time() {
    let running = start().await;
    let mut watcher = Raw::connect(&running.broker, &Connect::new("watcher")).await;
    watcher.send(&subscribe(4, "wills/+", 0)).await;
    assert_eq!(watcher.suback().await, 0);
    let connect = async |id: &str, delay_s| {
        let mut client = Raw::open(running.broker.mqtt_addr()).await;
        client.send(&with_delayed_will(id, delay_s)).await;
        assert_eq!(client.connack().await, 0, "{id}");
        client
    };
    drop(connect("back", 1).await);
    let _back = connect("back", 1).await;
    drop(connect("gone", 3).await);
    assert!(watcher.packet().await.1.ends_with(b"gone"));
}

#[tokio::test]
async fn any_text_is_a_client_id() {
    let mut running = start().await;
    let longest = "i".repeat(usize::from(u16::MAX));
    for id in ["a b", "a/b+c#d", "“quoted” 'id' \"x\"", "d:acme01:thermo:t-17", "設備", &longest] {
        for version in [4, 5] {
            let connect = Connect::new(id).version(version);
            let mut client = Raw::connect(&running.broker, &connect).await;
            client.disconnect().await;
            check_end(&mut running, id, (Initiator::Client, 0, 0)).await;
        }
    }
}

#[tokio::test]
async fn reconciling_tells_who_is_connected_and_who_is_not() {
    let mut running = start().await;
    let _here = Raw::connect(&running.broker, &Connect::new("here")).await;
    let (session, peer) = running.connect_of("here").await;
    let away = Connect::new("away").persistent();
    let mut gone = Raw::connect(&running.broker, &away).await;
    gone.disconnect().await;
    running.end_of("away").await;
    let ids = ["here", "away", "never"].map(str::to_owned);
    running.broker.reconcile(ids).await;
    let again = running
        .event("the inferred connect", |event| match event.kind {
            EventKind::Connect { session, certainty: Certainty::Inferred } => {
                Some((session, event.peer.clone()))
            }
            _ => None,
        })
        .await;
    assert_eq!(again, (session, peer));
    for id in ["away", "never"] {
        let (session, end) = running.end_of(id).await;
        assert_eq!((session, end.certainty), (None, Certainty::Inferred));
        assert_eq!((end.initiator, end.mqtt_reason_code, end.close_code), (None, None, None));
    }
}

#[tokio::test]
async fn stopping_the_server_ends_every_connection_and_says_so() {
    let mut running = start().await;
    let mut clients = Vec::new();
    for id in ["one", "two"] {
        clients.push(Raw::connect(&running.broker, &Connect::new(id)).await);
        running.connect_of(id).await;
    }
    let addr = running.broker.mqtt_addr();
    running.broker.shutdown().await;
    for id in ["one", "two"] {
        let (_, end) = running.end_of(id).await;
        assert_eq!(end.initiator, Some(Initiator::Server));
        assert_eq!((end.mqtt_reason_code, end.close_code), (Some(0x8B), Some(93)));
    }
    assert!(tokio::net::TcpStream::connect(addr).await.is_err());
}

#[tokio::test]
async fn a_taken_port_is_an_error_that_names_the_address() {
    let running = start().await;
    let taken = running.broker.mqtt_addr();
    let (sink, _events) = queue(1);
    let fixture = std::sync::Arc::new(Fixture::default());
    let config = EmbeddedConfig { mqtt: taken, ..EmbeddedConfig::default() };
    let error = EmbeddedBroker::start(config, sink, fixture.clone(), fixture, running.credentials.clone())
        .await
        .map(drop)
        .unwrap_err();
    assert!(matches!(error, EmbeddedError::Listen { addr, .. } if addr == taken));
    assert!(error.to_string().contains(&taken.to_string()), "{error}");
}
