//! The view and its query string: every filter, the sort, the open client and the range of its log.
//!
//! A link sent to a colleague shows the same thing: relative times stay relative. The parameters of the State API
//! keep their names, so the query string of the page is that of the API call. Called by the view store; pure.

mod overview;
mod page;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use rollcall_model::client_id::DEMO_DEVICE_TYPE;
use rollcall_model::query::{Field, Filter, PAGING, Query, SortKey, Term, Test};
use rollcall_model::time::TimeExpr;

pub use overview::Period;
pub use page::{ClientPage, EVENTS, Span, Tab, names as event_names};

/// A span of time, open where a bound is missing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Range {
    pub after: Option<TimeExpr>,
    pub before: Option<TimeExpr>,
}

/// What the page shows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct View {
    pub filter: Filter,
    pub sort: Vec<SortKey>,
    /// The columns that a link asks for, in place of the reader's own.
    pub columns: Option<Vec<Field>>,
    /// The client whose panel is open.
    pub client: Option<String>,
    /// The range of the open client's log.
    pub log: Range,
    /// The rest of what the open client's page shows.
    pub page: ClientPage,
    /// The reader removed the filter that hides demo clients by default.
    pub shows_demo: bool,
    /// The overview is shown in place of the table, over this time. The rest of the view waits.
    pub overview: Option<Period>,
}

const COLUMNS: &str = "columns";
const OVERVIEW: &str = "overview";
const CLIENT: &str = "client";
const LOG_AFTER: &str = "logAfter";
const LOG_BEFORE: &str = "logBefore";
/// What `shows_demo` is in the query string: the filter, explicitly empty.
const NOT_TYPE: &str = "deviceType!";

/// What a query string may hold as it is; the rest is percent-encoded.
const PLAIN: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~')
    .remove(b':')
    .remove(b'!')
    .remove(b',');

impl View {
    /// Reads a query string, with or without its `?`. What is not understood is left out: a link from an older
    /// version still shows what it can.
    #[must_use]
    pub fn from_query_string(text: &str) -> Self {
        Self::read(text).0
    }

    /// The same, and what was left out, as `name=value`: the reader of a link has to know that it asked for more.
    #[must_use]
    pub fn read(text: &str) -> (Self, Vec<String>) {
        let mut view = Self::default();
        let mut left_out = Vec::new();
        let pairs = decode_pairs(text.trim_start_matches('?'));
        let mut query: Vec<(&str, &str)> = Vec::new();
        for (name, value) in &pairs {
            match (name.as_str(), value.as_str()) {
                (NOT_TYPE, "") => view.shows_demo = true,
                (_, "") => {}
                (COLUMNS, names) => view.columns = read_columns(names),
                (OVERVIEW, name) => view.overview = Some(Period::from_name(name)),
                (CLIENT, id) => view.client = Some(id.to_owned()),
                (LOG_AFTER, time) => view.log.after = TimeExpr::parse(time).ok(),
                (LOG_BEFORE, time) => view.log.before = TimeExpr::parse(time).ok(),
                (name, value) if view.page.read(name, value) => {}
                // How the API is paged says nothing of which clients.
                (name, _) if PAGING.contains(&name) => {}
                pair if Query::parse_list([pair]).is_ok() => query.push(pair),
                pair => left_out.push(pair),
            }
        }
        match Query::parse_list(query.iter().copied()) {
            Ok(query) => (view.filter, view.sort) = (query.filter, query.sort),
            // Each is fine, but not all of them together.
            Err(_) => left_out.append(&mut query),
        }
        (view, left_out.into_iter().map(|(name, value)| format!("{name}={value}")).collect())
    }

    /// Writes what [`Self::from_query_string`] reads; without `?`, empty for the default view.
    #[must_use]
    pub fn to_query_string(&self) -> String {
        let query = Query { filter: self.filter.clone(), sort: self.sort.clone(), ..Query::default() };
        let mut pairs = query.to_pairs();
        let mut add = |name: &str, value: String| pairs.push((name.to_owned(), value));
        if self.shows_demo {
            add(NOT_TYPE, String::new());
        }
        if let Some(columns) = &self.columns {
            add(COLUMNS, columns.iter().map(|field| field.name()).collect::<Vec<_>>().join(","));
        }
        if let Some(period) = self.overview {
            add(OVERVIEW, period.name().to_owned());
        }
        if let Some(client) = &self.client {
            add(CLIENT, client.clone());
            self.page.pairs().into_iter().for_each(|(name, value)| add(&name, value));
        }
        if let Some(after) = self.log.after {
            add(LOG_AFTER, after.to_string());
        }
        if let Some(before) = self.log.before {
            add(LOG_BEFORE, before.to_string());
        }
        encode_pairs(&pairs)
    }

    /// A link to the view, from any other.
    #[must_use]
    pub fn link(&self) -> String {
        match self.to_query_string() {
            // An empty link would lead to where the reader is, with its query.
            query if query.is_empty() => "./".to_owned(),
            query => format!("?{query}"),
        }
    }

    /// The filter that is asked for: the reader's, and the one that hides what the demo left behind.
    #[must_use]
    pub fn effective_filter(&self, hides_demo: bool) -> Filter {
        let mut filter = self.filter.clone();
        let has_type = filter.terms.iter().any(|term| term.field == Field::DeviceType);
        if hides_demo && !self.shows_demo && !has_type {
            let demo = Test::AnyOf(vec![DEMO_DEVICE_TYPE.to_owned()]);
            filter.terms.push(Term { field: Field::DeviceType, test: demo, negated: true });
        }
        filter
    }

    /// The values that the field is filtered to; empty when it is not.
    #[must_use]
    pub fn values(&self, field: Field) -> &[String] {
        self.choice(field, false)
    }

    /// Filters the field to the values; none removes the filter.
    pub fn set_values(&mut self, field: Field, values: Vec<String>) {
        self.set_choice(field, false, values);
    }

    /// The values that the field must have, or must not have.
    #[must_use]
    pub fn choice(&self, field: Field, negated: bool) -> &[String] {
        let found = self.filter.terms.iter().find_map(|term| match &term.test {
            Test::AnyOf(values) if term.field == field && term.negated == negated => Some(values.as_slice()),
            _ => None,
        });
        found.unwrap_or_default()
    }

    /// Changes what [`Self::choice`] says; no values remove the filter.
    pub fn set_choice(&mut self, field: Field, negated: bool, values: Vec<String>) {
        let is_it = |term: &Term| {
            term.field == field && term.negated == negated && matches!(term.test, Test::AnyOf(_))
        };
        let test = (!values.is_empty()).then_some(Test::AnyOf(values));
        self.put((field, negated), is_it, test);
    }

    /// From how many connects in the past hour on.
    #[must_use]
    pub fn least(&self) -> Option<u32> {
        self.filter.terms.iter().find_map(|term| match term.test {
            Test::AtLeast(least) if !term.negated => Some(least),
            _ => None,
        })
    }

    pub fn set_least(&mut self, least: Option<u32>) {
        let is_it = |term: &Term| matches!(term.test, Test::AtLeast(_)) && !term.negated;
        self.put((Field::RecentConnects, false), is_it, least.map(Test::AtLeast));
    }

    /// What ids are searched for.
    #[must_use]
    pub fn search(&self) -> &str {
        let found = self.filter.terms.iter().find_map(|term| match &term.test {
            Test::Contains(values) if term.field == Field::Id && !term.negated => values.first(),
            _ => None,
        });
        found.map_or("", String::as_str)
    }

    pub fn set_search(&mut self, text: &str) {
        let is_it = |term: &Term| matches!(term.test, Test::Contains(_)) && !term.negated;
        let test = (!text.is_empty()).then(|| Test::Contains(vec![text.to_owned()]));
        self.put((Field::Id, false), is_it, test);
    }

    /// Whether only stale (or only fresh) clients are shown.
    #[must_use]
    pub fn stale(&self) -> Option<bool> {
        self.filter.terms.iter().find_map(|term| match term.test {
            Test::Present(present) if term.field == Field::StaleSince => Some(present != term.negated),
            _ => None,
        })
    }

    pub fn set_stale(&mut self, stale: Option<bool>) {
        self.put(
            (Field::StaleSince, false),
            |term| term.field == Field::StaleSince,
            stale.map(Test::Present),
        );
    }

    /// The span that a time is filtered to.
    #[must_use]
    pub fn range(&self, field: Field) -> Range {
        let mut range = Range::default();
        for term in self.filter.terms.iter().filter(|term| term.field == field && !term.negated) {
            match &term.test {
                Test::After(times) => range.after = times.first().copied(),
                Test::Before(times) => range.before = times.first().copied(),
                _ => {}
            }
        }
        range
    }

    pub fn set_range(&mut self, field: Field, range: Range) {
        let of_it = |term: &Term| term.field == field && !term.negated;
        let after = |term: &Term| of_it(term) && matches!(term.test, Test::After(_));
        let before = |term: &Term| of_it(term) && matches!(term.test, Test::Before(_));
        self.put((field, false), after, range.after.map(|time| Test::After(vec![time])));
        self.put((field, false), before, range.before.map(|time| Test::Before(vec![time])));
    }

    /// Replaces the terms that `is_it` finds by one on the field, negated or not, in their place.
    fn put(&mut self, (field, negated): (Field, bool), is_it: impl Fn(&Term) -> bool, test: Option<Test>) {
        let at = self.filter.terms.iter().position(&is_it);
        self.filter.terms.retain(|term| !is_it(term));
        if let Some(test) = test {
            let at = at.unwrap_or(self.filter.terms.len()).min(self.filter.terms.len());
            self.filter.terms.insert(at, Term { field, test, negated });
        }
    }
}

/// Writes pairs as a query string; also used for the calls of the API.
#[must_use]
pub fn encode_pairs(pairs: &[(String, String)]) -> String {
    let pair = |(name, value): &(String, String)| {
        format!("{}={}", utf8_percent_encode(name, PLAIN), utf8_percent_encode(value, PLAIN))
    };
    pairs.iter().map(pair).collect::<Vec<_>>().join("&")
}

/// Reads what [`encode_pairs`] writes, and what browsers make of forms.
#[must_use]
pub fn decode_pairs(query: &str) -> Vec<(String, String)> {
    let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    pairs.map(|(name, value)| (decode(name), decode(value))).collect()
}

/// The known ones among the fields that a link names, each once; `None` without any.
fn read_columns(names: &str) -> Option<Vec<Field>> {
    let mut columns = Vec::new();
    for field in names.split(',').filter_map(Field::from_name) {
        if !columns.contains(&field) {
            columns.push(field);
        }
    }
    (!columns.is_empty()).then_some(columns)
}

fn decode(text: &str) -> String {
    // Forms write spaces as `+`; a real plus sign is always encoded.
    percent_decode_str(&text.replace('+', " ")).decode_utf8_lossy().into_owned()
}

#[cfg(test)]
#[cfg(not(target_arch = "wasm32"))]
mod tests;
