//! The server that is measured, in a process of its own with a source of made-up events inside.
//!
//! [`serve`] is that process; it takes commands line by line: `open` brings up the sessions that are open, `rate R A`
//! lets R events a second happen of which A in a hundred are activity, `burst` reconnects every client, `activity F`
//! writes to the file F who was last active when. [`Server`] is the other end.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, BufWriter, Lines, Write as _};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use rollcall_model::{ConnectionEvent, EventKind, Initiator};
use rollcall_server::clock;
use rollcall_server::config::ServeArgs;
use rollcall_server::fleet::Fleet;
use rollcall_server::serve::serve_with;
use rollcall_server::source::EventSink;

use crate::world::{Present, World};

/// Events that are under way at most: a source with a connection to its broker does not run ahead of the recorder.
const WINDOW: usize = 40_000;
/// How often the events of a rate are let out.
const TICK: Duration = Duration::from_millis(5);
/// How many of the newest events that are activity are known: more than happen while a browser is measured.
const ACTIVE_MAX: usize = 2_000_000;

/// Runs the server until its standard input ends.
pub fn serve(data: &Path, world: World) -> anyhow::Result<()> {
    let local = "127.0.0.1:0".parse()?;
    let args = ServeArgs {
        http: Some(local),
        mqtt: Some(local),
        data: Some(data.to_path_buf()),
        ..ServeArgs::default()
    };
    let mut config = args.resolve()?;
    // The made-up past is longer than a log is kept, and all of it is to be asked.
    config.retention.max_age_ms = None;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let attach = move |sink, fleet| {
        std::thread::spawn(move || {
            let result = Source::new(world, sink, fleet).obey();
            if let Err(error) = &result {
                eprintln!("the source failed: {error:#}");
            }
            std::process::exit(i32::from(result.is_err()));
        });
    };
    runtime.block_on(serve_with(config, Box::new(attach)))?;
    Ok(())
}

struct Source {
    world: World,
    sink: EventSink,
    fleet: Arc<Fleet>,
    /// Events a second, and how many in a hundred are activity.
    rate: Arc<(AtomicU32, AtomicU32)>,
    active: Arc<Mutex<VecDeque<Active>>>,
}

/// A client by its number, and when it was active, in milliseconds since 1970.
type Active = (u32, i64);

impl Source {
    fn new(world: World, sink: EventSink, fleet: Arc<Fleet>) -> Self {
        Self { world, sink, fleet, rate: Arc::default(), active: Arc::default() }
    }

    fn obey(&mut self) -> anyhow::Result<()> {
        for line in std::io::stdin().lines() {
            let line = line?;
            let words: Vec<&str> = line.split(' ').collect();
            match words.as_slice() {
                ["open"] => {
                    let start = Instant::now();
                    let events = self.pour(self.world.present())? + self.pour(self.world.activity())?;
                    let seconds = start.elapsed();
                    self.happen();
                    reply("opened", events, seconds);
                }
                ["rate", rate, activity] => {
                    self.rate.1.store(activity.parse()?, Ordering::Relaxed);
                    self.rate.0.store(rate.parse()?, Ordering::Relaxed);
                }
                ["burst"] => {
                    let (clients, mut present) = (self.world.clients, Present::new(self.world));
                    let start = Instant::now();
                    let events =
                        self.pour((0..clients).map(|number| present.connect(number, clock::now())))?;
                    reply("burst", events, start.elapsed());
                }
                ["activity", file @ ..] => {
                    let start = Instant::now();
                    let written = self.write_active(Path::new(&file.join(" ")))?;
                    reply("activity", written, start.elapsed());
                }
                _ => bail!("there is no command {line}"),
            }
        }
        Ok(())
    }

    /// Writes a line for each event that was activity, and forgets them.
    fn write_active(&self, file: &Path) -> anyhow::Result<u64> {
        let active = std::mem::take(&mut *self.active.lock().unwrap_or_else(PoisonError::into_inner));
        let mut lines = BufWriter::new(std::fs::File::create(file)?);
        for (number, time_ms) in &active {
            writeln!(lines, "{number} {time_ms}")?;
        }
        lines.flush()?;
        Ok(active.len() as u64)
    }

    /// Puts in events as fast as they are shown.
    fn pour(&self, events: impl Iterator<Item = ConnectionEvent>) -> anyhow::Result<u64> {
        let (mut count, mut last) = (0, None);
        for event in events {
            self.sink.offer(event.clone());
            count += 1;
            if (count as usize).is_multiple_of(WINDOW) {
                self.wait_for(&event);
            }
            last = Some(event);
        }
        if let Some(last) = &last {
            self.wait_for(last);
        }
        match self.sink.lost() {
            0 => Ok(count),
            lost => bail!("{lost} events were lost"),
        }
    }

    /// Waits until the fleet shows an event.
    fn wait_for(&self, event: &ConnectionEvent) {
        let is_shown = || {
            self.fleet.get(&event.client_id).is_some_and(|state| match &event.kind {
                EventKind::Connect { session, .. } => {
                    state.current.is_some_and(|current| current.key >= *session)
                }
                _ => state.heard >= Some(event.time),
            })
        };
        while !is_shown() {
            std::thread::sleep(Duration::from_micros(200));
        }
    }

    /// Lets events happen at the rate that is set, for ever.
    fn happen(&self) {
        let (sink, rate, mut present) = (self.sink.clone(), Arc::clone(&self.rate), Present::new(self.world));
        let active = Arc::clone(&self.active);
        std::thread::spawn(move || {
            let (mut owed, mut last) = (0.0, Instant::now());
            loop {
                std::thread::sleep(TICK);
                let (now, activity) = (clock::now(), rate.1.load(Ordering::Relaxed));
                owed += f64::from(rate.0.load(Ordering::Relaxed)) * last.elapsed().as_secs_f64();
                last = Instant::now();
                let mut active = active.lock().unwrap_or_else(PoisonError::into_inner);
                while owed >= 1.0 {
                    let (number, event) = present.next(now, activity);
                    if is_activity(&event) {
                        active.push_back((number, now.millis()));
                    }
                    sink.offer(event);
                    owed -= 1.0;
                }
                let excess = active.len().saturating_sub(ACTIVE_MAX);
                active.drain(..excess);
            }
        });
    }
}

/// Whether an event changes when its client was last active.
fn is_activity(event: &ConnectionEvent) -> bool {
    match &event.kind {
        EventKind::Connect { .. } | EventKind::Activity { .. } => true,
        EventKind::Disconnect { end, .. } => end.initiator == Some(Initiator::Client),
        _ => false,
    }
}

fn reply(what: &str, events: u64, took: Duration) {
    println!("{what} {events} {}", took.as_secs_f64());
}

/// A running server.
pub struct Server {
    child: Child,
    input: ChildStdin,
    output: Lines<BufReader<ChildStdout>>,
    pub http: SocketAddr,
    pub mqtt: SocketAddr,
}

impl Server {
    /// Starts one on a data folder and waits until it says where it listens.
    pub fn start(data: &Path, world: World) -> anyhow::Result<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("ROLLCALL_")) {
            command.env_remove(name);
        }
        let World { clients, rows, base_ms } = world;
        command.arg("serve").arg(data).args([clients.to_string(), rows.to_string(), base_ms.to_string()]);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let input = child.stdin.take().context("no standard input")?;
        let mut output = BufReader::new(child.stdout.take().context("no standard output")?).lines();
        let (mut http, mut mqtt) = (None, None);
        for line in output.by_ref() {
            let line = line?;
            if let Some(url) = line.strip_prefix("Dashboard ") {
                http = Some(url.trim().trim_start_matches("http://").trim_end_matches('/').parse()?);
            } else if let Some(address) = line.strip_prefix("MQTT ") {
                mqtt = Some(address.trim().parse()?);
            } else if line.starts_with("Ctrl-C") {
                break;
            }
        }
        let (http, mqtt) = http.zip(mqtt).context("the server did not start")?;
        Ok(Self { child, input, output, http, mqtt })
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub fn tell(&mut self, command: &str) -> anyhow::Result<()> {
        writeln!(self.input, "{command}").context("the server has gone")
    }

    /// Tells a command and waits for its reply: how many events, and the seconds that they took.
    pub fn ask(&mut self, command: &str) -> anyhow::Result<(u64, f64)> {
        self.tell(command)?;
        let line = self.output.next().context("the server has gone")??;
        let words: Vec<&str> = line.split(' ').collect();
        match words.as_slice() {
            [_, events, seconds] => Ok((events.parse()?, seconds.parse()?)),
            _ => bail!("the server says {line}"),
        }
    }

    /// `kill -9`.
    pub fn kill(mut self) -> anyhow::Result<()> {
        self.end();
        Ok(())
    }

    fn end(&mut self) {
        // It has gone already, or it goes now.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.end();
    }
}
