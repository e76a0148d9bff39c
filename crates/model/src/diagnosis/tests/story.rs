//! Builds histories. Times are in milliseconds after [`START`]; a test says how long ago by counting from there.

use crate::diagnosis::{Finding, Incident, Loss, diagnose};
use crate::event::{
    ActivityEvent, Certainty, ConnectionEvent, Counters, End, EventKind, Initiator, MqttVersion, Peer,
    Protocol, SessionKey,
};
use crate::log::LogEntry;
use crate::state::{ClientState, StateDoc};
use crate::time::Timestamp;
use crate::{fold, reason};

pub const SECOND: i64 = 1_000;
pub const MINUTE: i64 = 60 * SECOND;
pub const HOUR: i64 = 60 * MINUTE;
pub const DAY: i64 = 24 * HOUR;

/// Midnight, a whole number of days after 1970.
const START: i64 = 20_000 * DAY;

pub fn at(ms: i64) -> Timestamp {
    Timestamp::from_millis(START + ms)
}

/// How a session ends: by whom, and with which MQTT 5 code.
pub type How = (Initiator, u8);
pub const GOODBYE: How = (Initiator::Client, 0x00);
pub const NETWORK: How = (Initiator::Network, 0x80);
pub const KEEP_ALIVE: How = (Initiator::Server, 0x8D);
pub const TAKEN_OVER: How = (Initiator::Server, 0x8E);
pub const SHUTDOWN: How = (Initiator::Server, 0x8B);

/// What happened to one client.
#[derive(Debug, Clone)]
pub struct Story {
    pub id: String,
    pub events: Vec<ConnectionEvent>,
    port: u16,
}

impl Story {
    pub fn new() -> Self {
        Self::of("d:acme01:thermo:t-17")
    }

    pub fn of(id: &str) -> Self {
        Self { id: id.to_owned(), events: Vec::new(), port: 40_000 }
    }

    fn tell(&mut self, ms: i64, addr: &str, kind: EventKind) {
        let protocol = Some(Protocol { version: MqttVersion::V311, websocket: false });
        let peer = Peer { addr: Some(addr.to_owned()), port: Some(self.port), protocol, ..Peer::default() };
        self.events.push(ConnectionEvent { client_id: self.id.clone(), time: at(ms), peer, kind });
    }

    /// A session that goes on.
    pub fn open(&mut self, start: i64, addr: &str) -> &mut Self {
        self.port = self.port.checked_add(1).unwrap_or(40_000);
        let session = SessionKey { start: at(start), connection: u64::from(self.port) };
        self.tell(start, addr, EventKind::Connect { session, certainty: Certainty::Reported });
        self
    }

    /// A whole session with so many messages.
    pub fn session_with(&mut self, start: i64, end: i64, addr: &str, how: How, messages: u64) -> &mut Self {
        self.open(start, addr);
        let session = Some(SessionKey { start: at(start), connection: u64::from(self.port) });
        let (initiator, code) = how;
        let end_of = End {
            certainty: Certainty::Reported,
            time: at(end),
            initiator: Some(initiator),
            mqtt_reason_code: Some(code),
            close_code: Some(reason::close_code(initiator, code)),
            reason: None,
            counters: Counters { read_msg: Some(messages), ..Counters::default() },
        };
        self.tell(end, addr, EventKind::Disconnect { session, end: end_of });
        self
    }

    pub fn session(&mut self, start: i64, end: i64, addr: &str, how: How) -> &mut Self {
        self.session_with(start, end, addr, how, 0)
    }

    pub fn refused(&mut self, ms: i64, addr: &str) -> &mut Self {
        let (mqtt_reason_code, close_code) = (Some(0x86), Some(180));
        self.tell(ms, addr, EventKind::FailedConnect { mqtt_reason_code, close_code, reason: None });
        self
    }

    pub fn publish(&mut self, ms: i64, addr: &str) -> &mut Self {
        self.tell(ms, addr, EventKind::Activity { session: None, event: ActivityEvent::Publish });
        self
    }

    pub fn ping(&mut self, ms: i64, addr: &str) -> &mut Self {
        self.tell(ms, addr, EventKind::Activity { session: None, event: ActivityEvent::Ping });
        self
    }

    /// The log of what happened until `now`, newest first, as much as the API reads.
    pub fn log(&self, now: i64) -> Vec<LogEntry> {
        let past = self.events.iter().filter(|event| event.time <= at(now));
        let mut log: Vec<LogEntry> = past.filter_map(LogEntry::from_event).collect();
        log.sort_by_key(|entry| std::cmp::Reverse(entry.timestamp));
        log.truncate(1_000);
        log
    }

    pub fn state(&self, now: i64) -> StateDoc {
        let mut state = ClientState::new(self.id.clone());
        self.events.iter().filter(|event| event.time <= at(now)).for_each(|event| fold(&mut state, event));
        state.doc(at(now), None)
    }

    pub fn findings(&self, now: i64) -> Vec<Finding> {
        self.findings_with(&[], now)
    }

    pub fn findings_with(&self, incidents: &[Incident], now: i64) -> Vec<Finding> {
        diagnose(&self.state(now), &self.log(now), incidents, at(now))
    }

    pub fn losses(&self) -> impl Iterator<Item = Loss> + '_ {
        self.events.iter().filter_map(Loss::of)
    }

    /// Panics, and shows what was found, unless the findings are of these kinds.
    pub fn check(&self, now: i64, kinds: &[&str]) {
        let findings = self.findings(now);
        let found: Vec<_> = findings.iter().map(|finding| finding.kind.as_str()).collect();
        let messages: Vec<_> = findings.iter().map(|finding| &finding.message).collect();
        assert_eq!(found, kinds, "{messages:#?}");
    }
}

/// Random numbers that are the same in every run.
pub struct Dice(pub u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// From `low` to `high`, exclusive.
    pub fn between(&mut self, low: i64, high: i64) -> i64 {
        low + (self.next() % (high - low) as u64) as i64
    }

    /// Waiting times of what happens at any moment alike.
    pub fn exponential(&mut self, mean: i64) -> i64 {
        let part = (self.next() >> 11) as f64 / (1_u64 << 53) as f64;
        (-(1.0 - part).ln() * mean as f64) as i64
    }
}
