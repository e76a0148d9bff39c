//! The made-up fleet that everything is measured on: who its clients are, what happened to them, and what goes on
//! happening. The same number is the same client with the same past at every run.

use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use rollcall_model::event::MqttVersion;
use rollcall_model::reason::close_code;
use rollcall_model::{
    ActivityEvent, Certainty, ConnectionEvent, Counters, End, EventKind, Initiator, Peer, Protocol,
    SessionKey, Timestamp,
};

/// Grows when the same number makes another client.
pub const VERSION: u32 = 1;

const MINUTE: f64 = 60_000.0;
const DAY: f64 = 86_400_000.0;
/// How long ago the log begins.
const PAST_DAYS: f64 = 60.0;
/// Device types, of which the first is most of the fleet.
const TYPES: u32 = 40;

/// See the module.
#[derive(Debug, Clone, Copy)]
pub struct World {
    pub clients: u32,
    /// Log entries in the past, about.
    pub rows: u64,
    /// When the past ends, in milliseconds since 1970.
    pub base_ms: i64,
}

/// One client.
#[derive(Debug, Clone)]
pub struct Client {
    pub id: String,
    pub peer: Peer,
    pub is_connected: bool,
    random: SmallRng,
}

impl World {
    /// How many sessions of a client are in the log, each with its two entries.
    pub fn sessions(&self) -> u32 {
        u32::try_from(self.rows / (2 * u64::from(self.clients.max(1)))).unwrap_or(u32::MAX).max(1)
    }

    pub fn client(&self, number: u32) -> Client {
        let mut random = SmallRng::seed_from_u64(0x5EED_0000_0000 + u64::from(number));
        let id = match number % 200 {
            0 => padded(format!("a:acme01:app-{number:07}-")),
            1 | 2 => padded(format!("g:acme01:gateway:gw-{number:07}-")),
            _ => padded(format!("d:acme01:{}:sn-{number:07}-", device_type(&mut random))),
        };
        let site: u32 = skewed(&mut random, 4_000);
        let host = random.random_range(1..250);
        let version = match random.random_range(0..100) {
            0..70 => MqttVersion::V311,
            70..95 => MqttVersion::V5,
            _ => MqttVersion::V31,
        };
        let secure = random.random_bool(0.6);
        let peer = Peer {
            addr: Some(format!("10.{}.{}.{host}", site / 250, site % 250)),
            port: Some(random.random_range(1_024..u16::MAX)),
            server_port: Some(if secure { 8883 } else { 1883 }),
            protocol: Some(Protocol { version, websocket: random.random_bool(0.1) }),
            secure: Some(secure),
            user: None,
        };
        Client { id, peer, is_connected: random.random_bool(0.88), random }
    }

    /// What is in the log of all clients of the `round`-th of [`Self::sessions`] stretches of time, clients in no
    /// order.
    pub fn past(&self, round: u32) -> impl Iterator<Item = ConnectionEvent> + use<> {
        let world = *self;
        // An odd step that is far from the powers of two visits every number once.
        let step = coprime(self.clients);
        let numbers =
            (0..u64::from(self.clients)).map(move |at| (at * step % u64::from(world.clients)) as u32);
        numbers.flat_map(move |number| world.session(number, round))
    }

    /// One past session of a client, and sometimes a refused attempt.
    fn session(&self, number: u32, round: u32) -> Vec<ConnectionEvent> {
        let client = self.client(number);
        let mut random = client.random.clone();
        for _ in 0..round {
            random = SmallRng::from_rng(&mut random);
        }
        let stretch = PAST_DAYS * DAY / f64::from(self.sessions());
        let is_last = round + 1 == self.sessions();
        let (start, end) = if is_last && !client.is_connected {
            let end = self.base_ms - ago(&mut random, 20.0);
            (end - ago(&mut random, 5.0), end)
        } else {
            let begin = self.base_ms as f64 - PAST_DAYS * DAY + stretch * f64::from(round);
            let start = begin + stretch * random.random_range(0.0..0.6);
            (start as i64, (start + stretch * random.random_range(0.01..0.35)) as i64)
        };
        let key = SessionKey { start: Timestamp::from_millis(start), connection: 1 };
        let end = ending(&mut random, end);
        let mut events = vec![client.connect(key), client.disconnect(key, end)];
        if random.random_bool(0.004) {
            events.push(client.refuse(start - 1_000));
        }
        events
    }

    /// The sessions that are open now.
    pub fn present(&self) -> impl Iterator<Item = ConnectionEvent> + use<> {
        let world = *self;
        (0..self.clients).map(move |number| world.client(number)).filter(|client| client.is_connected).map(
            move |client| {
                let start = world.base_ms - ago(&mut client.random.clone(), 10.0);
                client.connect(SessionKey { start: Timestamp::from_millis(start), connection: 2 })
            },
        )
    }

    /// When the clients last did something: for most of them after they connected.
    pub fn activity(&self) -> impl Iterator<Item = ConnectionEvent> + use<> {
        let world = *self;
        (0..self.clients).filter(|number| number % 10 < 7).map(move |number| {
            let client = world.client(number);
            let mut random = client.random.clone();
            let time = Timestamp::from_millis(world.base_ms - ago(&mut random, 3.0));
            let event = ACTIVITIES[skewed(&mut random, 4) as usize % 4];
            client.event(time, EventKind::Activity { session: None, event })
        })
    }
}

const ACTIVITIES: [ActivityEvent; 4] =
    [ActivityEvent::Publish, ActivityEvent::Ping, ActivityEvent::Subscribe, ActivityEvent::Unsubscribe];

impl Client {
    pub fn event(&self, time: Timestamp, kind: EventKind) -> ConnectionEvent {
        ConnectionEvent { client_id: self.id.clone(), time, peer: self.peer.clone(), kind }
    }

    pub fn connect(&self, session: SessionKey) -> ConnectionEvent {
        self.event(session.start, EventKind::Connect { session, certainty: Certainty::Reported })
    }

    pub fn disconnect(&self, session: SessionKey, end: End) -> ConnectionEvent {
        self.event(end.time, EventKind::Disconnect { session: Some(session), end })
    }

    fn refuse(&self, ms: i64) -> ConnectionEvent {
        let kind =
            EventKind::FailedConnect { mqtt_reason_code: Some(0x87), close_code: Some(180), reason: None };
        self.event(Timestamp::from_millis(ms), kind)
    }
}

/// What goes on happening: clients come, go and do something.
pub struct Present {
    world: World,
    random: SmallRng,
    /// The open session of each client.
    sessions: Vec<Option<SessionKey>>,
    connection: u64,
}

impl Present {
    pub fn new(world: World) -> Self {
        let sessions = (0..world.clients).map(|number| {
            let client = world.client(number);
            client.is_connected.then(|| SessionKey {
                start: Timestamp::from_millis(world.base_ms - ago(&mut client.random.clone(), 10.0)),
                connection: 2,
            })
        });
        Self { world, random: SmallRng::seed_from_u64(7), sessions: sessions.collect(), connection: 3 }
    }

    /// The next event and the number of its client; `activity` is how many in a hundred are activity of connected
    /// clients.
    pub fn next(&mut self, now: Timestamp, activity: u32) -> (u32, ConnectionEvent) {
        let number = self.random.random_range(0..self.world.clients);
        let client = self.world.client(number);
        let open = self.sessions[number as usize];
        if let Some(session) = open
            && self.random.random_range(0..100) < activity
        {
            let event = ACTIVITIES[skewed(&mut self.random, 4) as usize % 4];
            return (number, client.event(now, EventKind::Activity { session: Some(session), event }));
        }
        let event = match open {
            Some(session) => {
                self.sessions[number as usize] = None;
                client.disconnect(session, ending(&mut self.random, now.millis()))
            }
            None => self.connect(number, now),
        };
        (number, event)
    }

    /// A new session of a client, whether it has one or not.
    pub fn connect(&mut self, number: u32, now: Timestamp) -> ConnectionEvent {
        self.connection += 1;
        let session = SessionKey { start: now, connection: self.connection };
        self.sessions[number as usize] = Some(session);
        self.world.client(number).connect(session)
    }
}

fn padded(mut id: String) -> String {
    while id.len() < 40 {
        id.push(char::from(b'a' + (id.len() % 23) as u8));
    }
    id.truncate(40);
    id
}

/// The name of a device type by its number.
pub fn type_name(number: u32) -> String {
    format!("type-{number:02}")
}

fn device_type(random: &mut SmallRng) -> String {
    type_name(skewed(random, TYPES))
}

/// A number below `bound`, small ones far more often.
fn skewed(random: &mut SmallRng, bound: u32) -> u32 {
    let uniform: f64 = random.random();
    ((uniform * uniform * uniform) * f64::from(bound)) as u32
}

/// Milliseconds between a minute and so many days, each order of magnitude as often as the others.
fn ago(random: &mut SmallRng, days: f64) -> i64 {
    let uniform: f64 = random.random();
    (MINUTE * (days * DAY / MINUTE).powf(uniform)) as i64
}

fn ending(random: &mut SmallRng, ms: i64) -> End {
    let (initiator, code) = match random.random_range(0..100) {
        0..40 => (Initiator::Network, 0x80),
        40..65 => (Initiator::Client, 0x00),
        65..85 => (Initiator::Server, 0x8D),
        85..92 => (Initiator::Server, 0x8B),
        92..97 => (Initiator::Server, 0x87),
        _ => (Initiator::Server, 0x98),
    };
    End {
        certainty: Certainty::Reported,
        time: Timestamp::from_millis(ms),
        initiator: Some(initiator),
        mqtt_reason_code: Some(code),
        close_code: Some(close_code(initiator, code)),
        reason: None,
        counters: Counters {
            read_msg: Some(random.random_range(0..5_000)),
            read_bytes: Some(random.random_range(0..500_000)),
            write_msg: Some(random.random_range(0..500)),
            write_bytes: Some(random.random_range(0..50_000)),
        },
    }
}

fn coprime(bound: u32) -> u64 {
    const fn gcd(a: u64, b: u64) -> u64 {
        if b == 0 { a } else { gcd(b, a % b) }
    }
    (u64::from(bound) * 618 / 1_000 + 1..).find(|step| gcd(*step, u64::from(bound)) == 1).unwrap_or(1)
}
