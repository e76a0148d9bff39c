//! A running broker, its events, and clients that do exactly what a test says.

use std::collections::{HashMap, HashSet};
use std::net::SocketAddr;
use std::ops::Range;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rollcall_model::{ActivityEvent, ConnectionEvent, End, EventKind, Peer, SessionKey, Timestamp};
use rollcall_server::access::Gate;
use rollcall_server::identity::Credentials;
use rollcall_server::mqtt_ws;
use rollcall_server::source::embedded::{
    EmbeddedBroker, EmbeddedConfig, MonitorMessages, MonitorPublish, Observers,
};
use rollcall_server::source::{EventStream, queue};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Far longer than anything takes, even on a machine that is busy with something else.
pub const PATIENCE: Duration = Duration::from_secs(60);

pub async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future).await.unwrap_or_else(|_| panic!("waited in vain for {what}"))
}

/// The newest monitor message of each device of the type `thermo`.
#[derive(Default)]
pub struct Fixture {
    states: Mutex<Vec<MonitorPublish>>,
    numbers: Mutex<HashMap<String, u32>>,
    pub observers: Mutex<HashSet<String>>,
}

impl Fixture {
    /// Something happens to a device: its message, which is its retained one from now on.
    pub fn happens(&self, device: &str, payload: impl Into<Vec<u8>>) -> MonitorPublish {
        let message = message(device, payload);
        let mut states = self.states.lock().unwrap();
        let new = states.len().try_into().unwrap();
        let number = *self.numbers.lock().unwrap().entry(device.to_owned()).or_insert(new);
        if number == new {
            states.push(message.clone());
        } else {
            states[number as usize] = message.clone();
        }
        message
    }
}

/// A message about a device as the monitor publishes it.
pub fn message(device: &str, payload: impl Into<Vec<u8>>) -> MonitorPublish {
    MonitorPublish {
        client_id: device.to_owned(),
        topic: format!("iot-2/type/thermo/id/{device}/mon"),
        payload: payload.into().into(),
        retain: true,
        is_state: true,
    }
}

impl MonitorMessages for Fixture {
    fn number(&self, client_id: &str) -> Option<u32> {
        self.numbers.lock().unwrap().get(client_id).copied()
    }

    fn numbers_of(&self, topic: &str) -> Vec<u32> {
        self.number(topic.split('/').nth(4).unwrap_or_default()).into_iter().collect()
    }

    fn end(&self) -> u32 {
        self.states.lock().unwrap().len().try_into().unwrap()
    }

    fn newest(&self, client: u32) -> Option<MonitorPublish> {
        self.states.lock().unwrap().get(client as usize).cloned()
    }

    /// Looks at one client.
    fn retained(&self, topic_filter: &str, clients: Range<u32>) -> (Option<MonitorPublish>, Option<u32>) {
        let matches =
            |state: &MonitorPublish| topic_filter == state.topic || topic_filter == "iot-2/type/+/id/+/mon";
        let found = (!clients.is_empty()).then(|| self.newest(clients.start)).flatten();
        let next = clients.start + 1;
        (found.filter(matches), (next < clients.end).then_some(next))
    }
}

impl Observers for Fixture {
    fn is_observer(&self, client_id: &str, _has_session: bool) -> bool {
        self.observers.lock().unwrap().contains(client_id)
    }
}

pub struct Running {
    pub broker: EmbeddedBroker,
    pub fixture: Arc<Fixture>,
    pub credentials: Arc<Credentials>,
    /// Every event so far.
    pub seen: Vec<ConnectionEvent>,
    events: EventStream,
    /// How many of `seen` have been waited for.
    used: HashSet<usize>,
}

pub async fn start() -> Running {
    start_with(EmbeddedConfig::default().max_sessions).await
}

pub async fn start_with(max_sessions: usize) -> Running {
    start_on("127.0.0.1:0", max_sessions).await
}

pub async fn start_on(mqtt: &str, max_sessions: usize) -> Running {
    let (sink, events) = queue(100_000);
    let fixture = Arc::new(Fixture::default());
    let credentials = Arc::new(Credentials::in_memory().unwrap());
    let config = EmbeddedConfig { mqtt: mqtt.parse().unwrap(), max_sessions, is_exposed: false };
    let broker = EmbeddedBroker::start(config, sink, fixture.clone(), fixture.clone(), credentials.clone())
        .await
        .unwrap();
    Running { broker, fixture, credentials, seen: Vec::new(), events, used: HashSet::new() }
}

impl Running {
    /// Waits for the first event, not waited for before, that `read` makes something of.
    pub async fn event<T>(&mut self, what: &str, read: impl Fn(&ConnectionEvent) -> Option<T>) -> T {
        loop {
            for (at, event) in self.seen.iter().enumerate() {
                if let (false, Some(found)) = (self.used.contains(&at), read(event)) {
                    self.used.insert(at);
                    return found;
                }
            }
            let more = self.events.next_batch(1_000, || Timestamp::from_millis(0));
            match tokio::time::timeout(PATIENCE, more).await {
                Ok(batch) => self.seen.extend(batch.unwrap().events),
                Err(_) => panic!("waited in vain for {what}; seen: {:#?}", self.seen),
            }
        }
    }

    pub async fn connect_of(&mut self, id: &str) -> (SessionKey, Peer) {
        self.event(&format!("a connect of {id}"), |event| match &event.kind {
            EventKind::Connect { session, .. } if event.client_id == id => {
                Some((*session, event.peer.clone()))
            }
            _ => None,
        })
        .await
    }

    pub async fn end_of(&mut self, id: &str) -> (Option<SessionKey>, End) {
        let what = format!("a disconnect of {id}");
        self.event(&what, |event| match &event.kind {
            EventKind::Disconnect { session, end } if event.client_id == id => Some((*session, end.clone())),
            _ => None,
        })
        .await
    }

    /// MQTT reason code, close code and text of a failed attempt.
    pub async fn refusal_of(&mut self, id: &str) -> (u8, u16, String) {
        let what = format!("a failed connect of {id}");
        self.event(&what, |event| match &event.kind {
            EventKind::FailedConnect { mqtt_reason_code, close_code, reason } if event.client_id == id => {
                Some((mqtt_reason_code.unwrap(), close_code.unwrap(), reason.clone().unwrap()))
            }
            _ => None,
        })
        .await
    }

    pub async fn activity_of(&mut self, id: &str, expect: ActivityEvent) {
        let what = format!("{expect:?} of {id}");
        self.event(&what, |event| match &event.kind {
            EventKind::Activity { event: activity, session: Some(_) }
                if event.client_id == id && *activity == expect =>
            {
                Some(())
            }
            _ => None,
        })
        .await;
    }

    /// Everything that the broker has to tell by now has arrived: a client that came later has been heard of.
    pub async fn settle(&mut self) {
        let mut last = Raw::connect(&self.broker, &Connect::new("settle")).await;
        last.disconnect().await;
        self.connect_of("settle").await;
        self.end_of("settle").await;
    }

    /// The way in for WebSocket clients that come to this port of this machine.
    pub fn door(&self, port: u16) -> mqtt_ws::Door {
        let gate = Gate::new(self.credentials.clone(), false);
        mqtt_ws::Door { bridge: self.broker.bridge(port), gate, is_local: true }
    }

    /// An HTTP server with `/mqtt` of this broker.
    pub async fn http(&self) -> SocketAddr {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let router = mqtt_ws::router(self.door(addr.port()));
        tokio::spawn(async move {
            let service = router.into_make_service_with_connect_info::<SocketAddr>();
            axum::serve(listener, service).await.unwrap();
        });
        addr
    }

    /// Runs one of Mosquitto's clients against the broker.
    pub fn mosquitto(&self, program: &str, arguments: &[&str]) -> tokio::process::Command {
        let mut command = tokio::process::Command::new(program);
        command
            .args(["-h", "127.0.0.1", "-p", &self.broker.mqtt_addr().port().to_string()])
            .args(arguments)
            .stdin(std::process::Stdio::null())
            .kill_on_drop(true);
        command
    }
}

/// A CONNECT packet.
#[derive(Clone)]
pub struct Connect {
    pub version: u8,
    pub id: String,
    pub clean: bool,
    pub keep_alive: u16,
    pub will: Option<(String, Vec<u8>)>,
    pub user: Option<(String, String)>,
    /// Only version 5; without their length.
    pub properties: Vec<u8>,
}

impl Connect {
    pub fn new(id: &str) -> Self {
        Self {
            version: 4,
            id: id.to_owned(),
            clean: true,
            keep_alive: 0,
            will: None,
            user: None,
            properties: Vec::new(),
        }
    }

    pub fn version(mut self, version: u8) -> Self {
        self.version = version;
        self
    }

    pub fn keep_alive(mut self, seconds: u16) -> Self {
        self.keep_alive = seconds;
        self
    }

    pub fn will(mut self, topic: &str, payload: &[u8]) -> Self {
        self.will = Some((topic.to_owned(), payload.to_vec()));
        self
    }

    pub fn user(mut self, user: &str, password: &str) -> Self {
        self.user = Some((user.to_owned(), password.to_owned()));
        self
    }

    pub fn properties(mut self, properties: &[u8]) -> Self {
        self.properties = properties.to_vec();
        self
    }

    /// The session outlives the connection; an hour, where the client has to say.
    pub fn persistent(mut self) -> Self {
        self.clean = false;
        if self.version == 5 {
            self.properties = vec![0x11, 0, 0, 0x0e, 0x10];
        }
        self
    }

    pub fn bytes(&self) -> Vec<u8> {
        let is_5 = self.version == 5;
        let mut body = string(if self.version == 3 { "MQIsdp" } else { "MQTT" });
        let will = if self.will.is_some() { 0x04 } else { 0 };
        let user = if self.user.is_some() { 0xC0 } else { 0 };
        body.extend([self.version, u8::from(self.clean) << 1 | will | user]);
        body.extend(self.keep_alive.to_be_bytes());
        if is_5 {
            body.extend(length(self.properties.len()));
            body.extend(&self.properties);
        }
        body.extend(string(&self.id));
        if let Some((topic, payload)) = &self.will {
            if is_5 {
                body.push(0);
            }
            body.extend(string(topic));
            body.extend(u16::try_from(payload.len()).unwrap().to_be_bytes());
            body.extend(payload);
        }
        if let Some((user, password)) = &self.user {
            body.extend(string(user));
            body.extend(string(password));
        }
        packet(0x10, &body)
    }
}

pub fn string(text: &str) -> Vec<u8> {
    let mut bytes = u16::try_from(text.len()).unwrap().to_be_bytes().to_vec();
    bytes.extend(text.as_bytes());
    bytes
}

fn length(mut value: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        let low = (value % 128) as u8;
        value /= 128;
        bytes.push(if value > 0 { low | 0x80 } else { low });
        if value == 0 {
            return bytes;
        }
    }
}

pub fn packet(first: u8, body: &[u8]) -> Vec<u8> {
    let mut bytes = vec![first];
    bytes.extend(length(body.len()));
    bytes.extend(body);
    bytes
}

/// A SUBSCRIBE with packet id 1; `options` are the QoS and, in version 5, the retain handling.
pub fn subscribe(version: u8, filter: &str, options: u8) -> Vec<u8> {
    let mut body = vec![0, 1];
    if version == 5 {
        body.push(0);
    }
    body.extend(string(filter));
    body.push(options);
    packet(0x82, &body)
}

/// A PUBLISH with packet id 2 where the QoS wants one.
pub fn publish(version: u8, topic: &str, qos: u8, payload: &[u8]) -> Vec<u8> {
    let mut body = string(topic);
    if qos > 0 {
        body.extend([0, 2]);
    }
    if version == 5 {
        body.push(0);
    }
    body.extend(payload);
    packet(0x30 | qos << 1, &body)
}

/// A client made of bytes, which can misbehave.
pub struct Raw {
    pub stream: TcpStream,
}

impl Raw {
    pub async fn open(addr: SocketAddr) -> Self {
        Self { stream: TcpStream::connect(addr).await.unwrap() }
    }

    /// Connects and expects to be accepted.
    pub async fn connect(broker: &EmbeddedBroker, connect: &Connect) -> Self {
        let mut raw = Self::open(broker.mqtt_addr()).await;
        raw.send(&connect.bytes()).await;
        assert_eq!(raw.connack().await, 0, "{}", connect.id);
        raw
    }

    pub async fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).await.unwrap();
    }

    /// The next packet: its first byte and its body.
    pub async fn packet(&mut self) -> (u8, Vec<u8>) {
        soon("a packet", async {
            let first = self.stream.read_u8().await.unwrap();
            let (mut length, mut shift) = (0, 0);
            loop {
                let byte = self.stream.read_u8().await.unwrap();
                length |= usize::from(byte & 0x7F) << shift;
                shift += 7;
                if byte & 0x80 == 0 {
                    break;
                }
            }
            let mut body = vec![0; length];
            self.stream.read_exact(&mut body).await.unwrap();
            (first, body)
        })
        .await
    }

    /// The code of the CONNACK.
    pub async fn connack(&mut self) -> u8 {
        let (first, body) = self.packet().await;
        assert_eq!(first, 0x20);
        body[1]
    }

    /// The last byte of the SUBACK: the code of the only filter.
    pub async fn suback(&mut self) -> u8 {
        let (first, body) = self.packet().await;
        assert_eq!(first, 0x90);
        *body.last().unwrap()
    }

    pub async fn disconnect(&mut self) {
        self.send(&[0xE0, 0]).await;
    }

    /// Waits until the server closes the connection.
    pub async fn closed(&mut self) {
        let mut rest = Vec::new();
        // A reset is a close, too.
        let _ = soon("the server's close", self.stream.read_to_end(&mut rest)).await;
    }

    /// Ends with RST instead of FIN.
    pub fn reset(self) {
        self.stream.set_zero_linger().unwrap();
    }
}
