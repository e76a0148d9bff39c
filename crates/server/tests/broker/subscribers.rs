//! Monitor messages on their way to those who subscribe: all of them to the fast, the newest of each client to the slow.

use std::collections::HashMap;

use crate::harness::{Connect, Raw, Running, message, soon, start, subscribe};

const FILTER: &str = "iot-2/type/+/id/+/mon";
const DEVICES: usize = 2_000;
const ROUNDS: usize = 10;
/// Bytes of a message. All of those of [`LARGE`] are far more than the sockets on the way hold.
const SMALL: usize = 100;
const LARGE: usize = 10_000;

/// Topic and payload of a PUBLISH at QoS 0 of version 3.1.1.
fn read(body: &[u8]) -> (String, String) {
    let length = usize::from(u16::from_be_bytes([body[0], body[1]]));
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    (text(&body[2..2 + length]), text(&body[2 + length..]))
}

fn device(number: usize) -> String {
    format!("t-{number:05}")
}

fn payload(round: usize, size: usize) -> String {
    format!("{round:<size$}")
}

async fn subscriber(running: &Running, connect: &Connect) -> Raw {
    let mut client = Raw::connect(&running.broker, connect).await;
    client.send(&subscribe(connect.version, FILTER, 0)).await;
    assert_eq!(client.suback().await, 0);
    client
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_subscriber_gets_the_newest_message_of_every_client_and_not_all_there_were() {
    let running = start().await;
    let mut slow = subscriber(&running, &Connect::new("slow")).await;
    for round in 0..ROUNDS {
        for number in 0..DEVICES {
            running.broker.publish(&running.fixture.happens(&device(number), payload(round, LARGE))).await;
        }
    }
    let mut newest = HashMap::new();
    let mut count = 0;
    let is_last = |payload: &String| payload.starts_with(&(ROUNDS - 1).to_string());
    while newest.len() < DEVICES || !newest.values().all(is_last) {
        let (topic, payload) = read(&slow.packet().await.1);
        newest.insert(topic, payload);
        count += 1;
    }
    assert!(count < DEVICES * ROUNDS / 2, "{count} messages");
    // It has caught up: everything is told again.
    for round in 0..3 {
        running.broker.publish(&message("t-new", payload(round, LARGE))).await;
    }
    for round in 0..3 {
        let (topic, told) = read(&slow.packet().await.1);
        assert_eq!((topic.as_str(), told), ("iot-2/type/thermo/id/t-new/mon", payload(round, LARGE)));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fast_subscriber_gets_every_message_beside_one_that_never_reads() {
    let running = start().await;
    let mut fast = subscriber(&running, &Connect::new("fast")).await;
    let _never = subscriber(&running, &Connect::new("never")).await;
    for round in 0..ROUNDS {
        // No more at once than wait for a subscriber.
        for first in (0..DEVICES).step_by(500) {
            for number in first..first + 500 {
                running
                    .broker
                    .publish(&running.fixture.happens(&device(number), payload(round, SMALL)))
                    .await;
            }
            for number in first..first + 500 {
                let (topic, told) = read(&fast.packet().await.1);
                assert_eq!(topic, message(&device(number), "").topic);
                assert_eq!(told, payload(round, SMALL));
            }
        }
    }
}

#[tokio::test]
async fn every_retained_message_of_a_large_fleet_arrives() {
    let running = start().await;
    let count = 20_000;
    for number in 0..count {
        running.fixture.happens(&device(number), payload(0, SMALL));
    }
    let mut client = subscriber(&running, &Connect::new("late")).await;
    for number in 0..count {
        let (first, body) = client.packet().await;
        assert_eq!(first, 0x31);
        assert_eq!(read(&body).0, message(&device(number), "").topic);
    }
}

#[tokio::test]
async fn who_comes_back_to_a_session_gets_the_newest_message_of_each_client() {
    let mut running = start().await;
    let connect = Connect::new("console").persistent();
    let mut client = subscriber(&running, &connect).await;
    client.disconnect().await;
    client.closed().await;
    running.end_of("console").await;
    for text in ["first", "second"] {
        for number in 0..3 {
            running.broker.publish(&running.fixture.happens(&device(number), text)).await;
        }
    }
    let mut client = Raw::connect(&running.broker, &connect).await;
    for number in 0..3 {
        let (topic, told) = read(&client.packet().await.1);
        assert_eq!((topic, told.as_str()), (message(&device(number), "").topic, "second"));
    }
}

#[tokio::test]
async fn messages_name_the_subscription_that_they_come_of() {
    let running = start().await;
    running.fixture.happens("t-1", "state");
    let arguments = [
        "-V",
        "mqttv5",
        "-t",
        FILTER,
        "-D",
        "subscribe",
        "subscription-identifier",
        "7",
        "-C",
        "1",
        "-F",
        "%S %p",
    ];
    let output = running.mosquitto("mosquitto_sub", &arguments).output();
    let output = soon("a retained message", output).await.unwrap();
    assert_eq!(String::from_utf8(output.stdout).unwrap().trim(), "7 state");
}
