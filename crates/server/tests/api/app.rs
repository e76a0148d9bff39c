//! The API on a real socket, with a real fleet and a journal in memory; and builders for the events that fill them.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use axum::middleware;
use rollcall_model::event::{MqttVersion, Protocol};
use rollcall_model::log::LogEntry;
use rollcall_model::{
    ActivityEvent, Certainty, ClientState, ConnectionEvent, Counters, End, EventKind, Initiator, Peer,
    SessionKey, Timestamp,
};
use rollcall_server::access::Gate;
use rollcall_server::api::{ApiState, ObserverRegistry, ServerStatus, Status, router};
use rollcall_server::arrival::{self, Way};
use rollcall_server::fleet::Fleet;
use rollcall_server::identity::{Credentials, NewKey, Role};
use rollcall_server::journal::{
    Boot, EachState, Journal, JournalError, LogCursor, LogPage, LogQuery, Recovered,
};
use rollcall_server::naming::Naming;
use rollcall_server::statistics::Statistics;
use serde_json::Value;

/// What the server's clock shows in these tests.
pub const NOW: &str = "2026-11-20T12:00:00Z";

pub fn at(text: &str) -> Timestamp {
    Timestamp::parse(text).unwrap()
}

fn minutes_ago(minutes: i64) -> Timestamp {
    at(NOW).plus_ms(-minutes * 60_000)
}

#[derive(Default)]
struct MemoryJournal {
    events: Mutex<Vec<ConnectionEvent>>,
    /// Reading the log of the client “stuck” does not end while this is true.
    is_stuck: AtomicBool,
}

impl Journal for MemoryJournal {
    fn append(&self, events: &[ConnectionEvent]) -> Result<(), JournalError> {
        self.events.lock().unwrap().extend_from_slice(events);
        Ok(())
    }

    fn keep(&self, _: &[ClientState], _: &[Boot]) -> Result<(), JournalError> {
        Ok(())
    }

    fn snapshot(&self, _: &EachState<'_>) -> Result<(), JournalError> {
        Ok(())
    }

    fn needs_snapshot(&self) -> bool {
        false
    }

    fn retain(&self, _: Timestamp) -> Result<(), JournalError> {
        Ok(())
    }

    fn each(&self, _: u64, see: &mut dyn FnMut(ConnectionEvent) -> bool) -> Result<(), JournalError> {
        self.events.lock().unwrap().iter().cloned().all(see);
        Ok(())
    }

    fn recover(&self) -> Result<Recovered, JournalError> {
        Ok(Recovered::default())
    }

    fn replay(
        &self,
        from: Option<Timestamp>,
        to: Option<Timestamp>,
        see: &mut dyn FnMut(ConnectionEvent) -> bool,
    ) -> Result<(), JournalError> {
        let events = self.events.lock().unwrap();
        let is_in = |time| from.is_none_or(|from| from <= time) && to.is_none_or(|to| time < to);
        let _ = events.iter().filter(|event| is_in(event.time)).cloned().all(see);
        Ok(())
    }

    fn log(&self, query: &LogQuery) -> Result<LogPage, JournalError> {
        while query.client_id == "stuck" && self.is_stuck.load(Ordering::Relaxed) {
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        if query.client_id == "broken" {
            return Err(JournalError::Failed("disk on fire".to_owned()));
        }
        let events = self.events.lock().unwrap();
        let mut entries: Vec<_> = (0..)
            .zip(events.iter())
            .filter(|(_, event)| event.client_id == query.client_id)
            .filter_map(|(sequence, event)| {
                Some((LogCursor { time: event.time, sequence }, LogEntry::from_event(event)?))
            })
            .filter(|(cursor, _)| query.from.is_none_or(|from| cursor.time >= from))
            .filter(|(cursor, _)| query.to.is_none_or(|to| cursor.time <= to))
            .filter(|(_, entry)| {
                query.events.is_empty() || entry.event.is_some_and(|e| query.events.contains(&e))
            })
            .collect();
        let key = |cursor: &LogCursor| (cursor.time, cursor.sequence);
        entries.sort_by_key(|(cursor, _)| std::cmp::Reverse(key(cursor)));
        entries.retain(|(cursor, _)| query.after.is_none_or(|after| key(cursor) < key(&after)));
        let rest = entries.split_off((query.offset as usize).min(entries.len()));
        let next = rest.get(query.limit as usize - 1).filter(|_| rest.len() > query.limit as usize);
        Ok(LogPage {
            next: next.map(|(cursor, _)| *cursor),
            entries: rest.into_iter().take(query.limit as usize).map(|(_, entry)| entry).collect(),
        })
    }
}

struct FixedStatus;

impl ServerStatus for FixedStatus {
    fn status(&self) -> Status {
        Status {
            version: "0.1.0".to_owned(),
            org: "acme01".to_owned(),
            demo_clients: 0,
            had_demo: true,
            mqtt_addr: Some("0.0.0.0:1883".to_owned()),
            mqtts_addr: Some("0.0.0.0:8883".to_owned()),
            accepts_anonymous: false,
            feed_lost: None,
            lost_events: 3,
            journal_error: None,
            started: at("2026-11-20T09:00:00Z"),
        }
    }
}

pub struct TestApp {
    pub fleet: Arc<Fleet>,
    pub observers: Arc<ObserverRegistry>,
    pub credentials: Arc<Credentials>,
    /// What requests carry unless they say otherwise.
    pub key: NewKey,
    journal: Arc<MemoryJournal>,
    statistics: Arc<Statistics>,
    pub base: String,
    agent: ureq::Agent,
}

/// An answer with its JSON body (`Null` when there is none).
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub body: Value,
    pub text: String,
    headers: ureq::http::HeaderMap,
}

impl Answer {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    /// The ids of the rows.
    pub fn ids(&self) -> Vec<&str> {
        let rows = self.body["results"].as_array().unwrap_or_else(|| panic!("{self:?}"));
        rows.iter().map(|row| row["id"].as_str().unwrap()).collect()
    }

    /// Parameter and value of each violation.
    pub fn violations(&self) -> Vec<(&str, &str)> {
        assert_eq!(
            (self.status, &self.body["exception"]["id"]),
            (400, &Value::from("CUDRS0007E")),
            "{self:?}"
        );
        let violations = self.body["violations"].as_array().unwrap();
        let property =
            |violation: &'_ Value, at: usize| violation["exception"]["properties"][at].as_str().map(str::len);
        assert!(violations.iter().all(|violation| property(violation, 1).is_some()));
        violations
            .iter()
            .map(|violation| &violation["exception"]["properties"])
            .map(|properties| (properties[0].as_str().unwrap(), properties[1].as_str().unwrap()))
            .collect()
    }
}

impl TestApp {
    pub fn start() -> Self {
        Self::guarded_by(Arc::new(Credentials::in_memory().unwrap()), false)
    }

    /// An app whose clients outside Watson's grammar are named by these patterns.
    pub fn named_by(patterns: &[&str]) -> Self {
        let patterns: Vec<_> = patterns.iter().map(|&pattern| pattern.to_owned()).collect();
        let fleet = Fleet::named_by(Naming::new(&patterns).unwrap());
        Self::around(fleet, Arc::new(Credentials::in_memory().unwrap()), false)
    }

    /// An app with these credentials, which believes that it speaks TLS or not.
    pub fn guarded_by(credentials: Arc<Credentials>, is_secure: bool) -> Self {
        Self::around(Fleet::new(), credentials, is_secure)
    }

    fn around(fleet: Fleet, credentials: Arc<Credentials>, is_secure: bool) -> Self {
        let key = credentials.add_key("acme01", Role::Admin, Some("tests")).unwrap();
        let (fleet, journal) = (Arc::new(fleet), Arc::new(MemoryJournal::default()));
        let statistics = Arc::new(Statistics::new(at(NOW).plus_ms(-30 * 86_400_000), 0));
        let observers = Arc::new(ObserverRegistry::new());
        let state = ApiState {
            fleet: Arc::clone(&fleet),
            journal: Arc::clone(&journal) as Arc<dyn Journal>,
            statistics: Arc::clone(&statistics),
            clock: || at(NOW),
            org: "acme01".to_owned(),
            status: Arc::new(FixedStatus),
            observers: Arc::clone(&observers),
            gate: Gate::new(Arc::clone(&credentials), is_secure),
        };
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        listener.set_nonblocking(true).unwrap();
        // Ends with the process.
        std::thread::spawn(move || {
            let mut runtime = tokio::runtime::Builder::new_multi_thread();
            let runtime = runtime.worker_threads(2).enable_all().build().unwrap();
            runtime.block_on(async {
                let listener = tokio::net::TcpListener::from_std(listener).unwrap();
                // Behind a proxy on this machine, so that tests can say where requests come from.
                let way = Way { secure: false, proxies: Some(Arc::default()) };
                let app = router(state).0.layer(middleware::from_fn_with_state(way, arrival::note));
                let service = app.into_make_service_with_connect_info::<SocketAddr>();
                axum::serve(listener, service).await.unwrap();
            });
        });
        let config = ureq::Agent::config_builder().http_status_as_error(false);
        // A connection for each request: after a request that was refused unread the server closes its connection, which
        // the next request would find out too late.
        let config = config.max_idle_connections(0);
        let agent = config.max_response_header_size(1 << 20).build().new_agent();
        Self { fleet, observers, credentials, key, journal, statistics, base, agent }
    }

    /// An app that has heard of these events.
    pub fn with(events: impl IntoIterator<Item = ConnectionEvent>) -> Self {
        let app = Self::start();
        app.tell(&events.into_iter().collect::<Vec<_>>());
        app
    }

    pub fn tell(&self, events: &[ConnectionEvent]) {
        self.fleet.apply(events);
        self.statistics.record(events, self.fleet.connected(), at(NOW).plus_ms(-1));
        self.journal.append(events).unwrap();
    }

    /// Whether the log of the client “stuck” cannot be read.
    pub fn set_stuck(&self, is_stuck: bool) {
        self.journal.is_stuck.store(is_stuck, Ordering::Relaxed);
    }

    pub fn get(&self, path: &str) -> Answer {
        self.get_if_none_match(path, "")
    }

    pub fn get_if_none_match(&self, path: &str, tag: &str) -> Answer {
        let request =
            self.agent.get(format!("{}{path}", self.base)).header("Authorization", basic(&self.key));
        let request = if tag.is_empty() { request } else { request.header("If-None-Match", tag) };
        read(request.call().unwrap())
    }

    pub fn post(&self, path: &str) -> Answer {
        let request =
            self.agent.post(format!("{}{path}", self.base)).header("Authorization", basic(&self.key));
        read(request.send_empty().unwrap())
    }

    /// A request with nothing but what is given here.
    pub fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        let mut request = ureq::http::Request::builder().method(method).uri(format!("{}{path}", self.base));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if body.is_empty() {
            return read(self.agent.run(request.body(()).unwrap()).unwrap());
        }
        read(self.agent.run(request.body(body.to_owned()).unwrap()).unwrap())
    }

    /// An answer that is no JSON: its headers and its text.
    pub fn download(&self, path: &str) -> (ureq::http::HeaderMap, String) {
        let request =
            self.agent.get(format!("{}{path}", self.base)).header("Authorization", basic(&self.key));
        let mut response = request.call().unwrap();
        assert_eq!(response.status(), 200);
        let text = response.body_mut().read_to_string().unwrap();
        (response.headers().clone(), text)
    }

    /// The State API with this query string.
    pub fn states(&self, query: &str) -> Answer {
        self.get(&format!("/api/v0002/clientconnectionstates?{query}"))
    }

    /// The Connection Logs API with this query string.
    pub fn log(&self, query: &str) -> Answer {
        self.get(&format!("/api/v0002/logs/connection?{query}"))
    }
}

/// The header for an API key.
pub fn basic(NewKey { key, token }: &NewKey) -> String {
    use base64::Engine as _;
    format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(format!("{key}:{token}")))
}

fn read(mut response: ureq::http::Response<ureq::Body>) -> Answer {
    let text = response.body_mut().read_to_string().unwrap();
    let body = if text.is_empty() {
        Value::Null
    } else {
        assert_eq!(response.headers()["content-type"], "application/json", "{text}");
        serde_json::from_str(&text).unwrap()
    };
    Answer { status: response.status().as_u16(), body, text, headers: response.headers().clone() }
}

fn event(id: &str, time: Timestamp, kind: EventKind) -> ConnectionEvent {
    let protocol = Some(Protocol { version: MqttVersion::V311, websocket: false });
    let peer = Peer { addr: Some("10.0.0.7".to_owned()), protocol, secure: Some(false), ..Peer::default() };
    ConnectionEvent { client_id: id.to_owned(), time, peer, kind }
}

fn key(minutes: i64) -> SessionKey {
    SessionKey { start: minutes_ago(minutes), connection: 0 }
}

/// The client connected so many minutes before [`NOW`].
pub fn connect(id: &str, minutes: i64) -> ConnectionEvent {
    let kind = EventKind::Connect { session: key(minutes), certainty: Certainty::Reported };
    event(id, minutes_ago(minutes), kind)
}

/// The session that started `start` minutes ago ran into its keep-alive `end` minutes ago.
pub fn time_out(id: &str, start: i64, end: i64) -> ConnectionEvent {
    let end = End {
        certainty: Certainty::Reported,
        time: minutes_ago(end),
        initiator: Some(Initiator::Server),
        mqtt_reason_code: Some(0x8D),
        close_code: Some(160),
        reason: None,
        counters: Counters { read_msg: Some(872), ..Counters::default() },
    };
    event(id, end.time, EventKind::Disconnect { session: Some(key(start)), end })
}

pub fn publish(id: &str, minutes: i64) -> ConnectionEvent {
    let kind = EventKind::Activity { session: None, event: ActivityEvent::Publish };
    event(id, minutes_ago(minutes), kind)
}

pub fn refuse(id: &str, minutes: i64) -> ConnectionEvent {
    let kind = EventKind::FailedConnect { mqtt_reason_code: Some(0x87), close_code: Some(180), reason: None };
    event(id, minutes_ago(minutes), kind)
}
