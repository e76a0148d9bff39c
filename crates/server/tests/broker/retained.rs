//! Retained messages: monitor messages come from the fleet, others from the broker.

use crate::harness::{Connect, Raw, publish, soon, start, subscribe};

const FILTER: &str = "iot-2/type/+/id/+/mon";
const TOPIC: &str = "iot-2/type/thermo/id/t-17/mon";

#[tokio::test]
async fn monitor_messages_are_answered_from_the_fleet_with_the_retain_flag() {
    let running = start().await;
    running.fixture.happens("t-17", "state");
    for version in ["mqttv31", "mqttv311", "mqttv5"] {
        let arguments = ["-V", version, "-t", FILTER, "-C", "1", "-F", "%r %q %t %p"];
        let output = running.mosquitto("mosquitto_sub", &arguments).output();
        let output = soon(version, output).await.unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        assert_eq!(text.trim(), format!("1 0 {TOPIC} state"), "{version}");
    }
}

#[tokio::test]
async fn a_subscriber_that_asks_for_no_retained_messages_gets_none() {
    let running = start().await;
    running.fixture.happens("t-17", "old");
    let mut client = Raw::connect(&running.broker, &Connect::new("live").version(5)).await;
    let retain_handling = |handling: u8| subscribe(5, FILTER, handling << 4);
    client.send(&retain_handling(2)).await;
    assert_eq!(client.suback().await, 0);
    running.broker.publish(&running.fixture.happens("t-17", "new")).await;
    let (first, body) = client.packet().await;
    assert_eq!(first, 0x30);
    assert!(body.ends_with(b"new"));
    // 1: only for a new subscription, which this is not.
    client.send(&retain_handling(1)).await;
    assert_eq!(client.suback().await, 0);
    running.broker.publish(&running.fixture.happens("t-17", "newer")).await;
    assert!(client.packet().await.1.ends_with(b"newer"));
    client.send(&retain_handling(0)).await;
    assert_eq!(client.suback().await, 0);
    let (first, body) = client.packet().await;
    assert_eq!(first, 0x31);
    assert!(body.ends_with(b"newer"));
}

#[tokio::test]
async fn other_retained_messages_are_kept_replaced_and_removed() {
    let running = start().await;
    let retain = async |payload: &str| {
        let arguments = ["-r", "-q", "1", "-t", "plant/1", "-m", payload];
        let status = running.mosquitto("mosquitto_pub", &arguments).status();
        assert!(soon("a publish", status).await.unwrap().success());
    };
    retain("first").await;
    retain("second").await;
    let mut client = Raw::connect(&running.broker, &Connect::new("reader")).await;
    client.send(&subscribe(4, "plant/#", 0)).await;
    assert_eq!(client.suback().await, 0);
    let (first, body) = client.packet().await;
    assert_eq!(first, 0x31);
    assert!(body.ends_with(b"second"));
    retain("").await;
    assert_eq!(client.packet().await.1.len(), "plant/1".len() + 2);
    let mut late = Raw::connect(&running.broker, &Connect::new("late")).await;
    late.send(&subscribe(4, "plant/#", 0)).await;
    assert_eq!(late.suback().await, 0);
    client.send(&publish(4, "plant/2", 0, b"live")).await;
    let (first, body) = late.packet().await;
    assert_eq!(first, 0x30);
    assert!(body.ends_with(b"live"));
}
