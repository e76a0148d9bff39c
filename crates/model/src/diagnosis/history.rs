//! A client's log as sessions and refused attempts, ascending, the same for any order of the entries and with
//! any of them repeated. The other modules of the diagnosis read nothing else of the log.

use super::cause::Cause;
use super::{HISTORY_MS, HOUR_MS, MINUTE_MS, RECENT_MS};
use crate::event::Certainty;
use crate::log::{LogEntry, LogEvent};
use crate::time::Timestamp;

/// Clocks of broker and server may differ by this much; entries from further ahead are not believed.
const AHEAD_MAX_MS: i64 = 5 * MINUTE_MS;
/// A client that comes back within this time tries by itself.
const BACK_SOON_MS: i64 = 2 * MINUTE_MS;

pub(super) struct History<'a> {
    /// By their start.
    pub sessions: Vec<Session<'a>>,
    /// By their time, each time once.
    pub refused: Vec<&'a LogEntry>,
    /// The later of the given time and the newest entry.
    pub now: Timestamp,
}

pub(super) struct Session<'a> {
    pub start: Timestamp,
    pub addr: Option<&'a str>,
    port: Option<u16>,
    pub end: Option<End<'a>>,
}

#[derive(Clone, Copy)]
pub(super) struct End<'a> {
    pub time: Timestamp,
    pub cause: Cause,
    pub entry: &'a LogEntry,
}

/// A session that was lost (nobody said goodbye, no operator ended it) and the next, which came soon.
#[derive(Clone, Copy)]
pub(super) struct Lost<'a> {
    pub start: Timestamp,
    pub end: End<'a>,
    pub is_same_address: bool,
}

impl Lost<'_> {
    pub fn life_ms(&self) -> i64 {
        self.end.time.millis() - self.start.millis()
    }
}

impl<'a> History<'a> {
    pub fn read(log: &'a [LogEntry], now: Timestamp) -> Self {
        let (from, to) = (now.plus_ms(-HISTORY_MS), now.plus_ms(AHEAD_MAX_MS));
        let mut entries: Vec<&LogEntry> =
            log.iter().filter(|entry| (from..=to).contains(&entry.timestamp)).collect();
        entries.sort_by(|a, b| order(a, b));
        entries.dedup();
        let newest = entries.last().map(|entry| entry.timestamp);
        let of_kind = |kind| entries.iter().copied().filter(move |entry| entry.event == Some(kind));
        let mut sessions: Vec<Session<'_>> = of_kind(LogEvent::Connect).map(Session::open).collect();
        sessions.sort_by_key(Session::key);
        sessions.dedup_by_key(|session| session.key());
        // Sessions whose connect is further back than the log, or was never told.
        let mut only_ended = Vec::new();
        for entry in of_kind(LogEvent::Disconnect) {
            close(&mut sessions, &mut only_ended, entry);
        }
        sessions.append(&mut only_ended);
        sessions.sort_by_key(Session::key);
        let mut refused: Vec<&LogEntry> = of_kind(LogEvent::FailedConnect).collect();
        refused.dedup_by_key(|entry| entry.timestamp);
        Self { sessions, refused, now: newest.max(Some(now)).unwrap_or(now) }
    }

    pub fn age_ms(&self, time: Timestamp) -> i64 {
        self.now.millis() - time.millis()
    }

    pub fn is_recent(&self, time: Timestamp) -> bool {
        self.age_ms(time) <= RECENT_MS
    }

    /// `until` of something that was last seen then, and would have been seen again within `pause_ms`.
    pub fn until(&self, last: Timestamp, pause_ms: i64) -> Option<Timestamp> {
        (self.age_ms(last) > pause_ms.max(HOUR_MS)).then_some(last)
    }

    /// The sessions that were lost and followed by another within two minutes or a fifth of their own life: those
    /// of a client that wanted to stay. Those that ended at the same time count once: an import that gives all
    /// its entries one time tells nothing of what came after what.
    pub fn lost(&self) -> Vec<Lost<'a>> {
        let pairs = self.sessions.windows(2).filter_map(|pair| {
            let [session, next] = pair else { return None };
            let end = session.end?;
            let is_lost =
                matches!(end.cause, Cause::TakenOver | Cause::KeepAlive | Cause::Network | Cause::Server);
            let life_ms = end.time.millis() - session.start.millis();
            let away_ms = next.start.millis() - end.time.millis();
            let is_soon = away_ms <= BACK_SOON_MS.max(life_ms / 5).min(HOUR_MS);
            let is_same_address = session.addr.zip(next.addr).is_none_or(|(here, there)| here == there);
            (is_lost && life_ms >= 0 && is_soon).then_some(Lost {
                start: session.start,
                end,
                is_same_address,
            })
        });
        let mut lost: Vec<Lost<'a>> = pairs.collect();
        lost.dedup_by_key(|lost| lost.end.time);
        lost
    }
}

/// A total order: by time, then by everything else, so that entries of one time have one order.
fn order(a: &LogEntry, b: &LogEntry) -> std::cmp::Ordering {
    fn who(entry: &LogEntry) -> impl Ord + '_ {
        (entry.connect_time, &entry.client_addr, entry.client_port, &entry.protocol, entry.secure)
    }
    fn why(entry: &LogEntry) -> impl Ord + '_ {
        let codes = (entry.disconnect_initiator, entry.mqtt_reason_code, entry.close_code);
        (codes, &entry.reason, entry.certainty, &entry.message, &entry.client_id)
    }
    const fn traffic(entry: &LogEntry) -> impl Ord {
        (entry.read_msg, entry.write_msg, entry.read_bytes, entry.write_bytes)
    }
    let kind = |entry: &LogEntry| entry.event.map(|event| event as u8);
    (a.timestamp, kind(a))
        .cmp(&(b.timestamp, kind(b)))
        .then_with(|| who(a).cmp(&who(b)))
        .then_with(|| why(a).cmp(&why(b)))
        .then_with(|| traffic(a).cmp(&traffic(b)))
}

impl<'a> Session<'a> {
    fn open(entry: &'a LogEntry) -> Self {
        let start = entry.connect_time.unwrap_or(entry.timestamp);
        Self { start, addr: entry.client_addr.as_deref(), port: entry.client_port, end: None }
    }

    fn key(&self) -> (Timestamp, Option<u16>, Option<&'a str>) {
        (self.start, self.port, self.addr)
    }
}

/// Gives an end to its session: the one that it names, or the one that was open then. `sessions` are in the order
/// of their start.
fn close<'a>(sessions: &mut [Session<'a>], only_ended: &mut Vec<Session<'a>>, entry: &'a LogEntry) {
    let cause = Cause::of(
        entry.disconnect_initiator,
        entry.mqtt_reason_code,
        entry.close_code,
        entry.certainty.unwrap_or(Certainty::Reported),
    );
    let end = End { time: entry.timestamp, cause, entry };
    let Some(start) = entry.connect_time else {
        let later = sessions.partition_point(|session| session.start <= entry.timestamp);
        let (before, _) = sessions.split_at_mut(later);
        let open = match before {
            [.., robbed, robber] if robbed.end.is_none() && entry.is_takeover_by(robber.start) => {
                Some(robbed)
            }
            [.., last] => Some(last),
            [] => None,
        };
        if let Some(session) = open.filter(|session| session.end.is_none()) {
            session.end = Some(end);
        }
        return;
    };
    let port = entry.client_port;
    let fits = |session: &&mut Session<'_>| {
        session.start == start && (session.port.is_none() || port.is_none() || session.port == port)
    };
    let first = sessions.partition_point(|session| session.start < start);
    let opened = sessions.iter_mut().skip(first).take_while(|session| session.start == start).find(fits);
    match opened.or_else(|| only_ended.iter_mut().find(fits)) {
        Some(session) => {
            session.addr = session.addr.or(entry.client_addr.as_deref());
            // Of two claims about one end the surer stays, as in the fold.
            let sureness = |end: &End<'_>| (end.entry.certainty, end.time);
            if session.end.as_ref().is_none_or(|known| sureness(known) < sureness(&end)) {
                session.end = Some(end);
            }
        }
        None => {
            let addr = entry.client_addr.as_deref();
            only_ended.push(Session { start, addr, port, end: Some(end) });
        }
    }
}
