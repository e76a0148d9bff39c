//! Questions over HTTP while events arrive, and the same questions to SQLite while the same events arrive there.

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use rollcall_model::StateDoc;
use rollcall_server::clock;
use rollcall_server::identity::{Credentials, NewKey, Role};
use serde_json::Value;

use crate::baseline::Baseline;
use crate::child::Server;
use crate::data::Data;
use crate::http::Http;
use crate::measure::{Better, Row, Times, times};
use crate::question::{self, Counting, Place, Question};
use crate::world::{Present, World, type_name};

/// Events a second while questions are asked, and how many in a hundred are activity.
pub const RATE: u32 = 2_000;
pub const ACTIVITY: u32 = 50;

/// How long and how often to ask.
#[derive(Debug, Clone, Copy)]
pub struct Effort {
    pub asks: usize,
    /// The most time for one row of the table.
    pub row: Duration,
    /// How long to measure a throughput.
    pub throughput: Duration,
}

/// A server, and how to ask it.
pub struct Asked {
    pub server: Server,
    pub key: NewKey,
    headers: String,
}

impl Asked {
    /// Starts a server and signs in as a dashboard does. Also returns the seconds until the first page was there.
    pub fn start(folder: &Path, world: World) -> anyhow::Result<(Self, f64)> {
        let key = Credentials::open(folder)?.add_key("acme01", Role::Viewer, Some("bench"))?;
        let start = Instant::now();
        let server = Server::start(folder, world)?;
        let mut http = Http::connect(server.http, "")?;
        let credentials = serde_json::json!({ "key": key.key, "token": key.token }).to_string();
        let answer = http.post_json("/api/rollcall/v1/session", &credentials, &mut Vec::new())?;
        let headers = format!("Cookie: {}\r\n", answer.cookie.context("no session")?);
        let asked = Self { server, key, headers };
        asked.http()?.get("/api/v0002/clientconnectionstates?_limit=100", &mut Vec::new())?;
        Ok((asked, start.elapsed().as_secs_f64()))
    }

    pub fn http(&self) -> anyhow::Result<Http> {
        Http::connect(self.server.http, &self.headers)
    }

    /// How many rows a query has.
    pub fn total(&self, path: &str) -> anyhow::Result<u64> {
        let mut body = Vec::new();
        self.http()?.get(path, &mut body)?;
        let answer: Value = serde_json::from_slice(&body)?;
        answer["meta"]["total_rows"].as_u64().context("no total_rows")
    }
}

/// The questions of the table.
struct Questions {
    single: Vec<Question>,
    four: Vec<Question>,
    deep: Vec<Question>,
    bookmarked: Vec<Question>,
    counting: Counting,
    places: Vec<Place>,
}

impl Questions {
    fn new(world: World) -> Self {
        Self {
            single: question::single_filters(world),
            four: question::four_filters(world),
            deep: question::deep_pages(world),
            bookmarked: question::before_bookmarked(world),
            counting: Counting::new(world),
            places: question::places(world),
        }
    }

    /// All of them, mixed.
    fn mixed(&self) -> Vec<Question> {
        let spread = |questions: &[Question], every: usize| {
            questions.iter().step_by(every).cloned().collect::<Vec<_>>()
        };
        let mut groups = [spread(&self.single, 1), spread(&self.four, 1), spread(&self.deep, 1)];
        let mut mixed = Vec::new();
        while groups.iter().any(|group| !group.is_empty()) {
            mixed.extend(groups.iter_mut().filter_map(Vec::pop));
        }
        mixed
    }
}

/// Measures all rows about questions.
pub fn measure(asked: &mut Asked, data: &Data, effort: Effort) -> anyhow::Result<Vec<Row>> {
    let world = data.world;
    let questions = Questions::new(world);
    let mut baseline = Baseline::open(&data.baseline)?;
    load(asked, &mut baseline)?;
    check(asked, &baseline, &questions)?;
    let unchanged = unchanged_page(asked, effort, "_sort=-lastActivityTime&connectionStatus=connected")?;
    asked.server.tell(&format!("rate {RATE} {ACTIVITY}"))?;
    let ours = ask_rollcall(asked, world, &questions, effort)?;
    asked.server.tell("rate 0 0")?;
    let theirs = while_recording(&data.baseline, world, || ask_sqlite(&baseline, data, &questions, effort))?;
    let Answers {
        single,
        four,
        deep,
        bookmarked,
        counting,
        places,
        one,
        log,
        one_by_key,
        untouched,
        lists,
        ones,
    } = &ours;
    let rows_in_log = world.rows as f64 / 1e6;
    Ok(vec![
        Row::times("first page, one filter, any sort, all facets", (4.0, 10.0), single, Some(&theirs.single)),
        Row::times("four filters and a search, any sort, all facets", (6.0, 15.0), four, Some(&theirs.four)),
        Row::times("_skip to 90 %, any sort", (6.0, 15.0), deep, Some(&theirs.deep)),
        Row::times("by bookmark at 99 %, any sort", (6.0, 15.0), bookmarked, Some(&theirs.bookmarked)),
        Row::times("_count of eleven filters", (6.0, 15.0), counting, Some(&theirs.counting)),
        Row::times("_placeOf a client, any sort", (6.0, 15.0), places, Some(&theirs.places)),
        Row::times("one client by id", (0.3, 3.0), one, Some(&theirs.one)),
        Row::times("the same with an API key (Basic)", (0.3, 3.0), one_by_key, None),
        Row::times(
            &format!("last 20 entries of a log of {rows_in_log} M"),
            (0.3, 3.0),
            log,
            Some(&theirs.log),
        ),
        Row::times("unchanged page, If-None-Match, no events", (0.2, 2.0), &unchanged, None),
        Row::times("unchanged page, If-None-Match, events elsewhere", (0.2, 2.0), untouched, None),
        Row::figure("mixed lists", "/s", Better::More, Some(400.0), *lists, Some(theirs.lists)),
        Row::figure("one client by id", "/s", Better::More, Some(30_000.0), *ones, Some(theirs.ones)),
    ])
}

/// Gives SQLite the states that the server has.
fn load(asked: &Asked, baseline: &mut Baseline) -> anyhow::Result<()> {
    eprintln!("loading the states into SQLite …");
    let http = asked.http()?;
    baseline.load(|take| {
        http.lines("/api/v0002/export/states", |line| {
            let doc: StateDoc = serde_json::from_str(line)?;
            take(&doc)
        })
    })
}

/// Before anything changes, both must count the same.
fn check(asked: &Asked, baseline: &Baseline, questions: &Questions) -> anyhow::Result<()> {
    let all = questions.single.iter().chain(&questions.four).chain(&questions.deep);
    let mut counts = 0_u64;
    for question in all {
        let path = question.path(None);
        let (ours, theirs) = (asked.total(&path)?, question.count(&baseline.db)?);
        ensure!(ours == theirs, "{path}: Rollcall counts {ours} rows, SQLite {theirs}");
        counts += u64::from(ours > 0);
    }
    ensure!(counts > 50, "only {counts} questions have any rows");
    Ok(())
}

#[derive(Default)]
struct Answers {
    single: Times,
    four: Times,
    deep: Times,
    bookmarked: Times,
    counting: Times,
    places: Times,
    one: Times,
    one_by_key: Times,
    untouched: Times,
    log: Times,
    lists: f64,
    ones: f64,
}

/// How long it takes to hear that a page is still the one that was given. Should an event have changed it, the caller
/// goes on with the new one, as a dashboard does.
fn unchanged_page(asked: &Asked, effort: Effort, question: &str) -> anyhow::Result<Times> {
    let (mut http, mut body) = (asked.http()?, Vec::new());
    let path = format!("/api/v0002/clientconnectionstates?_limit=100&{question}");
    let mut etag = http.get(&path, &mut body)?.etag.context("no ETag")?;
    let (mut asks, mut changes) = (0_usize, 0_usize);
    let times = times(effort.asks * 5, effort.row, |_| {
        let answer = http.get_with(&path, &format!("If-None-Match: {etag}\r\n"), &mut body)?;
        asks += 1;
        if answer.status != 304 {
            changes += 1;
            etag = answer.etag.context("no ETag")?;
        }
        Ok(())
    })?;
    ensure!(changes * 20 <= asks, "{path} changed {changes} times in {asks} questions");
    Ok(times)
}

fn ask_rollcall(
    asked: &Asked,
    world: World,
    questions: &Questions,
    effort: Effort,
) -> anyhow::Result<Answers> {
    eprintln!("asking Rollcall while {RATE} events a second arrive …");
    let mut http = asked.http()?;
    let mut body = Vec::new();
    let mut list = |paths: &[String]| {
        times(effort.asks, effort.row, |number| {
            http.get(&paths[number % paths.len()], &mut body)?;
            ensure!(body.ends_with(b"}") && body.len() > 20, "an answer without rows");
            Ok(())
        })
    };
    let paths =
        |questions: &[Question]| questions.iter().map(|question| question.path(None)).collect::<Vec<_>>();
    let mut answers = Answers {
        single: list(&paths(&questions.single))?,
        four: list(&paths(&questions.four))?,
        deep: list(&paths(&questions.deep))?,
        bookmarked: list(&bookmarked(asked, &questions.bookmarked)?)?,
        counting: list(&[questions.counting.path()])?,
        places: list(&questions.places.iter().map(Place::path).collect::<Vec<_>>())?,
        ..Answers::default()
    };
    let (mut http, mut body) = (asked.http()?, Vec::new());
    let mut one = |http: &mut Http, path: fn(&str) -> String| {
        times(effort.asks * 10, effort.row, |number| {
            let id = world.client(spread(number, world)).id;
            http.get(&path(&id), &mut body)?;
            ensure!(body.len() > 20, "{id} has no answer");
            Ok(())
        })
    };
    answers.untouched = unchanged_page(asked, effort, &format!("_sort=id&deviceType={}", type_name(39)))?;
    answers.one = one(&mut http, by_id)?;
    answers.log = one(&mut http, |id| format!("/api/v0002/logs/connection?clientId={id}&limit=20"))?;
    let basic = format!("Authorization: {}\r\n", basic(&asked.key));
    answers.one_by_key = one(&mut Http::connect(asked.server.http, &basic)?, by_id)?;
    let mixed: Vec<_> = questions.mixed().iter().map(|question| question.path(None)).collect();
    let list = |http: &mut Http, body: &mut Vec<u8>, number: usize| {
        http.get(&mixed[number % mixed.len()], body).map(|_| ())
    };
    answers.lists = throughput(asked, effort, 4, list)?;
    let one = |http: &mut Http, body: &mut Vec<u8>, number: usize| {
        http.get(&by_id(&world.client(spread(number, world)).id), body).map(|_| ())
    };
    answers.ones = throughput(asked, effort, 8, one)?;
    Ok(answers)
}

fn by_id(id: &str) -> String {
    format!("/api/v0002/clientconnectionstates/{id}")
}

/// A number of a client, all over the fleet.
fn spread(number: usize, world: World) -> u32 {
    (number as u64 * 7_919 % u64::from(world.clients)) as u32
}

fn basic(NewKey { key, token }: &NewKey) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let bytes = format!("{key}:{token}").into_bytes();
    let mut text = "Basic ".to_owned();
    for three in bytes.chunks(3) {
        let number =
            three.iter().fold(0_u32, |sum, byte| sum << 8 | u32::from(*byte)) << (8 * (3 - three.len()));
        for place in 0..4 {
            let digit = DIGITS[(number >> (18 - 6 * place) & 63) as usize];
            text.push(if place <= three.len() { char::from(digit) } else { '=' });
        }
    }
    text
}

/// The paths of the pages behind these.
fn bookmarked(asked: &Asked, questions: &[Question]) -> anyhow::Result<Vec<String>> {
    let (mut http, mut body) = (asked.http()?, Vec::new());
    let paths = questions.iter().map(|question| {
        http.get(&question.path(None), &mut body)?;
        let answer: Value = serde_json::from_slice(&body)?;
        let bookmark = answer["bookmark"].as_str().context("no bookmark")?;
        Ok(question.path(Some(bookmark)))
    });
    paths.collect()
}

/// How many questions a second some connections get answered.
fn throughput(
    asked: &Asked,
    effort: Effort,
    connections: usize,
    ask: impl Fn(&mut Http, &mut Vec<u8>, usize) -> anyhow::Result<()> + Sync,
) -> anyhow::Result<f64> {
    per_second(effort, connections, || {
        let (mut http, mut body) = (asked.http()?, Vec::new());
        let ask = &ask;
        Ok(move |number| ask(&mut http, &mut body, number))
    })
}

/// Runs what `open` gives on so many threads and counts.
fn per_second<A>(
    effort: Effort,
    threads: usize,
    open: impl Fn() -> anyhow::Result<A> + Sync,
) -> anyhow::Result<f64>
where
    A: FnMut(usize) -> anyhow::Result<()>,
{
    let next = AtomicUsize::new(0);
    let start = Instant::now();
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads)
            .map(|_| {
                scope.spawn(|| {
                    let mut ask = open()?;
                    while start.elapsed() < effort.throughput {
                        ask(next.fetch_add(1, Ordering::Relaxed))?;
                    }
                    anyhow::Ok(())
                })
            })
            .collect();
        for worker in workers {
            match worker.join() {
                Ok(result) => result?,
                Err(_) => bail!("a thread panicked"),
            }
        }
        Ok(next.load(Ordering::Relaxed) as f64 / start.elapsed().as_secs_f64())
    })
}

/// Does something while events arrive in SQLite as they did in the server.
fn while_recording<T>(
    path: &Path,
    world: World,
    work: impl FnOnce() -> anyhow::Result<T>,
) -> anyhow::Result<T> {
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| {
            let (mut baseline, mut present) = (Baseline::open(path)?, Present::new(world));
            let batch = RATE as usize / 10;
            while !is_over.load(Ordering::Relaxed) {
                let next = Instant::now() + Duration::from_millis(100);
                let now = clock::now();
                let events: Vec<_> = (0..batch).map(|_| present.next(now, ACTIVITY).1).collect();
                baseline.record(&events)?;
                baseline.restart_log()?;
                std::thread::sleep(next.saturating_duration_since(Instant::now()));
            }
            anyhow::Ok(())
        });
        let result = work();
        is_over.store(true, Ordering::Relaxed);
        match writer.join() {
            Ok(written) => written.and(result),
            Err(_) => bail!("the writer panicked"),
        }
    })
}

fn ask_sqlite(
    baseline: &Baseline,
    data: &Data,
    questions: &Questions,
    effort: Effort,
) -> anyhow::Result<Answers> {
    eprintln!("asking SQLite while {RATE} events a second arrive …");
    let (db, world) = (&baseline.db, data.world);
    let list = |questions: &[Question]| {
        times(effort.asks, effort.row, |number| questions[number % questions.len()].ask(db).map(|_| ()))
    };
    let next: Vec<_> = questions.bookmarked.iter().map(Question::next_page).collect();
    let id = |number| world.client(spread(number, world)).id;
    let mixed = questions.mixed();
    Ok(Answers {
        single: list(&questions.single)?,
        four: list(&questions.four)?,
        deep: list(&questions.deep)?,
        bookmarked: list(&next)?,
        counting: times(effort.asks, effort.row, |_| questions.counting.ask(db).map(|_| ()))?,
        places: times(effort.asks, effort.row, |number| {
            questions.places[number % questions.places.len()].ask(db).map(|_| ())
        })?,
        one: times(effort.asks * 10, effort.row, |number| question::one_client(db, &id(number)))?,
        one_by_key: Times::default(),
        untouched: Times::default(),
        log: times(effort.asks * 10, effort.row, |number| {
            ensure!(question::last_entries(db, &id(number))? > 0, "no log");
            Ok(())
        })?,
        lists: per_second(effort, 2, || {
            let (own, mixed) = (Baseline::open(&data.baseline)?, &mixed);
            Ok(move |number: usize| mixed[number % mixed.len()].ask(&own.db).map(|_| ()))
        })?,
        ones: per_second(effort, 2, || {
            let own = Baseline::open(&data.baseline)?;
            Ok(move |number| question::one_client(&own.db, &id(number)))
        })?,
    })
}
