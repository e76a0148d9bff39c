//! Walking through all rows of a question, page by page: for exports, and for selections beyond what the window holds.
//!
//! The answers stay what the server sent (no field is lost that this program does not know); they are read with the
//! browser's own JSON. Called by the export store and by the selection.

use js_sys::{Array, JSON, Reflect};
use leptos::prelude::GetUntracked;
use rollcall_model::Timestamp;
use rollcall_model::query::{Filter, MAX_LIMIT, Query};
use wasm_bindgen::JsValue;

use super::{Table, plain};
use crate::api::{self, Abort, ApiError};
use crate::json;
use crate::store::Problem;

/// A way through the rows, and where it stands. Dropping it gives up what is being asked.
pub struct Walk {
    query: Query,
    /// The filter that a plain server does not know, and the time of its question.
    rest: Option<(Filter, Timestamp)>,
    is_over: bool,
    abort: Abort,
}

/// A page of states, as the server wrote them.
pub struct Page {
    states: Array,
    /// How many states there are in all, if the server says so.
    pub total: Option<u64>,
}

impl Walk {
    /// Whether rows can be read from any one on. A plain server knows no jumps, and all its rows that are known are held.
    #[must_use]
    pub fn knows_jumps(table: Table) -> bool {
        !table.status.is_watson()
    }

    /// From a row on, in the order on screen.
    #[must_use]
    pub fn of_rows(table: Table, first: u64) -> Option<Self> {
        let (filter, sort) = table.asked.get_untracked().filter(|_| Self::knows_jumps(table))?;
        Some(Self::new(Query { filter, sort, skip: first, limit: MAX_LIMIT, ..Query::default() }))
    }

    /// In the order of the ids: the only one in which a fleet that changes meanwhile is met once, each client.
    #[must_use]
    pub fn of_all(table: Table, filter: Filter) -> Self {
        if !table.status.is_watson() {
            return Self::new(Query { filter, limit: MAX_LIMIT, ..Query::default() });
        }
        let (filter, now) = (plain::answerable(filter), table.clock.exact());
        Self { rest: Some((filter.clone(), now)), ..Self::new(plain::question(&filter, now)) }
    }

    fn new(query: Query) -> Self {
        Self { query, rest: None, is_over: false, abort: Abort::default() }
    }

    /// Whether the last page has been read.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.is_over
    }

    /// Reads the next page. After a failure the same page can be asked for again.
    ///
    /// # Errors
    /// When the server cannot be reached or refuses.
    pub async fn next(&mut self) -> Result<Page, Problem> {
        let text = api::states_text(&self.query, &self.abort.token()).await.map_err(problem)?;
        let answer = JSON::parse(&text).map_err(|_| Problem::Malformed)?;
        let get = |from: &JsValue, name: &str| Reflect::get(from, &name.into()).unwrap_or(JsValue::UNDEFINED);
        let mut states: Array =
            wasm_bindgen::JsCast::dyn_into(get(&answer, "results")).map_err(|_| Problem::Malformed)?;
        let is_empty = states.length() == 0;
        if let Some((filter, now)) = &self.rest {
            states = states.filter(&mut |state, _, _| passes(&state, filter, *now));
        }
        let meta = get(&answer, "meta");
        let total = if meta.is_object() { get(&meta, "total_rows").as_f64() } else { None };
        self.query.bookmark =
            get(&answer, "bookmark").as_string().filter(|bookmark| !bookmark.is_empty() && !is_empty);
        self.query.skip = 0;
        self.is_over = self.query.bookmark.is_none();
        Ok(Page { states, total: total.map(|total| total as u64) })
    }
}

impl Page {
    #[must_use]
    pub fn len(&self) -> u64 {
        u64::from(self.states.length())
    }

    /// The ids of the states.
    #[must_use]
    pub fn ids(&self) -> Vec<String> {
        self.states.iter().filter_map(|state| field(&state, "id")).collect()
    }

    /// Keeps the states with these ids.
    pub fn retain(&mut self, is_kept: impl Fn(&str) -> bool) {
        let is_it = |state: JsValue, _, _| field(&state, "id").is_some_and(|id| is_kept(&id));
        self.states = self.states.filter(&mut { is_it });
    }

    /// Each state as one line of JSON.
    #[must_use]
    pub fn to_ndjson(&self) -> String {
        let line = |state: JsValue| JSON::stringify(&state).map(String::from).ok();
        self.states.iter().filter_map(line).map(|line| line + "\n").collect()
    }

    /// The named fields of each state, empty where a state lacks one.
    pub fn rows(&self, names: &[&str], mut each: impl FnMut(Vec<String>)) {
        for state in self.states.iter() {
            each(names.iter().map(|name| field(&state, name).unwrap_or_default()).collect());
        }
    }
}

/// A field as text: strings as they are, numbers and flags as in JSON.
fn field(state: &JsValue, name: &str) -> Option<String> {
    let value = Reflect::get(state, &name.into()).ok()?;
    if value.is_undefined() || value.is_null() {
        return None;
    }
    value.as_string().or_else(|| JSON::stringify(&value).ok().map(String::from))
}

/// Whether a state as the server wrote it passes a filter.
fn passes(state: &JsValue, filter: &Filter, now: Timestamp) -> bool {
    let text = JSON::stringify(state).map(String::from).unwrap_or_default();
    json::from_str(&text).is_ok_and(|doc| filter.matches(&plain::named(doc), now))
}

/// What stopped a walk, or another reading that is given up by dropping it.
pub fn problem(error: ApiError) -> Problem {
    // A walk is given up by dropping it, and a session that is over shows the sign-in page.
    Problem::of(error).unwrap_or(Problem::Unreachable)
}
