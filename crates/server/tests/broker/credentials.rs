//! API keys and tokens over MQTT, and when nobody needs any. The well-behaved clients are Mosquitto's.

use std::process::Output;

use rollcall_model::{EventKind, Initiator};
use rollcall_server::identity::{NewKey, Role};

use crate::harness::{Connect, Raw, Running, publish, soon, start, start_on, subscribe};

const MONITOR: &str = "iot-2/type/+/id/+/mon";

/// Publishes once under this id with these arguments; whether the broker let it.
async fn publishes(running: &Running, id: &str, more: &[&str]) -> bool {
    let arguments = [&["-i", id, "-t", "plant/1", "-m", "x", "-q", "1"], more].concat();
    let output = running.mosquitto("mosquitto_pub", &arguments).output();
    let Output { status, .. } = soon("a publish", output).await.unwrap();
    status.success()
}

/// Subscribes under this id to one retained monitor message; what was printed.
async fn watches(running: &Running, id: &str, more: &[&str]) -> String {
    running.fixture.happens("t-17", "state");
    let arguments = [&["-i", id, "-t", MONITOR, "-C", "1", "-W", "10"], more].concat();
    let output = running.mosquitto("mosquitto_sub", &arguments).output();
    let Output { stdout, .. } = soon("a message", output).await.unwrap();
    String::from_utf8(stdout).unwrap().trim().to_owned()
}

/// The code of the CONNACK to this.
async fn connack(running: &Running, connect: &Connect) -> u8 {
    let mut client = Raw::open(running.broker.mqtt_addr()).await;
    client.send(&connect.bytes()).await;
    client.connack().await
}

#[tokio::test]
async fn an_application_presents_a_key_and_its_token() {
    let mut running = start().await;
    let NewKey { key, token } = running.credentials.add_key("acme01", Role::Operator, None).unwrap();
    let (key, token) = (key.as_str(), token.as_str());
    for id in ["a:acme01:console", "A:acme01:console", "A:acme01:console:1"] {
        assert!(publishes(&running, id, &["-u", key, "-P", token]).await, "{id}");
        let (_, peer) = running.connect_of(id).await;
        assert_eq!(peer.user.as_deref(), Some(key));
        assert!(!publishes(&running, id, &["-u", key, "-P", "wrong"]).await, "{id}");
        let expect = (0x86, 180, "API key or token is invalid".to_owned());
        assert_eq!(running.refusal_of(id).await, expect);
        assert!(!publishes(&running, id, &[]).await, "{id}");
        let expect = (0x86, 180, "No credentials were presented".to_owned());
        assert_eq!(running.refusal_of(id).await, expect);
    }
    assert!(!publishes(&running, "a:acme02:console", &["-u", key, "-P", token]).await);
    let expect = (0x87, 180, "The API key belongs to another organization".to_owned());
    assert_eq!(running.refusal_of("a:acme02:console").await, expect);
}

#[tokio::test]
async fn the_connections_of_a_revoked_key_end_and_it_opens_none() {
    let mut running = start().await;
    let NewKey { key, token } = running.credentials.add_key("acme01", Role::Viewer, None).unwrap();
    let application = Connect::new("a:acme01:console").user(&key, &token);
    let mut client = Raw::connect(&running.broker, &application).await;
    let (session, _) = running.connect_of("a:acme01:console").await;
    let mut stays = Raw::connect(&running.broker, &Connect::new("stays")).await;
    running.credentials.revoke_key(&key).unwrap();
    client.closed().await;
    let (ended, end) = running.end_of("a:acme01:console").await;
    assert_eq!(ended, Some(session));
    assert_eq!(
        (end.initiator, end.mqtt_reason_code, end.close_code),
        (Some(Initiator::Server), Some(0x98), Some(94))
    );
    assert_eq!(connack(&running, &application).await, 4);
    stays.send(&[0xC0, 0]).await;
    assert_eq!(stays.packet().await.0, 0xD0);
}

#[tokio::test]
async fn nobody_is_anonymous_any_more_once_a_device_is_registered() {
    let mut running = start().await;
    for id in ["d:acme01:thermo:t-17", "g:acme01:gw:north", "mqttjs_1"] {
        assert!(publishes(&running, id, &[]).await, "{id}");
    }
    let mut open = Raw::connect(&running.broker, &Connect::new("d:acme01:thermo:t-18")).await;
    let device = running.credentials.add_device("thermo", "t-17", "acme01").unwrap();
    open.closed().await;
    let (_, end) = running.end_of("d:acme01:thermo:t-18").await;
    assert_eq!(end.close_code, Some(94));
    for id in [&device.client_id, "g:acme01:gw:north", "mqttjs_1"] {
        assert!(!publishes(&running, id, &[]).await, "{id}");
    }
    assert_eq!(running.refusal_of("mqttjs_1").await.2, "No credentials were presented");
    let token = ["-u", "use-token-auth", "-P", &device.token];
    assert!(publishes(&running, &device.client_id, &token).await);
    assert!(!publishes(&running, "mqttjs_1", &token).await);
    let own = running.credentials.add_client("mqttjs_1").unwrap();
    assert!(publishes(&running, "mqttjs_1", &["-u", "use-token-auth", "-P", &own.token]).await);

    let known = Connect::new(&device.client_id).user("use-token-auth", &device.token);
    let mut open = Raw::connect(&running.broker, &known).await;
    running.credentials.remove(&device.client_id).unwrap();
    open.closed().await;
}

#[tokio::test]
async fn clients_of_the_server_itself_do_not_end_the_first_try() {
    let running = start().await;
    running.credentials.add_ephemeral("d:acme01:demo:thermo-1", "use-token-auth", "secret").unwrap();
    assert!(publishes(&running, "mqttjs_1", &[]).await);
}

#[tokio::test]
async fn where_others_than_this_machine_can_come_nobody_is_anonymous() {
    let mut running = start_on("0.0.0.0:0", 100).await;
    assert!(!publishes(&running, "d:acme01:thermo:t-17", &[]).await);
    assert_eq!(running.refusal_of("d:acme01:thermo:t-17").await.0, 0x86);
}

#[tokio::test]
async fn only_applications_watch_the_fleet_except_on_the_first_try() {
    let running = start().await;
    assert_eq!(watches(&running, "curious", &[]).await, "state");
    let device = running.credentials.add_device("thermo", "t-17", "acme01").unwrap();
    let NewKey { key, token } = running.credentials.add_key("acme01", Role::Viewer, None).unwrap();
    let as_device = Connect::new(&device.client_id).user("use-token-auth", &device.token);
    for (version, refused) in [(4, 0x80), (5, 0x87)] {
        let mut client = Raw::connect(&running.broker, &as_device.clone().version(version)).await;
        for filter in
            [MONITOR, "iot-2/app/+/mon", "iot-2/type/thermo/id/t-17/mon", "iot-2/app/x/mon/act", "+/+/+/+"]
        {
            client.send(&subscribe(version, filter, 0)).await;
            assert_eq!(client.suback().await, refused, "{filter}");
        }
        client.send(&subscribe(version, "iot-2/cmd/+/fmt/json", 0)).await;
        assert_eq!(client.suback().await, 0);
    }
    assert_eq!(watches(&running, "a:acme01:console", &["-u", &key, "-P", &token]).await, "state");
}

/// Publishes with QoS 1, and expects the code in the PUBACK of version 5.
async fn puback(client: &mut Raw, topic: &str, payload: &str) -> u8 {
    client.send(&publish(5, topic, 1, payload.as_bytes())).await;
    let (first, body) = client.packet().await;
    assert_eq!(first, 0x40);
    body.get(2).copied().unwrap_or_default()
}

#[tokio::test]
async fn an_application_with_the_key_of_a_viewer_reads_and_does_not_publish() {
    let mut running = start().await;
    let mut device = Raw::connect(&running.broker, &Connect::new("d:acme01:thermo:t-1").version(5)).await;
    device.send(&subscribe(5, "iot-2/cmd/+/fmt/json", 0)).await;
    assert_eq!(device.suback().await, 0);
    for (role, code) in [(Role::Viewer, 0x87), (Role::Operator, 0), (Role::Admin, 0)] {
        let NewKey { key, token } = running.credentials.add_key("acme01", role, None).unwrap();
        let id = format!("a:acme01:{}", role.as_str());
        let connect = Connect::new(&id).version(5).user(&key, &token);
        let mut application = Raw::connect(&running.broker, &connect).await;
        application.send(&subscribe(5, "iot-2/type/+/id/+/evt/+/fmt/+", 0)).await;
        assert_eq!(application.suback().await, 0);
        assert_eq!(puback(&mut application, "iot-2/cmd/stop/fmt/json", role.as_str()).await, code, "{id}");
        let event = publish(5, "iot-2/type/thermo/id/t-1/evt/e/fmt/json", 0, b"x");
        device.send(&event).await;
        assert_eq!(application.packet().await, (event[0], event[2..].to_vec()), "{id}");
        let with_will = connect.clone().will("gone", b"x");
        let expect = if code == 0 { 0 } else { 0x87 };
        assert_eq!(connack(&running, &with_will).await, expect, "{id}");
    }
    // The viewer's would have been the first.
    for role in ["operator", "admin"] {
        assert!(device.packet().await.1.ends_with(role.as_bytes()), "{role}");
    }
    running.refusal_of("a:acme01:viewer").await;
}

#[tokio::test]
async fn guessing_a_token_is_slowed_down_and_reported() {
    let mut running = start().await;
    let device = running.credentials.add_device("thermo", "t-17", "acme01").unwrap();
    let right = Connect::new(&device.client_id).version(5).user("use-token-auth", &device.token);
    assert_eq!(connack(&running, &right).await, 0);
    let wrong = Connect::new(&device.client_id).version(5).user("use-token-auth", "guessed");
    for _ in 0..5 {
        assert_eq!(connack(&running, &wrong).await, 0x86);
    }
    assert_eq!(connack(&running, &wrong).await, 0x87);
    let too_many = running.event("the refusal", |event| match &event.kind {
        EventKind::FailedConnect { reason: Some(reason), .. } => reason.starts_with("Too many").then_some(()),
        _ => None,
    });
    too_many.await;
    // The device itself comes from the same address and is let in.
    assert_eq!(connack(&running, &right).await, 0);
}
