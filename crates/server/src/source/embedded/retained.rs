//! Retained messages of clients, in memory.
//!
//! The broker's library asks when a client subscribes and when a message with the retain flag is published. The
//! state of a client lives in the fleet and nowhere else, so monitor messages are never stored here: they go to
//! [`super::subscribers`].

use std::str::FromStr;
use std::time::Duration;

use rmqtt::retain::{RetainStorage, RetainTree};
use rmqtt::topic::Topic;
use rmqtt::types::{Retain, TimedValue, TopicFilter, TopicName};
use tokio::sync::RwLock;
use tokio::time::Instant;

use super::{packet_size, routes, topics};
use crate::seldom::Seldom;

/// Bounds of what clients may leave behind. Beyond them the newest message is not retained.
const COUNT_MAX: usize = 100_000;
const BYTES_MAX: usize = 256 * 1024 * 1024;
/// Expired messages are looked for at most this often, when there is no room.
const SWEEP_INTERVAL: Duration = Duration::from_secs(30);

#[derive(Default)]
pub struct Retained {
    store: RwLock<Store>,
}

/// What clients asked to retain.
#[derive(Default)]
struct Store {
    messages: RetainTree<TimedValue<Retain>>,
    count: usize,
    /// What the messages and their senders' names take.
    bytes: usize,
    swept: Option<Instant>,
    /// Messages for which there was no room.
    refused: Seldom,
}

fn size(retain: &Retain) -> usize {
    let sender = &retain.from.id;
    let user = sender.username.as_ref().map_or(0, |user| user.len());
    packet_size::sent_bytes(&retain.publish) + sender.client_id.len() + user
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
        if topics::is_reserved(topic) || topics::problem(topic).is_some() {
            return Ok(());
        }
        // Only the sender's interval counts; the listener's would let every retained message expire.
        let properties = retain.publish.properties.as_ref();
        let expiry = properties
            .and_then(|properties| properties.message_expiry_interval)
            .map(|seconds| Duration::from_secs(u64::from(seconds.get())));
        let parsed = Topic::from_str(&routes::hidden(topic))?;
        let mut store = self.store.write().await;
        if !store.replace(&parsed, retain, expiry) && store.refused.count(1).is_some() {
            let (count, bytes) = (store.count, store.bytes);
            tracing::warn!(
                %topic,
                count,
                bytes,
                "no room for more retained messages: this one and others are delivered but not retained"
            );
        }
        Ok(())
    }

    async fn get(&self, filter: &TopicFilter) -> rmqtt::Result<Vec<(TopicName, Retain)>> {
        let parsed = Topic::from_str(&routes::hidden(filter))?;
        let found = self.store.read().await.messages.matches(&parsed);
        let found = found.into_iter().filter(|(_, message)| !message.is_expired());
        let shown = |topic: Topic| TopicName::from(routes::shown(&topic.to_string()).into_owned());
        Ok(found.map(|(topic, message)| (shown(topic), message.into_value())).collect())
    }

    async fn count(&self) -> isize {
        isize::try_from(self.store.read().await.count).unwrap_or(isize::MAX)
    }

    async fn max(&self) -> isize {
        isize::try_from(COUNT_MAX).unwrap_or(isize::MAX)
    }
}

#[cfg(test)]
mod tests {
    use rmqtt::codec::v5::PublishProperties;
    use rmqtt::types::{CodecPublish, From, Id, Publish, QoS};

    use super::*;

    fn message(topic: &str, properties: PublishProperties) -> Retain {
        let publish = Publish::from(CodecPublish {
            dup: false,
            retain: true,
            qos: QoS::AtMostOnce,
            topic: topic.into(),
            packet_id: None,
            payload: "x".into(),
            properties: Some(properties),
        });
        Retain { msg_id: None, from: From::from_custom(Id::from(1, "client".into())), publish }
    }

    /// Only topics and payloads counted, and a message may have a megabyte of user properties.
    #[test]
    fn properties_take_room_too() {
        let user_properties = vec![("name".into(), "x".repeat(60_000).into()); 17];
        let properties = PublishProperties { user_properties, ..PublishProperties::default() };
        let mut store = Store::default();
        let stored = (0..1_000).take_while(|number| {
            let topic = format!("plant/{number}");
            let parsed = Topic::from_str(&topic).unwrap();
            store.replace(&parsed, message(&topic, properties.clone()), None)
        });
        let stored = stored.count();
        assert!((200..300).contains(&stored), "{stored}");
        assert_eq!(store.count, stored);
        assert!(store.refused.count(1).is_some() && store.refused.count(1).is_none());
        for number in 0..stored {
            store.remove(&Topic::from_str(&format!("plant/{number}")).unwrap());
        }
        assert_eq!((store.count, store.bytes), (0, 0));
    }
}
