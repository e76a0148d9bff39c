//! Who may not connect, and what may not be published or subscribed to.

use rollcall_model::{ActivityEvent, EventKind};
use rollcall_server::source::embedded::MonitorPublish;

use crate::harness::{Connect, Raw, message, packet, publish, start, start_with, string, subscribe};

#[tokio::test]
async fn a_registered_device_needs_its_token_and_every_refusal_is_reported() {
    let mut running = start().await;
    let device = running.credentials.add_device("thermo", "t-17", "acme01").unwrap();
    let id = device.client_id.as_str();
    for version in [4, 5] {
        // 4 is version 3's "bad user name or password".
        let refused = if version == 5 { 0x86 } else { 4 };
        let connect = Connect::new(id).version(version);
        for attempt in [
            connect.clone(),
            connect.clone().user("use-token-auth", "wrong"),
            connect.clone().user("someone", &device.token),
        ] {
            let mut client = Raw::open(running.broker.mqtt_addr()).await;
            client.send(&attempt.bytes()).await;
            assert_eq!(client.connack().await, refused);
            client.closed().await;
            let (code, close_code, text) = running.refusal_of(id).await;
            assert_eq!((code, close_code), (0x86, 180));
            assert_eq!(text, "Device/gateway token is invalid");
        }
        let connect = connect.user("use-token-auth", &device.token);
        let mut client = Raw::connect(&running.broker, &connect).await;
        let (_, peer) = running.connect_of(id).await;
        assert_eq!(peer.user.as_deref(), Some("use-token-auth"));
        client.disconnect().await;
        running.end_of(id).await;
    }
}

#[tokio::test]
async fn a_wrong_token_does_not_disturb_the_client_that_has_the_right_one() {
    let mut running = start().await;
    running.credentials.add_ephemeral("mine", "use-token-auth", "secret").unwrap();
    let connect = Connect::new("mine").user("use-token-auth", "secret");
    let mut client = Raw::connect(&running.broker, &connect).await;
    let mut stranger = Raw::open(running.broker.mqtt_addr()).await;
    stranger.send(&Connect::new("mine").bytes()).await;
    stranger.closed().await;
    running.refusal_of("mine").await;
    client.send(&[0xC0, 0]).await;
    assert_eq!(client.packet().await.0, 0xD0);
    running.settle().await;
    let ended = |kind: &EventKind| matches!(kind, EventKind::Disconnect { .. });
    assert!(!running.seen.iter().any(|e| e.client_id == "mine" && ended(&e.kind)));
}

#[tokio::test]
async fn enhanced_authentication_is_refused_and_reported() {
    let mut running = start().await;
    let mut method = vec![0x15];
    method.extend(string("SCRAM-SHA-1"));
    let connect = Connect::new("scram").version(5).properties(&method);
    let mut client = Raw::open(running.broker.mqtt_addr()).await;
    client.send(&connect.bytes()).await;
    assert_eq!(client.connack().await, 0x8C);
    let (code, close_code, _) = running.refusal_of("scram").await;
    assert_eq!((code, close_code), (0x8C, 180));
}

#[tokio::test]
async fn a_will_for_a_monitor_topic_is_refused() {
    let mut running = start().await;
    for version in [4, 5] {
        let id = format!("liar-{version}");
        let connect = Connect::new(&id).version(version);
        let connect = connect.will("iot-2/type/thermo/id/t-17/mon", b"{}");
        let mut client = Raw::open(running.broker.mqtt_addr()).await;
        client.send(&connect.bytes()).await;
        assert_eq!(client.connack().await, if version == 5 { 0x87 } else { 5 });
        let (code, close_code, text) = running.refusal_of(&id).await;
        assert_eq!((code, close_code), (0x87, 180));
        assert!(text.contains("iot-2/type/thermo/id/t-17/mon"), "{text}");
    }
}

#[tokio::test]
async fn a_filter_that_would_bring_every_monitor_message_is_refused() {
    let running = start().await;
    for version in [4, 5] {
        let refused = if version == 5 { 0x87 } else { 0x80 };
        for filter in ["#", "iot-2/#", "iot-2/type/+/id/+/#"] {
            let connect = Connect::new("curious").version(version);
            let mut client = Raw::connect(&running.broker, &connect).await;
            client.send(&subscribe(version, filter, 0)).await;
            assert_eq!(client.suback().await, refused, "{filter}");
            client.send(&subscribe(version, "iot-2/type/+/id/+/mon", 0)).await;
            assert_eq!(client.suback().await, 0);
        }
    }
}

#[tokio::test]
async fn a_client_cannot_publish_to_a_monitor_topic_but_stays_connected() {
    let mut running = start().await;
    let mut watcher = Raw::connect(&running.broker, &Connect::new("watcher")).await;
    for filter in ["iot-2/type/+/id/+/mon", "iot-2/type/+/id/+/mon/act", "iot-2/app/+/mon"] {
        watcher.send(&subscribe(4, filter, 0)).await;
        assert_eq!(watcher.suback().await, 0);
    }
    let mut old = Raw::connect(&running.broker, &Connect::new("old")).await;
    let mut new = Raw::connect(&running.broker, &Connect::new("new").version(5)).await;
    for topic in ["iot-2/type/a/id/b/mon", "iot-2/type/a/id/b/mon/act", "iot-2/app/a/mon"] {
        old.send(&publish(4, topic, 0, b"forged")).await;
        new.send(&publish(5, topic, 1, b"forged")).await;
        let (first, body) = new.packet().await;
        assert_eq!((first, &body[..3]), (0x40, &[0, 2, 0x87][..]));
    }
    old.send(&[0xC0, 0]).await;
    assert_eq!(old.packet().await.0, 0xD0);
    running.activity_of("old", ActivityEvent::Publish).await;
    // The only message that arrives is the server's own.
    let message = MonitorPublish { topic: "iot-2/app/a/mon".to_owned(), ..message("a", "true") };
    running.broker.publish(&message).await;
    let (first, body) = watcher.packet().await;
    assert_eq!(first, 0x30);
    assert!(body.ends_with(b"true"));
}

#[tokio::test]
async fn a_topic_name_with_wildcards_is_refused() {
    let running = start().await;
    let mut client = Raw::connect(&running.broker, &Connect::new("wild").version(5)).await;
    client.send(&publish(5, "plant/+", 1, b"x")).await;
    let (first, body) = client.packet().await;
    assert_eq!((first, &body[..3]), (0x40, &[0, 2, 0x90][..]));
    client.send(&packet(0xC0, &[])).await;
    assert_eq!(client.packet().await.0, 0xD0);
}

#[tokio::test]
async fn a_client_for_whom_there_is_no_room_is_reported() {
    let mut running = start_with(1).await;
    let _first = Raw::connect(&running.broker, &Connect::new("first")).await;
    let mut second = Raw::open(running.broker.mqtt_addr()).await;
    second.send(&Connect::new("second").version(5).bytes()).await;
    assert_eq!(second.connack().await, 0x88);
    let (code, close_code, _) = running.refusal_of("second").await;
    assert_eq!((code, close_code), (0x88, 167));
}

/// A client with such an id was let in, and was a client of the fleet that nobody could ask for by its MQTT name.
#[tokio::test]
async fn no_text_of_mqtt_may_have_a_null() {
    let mut running = start().await;
    for version in [4, 5] {
        let refused = if version == 5 { 0x87 } else { 5 };
        let nobody = Connect::new("a\0b").version(version);
        let named = Connect::new("named").version(version).user("ann\0", "x");
        for connect in [nobody, named] {
            let mut client = Raw::open(running.broker.mqtt_addr()).await;
            client.send(&connect.bytes()).await;
            assert_eq!(client.connack().await, refused);
            client.closed().await;
        }
        let (code, _, text) = running.refusal_of("named").await;
        assert_eq!((code, text.as_str()), (0x81, "The user name has U+0000."));
        let id = format!("client-{version}");
        let mut client = Raw::connect(&running.broker, &Connect::new(&id).version(version)).await;
        client.send(&subscribe(version, "plant/\0", 0)).await;
        assert_eq!(client.suback().await, if version == 5 { 0x8F } else { 0x80 });
        client.send(&publish(version, "plant/\0", 1, b"x")).await;
        let (first, body) = client.packet().await;
        let expect = if version == 5 { &[0, 2, 0x90][..] } else { &[0, 2] };
        assert_eq!((first, &body[..expect.len()]), (0x40, expect));
    }
    running.settle().await;
    assert!(!running.seen.iter().any(|event| event.client_id.contains('\0')));
}

/// What was published under an alias was acknowledged and went nowhere.
#[tokio::test]
async fn a_topic_alias_that_was_not_offered_ends_the_connection() {
    let mut running = start().await;
    for (id, topic, properties, code) in [
        ("empty", "", &[3, 0x23, 0, 1][..], 0x94),
        ("named", "plant/1", &[3, 0x23, 0, 1], 0x94),
        ("neither", "", &[0], 0x82),
    ] {
        for qos in [0, 1, 2] {
            let id = format!("{id}-{qos}");
            let mut client = Raw::connect(&running.broker, &Connect::new(&id).version(5)).await;
            let packet_id = if qos > 0 { &[0, 2][..] } else { &[] };
            let body = [&string(topic)[..], packet_id, properties, b"x"].concat();
            client.send(&packet(0x30 | qos << 1, &body)).await;
            assert_eq!(client.packet().await, (0xE0, vec![code, 0]), "{id}");
            client.closed().await;
            let (_, end) = running.end_of(&id).await;
            assert_eq!(end.mqtt_reason_code, Some(code), "{id}");
        }
    }
}
