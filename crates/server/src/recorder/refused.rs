//! How much of what is refused is recorded.
//!
//! Whoever tries ids could fill the log with failed attempts until retention drops what real clients did, and memory with
//! ids of 64 KiB. So each address may have so many bytes of them recorded for each client, and so many for all strangers:
//! ids that never were connected. All strangers together have a bound, too. What is beyond that is counted by the
//! statistics, named by the server's own log where it was refused, and left out of the fleet, the journal and the monitor.
//! Called by [`super::Recorder`].

use std::net::IpAddr;

use ahash::AHashMap;
use rollcall_model::{ConnectionEvent, EventKind, Timestamp};

use crate::arrival::neighbourhood;
use crate::fleet::Fleet;
use crate::journal::id_hash;
use crate::seldom::Seldom;

/// What one address may have at once (some two hundred refusals of common ids), and how fast it comes back.
const OWN: Rate = Rate { burst: 64 << 10, per_second: 512 };
/// What all strangers may have. At this rate, a month is as large as the log may be.
const ALL: Rate = Rate { burst: 1 << 20, per_second: 4 << 10 };
/// A stranger with a longer id is not recorded: the fleet keeps thousands of them in memory.
const STRANGER_BYTES_MAX: usize = 1_024;
/// What a refusal takes in the journal beside its id, in bytes.
const OVERHEAD: usize = 256;
/// Addresses and clients that are remembered. With more, those that have everything back are forgotten, then all.
const REMEMBERED_MAX: usize = 20_000;

#[derive(Debug, Clone, Copy)]
struct Rate {
    burst: u64,
    per_second: u64,
}

/// What has been taken of a rate and has not come back.
#[derive(Debug, Clone, Copy)]
struct Taken {
    bytes: u64,
    as_of: Timestamp,
}

impl Taken {
    const NOTHING: Self = Self { bytes: 0, as_of: Timestamp::from_millis(0) };

    /// The same at another time. An earlier one gives nothing back.
    fn at(self, time: Timestamp, rate: Rate) -> Self {
        let passed_ms = u64::try_from(time.millis().saturating_sub(self.as_of.millis())).unwrap_or(0);
        let back = passed_ms.saturating_mul(rate.per_second) / 1_000;
        Self { bytes: self.bytes.saturating_sub(back), as_of: self.as_of.max(time) }
    }

    /// The same with more taken, if there is so much.
    fn more(self, bytes: u64, rate: Rate) -> Option<Self> {
        let bytes = self.bytes.saturating_add(bytes);
        (bytes <= rate.burst).then_some(Self { bytes, ..self })
    }
}

/// The address, and the hash of the client's id unless it is a stranger.
type Owner = (Option<IpAddr>, Option<u64>);

/// See the module.
#[derive(Debug)]
pub struct Refused {
    all: Taken,
    own: AHashMap<Owner, Taken>,
    left_out: Seldom,
}

impl Default for Refused {
    fn default() -> Self {
        Self { all: Taken::NOTHING, own: AHashMap::default(), left_out: Seldom::default() }
    }
}

impl Refused {
    /// Takes out of a batch what is not to be recorded.
    pub fn leave_out(&mut self, events: &mut Vec<ConnectionEvent>, fleet: &Fleet) -> Vec<ConnectionEvent> {
        let is_refused = |event: &ConnectionEvent| matches!(event.kind, EventKind::FailedConnect { .. });
        let left_out: Vec<_> =
            events.extract_if(.., |event| is_refused(event) && !self.has_room(event, fleet)).collect();
        if let Some(last) = left_out.last()
            && let Some(left_out) = self.left_out.count(left_out.len() as u64)
        {
            tracing::warn!(
                left_out,
                last = last.peer.addr.as_deref().unwrap_or("unknown"),
                "failed attempts were counted and not recorded: there are too many of one client or of unknown ones"
            );
        }
        left_out
    }

    /// Whether a refusal may be recorded; then it counts.
    fn has_room(&mut self, event: &ConnectionEvent, fleet: &Fleet) -> bool {
        let bytes = (event.client_id.len() + OVERHEAD) as u64;
        let address = event.peer.addr.as_deref().and_then(|address| address.parse().ok());
        let client = fleet.was_connected(&event.client_id).then(|| id_hash(&event.client_id));
        let owner = (address.map(neighbourhood), client);
        let own = self.own.get(&owner).copied().unwrap_or(Taken::NOTHING);
        let Some(own) = own.at(event.time, OWN).more(bytes, OWN) else { return false };
        if client.is_none() {
            if event.client_id.len() > STRANGER_BYTES_MAX {
                return false;
            }
            let Some(all) = self.all.at(event.time, ALL).more(bytes, ALL) else { return false };
            self.all = all;
        }
        if self.own.len() >= REMEMBERED_MAX && !self.own.contains_key(&owner) {
            self.own.retain(|_, taken| taken.at(event.time, OWN).bytes > 0);
            if self.own.len() >= REMEMBERED_MAX {
                self.own.clear();
            }
        }
        self.own.insert(owner, own);
        true
    }
}

#[cfg(test)]
mod tests {
    use rollcall_model::{Certainty, Peer, SessionKey};

    use super::*;

    fn refusal(id: &str, address: &str, ms: i64) -> ConnectionEvent {
        ConnectionEvent {
            client_id: id.to_owned(),
            time: Timestamp::from_millis(ms),
            peer: Peer { addr: Some(address.to_owned()), ..Peer::default() },
            kind: EventKind::FailedConnect { mqtt_reason_code: None, close_code: None, reason: None },
        }
    }

    fn connect(id: &str) -> ConnectionEvent {
        let session = SessionKey { start: Timestamp::from_millis(0), connection: 1 };
        let kind = EventKind::Connect { session, certainty: Certainty::Reported };
        ConnectionEvent { kind, ..refusal(id, "10.0.0.1", 0) }
    }

    /// How many of some refusals of as many ids are recorded.
    fn recorded(refused: &mut Refused, count: usize, id_bytes: usize, address: &str, ms: i64) -> usize {
        let ids = (0..count).map(|number| format!("{number:0>id_bytes$}"));
        let mut events: Vec<_> = ids.map(|id| refusal(&id, address, ms)).collect();
        let left_out = refused.leave_out(&mut events, &Fleet::new());
        assert_eq!(events.len() + left_out.len(), count);
        events.len()
    }

    #[test]
    fn an_address_has_a_burst_recorded_and_then_some_every_second_and_others_have_their_own() {
        let mut refused = Refused::default();
        let burst = (64 << 10) / (256 + 44);
        assert_eq!(recorded(&mut refused, 1_000, 44, "192.0.2.1", 1_000), burst);
        assert_eq!(recorded(&mut refused, 1_000, 44, "192.0.2.1", 1_000), 0);
        assert_eq!(recorded(&mut refused, 10, 44, "192.0.2.2", 1_000), 10);
        assert_eq!(recorded(&mut refused, 1_000, 44, "192.0.2.1", 61_000), 512 * 60 / 300);
        // Of an earlier moment nothing comes back.
        assert_eq!(recorded(&mut refused, 1_000, 44, "192.0.2.1", 500), 0);
        assert_eq!(recorded(&mut refused, 9, 44, "2001:db8::1", 1_000), 9);
        assert_eq!(recorded(&mut refused, 1_000, 44, "2001:db8::2", 1_000), burst - 9);
    }

    #[test]
    fn long_ids_take_more_and_all_addresses_together_have_a_bound() {
        let mut refused = Refused::default();
        assert_eq!(recorded(&mut refused, 5, 1_025, "192.0.2.1", 0), 0);
        assert_eq!(recorded(&mut refused, 100, 1_024, "192.0.2.1", 0), (64 << 10) / (256 + 1_024));
        let from_each = |number: u32| format!("10.{}.{}.1", number / 250, number % 250);
        let all: usize = (0..1_000).map(|number| recorded(&mut refused, 10, 44, &from_each(number), 0)).sum();
        assert_eq!(all, ((1 << 20) - 51 * (256 + 1_024)) / 300);
    }

    #[test]
    fn each_client_that_was_connected_once_has_its_own_and_other_events_pass() {
        let (fleet, mut refused) = (Fleet::new(), Refused::default());
        fleet.apply(&[connect("one"), connect("two"), refusal("stranger", "10.0.0.1", 0)]);
        let ids = ["one", "two", "stranger", "unheard"];
        let mut events: Vec<_> =
            ids.iter().flat_map(|id| (0..1_000).map(|_| refusal(id, "10.0.0.1", 0))).collect();
        events.extend((0..1_000).map(|number| connect(&number.to_string())));
        let left_out = refused.leave_out(&mut events, &fleet);
        let kept = ids.map(|id| events.iter().filter(|event| event.client_id == id).count());
        let burst = (64 << 10) / (256 + 3);
        assert_eq!(kept, [burst, burst, (64 << 10) / (256 + 8), 0]);
        assert_eq!(events.len() + left_out.len(), 5_000);
        assert_eq!(
            events.iter().filter(|event| matches!(event.kind, EventKind::Connect { .. })).count(),
            1_000
        );
    }
}
