//! Retained messages: those of monitor topics come from the fleet, all others from memory.
//!
//! The broker's library asks when a client subscribes and when a message with the retain flag is published. The
//! state of a client lives in the fleet and nowhere else, so monitor messages are never stored here.

use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use rmqtt::retain::{RetainStorage, RetainTree};
use rmqtt::topic::Topic;
use rmqtt::types::{CodecPublish, From, Id, Publish, QoS, Retain, TimedValue, TopicFilter, TopicName};
use rmqtt::utils::timestamp_millis;
use tokio::sync::{RwLock, Semaphore};
use tokio::time::Instant;

use super::RetainedMonitor;
use super::topics;

/// Bounds of what clients may leave behind. Beyond them the newest message is not retained.
const COUNT_MAX: usize = 100_000;
const BYTES_MAX: usize = 256 * 1024 * 1024;
/// Answers of the size of a fleet that are gathered at the same time.
const SCANS_AT_A_TIME: usize = 2;
/// Expired messages are looked for at most this often, when there is no room.
const SWEEP_INTERVAL: Duration = Duration::from_secs(30);

pub struct Retained {
    monitor: Arc<dyn RetainedMonitor>,
    others: RwLock<Store>,
    scans: Semaphore,
    server: From,
}

impl Retained {
    pub fn new(monitor: Arc<dyn RetainedMonitor>, server: Id) -> Self {
        Self {
            monitor,
            others: RwLock::new(Store::default()),
            scans: Semaphore::new(SCANS_AT_A_TIME),
            server: From::from_system(server),
        }
    }

    fn monitor_message(&self, topic: String, payload: Vec<u8>) -> (TopicName, Retain) {
        let topic = TopicName::from(topic);
        let publish = CodecPublish {
            dup: false,
            retain: true,
            qos: QoS::AtMostOnce,
            topic: topic.clone(),
            packet_id: None,
            payload: payload.into(),
            properties: None,
        };
        let retain = Retain {
            msg_id: None,
            from: self.server.clone(),
            publish: Publish::from(publish).create_time(timestamp_millis()),
        };
        (topic, retain)
    }
}

/// What clients asked to retain.
#[derive(Default)]
struct Store {
    messages: RetainTree<TimedValue<Retain>>,
    count: usize,
    /// Topics and payloads.
    bytes: usize,
    swept: Option<Instant>,
}

fn size(retain: &Retain) -> usize {
    retain.publish.topic.len() + retain.publish.payload.len()
}

impl Store {
    /// Puts a message in the place of the one before it. `false` when there is no room.
    fn replace(&mut self, topic: &Topic, retain: Retain, expiry: Option<Duration>) -> bool {
        self.remove(topic);
        if retain.publish.payload.is_empty() {
            return true;
        }
        let size = size(&retain);
        if !self.has_room(size) {
            self.sweep();
        }
        if !self.has_room(size) {
            return false;
        }
        self.count += 1;
        self.bytes += size;
        self.messages.insert(topic, TimedValue::new(retain, expiry));
        true
    }

    fn remove(&mut self, topic: &Topic) {
        if let Some(old) = self.messages.remove(topic) {
            self.count -= 1;
            self.bytes -= size(old.value());
        }
    }

    const fn has_room(&self, size: usize) -> bool {
        self.count < COUNT_MAX && self.bytes + size <= BYTES_MAX
    }

    fn sweep(&mut self) {
        let now = Instant::now();
        if self.swept.is_some_and(|swept| now - swept < SWEEP_INTERVAL) {
            return;
        }
        self.swept = Some(now);
        let (count, bytes) = (&mut self.count, &mut self.bytes);
        self.messages.retain(usize::MAX, |message| {
            if message.is_expired() {
                *count -= 1;
                *bytes -= size(message.value());
            }
            !message.is_expired()
        });
    }
}

#[async_trait::async_trait]
impl RetainStorage for Retained {
    fn enable(&self) -> bool {
        true
    }

    async fn set(&self, topic: &TopicName, retain: Retain, _: Option<Duration>) -> rmqtt::Result<()> {
        if topics::is_reserved(topic) || topics::has_wildcards(topic) {
            return Ok(());
        }
        // Only the sender's interval counts; the listener's would let every retained message expire.
        let properties = retain.publish.properties.as_ref();
        let expiry = properties
            .and_then(|properties| properties.message_expiry_interval)
            .map(|seconds| Duration::from_secs(u64::from(seconds.get())));
        let parsed = Topic::from_str(topic)?;
        if !self.others.write().await.replace(&parsed, retain, expiry) {
            tracing::warn!(%topic, "no room for more retained messages: this one is delivered but not retained");
        }
        Ok(())
    }

    async fn get(&self, filter: &TopicFilter) -> rmqtt::Result<Vec<(TopicName, Retain)>> {
        let parsed = Topic::from_str(filter)?;
        let others = self.others.read().await.messages.matches(&parsed);
        let mut found: Vec<_> = others
            .into_iter()
            .filter(|(_, message)| !message.is_expired())
            .map(|(topic, message)| (TopicName::from(topic.to_string()), message.into_value()))
            .collect();
        if topics::may_match_reserved(filter) {
            let monitor = Arc::clone(&self.monitor);
            let wanted = filter.to_string();
            let _permit = self.scans.acquire().await?;
            // A filter may ask for the whole fleet, which takes a scan.
            let messages = tokio::task::spawn_blocking(move || monitor.matching(&wanted)).await?;
            found.extend(messages.into_iter().map(|(topic, payload)| self.monitor_message(topic, payload)));
        }
        Ok(found)
    }

    async fn count(&self) -> isize {
        isize::try_from(self.others.read().await.count).unwrap_or(isize::MAX)
    }

    async fn max(&self) -> isize {
        isize::try_from(COUNT_MAX).unwrap_or(isize::MAX)
    }
}
