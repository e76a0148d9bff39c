//! What clients publish, for one that reads too slowly: bounded, in order, and the connection goes on.

use crate::harness::{Connect, Raw, packet, publish, start, string, subscribe};

const SIZE: usize = 1_000_000;
const COUNT: u32 = 120;

/// Publishes at QoS 1 and waits until the broker has taken it.
async fn publish_all(client: &mut Raw, topic: &str, payload: &[u8]) {
    client.send(&publish(4, topic, 1, payload)).await;
    assert_eq!(client.packet().await.0, 0x40);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_what_a_slow_client_cannot_take_only_so_much_waits_and_the_rest_is_dropped() {
    let running = start().await;
    let mut slow = Raw::connect(&running.broker, &Connect::new("slow")).await;
    slow.send(&subscribe(4, "plant/+", 0)).await;
    assert_eq!(slow.suback().await, 0);
    let mut publisher = Raw::connect(&running.broker, &Connect::new("publisher")).await;
    let mut payload = vec![0; SIZE];
    for number in 0..COUNT {
        payload[..4].copy_from_slice(&number.to_be_bytes());
        publish_all(&mut publisher, "plant/large", &payload).await;
    }
    let header = string("plant/large").len();
    let mut numbers = Vec::new();
    loop {
        let (_, body) = slow.packet().await;
        if body.len() < SIZE {
            break;
        }
        numbers.push(u32::from_be_bytes(body[header..header + 4].try_into().unwrap()));
        // There is room for this in the end.
        publish_all(&mut publisher, "plant/small", b"end").await;
    }
    assert!(numbers.is_sorted_by(|a, b| a < b), "{numbers:?}");
    assert!((16..COUNT as usize).contains(&numbers.len()), "{} messages", numbers.len());
    slow.send(&packet(0xC0, &[])).await;
    while slow.packet().await.0 != 0xD0 {}
}

#[tokio::test]
async fn who_comes_back_to_a_session_gets_what_was_published_meanwhile_in_order() {
    let mut running = start().await;
    let mut publisher = Raw::connect(&running.broker, &Connect::new("publisher")).await;
    for version in [4, 5] {
        let id = format!("away-{version}");
        let connect = Connect::new(&id).version(version).persistent();
        let mut client = Raw::connect(&running.broker, &connect).await;
        client.send(&subscribe(version, "plant/+", 1)).await;
        assert_eq!(client.suback().await, 1);
        for round in 0..3 {
            client.disconnect().await;
            client.closed().await;
            running.end_of(&id).await;
            for number in 0..100 {
                publish_all(&mut publisher, "plant/1", format!("{round}-{number}").as_bytes()).await;
            }
            client = Raw::connect(&running.broker, &connect).await;
            for number in 0..100 {
                let (first, body) = client.packet().await;
                assert_eq!(first, 0x32, "{id}");
                assert!(body.ends_with(format!("{round}-{number}").as_bytes()), "{id} {round} {number}");
                let header = string("plant/1").len();
                client.send(&packet(0x40, &body[header..header + 2])).await;
            }
        }
    }
}
