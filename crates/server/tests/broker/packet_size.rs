//! Clients of MQTT 5 that take only so much in one packet: they do not get what is larger, and stay connected.

use crate::harness::{Connect, Raw, message, packet, publish, start, subscribe};

const MONITOR: &str = "iot-2/type/+/id/+/mon";
/// Messages that are too large, and more than a session may have ahead.
const COUNT: usize = 300;

/// A client that takes packets of at most so many bytes.
fn frugal(id: &str, bytes: u32) -> Connect {
    let mut properties = vec![0x27];
    properties.extend(bytes.to_be_bytes());
    Connect::new(id).version(5).properties(&properties)
}

/// Its connection was closed (MQTT 5, section 3.1.2.11.4).
#[tokio::test]
async fn a_message_that_is_larger_than_a_client_takes_is_left_out() {
    let running = start().await;
    let mut publisher = Raw::connect(&running.broker, &Connect::new("publisher").version(5)).await;
    for qos in [0, 1] {
        let whole = publish(5, "q/1", qos, &[7; 200]);
        // The library takes the fixed header for the longest there is, which has two bytes more.
        let enough = u32::try_from(whole.len()).unwrap() + 2;
        let mut fitting = Raw::connect(&running.broker, &frugal("fitting", enough)).await;
        let mut small = Raw::connect(&running.broker, &frugal("small", enough - 1)).await;
        for client in [&mut fitting, &mut small] {
            client.send(&subscribe(5, "q/#", qos)).await;
            assert_eq!(client.suback().await, qos);
        }
        for payload in [&[1; 1_000][..], &[7; 200], b"last"] {
            publisher.send(&publish(5, "q/1", 1, payload)).await;
            assert_eq!(publisher.packet().await.0, 0x40);
        }
        assert!(fitting.packet().await.1.ends_with(&[7; 200]), "QoS {qos}");
        for client in [&mut fitting, &mut small] {
            assert!(client.packet().await.1.ends_with(b"last"), "QoS {qos}");
            client.disconnect().await;
        }
    }
}

#[tokio::test]
async fn a_retained_message_that_is_larger_than_a_client_takes_is_left_out() {
    let running = start().await;
    let mut publisher = Raw::connect(&running.broker, &Connect::new("publisher")).await;
    for (topic, payload) in [("q/large", &[1; 1_000][..]), ("q/small", b"small")] {
        let mut retained = publish(4, topic, 1, payload);
        retained[0] |= 1;
        publisher.send(&retained).await;
        assert_eq!(publisher.packet().await.0, 0x40);
    }
    let mut client = Raw::connect(&running.broker, &frugal("frugal", 300)).await;
    client.send(&subscribe(5, "q/#", 0)).await;
    assert_eq!(client.suback().await, 0);
    assert!(client.packet().await.1.ends_with(b"small"));
    client.send(&packet(0xC0, &[])).await;
    assert_eq!(client.packet().await.0, 0xD0);
}

/// Of each that is left out the place ahead is free again: the ones behind it come.
#[tokio::test]
async fn monitor_messages_that_are_larger_than_a_client_takes_hold_up_no_others() {
    let running = start().await;
    let long = |number: usize| format!("{number}-{}", "i".repeat(1_000));
    for number in 0..COUNT {
        running.fixture.happens(&long(number), "{}");
    }
    running.fixture.happens("t-1", "retained");
    let mut client = Raw::connect(&running.broker, &frugal("frugal", 300)).await;
    client.send(&subscribe(5, MONITOR, 0)).await;
    assert_eq!(client.suback().await, 0);
    let (first, body) = client.packet().await;
    assert_eq!((first, body.ends_with(b"retained")), (0x31, true));
    for number in 0..COUNT {
        running.broker.publish(&message(&long(number), "{}")).await;
    }
    running.broker.publish(&message("t-1", "told")).await;
    let (first, body) = client.packet().await;
    assert_eq!((first, body.ends_with(b"told")), (0x30, true));
}
