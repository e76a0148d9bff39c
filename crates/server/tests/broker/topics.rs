//! Topics and filters that are unusual, or that nobody may have.

use crate::harness::{Connect, Raw, publish, start, subscribe};

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
