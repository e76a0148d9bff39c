//! Saving the states that pass the filter as a file, page by page, with progress and a way out.
//!
//! Each page goes into a part of a Blob, which the browser keeps outside the program's memory. Called by the export
//! dialog; knows no page.

use js_sys::Array;
use leptos::prelude::{
    GetUntracked, GetValue, LocalStorage, RwSignal, Set, SetValue, StoredValue, UpdateValue,
};
use leptos::task::spawn_local;
use rollcall_model::query::Field;
use wasm_bindgen::{JsCast, JsValue};

use super::Problem;
use super::table::{Page, Table, Walk};

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
    /// Stopped by a failure; it can go on where it is.
    Failed {
        done: u64,
        total: Option<u64>,
        problem: Problem,
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
    table: Table,
}

struct Work {
    format: Format,
    walk: Walk,
    parts: Array,
    done: u64,
    total: Option<u64>,
}

impl Export {
    pub(super) fn new(table: Table) -> Self {
        let work = StoredValue::new_local(None);
        Self { stage: RwSignal::default(), work, serial: StoredValue::new(0), table }
    }

    /// Starts over with what is filtered now.
    pub fn start(self, format: Format) {
        let Some((filter, _)) = self.table.asked.get_untracked() else { return };
        let parts = Array::new();
        if format == Format::Csv {
            let names = Field::ALL.map(|field| field.name().to_owned());
            let _ = parts.push(&JsValue::from_str(&line(&names)));
        }
        self.work.set_value(Some(Work { format, walk: Walk::of_all(filter), parts, done: 0, total: None }));
        self.go_on();
    }

    /// Goes on after a failure.
    pub fn go_on(self) {
        let serial = self.count_up();
        spawn_local(async move { while self.step(serial).await {} });
    }

    /// Gives the export up, or forgets one that is done.
    pub fn cancel(self) {
        self.count_up();
        self.work.set_value(None);
        self.stage.set(Stage::Idle);
    }

    fn count_up(self) -> u32 {
        self.serial.update_value(|serial| *serial = serial.wrapping_add(1));
        self.serial.get_value()
    }

    /// Reads and writes one page; false when there is nothing more to do.
    async fn step(self, serial: u32) -> bool {
        let Some(mut work) = self.work.try_update_value(Option::take).flatten() else {
            self.stage.set(Stage::Idle);
            return false;
        };
        self.stage.set(Stage::Running { done: work.done, total: work.total });
        let page = work.walk.next().await;
        if self.serial.get_value() != serial {
            return false;
        }
        let page = match page {
            Ok(page) => page,
            Err(problem) => {
                self.stage.set(Stage::Failed { done: work.done, total: work.total, problem });
                self.work.set_value(Some(work));
                return false;
            }
        };
        work.done += page.len();
        work.total = page.total.or(work.total);
        let text = Array::of1(&JsValue::from_str(&text_of(&page, work.format)));
        match web_sys::Blob::new_with_str_sequence(&text) {
            Ok(part) => {
                let _ = work.parts.push(&part);
            }
            // Only when no memory is left for it. The work is gone with this page: going on would lose it silently.
            Err(_) => {
                let problem = Problem::Malformed;
                self.stage.set(Stage::Failed { done: 0, total: work.total, problem });
                return false;
            }
        }
        if !work.walk.is_over() {
            self.work.set_value(Some(work));
            return true;
        }
        save(&work);
        self.stage.set(Stage::Done(work.done));
        false
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

/// A line of CSV (RFC 4180).
fn line(cells: &[String]) -> String {
    let cells: Vec<String> = cells.iter().map(|cell| csv_cell(cell)).collect();
    cells.join(",") + "\r\n"
}

/// A cell of CSV. A text that a spreadsheet would run as a formula gets an apostrophe in front.
fn csv_cell(text: &str) -> String {
    let guard = if text.starts_with(['=', '+', '-', '@', '\t', '\r']) { "'" } else { "" };
    if guard.is_empty() && !text.contains([',', '"', '\n', '\r']) {
        return text.to_owned();
    }
    format!("\"{guard}{}\"", text.replace('"', "\"\""))
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
    leptos::prelude::set_timeout(forget, std::time::Duration::from_secs(60));
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_is_quoted_where_it_must_be_and_is_never_a_formula() {
        let check = |text: &str, expect: &str| assert_eq!(csv_cell(text), expect);
        check("d:acme01:thermo:t-17", "d:acme01:thermo:t-17");
        check("", "");
        check("a,b", "\"a,b\"");
        check("say \"hi\"", "\"say \"\"hi\"\"\"");
        check("two\nlines", "\"two\nlines\"");
        for formula in ["=1+1", "+1", "-1", "@sum", "\tx"] {
            check(formula, &format!("\"'{formula}\""));
        }
        assert_eq!(line(&["a".to_owned(), String::new()]), "a,\r\n");
    }
}
