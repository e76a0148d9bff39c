//! The demo fleet against a broker that nobody here wrote.

use std::collections::HashSet;
use std::io::{BufRead as _, BufReader};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use super::plan::{Pace, Roster, Turn};
use super::{DemoConfig, spawn_at_pace};

const LIMIT: Duration = Duration::from_secs(60);
const TOKEN: &str = "the-token";
const FAST: Pace = Pace {
    spread: Duration::from_millis(500),
    showcase_first: Duration::from_millis(800),
    showcase_step: Duration::from_millis(300),
    keep_alive_silent_s: 1,
};

/// Mosquitto, and what it and its subscriber print. Killed when dropped.
struct Mosquitto {
    broker: Child,
    address: SocketAddr,
    lines: Receiver<String>,
    lines_in: std::sync::mpsc::Sender<String>,
    subscribers: Vec<Child>,
}

impl Mosquitto {
    fn start(dir: &Path, address: SocketAddr, users: &HashSet<String>) -> Self {
        let passwords = dir.join("passwords");
        std::fs::File::create(&passwords).unwrap();
        for user in users {
            let made =
                Command::new("mosquitto_passwd").arg("-b").arg(&passwords).args([user, TOKEN]).status();
            assert!(made.unwrap().success());
        }
        let config = dir.join("mosquitto.conf");
        let text = format!(
            "listener {} 127.0.0.1\nallow_anonymous true\npassword_file {}\nlog_dest stderr\nlog_type all\n",
            address.port(),
            passwords.display()
        );
        std::fs::write(&config, text).unwrap();
        let mut broker = Command::new("mosquitto")
            // Debian keeps it where only root's PATH looks.
            .env("PATH", format!("{}:/usr/sbin", std::env::var("PATH").unwrap_or_default()))
            .arg("-c")
            .arg(&config)
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let (lines_in, lines) = channel();
        forward(broker.stderr.take().unwrap(), lines_in.clone());
        let started = Instant::now();
        while TcpStream::connect(address).is_err() {
            assert!(started.elapsed() < LIMIT, "mosquitto does not listen");
            std::thread::yield_now();
        }
        Self { broker, address, lines, lines_in, subscribers: Vec::new() }
    }

    fn subscribe(&mut self, topic: &str) {
        let mut subscriber = Command::new("mosquitto_sub")
            .args(["-h", "127.0.0.1", "-p", &self.address.port().to_string(), "-t", topic, "-F", "got %p"])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        forward(subscriber.stdout.take().unwrap(), self.lines_in.clone());
        self.subscribers.push(subscriber);
    }
}

impl Drop for Mosquitto {
    fn drop(&mut self) {
        for child in self.subscribers.iter_mut().chain([&mut self.broker]) {
            child.kill().ok();
            child.wait().ok();
        }
    }
}

fn forward(from: impl std::io::Read + Send + 'static, to: std::sync::mpsc::Sender<String>) {
    std::thread::spawn(move || {
        for line in BufReader::new(from).lines().map_while(Result::ok) {
            if to.send(line).is_err() {
                return;
            }
        }
    });
}

/// Reads lines until every one of these texts has been in one, each a part that must be in the line.
fn expect_all(lines: &Receiver<String>, mut wanted: HashSet<String>) {
    let started = Instant::now();
    let mut seen = Vec::new();
    while !wanted.is_empty() {
        let left = LIMIT.saturating_sub(started.elapsed());
        match lines.recv_timeout(left) {
            Ok(line) => {
                wanted.retain(|text| !line.contains(text.as_str()));
                seen.push(line);
            }
            Err(_) => panic!("not seen: {wanted:#?} in\n{}", seen.join("\n")),
        }
    }
}

fn free_address() -> SocketAddr {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|listener| listener.local_addr()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_client_arrives_and_every_kind_of_ending_happens_at_a_real_broker() {
    let dir = tempfile::tempdir().unwrap();
    let address = free_address();
    let config = DemoConfig {
        clients: 12,
        broker: address,
        org: "acme01".to_owned(),
        seed: 7,
        token: TOKEN.to_owned(),
    };
    let roster = Roster::new(config.clients, &config.org, config.seed, FAST);
    let id = |turn: Turn| {
        let index = Turn::ALL.iter().position(|t| *t == turn).unwrap();
        roster.members()[index].client_id.clone()
    };
    let users = roster.members().iter().map(|m| m.user.clone()).collect();
    let mut broker = Mosquitto::start(dir.path(), address, &users);
    broker.subscribe(super::plan::WILL_TOPIC);
    expect_all(&broker.lines, HashSet::from(["SUBACK".to_owned()]));

    let registered = std::cell::RefCell::new(Vec::new());
    let fleet = spawn_at_pace(&config, |id, _| registered.borrow_mut().push(id.to_owned()), FAST);
    assert!(registered.into_inner().iter().eq(roster.members().iter().map(|m| &m.client_id)));

    let mut wanted: HashSet<_> = roster.members().iter().map(|m| format!(" as {} (p", m.client_id)).collect();
    wanted.extend([
        format!("Received DISCONNECT from {}", id(Turn::Goodbye)),
        format!("Received DISCONNECT from {}", id(Turn::GoodbyeWithWill)),
        format!("got {{\"d\":{{\"offline\":\"{}\"}}}}", id(Turn::GoodbyeWithWill)),
        // This broker does not tell a reset from an end of stream.
        format!("Client {} closed its connection", id(Turn::Reset)),
        format!("Client {} closed its connection", id(Turn::HangUp)),
        format!("Client {} has exceeded timeout", id(Turn::Silence)),
        format!("Client {} already connected, closing old connection", id(Turn::TakenOver)),
        "not authorised".to_owned(),
    ]);
    tokio::task::block_in_place(|| expect_all(&broker.lines, wanted));

    fleet.stop().await;
    let guarded = format!("Received DISCONNECT from {}", id(Turn::WrongPassword));
    tokio::task::block_in_place(|| expect_all(&broker.lines, HashSet::from([guarded])));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_is_away_is_waited_for() {
    let dir = tempfile::tempdir().unwrap();
    let address = free_address();
    let config = DemoConfig {
        clients: 2,
        broker: address,
        org: "acme01".to_owned(),
        seed: 7,
        token: TOKEN.to_owned(),
    };
    let users = std::cell::RefCell::new(HashSet::new());
    let fleet = spawn_at_pace(&config, |_, user| users.borrow_mut().extend([user.to_owned()]), FAST);
    let broker = Mosquitto::start(dir.path(), address, &users.into_inner());
    let wanted = HashSet::from([" as d:acme01:demo:tracker-0001 (p".to_owned()]);
    tokio::task::block_in_place(|| expect_all(&broker.lines, wanted));
    fleet.stop().await;
}
