//! The monitor: the live tail of the events as MQTT messages, one topic per client.
//!
//! The recorder hands it the events of each batch; it hands messages to the embedded broker. Nothing is stored
//! here: a client's retained message is made from its state in the fleet when somebody subscribes, so it is right
//! after a restart, too, and costs no memory.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use rollcall_model::client_id::{DEFAULT_DEVICE_TYPE, decode_topic_level, encode_topic_level};
use rollcall_model::monitor::{ACTIVITY_SUFFIX, Action, MonitorMessage};
use rollcall_model::{ClientId, ClientType, ConnectionEvent, EventKind};
use tokio::sync::mpsc;
use tokio::time::MissedTickBehavior;

use crate::fleet::Fleet;
use crate::source::embedded::{EmbeddedBroker, RetainedMonitor};

/// At most one activity message per client in this time.
const ACTIVITY_INTERVAL: Duration = Duration::from_secs(1);
/// The most clients whose activity waits for the next interval; what is more is not told (the state has it).
const ACTIVITY_PENDING_MAX: usize = 200_000;

/// A message on its way to the subscribers.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Outgoing {
    topic: String,
    payload: Vec<u8>,
    retain: bool,
}

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
        let outgoing: Vec<Outgoing> = tokio::select! {
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
            broker.publish(&message.topic, message.payload, message.retain).await;
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

fn outgoing(event: &ConnectionEvent) -> Option<Outgoing> {
    let message = MonitorMessage::from_event(event)?;
    let id = ClientId::parse(&event.client_id);
    let mut topic = id.monitor_topic(&event.client_id);
    if message.action == Action::Activity {
        topic.push_str(ACTIVITY_SUFFIX);
    }
    let retain = match &event.kind {
        EventKind::Connect { .. } => true,
        EventKind::Disconnect { end, .. } => id.client_type != ClientType::Application && !end.is_takeover(),
        _ => false,
    };
    Some(Outgoing { topic, payload: encode(&message)?, retain })
}

fn encode(message: &MonitorMessage) -> Option<Vec<u8>> {
    serde_json::to_vec(message)
        .inspect_err(
            |error| tracing::error!(%error, client = message.client_id, "cannot write a monitor message"),
        )
        .ok()
}

/// Answers subscriptions with the retained messages, from the fleet.
pub struct FleetRetained(pub Arc<Fleet>);

impl RetainedMonitor for FleetRetained {
    fn matching(&self, topic_filter: &str) -> Vec<(String, Vec<u8>)> {
        let levels: Vec<&str> = topic_filter.split('/').collect();
        let slots = match levels.as_slice() {
            ["iot-2", "type", device_type, "id", device_id, "mon"] if !levels.contains(&"+") => {
                self.slots_of_topic(device_type, device_id)
            }
            levels => self.0.slots_of(|kind, device_type| may_match(levels, kind, device_type)),
        };
        let topic = |id: &str| ClientId::parse(id).monitor_topic(id);
        let mut found = Vec::new();
        self.0.for_each_in(
            &slots,
            |id| topic_matches(topic_filter, &topic(id)),
            |state| {
                let message = MonitorMessage::retained(state);
                found.extend(message.as_ref().and_then(encode).map(|payload| (topic(&state.id), payload)));
            },
        );
        found
    }
}

impl FleetRetained {
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

/// Whether a topic passes a filter with `+` in any level. `#` is not for monitor topics.
fn topic_matches(filter: &str, topic: &str) -> bool {
    let mut levels = topic.split('/');
    filter.split('/').all(|wanted| levels.next().is_some_and(|level| wanted == "+" || wanted == level))
        && levels.next().is_none()
}

#[cfg(test)]
mod tests {
    use rollcall_model::{Certainty, Peer, SessionKey, Timestamp};

    use super::*;

    fn connect(id: &str) -> ConnectionEvent {
        let time = Timestamp::from_millis(1_790_000_000_000);
        let session = SessionKey { start: time, connection: 0 };
        let kind = EventKind::Connect { session, certainty: Certainty::Reported };
        ConnectionEvent { client_id: id.to_owned(), time, peer: Peer::default(), kind }
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
        let retained = FleetRetained(Arc::new(fleet));
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
                ids.map(topic).into_iter().filter(|topic| topic_matches(&filter, topic)).collect();
            let mut found: Vec<_> = retained.matching(&filter).into_iter().map(|(topic, _)| topic).collect();
            expect.sort_unstable();
            found.sort_unstable();
            assert_eq!(found, expect, "{filter}");
        }
    }

    #[test]
    fn a_plus_stands_for_exactly_one_level() {
        let topic = "iot-2/type/thermo/id/t-17/mon";
        for filter in [topic, "iot-2/type/+/id/+/mon", "+/+/+/+/+/+", "iot-2/type/thermo/id/+/mon"] {
            assert!(topic_matches(filter, topic), "{filter}");
        }
        for filter in ["iot-2/type/+/id/+", "iot-2/type/+/id/+/mon/act", "iot-2/app/+/mon", "+", ""] {
            assert!(!topic_matches(filter, topic), "{filter}");
        }
    }
}
