//! The monitor: the live tail of the events as MQTT messages, one topic per client.
//!
//! The recorder hands it the events of each batch; it hands messages to the embedded broker. Nothing is stored
//! here: a client's retained message is made from its state in the fleet when somebody subscribes, so it is right
//! after a restart, too, and costs no memory.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

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
        let mut found = Vec::new();
        self.0.for_each(|state| {
            let topic = ClientId::parse(&state.id).monitor_topic(&state.id);
            if topic_matches(topic_filter, &topic) {
                let message = MonitorMessage::retained(state);
                found.extend(message.as_ref().and_then(encode).map(|payload| (topic, payload)));
            }
        });
        found
    }
}

/// Whether a topic passes a filter with `+` in any level. `#` is not for monitor topics.
fn topic_matches(filter: &str, topic: &str) -> bool {
    let mut levels = topic.split('/');
    filter.split('/').all(|wanted| levels.next().is_some_and(|level| wanted == "+" || wanted == level))
        && levels.next().is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

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
