//! Saving the states that pass the filter, or those that were selected, as a file, with progress and a way out: as the
//! server writes it or, from a server that writes none, page by page. What breaks off goes on where it was, by itself and when asked.
//!
//! Each part goes into a Blob, which the browser keeps outside the program's memory. Called by the export
//! dialog; knows no page.

mod csv;
mod picked;
mod rows;

use std::time::Duration;

use js_sys::{Array, Uint8Array};
use leptos::prelude::{
    GetUntracked, GetValue, LocalStorage, RwSignal, Set, SetValue, StoredValue, UpdateValue, WithValue,
    set_timeout,
};
use leptos::task::spawn_local;
use rollcall_model::query::{Field, Filter};
use wasm_bindgen::{JsCast, JsValue};

use super::Problem;
use super::table::{Page, Table, Walk, of_walk};
use crate::api::{self, Abort, ApiError, Stream, Token};
use crate::monitor::Backoff;
use csv::line;
use picked::Each;
use rows::Rows;

pub use picked::json_of;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    Csv,
    Ndjson,
}

impl Format {
    const fn extension(self) -> &'static str {
        match self {
            Self::Csv => "csv",
            Self::Ndjson => "ndjson",
        }
    }

    const fn media_type(self) -> &'static str {
        match self {
            Self::Csv => "text/csv;charset=utf-8",
            Self::Ndjson => "application/x-ndjson",
        }
    }
}

/// How far an export is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Stage {
    #[default]
    Idle,
    /// So many rows of so many, if the server says how many there are.
    Running {
        done: u64,
        total: Option<u64>,
    },
    /// Stopped by a failure. It goes on where it is after so long, or when it is asked to.
    Failed {
        done: u64,
        total: Option<u64>,
        problem: Problem,
        wait: Option<Duration>,
    },
    Done(u64),
}

#[derive(Clone, Copy)]
pub struct Export {
    pub stage: RwSignal<Stage>,
    /// What is written so far.
    work: StoredValue<Option<Work>, LocalStorage>,
    /// Counts up with every start and stop; a page that was asked for before is dropped.
    serial: StoredValue<u32>,
    /// Gives up what is being read.
    abort: StoredValue<Option<Abort>, LocalStorage>,
    table: Table,
}

/// Where the rows come from.
enum Way {
    /// Not asked yet.
    Unknown,
    /// The server writes the file itself.
    Stream { stream: Stream, rows: Rows },
    /// The server does not, or not of these clients, so the file is put together here.
    Pages(Walk),
    /// Few clients, asked for one by one.
    Each(Each),
}

struct Work {
    format: Format,
    filter: Filter,
    /// Only these clients, in order, whatever passes the filter.
    picked: Option<Vec<String>>,
    way: Way,
    token: Token,
    parts: Array,
    done: u64,
    total: Option<u64>,
    mark: Mark,
    backoff: Backoff,
}

/// Where a stream can be taken up: after so many parts with so many rows, the last of which is this client's.
#[derive(Default)]
struct Mark {
    parts: u32,
    done: u64,
    id: Option<String>,
}

impl Work {
    fn new(format: Format, filter: Filter, picked: Option<Vec<String>>, token: Token) -> Self {
        Self {
            format,
            filter,
            picked,
            way: Way::Unknown,
            token,
            parts: Array::new(),
            done: 0,
            total: None,
            mark: Mark::default(),
            backoff: Backoff::new(js_sys::Math::random),
        }
    }

    /// Makes ready to go on after a failure: what came after the mark comes again.
    fn rewind(&mut self, token: Token) {
        self.token = token;
        if let Way::Stream { .. } = self.way {
            self.way = Way::Unknown;
            self.parts.set_length(self.mark.parts);
            self.done = self.mark.done;
        }
    }

    /// Reads and keeps the next part; returns whether it was the last.
    async fn step(&mut self, table: Table) -> Result<bool, Problem> {
        match &mut self.way {
            Way::Unknown => self.open(table).await,
            Way::Stream { stream, rows } => {
                let Some(bytes) = stream.next().await.map_err(of_stream)? else {
                    // Some who pass an answer on end it properly although it broke off.
                    return if rows.is_whole() { Ok(true) } else { Err(Problem::Unreachable) };
                };
                let before = rows.count();
                let whole = rows.take(&bytes.to_vec());
                let (new, id) = (rows.count() - before, rows.last_id());
                if !whole.is_empty() {
                    self.done += new;
                    self.keep(&Uint8Array::from(whole.as_slice()))?;
                    if id.is_some() {
                        self.mark = Mark { parts: self.parts.length(), done: self.done, id };
                        self.backoff.reset();
                    }
                }
                Ok(false)
            }
            Way::Pages(walk) => {
                let mut page = walk.next().await?;
                let mut is_over = walk.is_over();
                if let Some(picked) = &self.picked {
                    page.retain(|id| picked.binary_search_by(|other| other.as_str().cmp(id)).is_ok());
                    is_over |= self.done + page.len() >= picked.len() as u64;
                } else {
                    self.total = page.total.or(self.total);
                }
                self.done += page.len();
                self.backoff.reset();
                self.keep(&JsValue::from_str(&text_of(&page, self.format)))?;
                Ok(is_over)
            }
            Way::Each(each) => {
                let docs = each.next(&self.token).await.map_err(of_stream)?;
                let is_over = each.is_over();
                self.done += docs.len() as u64;
                self.backoff.reset();
                self.keep(&JsValue::from_str(&picked::text_of(&docs, self.format)))?;
                Ok(is_over)
            }
        }
    }

    async fn open(&mut self, table: Table) -> Result<bool, Problem> {
        if let Some(picked) = &self.picked {
            self.total = Some(picked.len() as u64);
            self.way = match Each::of(picked) {
                Some(each) => Way::Each(each),
                None => Way::Pages(Walk::of_all(table, Filter::default())),
            };
            self.begin()?;
            return Ok(false);
        }
        let (filter, format) = (self.filter.clone(), self.format.extension());
        let after = self.mark.id.as_deref();
        let answer = api::export(filter, format, after, self.token.clone()).await;
        if let Some((stream, total)) = answer.map_err(of_stream)? {
            self.total = total;
            let has_head = self.format == Format::Csv && self.mark.id.is_none();
            self.way = Way::Stream { stream, rows: Rows::new(self.format, has_head) };
            return Ok(false);
        }
        self.begin()?;
        self.way = Way::Pages(Walk::of_all(table, self.filter.clone()));
        Ok(false)
    }

    /// Begins a file that is put together here.
    fn begin(&mut self) -> Result<(), Problem> {
        (self.parts, self.done) = (Array::new(), 0);
        if self.format == Format::Csv {
            self.keep(&JsValue::from_str(&line(&Field::ALL.map(|field| field.name().to_owned()))))?;
        }
        Ok(())
    }

    /// Puts a text or bytes into a part of their own, outside the program's memory.
    fn keep(&self, part: &JsValue) -> Result<(), Problem> {
        // It only fails when no memory is left for it.
        let part =
            web_sys::Blob::new_with_blob_sequence(&Array::of1(part)).map_err(|_| Problem::Malformed)?;
        let _ = self.parts.push(&part);
        Ok(())
    }
}

impl Export {
    pub(super) fn new(table: Table) -> Self {
        let (work, abort) = (StoredValue::new_local(None), StoredValue::new_local(None));
        Self { stage: RwSignal::default(), work, serial: StoredValue::new(0), abort, table }
    }

    /// Starts over with what is filtered now, or with the clients that were picked, in the order of their ids.
    pub fn start(self, format: Format, picked: Option<Vec<String>>) {
        let Some((filter, _)) = self.table.asked.get_untracked() else { return };
        let token = self.token();
        self.work.set_value(Some(Work::new(format, filter, picked, token)));
        self.stage.set(Stage::Running { done: 0, total: None });
        self.run();
    }

    /// Goes on after a failure, unless it is just trying to.
    pub fn go_on(self) {
        if self.work.with_value(Option::is_none) {
            return;
        }
        let token = self.token();
        self.work.update_value(|work| {
            if let Some(work) = work {
                work.rewind(token);
            }
        });
        self.run();
    }

    fn run(self) {
        let serial = self.count_up();
        spawn_local(async move { while self.step(serial).await {} });
    }

    /// Gives the export up, or forgets one that is done.
    pub fn cancel(self) {
        self.count_up();
        self.abort.set_value(None);
        self.work.set_value(None);
        self.stage.set(Stage::Idle);
    }

    /// What the next question can be given up by; gives up the one before.
    fn token(self) -> Token {
        let abort = Abort::default();
        let token = abort.token();
        self.abort.set_value(Some(abort));
        token
    }

    fn count_up(self) -> u32 {
        self.serial.update_value(|serial| *serial = serial.wrapping_add(1));
        self.serial.get_value()
    }

    /// Reads and writes one part; false when there is nothing more to do.
    async fn step(self, serial: u32) -> bool {
        let Some(mut work) = self.work.try_update_value(Option::take).flatten() else {
            self.stage.set(Stage::Idle);
            return false;
        };
        let is_last = work.step(self.table).await;
        if self.serial.get_value() != serial {
            return false;
        }
        match is_last {
            Ok(false) => {
                // What is being tried again has not begun before something comes.
                if !matches!(work.way, Way::Unknown) && (work.done > 0 || work.total.is_some()) {
                    self.stage.set(Stage::Running { done: work.done, total: work.total });
                }
                self.work.set_value(Some(work));
                return true;
            }
            Ok(true) => {
                save(&work);
                self.stage.set(Stage::Done(work.done));
            }
            Err(problem) => {
                let wait = is_passing(&problem).then(|| work.backoff.wait());
                self.stage.set(Stage::Failed { done: work.done, total: work.total, problem, wait });
                self.work.set_value(Some(work));
                if let Some(wait) = wait {
                    let is_waiting = move || self.serial.get_value() == serial;
                    set_timeout(
                        move || {
                            if is_waiting() {
                                self.go_on();
                            }
                        },
                        wait,
                    );
                }
            }
        }
        false
    }
}

/// What stopped a stream.
fn of_stream(error: ApiError) -> Problem {
    match error {
        // The sign-in page is shown; whoever has signed in goes on.
        ApiError::Refused { status: 401, message, .. } => Problem::Refused { status: 401, message },
        error => of_walk(error),
    }
}

/// Whether the same question may be answered a little later.
fn is_passing(problem: &Problem) -> bool {
    match problem {
        Problem::Unreachable => true,
        Problem::Refused { status, .. } => matches!(status, 429 | 500..),
        Problem::Malformed => false,
    }
}

fn text_of(page: &Page, format: Format) -> String {
    match format {
        Format::Ndjson => page.to_ndjson(),
        Format::Csv => {
            let mut text = String::new();
            page.rows(&Field::ALL.map(Field::name), |cells| text.push_str(&line(&cells)));
            text
        }
    }
}

/// Hands the file to the browser, as a click on a link to it.
fn save(work: &Work) -> Option<()> {
    let options = web_sys::BlobPropertyBag::new();
    options.set_type(work.format.media_type());
    let blob = web_sys::Blob::new_with_blob_sequence_and_options(&work.parts, &options).ok()?;
    let address = web_sys::Url::create_object_url_with_blob(&blob).ok()?;
    let document = web_sys::window()?.document()?;
    let link: web_sys::HtmlAnchorElement = document.create_element("a").ok()?.dyn_into().ok()?;
    link.set_href(&address);
    let day = String::from(js_sys::Date::new_0().to_iso_string());
    link.set_download(&format!("clients-{}.{}", day.get(..10).unwrap_or_default(), work.format.extension()));
    link.click();
    // The browser has the file when the click returns; the address is of no more use a little later.
    let forget = move || drop(web_sys::Url::revoke_object_url(&address));
    set_timeout(forget, Duration::from_secs(60));
    Some(())
}
