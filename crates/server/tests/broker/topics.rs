//! Topics and filters that are unusual, or that nobody may have.

use rollcall_server::source::embedded::MonitorPublish;

use crate::harness::{Connect, Raw, message, publish, start, subscribe};

/// One retained message on a topic of 32,768 levels ended the process: the library walks down the levels by recursion.
#[tokio::test]
async fn topics_of_very_many_levels_are_refused_and_the_server_goes_on() {
    let mut running = start().await;
    let deep = "x/".repeat(32_767);
    for version in [4, 5] {
        let id = format!("deep-{version}");
        let mut client = Raw::connect(&running.broker, &Connect::new(&id).version(version)).await;
        let mut retained = publish(version, &deep, 1, b"x");
        retained[0] |= 1;
        client.send(&retained).await;
        let (first, body) = client.packet().await;
        assert_eq!(first, 0x40);
        if version == 5 {
            assert_eq!(body[2], 0x90);
        }
        client.send(&subscribe(version, &deep, 0)).await;
        assert_eq!(client.suback().await, if version == 5 { 0x8F } else { 0x80 });
        let will = Connect::new("deep-will").version(version).will(&deep, b"x");
        let mut client = Raw::open(running.broker.mqtt_addr()).await;
        client.send(&will.bytes()).await;
        assert_ne!(client.connack().await, 0);
        assert_eq!(running.refusal_of("deep-will").await.0, 0x90);
    }
    running.settle().await;
}

/// MQTT gives `$` a meaning at the beginning of a topic only. At the beginning of a later level, as in Homie's
/// `homie/lamp/$state`, it made a subscription fail, and messages were acknowledged and dropped.
#[tokio::test]
async fn a_dollar_at_the_beginning_of_a_later_level_is_a_character_like_any_other() {
    let running = start().await;
    let mut client = Raw::connect(&running.broker, &Connect::new("homie")).await;
    let mut retained = publish(4, "homie/lamp/$state", 1, b"ready");
    retained[0] |= 1;
    client.send(&retained).await;
    assert_eq!(client.packet().await.0, 0x40);
    for filter in ["homie/lamp/$state", "homie/+/+", "homie/#"] {
        let id = format!("reader of {filter}");
        let mut reader = Raw::connect(&running.broker, &Connect::new(&id)).await;
        reader.send(&subscribe(4, filter, 0)).await;
        assert_eq!(reader.suback().await, 0, "{filter}");
        let (first, body) = reader.packet().await;
        assert_eq!((first, &body[2..]), (0x31, b"homie/lamp/$stateready".as_slice()), "{filter}");
        client.send(&publish(4, "homie/lamp/$state", 0, b"lost")).await;
        let (first, body) = reader.packet().await;
        assert_eq!((first, &body[2..]), (0x30, b"homie/lamp/$statelost".as_slice()), "{filter}");
    }
}

/// Nobody was told of a client whose id begins with `$`, which is a level of its monitor topic.
#[tokio::test]
async fn a_client_id_that_begins_with_a_dollar_has_monitor_messages() {
    let running = start().await;
    let mut client = Raw::connect(&running.broker, &Connect::new("watcher")).await;
    for filter in ["iot-2/type/+/id/+/mon", "iot-2/type/thermo/id/$1/mon"] {
        client.send(&subscribe(4, filter, 0)).await;
        assert_eq!(client.suback().await, 0, "{filter}");
        let happened = MonitorPublish { retain: false, ..message("$1", "here") };
        running.broker.publish(&happened).await;
        let (first, body) = client.packet().await;
        assert_eq!((first, &body[2..]), (0x30, b"iot-2/type/thermo/id/$1/monhere".as_slice()), "{filter}");
    }
}

/// It was granted and never got anything: what MQTT 5 calls shared subscriptions this broker does not have.
#[tokio::test]
async fn a_shared_subscription_is_refused() {
    let running = start().await;
    for (version, refusal) in [(4, 0x80), (5, 0x9E)] {
        let id = format!("shared-{version}");
        let mut client = Raw::connect(&running.broker, &Connect::new(&id).version(version)).await;
        for filter in ["$share/group/plant/#", "$share/group/iot-2/type/+/id/+/mon"] {
            client.send(&subscribe(version, filter, 0)).await;
            assert_eq!(client.suback().await, refusal, "{filter}");
        }
    }
}
