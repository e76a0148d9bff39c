//! What each client of the demo fleet does and when: pure functions of the seed, without a clock or a socket.
//!
//! A client's life is a row of [`Stretch`]es. In each it stays connected for a while and then takes a
//! [`Turn`]: it leaves in one of the ways in which clients leave, or something happens to its id while it stays.
//! In between it does [`Deed`]s. The first client ids of a fleet are the showcase: within half a minute of the
//! start each of them takes one kind of turn, so that a newcomer sees all of them.

#[cfg(test)]
mod tests;

use std::time::Duration;

use mqtt_protocol_core::mqtt::Version;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use rollcall_model::client_id::DEMO_DEVICE_TYPE;

use crate::identity::TOKEN_USER;

/// What a client is. Decides what it publishes, and how often.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    Thermo,
    Meter,
    Pump,
    Tracker,
    Gateway,
    Console,
}

/// What happens at the end of a stretch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Turn {
    /// DISCONNECT, the client's own wish.
    Goodbye,
    /// DISCONNECT with reason code 0x04: the broker publishes the will. MQTT 5 only.
    GoodbyeWithWill,
    /// The socket is reset: a crash, a firewall.
    Reset,
    /// The socket is closed without a DISCONNECT.
    HangUp,
    /// The client sends nothing more until the broker ends the connection for want of a ping.
    Silence,
    /// A double connects under the same id. The client stays connected, on the new connection.
    TakenOver,
    /// A stranger tries the id with a wrong password. The client stays connected.
    WrongPassword,
}

impl Turn {
    /// The order of the showcase. Silence comes first because the broker takes its time to notice it.
    pub const ALL: [Self; 7] = [
        Self::Silence,
        Self::Goodbye,
        Self::TakenOver,
        Self::Reset,
        Self::WrongPassword,
        Self::GoodbyeWithWill,
        Self::HangUp,
    ];

    /// How often a turn is taken, relative to the others.
    const fn weight(self) -> u32 {
        match self {
            Self::Goodbye => 30,
            Self::Reset | Self::HangUp => 15,
            Self::GoodbyeWithWill | Self::Silence => 12,
            Self::TakenOver => 10,
            Self::WrongPassword => 25,
        }
    }
}

/// What sort of luck a client has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Temper {
    Steady,
    /// Something between it and the broker cuts the connection every two minutes.
    Flapping,
    /// It only knows an old password and never gets in.
    LockedOut,
}

/// One client of the fleet.
#[derive(Debug, Clone, PartialEq)]
pub struct Member {
    pub client_id: String,
    pub kind: Kind,
    pub temper: Temper,
    pub version: Version,
    /// The user name under which the broker knows the fleet's token for this id.
    pub user: String,
    /// Somebody tries its id with a wrong password now and then, or it does so itself.
    is_target: bool,
    index: u32,
    seed: u64,
}

/// How fast the fleet lives.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    /// The start of the fleet is spread over this time.
    pub spread: Duration,
    /// When the first turn of the showcase is taken, after the start of the fleet.
    pub showcase_first: Duration,
    /// Between two turns of the showcase.
    pub showcase_step: Duration,
    /// Keep-alive in seconds of a connection that will fall silent.
    pub keep_alive_silent_s: u16,
}

impl Pace {
    /// Most stay connected; all that can happen has been seen within half a minute.
    pub const CALM: Self = Self {
        spread: Duration::from_secs(5),
        showcase_first: Duration::from_secs(7),
        showcase_step: Duration::from_secs(3),
        keep_alive_silent_s: 6,
    };
}

/// A part of a client's life, from a connect (or a turn that left it connected) to the next turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stretch {
    pub hold: Duration,
    pub turn: Turn,
    /// How long the client stays away after a turn that ended its connection.
    pub away: Duration,
    /// The keep-alive to ask for when the stretch begins with a connect.
    pub keep_alive_s: u16,
}

/// What a connected client does in between.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Deed {
    Publish { topic: &'static str, payload: String },
    Subscribe(&'static str),
    Unsubscribe(&'static str),
}

/// Mean time until a client takes a turn.
const HOLD_MEAN: Duration = Duration::from_secs(80 * 60);
/// Mean time until a client that left comes back.
const AWAY_MEAN: Duration = Duration::from_secs(3 * 60);
/// How long a flapping client gets to stay, give or take two seconds.
const FLAPPING_HOLD: Duration = Duration::from_secs(120);

const STATUS: &str = "iot-2/evt/status/fmt/json";
const ALARM: &str = "iot-2/evt/alarm/fmt/json";
const COMMANDS: &str = "iot-2/cmd/+/fmt/json";
/// Where wills are published.
pub const WILL_TOPIC: &str = ALARM;

/// The whole fleet.
#[derive(Debug)]
pub struct Roster {
    members: Vec<Member>,
    pace: Pace,
}

impl Roster {
    /// Plans a fleet of this many clients.
    pub fn new(clients: u32, org: &str, seed: u64, pace: Pace) -> Self {
        let mut counts = [0_u32; 6];
        let members = (0..clients)
            .map(|index| {
                let kind = Kind::of(index);
                let count = &mut counts[kind as usize];
                *count += 1;
                Member::new(index, clients, kind.client_id(org, *count), kind.user(org, *count), seed)
            })
            .collect();
        Self { members, pace }
    }

    pub fn members(&self) -> &[Member] {
        &self.members
    }

    /// How long after the start of the fleet a member connects for the first time.
    pub fn arrival(&self, member: &Member) -> Duration {
        self.pace.spread * member.index / self.size()
    }

    /// A member's stretch by its number, counted from 0.
    pub fn stretch(&self, member: &Member, number: u32) -> Stretch {
        let mut rng = member.rng(Purpose::Stretch, number);
        let turn = self.turn(member, number, &mut rng);
        let hold = match (self.showcase(member, number), member.temper) {
            (Some(_), _) if number > 0 => self.pace.showcase_step * self.size(),
            (Some(place), _) => {
                let at = self.pace.showcase_first + self.pace.showcase_step * place;
                at.saturating_sub(self.arrival(member))
            }
            (None, Temper::Flapping) => FLAPPING_HOLD + Duration::from_millis(rng.random_range(0..4_000)),
            (None, _) => exponential(&mut rng, HOLD_MEAN).max(Duration::from_secs(10)),
        };
        let away_limits = match (self.showcase(member, number + 1), member.temper) {
            (Some(_), _) => (1.0, 2.0),
            (None, Temper::Flapping) => (3.0, 8.0),
            (None, _) => (15.0, 20.0 * 60.0),
        };
        let away = exponential(&mut rng, AWAY_MEAN).as_secs_f64().clamp(away_limits.0, away_limits.1);
        Stretch {
            hold,
            turn,
            away: Duration::from_secs_f64(away),
            keep_alive_s: match turn {
                Turn::Silence => self.pace.keep_alive_silent_s,
                _ => [60, 90, 120][rng.random_range(0..3)],
            },
        }
    }

    fn turn(&self, member: &Member, number: u32, rng: &mut StdRng) -> Turn {
        if let Some(place) = self.showcase(member, number) {
            return Turn::ALL[place as usize];
        }
        let possible: &[Turn] = match member.temper {
            Temper::LockedOut => &[Turn::WrongPassword],
            Temper::Flapping => &[Turn::Reset, Turn::HangUp],
            Temper::Steady => &Turn::ALL,
        };
        weighted(possible.iter().copied().filter(|turn| member.can(*turn)), rng).unwrap_or(Turn::Goodbye)
    }

    /// The place in the showcase of a stretch, if it has one. In a fleet smaller than the showcase each
    /// client plays several.
    fn showcase(&self, member: &Member, number: u32) -> Option<u32> {
        let place = u64::from(member.index) + u64::from(number) * u64::from(self.size());
        u32::try_from(place).ok().filter(|place| (*place as usize) < Turn::ALL.len())
    }

    /// At least 1, so that it can divide.
    fn size(&self) -> u32 {
        u32::try_from(self.members.len()).unwrap_or(u32::MAX).max(1)
    }
}

impl Kind {
    fn of(index: u32) -> Self {
        match (index % 40, index % 8) {
            (1, _) => Self::Console,
            (5 | 25, _) => Self::Gateway,
            (_, 0 | 3) => Self::Tracker,
            (_, 4 | 7) => Self::Meter,
            (_, 2) => Self::Pump,
            _ => Self::Thermo,
        }
    }

    fn client_id(self, org: &str, number: u32) -> String {
        let device = |name: &str| format!("d:{org}:{DEMO_DEVICE_TYPE}:{name}-{number:04}");
        match self {
            Self::Thermo => device("thermo"),
            Self::Meter => device("meter"),
            Self::Pump => device("pump"),
            Self::Tracker => device("tracker"),
            Self::Gateway => format!("g:{org}:{DEMO_DEVICE_TYPE}:gateway-{number:02}"),
            Self::Console => format!("a:{org}:demo-console-{number}"),
        }
    }

    /// An application presents an API key, which for these exists only in the server's memory.
    fn user(self, org: &str, number: u32) -> String {
        match self {
            Self::Console => format!("a-{org}-demo{number:06}"),
            _ => TOKEN_USER.to_owned(),
        }
    }

    /// The usual time between two deeds, in seconds.
    const fn beat_s(self) -> f64 {
        match self {
            Self::Gateway => 20.0,
            Self::Pump => 30.0,
            Self::Tracker => 45.0,
            Self::Thermo => 60.0,
            Self::Console => 120.0,
            Self::Meter => 300.0,
        }
    }
}

/// What a random number is for; each use has its own sequence, so that adding one changes no other.
#[derive(Clone, Copy)]
enum Purpose {
    Nature = 1,
    Stretch = 2,
    Deed = 3,
}

impl Member {
    fn new(index: u32, clients: u32, client_id: String, user: String, seed: u64) -> Self {
        let temper = match index {
            _ if (index as usize) < Turn::ALL.len() => Temper::Steady,
            _ if index % 50 == 17 => Temper::LockedOut,
            _ if index % 100 == 11 => Temper::Flapping,
            _ => Temper::Steady,
        };
        let mut member = Self {
            client_id,
            kind: Kind::of(index),
            temper,
            version: Version::V3_1_1,
            user,
            is_target: false,
            index,
            seed,
        };
        let mut rng = member.rng(Purpose::Nature, 0);
        let plays: Vec<_> = Turn::ALL.iter().skip(index as usize).step_by(clients.max(1) as usize).collect();
        if rng.random_bool(0.45) || plays.contains(&&Turn::GoodbyeWithWill) {
            member.version = Version::V5_0;
        }
        if temper == Temper::LockedOut || index % 50 == 4 || plays.contains(&&Turn::WrongPassword) {
            member.is_target = true;
        }
        member
    }

    fn can(&self, turn: Turn) -> bool {
        match turn {
            Turn::GoodbyeWithWill => self.version == Version::V5_0,
            Turn::WrongPassword => self.is_target,
            _ => true,
        }
    }

    /// What the client subscribes to when it has connected.
    pub const fn first_subscription(&self) -> Option<&'static str> {
        match self.kind {
            Kind::Pump | Kind::Gateway => Some(COMMANDS),
            Kind::Console => Some(ALARM),
            Kind::Thermo | Kind::Meter | Kind::Tracker => None,
        }
    }

    /// The text of the client's will.
    pub fn will(&self) -> String {
        serde_json::json!({ "d": { "offline": self.client_id } }).to_string()
    }

    /// A client's deed by its number, and how long to wait before it.
    pub fn deed(&self, number: u32) -> (Duration, Deed) {
        let mut rng = self.rng(Purpose::Deed, number);
        let wait = Duration::from_secs_f64(self.kind.beat_s() * rng.random_range(0.5..1.5));
        let deed = match self.kind {
            Kind::Console => match number % 4 {
                0 => Deed::Subscribe("iot-2/evt/location/fmt/json"),
                2 => Deed::Unsubscribe("iot-2/evt/location/fmt/json"),
                _ => Deed::Publish {
                    topic: "iot-2/cmd/interval/fmt/json",
                    payload: serde_json::json!({ "d": { "seconds": 30 * rng.random_range(1..5) } })
                        .to_string(),
                },
            },
            _ => self.reading(&mut rng),
        };
        (wait, deed)
    }

    fn reading(&self, rng: &mut StdRng) -> Deed {
        let mut round = |low: f64, high: f64| (rng.random_range(low..high) * 10.0).round() / 10.0;
        let (topic, data) = match self.kind {
            Kind::Thermo => (STATUS, serde_json::json!({ "celsius": round(17.0, 24.0) })),
            Kind::Meter => (STATUS, serde_json::json!({ "kwh": round(1_000.0, 9_000.0) })),
            Kind::Pump => (STATUS, serde_json::json!({ "bar": round(2.0, 6.0), "running": true })),
            Kind::Tracker => (
                "iot-2/evt/location/fmt/json",
                serde_json::json!({ "lat": round(46.0, 52.0), "lon": round(2.0, 14.0) }),
            ),
            Kind::Gateway | Kind::Console => (STATUS, serde_json::json!({ "load": round(0.0, 1.0) })),
        };
        Deed::Publish { topic, payload: serde_json::json!({ "d": data }).to_string() }
    }

    fn rng(&self, purpose: Purpose, number: u32) -> StdRng {
        let mut seed = [0; 32];
        seed[..8].copy_from_slice(&self.seed.to_le_bytes());
        seed[8..12].copy_from_slice(&self.index.to_le_bytes());
        seed[12..16].copy_from_slice(&number.to_le_bytes());
        seed[16] = purpose as u8;
        StdRng::from_seed(seed)
    }
}

/// A waiting time without memory: whatever the mean, some come soon, so that the fleet changes at a steady rate
/// from the start.
fn exponential(rng: &mut StdRng, mean: Duration) -> Duration {
    let share: f64 = rng.random_range(f64::MIN_POSITIVE..1.0);
    mean.mul_f64(-share.ln())
}

fn weighted(turns: impl Iterator<Item = Turn> + Clone, rng: &mut StdRng) -> Option<Turn> {
    let total: u32 = turns.clone().map(Turn::weight).sum();
    let mut pick = rng.random_range(0..total.max(1));
    turns.into_iter().find(|turn| {
        let found = pick < turn.weight();
        pick = pick.saturating_sub(turn.weight());
        found
    })
}
