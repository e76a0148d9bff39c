//! What waits for one subscriber of monitor topics.
//!
//! The session of a subscriber gets a few messages ahead. As long as it takes them as fast as they come, each event is
//! told. What comes faster waits, up to a bound; beyond it only the client is noted, and its newest message is made
//! from its state when there is room: a slow subscriber gets the latest of each client, and takes a bit of memory for
//! each. Retained messages are made as they are taken, too. Used by [`super::subscribers`]; knows no session.

use std::collections::VecDeque;
use std::num::NonZeroU32;

use bytes::Bytes;
use rmqtt::codec::v5::PublishProperties;
use rmqtt::types::{CodecPublish, Publish, QoS, TopicFilter};
use rmqtt::utils::timestamp_millis;

use super::{MonitorMessages, MonitorPublish, topics};

/// Messages that a session may have and not have sent.
const AHEAD_MAX: usize = 256;
/// Messages that wait as they are, and their bytes.
const WAITING_MAX: usize = 1_000;
const WAITING_BYTES_MAX: usize = 1 << 20;
/// How often the fleet is asked in one go.
const LOOKS: usize = 16;

/// See the module.
#[derive(Debug, Default)]
pub struct Outbox {
    ahead: usize,
    waiting: VecDeque<Publish>,
    waiting_bytes: usize,
    behind: Vec<Behind>,
    retained: VecDeque<Sweep>,
    /// Filters of the subscriptions.
    filters: Vec<TopicFilter>,
    /// What is retained and what is new take turns.
    is_turn_of_retained: bool,
}

/// How messages are to look that come of the same subscriptions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manner {
    /// The subscriber wants to know which messages are retained (MQTT 5).
    pub keeps_retain: bool,
    pub subscription_ids: Vec<NonZeroU32>,
}

/// Clients whose newest message is owed.
#[derive(Debug)]
struct Behind {
    manner: Manner,
    clients: Clients,
}

/// A walk through the retained messages of a filter.
#[derive(Debug)]
struct Sweep {
    filter: TopicFilter,
    subscription_ids: Vec<NonZeroU32>,
    next: u32,
    end: u32,
}

/// What there is to send.
#[derive(Debug)]
pub enum Next {
    Message(Publish),
    /// There may be more; ask again.
    Unknown,
    /// Nothing, or no room.
    Nothing,
}

impl Outbox {
    /// Takes in a message for a subscriber that is connected or will be again.
    pub fn offer(
        &mut self,
        message: &MonitorPublish,
        manner: Manner,
        is_connected: bool,
        messages: &dyn MonitorMessages,
    ) {
        if is_connected && self.waiting.len() < WAITING_MAX && self.waiting_bytes < WAITING_BYTES_MAX {
            let retain = manner.keeps_retain && message.retain;
            let ids = manner.subscription_ids;
            let message = publish(&message.topic, message.payload.clone(), retain, ids);
            self.waiting_bytes += bytes(&message);
            self.waiting.push_back(message);
        } else if message.is_state
            && let Some(client) = messages.number(&message.client_id)
        {
            self.owe(client, manner);
        }
    }

    fn owe(&mut self, client: u32, manner: Manner) {
        let at = self.behind.iter().position(|behind| behind.manner == manner).unwrap_or_else(|| {
            self.behind.push(Behind { manner, clients: Clients::default() });
            self.behind.len() - 1
        });
        if let Some(behind) = self.behind.get_mut(at) {
            behind.clients.insert(client);
        }
    }

    /// Adds a subscription. Returns whether it is a new one.
    pub fn add(&mut self, filter: &TopicFilter) -> bool {
        let is_new = !self.filters.contains(filter);
        if is_new {
            self.filters.push(filter.clone());
        }
        is_new
    }

    /// Removes a subscription. Returns whether none is left.
    pub fn remove(&mut self, filter: &str) -> bool {
        self.filters.retain(|known| known != filter);
        self.retained.retain(|sweep| sweep.filter != filter);
        self.filters.is_empty()
    }

    /// Sends the retained messages of a subscription, from the first again if they are being sent.
    pub fn send_retained(&mut self, filter: &TopicFilter, id: Option<NonZeroU32>, clients: u32) {
        self.retained.retain(|sweep| sweep.filter != *filter);
        let sweep = Sweep {
            filter: filter.clone(),
            subscription_ids: id.into_iter().collect(),
            next: 0,
            end: clients,
        };
        self.retained.push_back(sweep);
    }

    /// The next message for the session, which counts as one that it has.
    pub fn next(&mut self, messages: &dyn MonitorMessages) -> Next {
        if self.ahead >= AHEAD_MAX {
            return Next::Nothing;
        }
        self.is_turn_of_retained = !self.is_turn_of_retained;
        let next = match self.is_turn_of_retained {
            true => or_else(self.next_retained(messages), || self.next_new(messages)),
            false => or_else(self.next_new(messages), || self.next_retained(messages)),
        };
        self.ahead += usize::from(matches!(next, Next::Message(_)));
        next
    }

    fn next_new(&mut self, messages: &dyn MonitorMessages) -> Next {
        if let Some(message) = self.waiting.pop_front() {
            self.waiting_bytes -= bytes(&message);
            return Next::Message(message);
        }
        for Behind { manner, clients } in &mut self.behind {
            while let Some(client) = clients.take() {
                let Some(message) = messages.newest(client) else { continue };
                // A subscription may have ended meanwhile; the first may not have been told of.
                let mut filters = self.filters.iter();
                if filters.len() == 0 || filters.any(|filter| topics::matches(filter, &message.topic)) {
                    let retain = manner.keeps_retain && message.retain;
                    let ids = manner.subscription_ids.clone();
                    return Next::Message(publish(&message.topic, message.payload, retain, ids));
                }
            }
        }
        Next::Nothing
    }

    fn next_retained(&mut self, messages: &dyn MonitorMessages) -> Next {
        for _ in 0..LOOKS {
            let Some(sweep) = self.retained.front_mut() else { return Next::Nothing };
            let (found, next) = messages.retained(&sweep.filter, sweep.next..sweep.end);
            let message = found.map(|message| {
                publish(&message.topic, message.payload, true, sweep.subscription_ids.clone())
            });
            match next {
                Some(next) => sweep.next = next,
                None => {
                    self.retained.pop_front();
                }
            }
            if let Some(message) = message {
                return Next::Message(message);
            }
        }
        Next::Unknown
    }

    /// The session has sent a message.
    pub fn sent(&mut self) {
        self.ahead = self.ahead.saturating_sub(1);
    }

    /// The session could not keep a message about these clients.
    pub fn dropped(&mut self, clients: Vec<u32>) {
        self.sent();
        for client in clients {
            // Which subscriptions it came of is not known any more.
            self.owe(client, Manner { keeps_retain: false, subscription_ids: Vec::new() });
        }
    }

    /// There is another session in the place of the one before, or none.
    pub fn restart(&mut self) {
        self.ahead = 0;
    }
}

fn or_else(next: Next, other: impl FnOnce() -> Next) -> Next {
    match next {
        Next::Message(_) => next,
        Next::Nothing => other(),
        Next::Unknown => match other() {
            Next::Nothing => Next::Unknown,
            found => found,
        },
    }
}

fn bytes(message: &Publish) -> usize {
    message.topic.len() + message.payload.len()
}

fn publish(topic: &str, payload: Bytes, retain: bool, ids: Vec<NonZeroU32>) -> Publish {
    let properties = (!ids.is_empty())
        .then(|| PublishProperties { subscription_ids: ids, ..PublishProperties::default() });
    let message = CodecPublish {
        dup: false,
        retain,
        qos: QoS::AtMostOnce,
        topic: topic.into(),
        packet_id: None,
        payload,
        properties,
    };
    Publish::from(message).create_time(timestamp_millis())
}

/// A set of clients by their numbers, one bit each. They are taken in a circle, so that none waits for ever.
#[derive(Debug, Default)]
struct Clients {
    words: Vec<u64>,
    count: usize,
    /// The word to look at next.
    next: usize,
}

impl Clients {
    fn insert(&mut self, client: u32) {
        let (word, bit) = (client as usize / 64, 1_u64 << (client % 64));
        if self.words.len() <= word {
            self.words.resize(word + 1, 0);
        }
        if let Some(word) = self.words.get_mut(word).filter(|word| **word & bit == 0) {
            *word |= bit;
            self.count += 1;
        }
    }

    fn take(&mut self) -> Option<u32> {
        while self.count > 0 {
            match self.words.get_mut(self.next) {
                Some(0) => self.next += 1,
                Some(word) => {
                    let bit = word.trailing_zeros();
                    *word &= *word - 1;
                    self.count -= 1;
                    return Some(self.next as u32 * 64 + bit);
                }
                None => self.next = 0,
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use std::ops::Range;

    use super::*;

    /// A fleet of which every third client has a retained message.
    struct Thirds;

    fn message(client: u32, text: &str) -> MonitorPublish {
        MonitorPublish {
            client_id: client.to_string(),
            topic: format!("iot-2/app/{client}/mon"),
            payload: text.to_owned().into(),
            retain: true,
            is_state: true,
        }
    }

    impl MonitorMessages for Thirds {
        fn number(&self, client_id: &str) -> Option<u32> {
            client_id.parse().ok()
        }

        fn numbers_of(&self, _: &str) -> Vec<u32> {
            Vec::new()
        }

        fn end(&self) -> u32 {
            u32::MAX
        }

        fn newest(&self, client: u32) -> Option<MonitorPublish> {
            Some(message(client, "newest"))
        }

        fn retained(&self, _: &str, clients: Range<u32>) -> (Option<MonitorPublish>, Option<u32>) {
            let client = clients.start;
            let found = client.is_multiple_of(3).then(|| message(client, "retained"));
            (found, (client + 1 < clients.end).then_some(client + 1))
        }
    }

    fn plain() -> Manner {
        Manner { keeps_retain: false, subscription_ids: Vec::new() }
    }

    /// Client and text of everything there is to send, in order; each is sent before the next is taken.
    fn sent(outbox: &mut Outbox) -> Vec<(u32, String)> {
        let mut sent = Vec::new();
        loop {
            match outbox.next(&Thirds) {
                Next::Message(message) => {
                    let client = message.topic.split('/').nth(2).unwrap_or_default().parse();
                    sent.push((client.unwrap_or(u32::MAX), String::from_utf8_lossy(&message.payload).into()));
                    outbox.sent();
                }
                Next::Unknown => {}
                Next::Nothing => return sent,
            }
        }
    }

    #[test]
    fn a_session_never_has_more_than_a_few_messages_that_it_has_not_sent() {
        let mut outbox = Outbox::default();
        for client in 0..400 {
            outbox.offer(&message(client, "told"), plain(), true, &Thirds);
        }
        let ahead = std::iter::from_fn(|| matches!(outbox.next(&Thirds), Next::Message(_)).then_some(()));
        assert_eq!(ahead.count(), AHEAD_MAX);
        outbox.sent();
        assert!(matches!(outbox.next(&Thirds), Next::Message(_)));
        assert!(matches!(outbox.next(&Thirds), Next::Nothing));
    }

    #[test]
    fn of_what_does_not_fit_the_newest_of_each_client_is_sent_once() {
        let mut outbox = Outbox::default();
        let fits = u32::try_from(WAITING_MAX).unwrap_or_default();
        for client in 0..fits {
            outbox.offer(&message(client, "told"), plain(), true, &Thirds);
        }
        for client in [70, 5, 70, 5, 4_000_000] {
            outbox.offer(&message(client, "conflated"), plain(), true, &Thirds);
        }
        outbox.offer(&MonitorPublish { is_state: false, ..message(9, "activity") }, plain(), true, &Thirds);
        let sent = sent(&mut outbox);
        assert!(sent.iter().take(WAITING_MAX).all(|(_, text)| text == "told"));
        let rest: Vec<_> = sent.into_iter().skip(WAITING_MAX).collect();
        let newest = |client| (client, "newest".to_owned());
        assert_eq!(rest, [newest(5), newest(70), newest(4_000_000)]);
    }

    #[test]
    fn large_messages_do_not_wait_in_any_number() {
        let mut outbox = Outbox::default();
        let large = "x".repeat(WAITING_BYTES_MAX / 4);
        for client in 0..20 {
            outbox.offer(&message(client, &large), plain(), true, &Thirds);
        }
        let sent = sent(&mut outbox);
        assert_eq!(sent.len(), 20);
        assert_eq!(sent.iter().filter(|(_, text)| text == "newest").count(), 16);
    }

    #[test]
    fn retained_messages_and_new_ones_take_turns() {
        let mut outbox = Outbox::default();
        let filter = TopicFilter::from("iot-2/app/+/mon");
        assert!(outbox.add(&filter));
        assert!(!outbox.add(&filter));
        outbox.send_retained(&filter, None, 30);
        for client in 100..105 {
            outbox.offer(&message(client, "told"), plain(), true, &Thirds);
        }
        let sent = sent(&mut outbox);
        let clients: Vec<_> = sent.iter().map(|(client, _)| *client).collect();
        assert_eq!(clients, [0, 100, 3, 101, 6, 102, 9, 103, 12, 104, 15, 18, 21, 24, 27]);
    }

    #[test]
    fn what_was_owed_to_a_subscription_that_has_ended_is_not_sent() {
        let mut outbox = Outbox::default();
        for filter in ["iot-2/app/+/mon", "iot-2/app/8/mon"] {
            outbox.add(&TopicFilter::from(filter));
        }
        outbox.send_retained(&TopicFilter::from("iot-2/app/+/mon"), None, 30);
        for client in [7, 8] {
            outbox.offer(&message(client, "missed"), plain(), false, &Thirds);
        }
        assert!(!outbox.remove("iot-2/app/+/mon"));
        assert_eq!(sent(&mut outbox), [(8, "newest".to_owned())]);
        assert!(outbox.remove("iot-2/app/8/mon"));
    }

    #[test]
    fn messages_look_as_the_subscription_wants_them() {
        let mut outbox = Outbox::default();
        let ids = NonZeroU32::new(7).into_iter().collect::<Vec<_>>();
        let manner = Manner { keeps_retain: true, subscription_ids: ids.clone() };
        outbox.offer(&message(1, "told"), manner.clone(), true, &Thirds);
        outbox.offer(&message(2, "missed"), manner, false, &Thirds);
        outbox.offer(&message(3, "told"), plain(), true, &Thirds);
        let mut looks = Vec::new();
        while let Next::Message(message) = outbox.next(&Thirds) {
            let ids = message.properties.as_ref().map(|properties| properties.subscription_ids.clone());
            looks.push((message.retain, ids));
        }
        assert_eq!(looks, [(true, Some(ids.clone())), (false, None), (true, Some(ids))]);
    }
}
