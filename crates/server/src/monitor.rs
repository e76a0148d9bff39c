//! The monitor: the live tail of the events as MQTT messages, one topic per client.
//!
//! The recorder hands it the events of each batch; it hands messages to the embedded broker. Nothing is stored
//! here: a client's retained message is made from its state in the fleet when somebody subscribes, so it is right
//! after a restart, too, and costs no memory.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use rollcall_model::client_id::{DEFAULT_DEVICE_TYPE, decode_topic_level, encode_topic_level};
use rollcall_model::monitor::{ACTIVITY_SUFFIX, Action, MonitorMessage};
use rollcall_model::{ClientId, ClientState, ClientType, ConnectionEvent, EventKind};
use tokio::sync::mpsc;
use tokio::time::MissedTickBehavior;

use crate::fleet::Fleet;
use crate::source::embedded::{EmbeddedBroker, MonitorMessages, MonitorPublish, topics};

/// At most one activity message per client in this time.
const ACTIVITY_INTERVAL: Duration = Duration::from_secs(1);
/// The most clients whose activity waits for the next interval; what is more is not told (the state has it).
const ACTIVITY_PENDING_MAX: usize = 200_000;

/// What fits into a packet (MQTT 5, section 1.5.4). A client id can be as long, and its topic longer. Nobody is sent
/// messages on such a topic: the attempt would end the session.
const TOPIC_BYTES_MAX: usize = 65_535;

/// Publishes what the recorder sends until the recorder has gone.
pub async fn run(
    fleet: Arc<Fleet>,
    broker: Arc<EmbeddedBroker>,
    mut events: mpsc::Receiver<Vec<ConnectionEvent>>,
) {
    let mut activity: HashMap<String, ConnectionEvent> = HashMap::new();
    let mut interval = tokio::time::interval(ACTIVITY_INTERVAL);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let outgoing: Vec<MonitorPublish> = tokio::select! {
            batch = events.recv() => {
                let Some(batch) = batch else { return };
                let (active, told): (Vec<_>, Vec<_>) =
                    batch.into_iter().partition(|event| matches!(event.kind, EventKind::Activity { .. }));
                for event in active {
                    if activity.len() < ACTIVITY_PENDING_MAX || activity.contains_key(&event.client_id) {
                        activity.insert(event.client_id.clone(), event);
                    }
                }
                told.iter().filter(|event| !is_late(&fleet, event)).filter_map(outgoing).collect()
            }
            _ = interval.tick() => activity.drain().filter_map(|(_, event)| outgoing(&event)).collect(),
        };
        for message in outgoing {
            broker.publish(&message).await;
        }
    }
}

/// Whether the event ends a session that an open newer one had already replaced. Subscribers know no sessions:
/// they would take it for the end of the newer one. The log has it.
fn is_late(fleet: &Fleet, event: &ConnectionEvent) -> bool {
    let EventKind::Disconnect { session: Some(session), end } = &event.kind else { return false };
    if end.is_takeover() {
        return false;
    }
    let Some(current) = fleet.get(&event.client_id).and_then(|state| state.current) else { return false };
    *session < current.key && end.time > current.key.start
}

fn outgoing(event: &ConnectionEvent) -> Option<MonitorPublish> {
    let message = MonitorMessage::from_event(event)?;
    let id = ClientId::parse(&event.client_id);
    let mut topic = id.monitor_topic(&event.client_id);
    if message.action == Action::Activity {
        topic.push_str(ACTIVITY_SUFFIX);
    }
    let (retain, is_state) = match &event.kind {
        EventKind::Connect { .. } => (true, true),
        EventKind::Disconnect { end, .. } if end.is_takeover() => (false, false),
        EventKind::Disconnect { .. } => (id.client_type != ClientType::Application, true),
        _ => (false, false),
    };
    publish(&message, topic, retain, is_state)
}

/// The message as the broker takes it; `None` when nobody can be sent it.
fn publish(message: &MonitorMessage, topic: String, retain: bool, is_state: bool) -> Option<MonitorPublish> {
    if topic.len() > TOPIC_BYTES_MAX {
        return None;
    }
    let payload = encode(message)?.into();
    Some(MonitorPublish { client_id: message.client_id.clone(), topic, payload, retain, is_state })
}

fn encode(message: &MonitorMessage) -> Option<Vec<u8>> {
    serde_json::to_vec(message)
        .inspect_err(
            |error| tracing::error!(%error, client = message.client_id, "cannot write a monitor message"),
        )
        .ok()
}

/// Makes monitor messages from the fleet.
pub struct FleetMessages(pub Arc<Fleet>);

impl MonitorMessages for FleetMessages {
    fn number(&self, client_id: &str) -> Option<u32> {
        self.0.slot(client_id)
    }

    fn numbers_of(&self, topic: &str) -> Vec<u32> {
        match topic.split('/').collect::<Vec<_>>().as_slice() {
            ["iot-2", "type", device_type, "id", device_id, "mon"] => {
                self.slots_of_topic(device_type, device_id)
            }
            _ => Vec::new(),
        }
    }

    fn end(&self) -> u32 {
        u32::try_from(self.0.len()).unwrap_or(u32::MAX)
    }

    fn newest(&self, client: u32) -> Option<MonitorPublish> {
        let state = self.0.state_at(client)?;
        let id = ClientId::parse(&state.id);
        // An application that has gone leaves no retained message.
        let retain = state.is_connected() || id.client_type != ClientType::Application;
        from_state(&state, &MonitorMessage::newest(&state)?, retain)
    }

    fn retained(&self, topic_filter: &str, clients: Range<u32>) -> (Option<MonitorPublish>, Option<u32>) {
        let levels: Vec<&str> = topic_filter.split('/').collect();
        let (state, next) = if is_device(&levels) {
            let slots = self.numbers_of(topic_filter).into_iter().filter(|slot| clients.contains(slot));
            let slot = slots.min();
            (slot.and_then(|slot| self.0.state_at(slot)), slot.map(|slot| slot + 1))
        } else {
            self.0.first_of(
                clients,
                |kind, device_type| may_match(&levels, kind, device_type),
                |id| topics::matches(topic_filter, &ClientId::parse(id).monitor_topic(id)),
            )
        };
        let message = state.and_then(|state| {
            MonitorMessage::retained(&state).and_then(|told| from_state(&state, &told, true))
        });
        // An id that follows no grammar is looked up by its device id alone.
        (message.filter(|message| topics::matches(topic_filter, &message.topic)), next)
    }
}

/// Whether a filter names one device.
fn is_device(levels: &[&str]) -> bool {
    matches!(levels, ["iot-2", "type", _, "id", _, "mon"]) && !levels.contains(&"+")
}

fn from_state(state: &ClientState, message: &MonitorMessage, retain: bool) -> Option<MonitorPublish> {
    publish(message, ClientId::parse(&state.id).monitor_topic(&state.id), retain, true)
}

impl FleetMessages {
    /// The clients whose topic has exactly these levels. Ids that follow no grammar are their own device id.
    fn slots_of_topic(&self, device_type: &str, device_id: &str) -> Vec<u32> {
        let decoded = decode_topic_level(device_type).zip(decode_topic_level(device_id));
        let Some((device_type, device_id)) = decoded else { return Vec::new() };
        let mut slots = self.0.devices(&device_type, &device_id);
        slots.extend(self.0.slot(&device_id).filter(|slot| !slots.contains(slot)));
        slots
    }
}

/// Whether any client of these types can have a topic that passes a filter with these levels.
fn may_match(levels: &[&str], client_type: ClientType, device_type: Option<&str>) -> bool {
    let device_type = encode_topic_level(device_type.unwrap_or(DEFAULT_DEVICE_TYPE));
    let known: &[Option<&str>] = match client_type {
        ClientType::Application => &[Some("iot-2"), Some("app"), None, Some("mon")],
        _ => &[Some("iot-2"), Some("type"), Some(&device_type), Some("id"), None, Some("mon")],
    };
    let is_possible = |(wanted, known): (&&str, &Option<&str>)| {
        *wanted == "+" || known.is_none_or(|level| level == *wanted)
    };
    levels.len() == known.len() && levels.iter().zip(known).all(is_possible)
}

#[cfg(test)]
mod tests {
    use rollcall_model::{ActivityEvent, Certainty, Peer, SessionKey, Timestamp};

    use super::*;

    fn connect(id: &str) -> ConnectionEvent {
        let time = Timestamp::from_millis(1_790_000_000_000);
        let session = SessionKey { start: time, connection: 0 };
        let kind = EventKind::Connect { session, certainty: Certainty::Reported };
        ConnectionEvent { client_id: id.to_owned(), time, peer: Peer::default(), kind }
    }

    /// A message on a topic that fits into no packet ended the session of every subscriber, and the retained one the next.
    #[test]
    fn a_client_whose_topic_would_fit_into_no_packet_has_no_messages() {
        let (longest, too_long) = ("x".repeat(65_535 - 23), "x".repeat(65_535 - 22));
        let encoded = "/".repeat(30_000);
        let fleet = Fleet::new();
        let connects = [&longest, &too_long, &encoded].map(|id| connect(id));
        fleet.apply(&connects);
        let messages = FleetMessages(Arc::new(fleet));
        let told = connects.map(|event| outgoing(&event).is_some());
        assert_eq!(told, [true, false, false]);
        let newest = [0, 1, 2].map(|client| messages.newest(client).is_some());
        assert_eq!(newest, [true, false, false]);
        let activity = |id: &str| {
            let kind = EventKind::Activity { session: None, event: ActivityEvent::Publish };
            outgoing(&ConnectionEvent { kind, ..connect(id) })
        };
        assert!(activity("x").is_some() && activity(&longest).is_none());
    }

    #[test]
    fn every_filter_finds_the_clients_whose_topics_match_it_and_no_others() {
        let ids = [
            "d:acme:thermo:t-17",
            "g:acme:thermo:t-17",
            "d:other:thermo:t-17",
            "d:acme:thermo:t-18",
            "d:acme:mo:t-17",
            "d:acme:mqtt:t-1",
            "t-17",
            "t-1",
            "a/b+c",
            "a:acme:console",
            "A:acme:console:1",
            "a:acme:demo-x",
            "",
        ];
        let fleet = Fleet::new();
        fleet.apply(&ids.map(connect));
        let messages = FleetMessages(Arc::new(fleet));
        let topic = |id: &str| ClientId::parse(id).monitor_topic(id);
        let wild = [
            "iot-2/type/+/id/+/mon",
            "iot-2/type/thermo/id/+/mon",
            "iot-2/type/+/id/t-17/mon",
            "iot-2/app/+/mon",
            "+/+/+/+/+/+",
            "+/+/+/+",
            "iot-2/type/mqtt/id/+/mon",
            "iot-2/type/%zz/id/x/mon",
            "iot-2",
            "",
        ];
        for filter in wild.map(str::to_owned).into_iter().chain(ids.map(topic)) {
            let mut expect: Vec<_> =
                ids.map(topic).into_iter().filter(|topic| topics::matches(&filter, topic)).collect();
            let (mut found, mut next) = (Vec::new(), Some(0));
            while let Some(from) = next {
                let (message, more) = messages.retained(&filter, from..messages.end());
                found.extend(message.map(|message| message.topic));
                next = more;
            }
            expect.sort_unstable();
            found.sort_unstable();
            assert_eq!(found, expect, "{filter}");
        }
    }
}
