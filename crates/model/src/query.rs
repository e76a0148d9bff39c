//! Questions about the fleet: the parameters of the State API as types.
//!
//! The server parses a request into a [`Query`] and the fleet answers it; the dashboard builds a [`Query`] from
//! its view, writes it as parameters and uses the same [`Filter::matches`] to decide whether a changed row still
//! belongs on the page. [`Filter::matches`] and [`compare`] say what a query means; the fleet must agree with
//! them, only faster.

mod codes;
mod count;
mod field;
mod network;
mod presence;
mod values;

use std::cmp::Ordering;
use std::net::IpAddr;

pub use count::Count;
pub use field::{Field, SortValue};
pub use network::Network;

use crate::state::StateDoc;
use crate::time::{TimeExpr, Timestamp};

/// One key of a sort.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SortKey {
    pub field: Field,
    pub descending: bool,
}

/// The order of two states under a sort: absent values last in either direction, ties by id ascending.
#[must_use]
pub fn compare(a: &StateDoc, b: &StateDoc, sort: &[SortKey]) -> Ordering {
    for key in sort {
        let order = match (key.field.key(a), key.field.key(b)) {
            (SortValue::Absent, SortValue::Absent) => Ordering::Equal,
            (SortValue::Absent, _) => return Ordering::Greater,
            (_, SortValue::Absent) => return Ordering::Less,
            (SortValue::Number(a), SortValue::Number(b)) => a.cmp(&b),
            (SortValue::Text(a), SortValue::Text(b)) => a.cmp(b),
            // One field has one kind of value.
            (SortValue::Number(_), SortValue::Text(_)) => Ordering::Less,
            (SortValue::Text(_), SortValue::Number(_)) => Ordering::Greater,
        };
        let order = if key.descending { order.reverse() } else { order };
        if order != Ordering::Equal {
            return order;
        }
    }
    a.id.cmp(&b.id)
}

/// What one filter asks of one field. The values are alternatives: one is enough.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Test {
    /// The field has one of these values, in their wire form; an address lies in one of these networks, as [`Network`]
    /// writes them. Never empty.
    AnyOf(Vec<String>),
    /// The time is at or after one of these.
    After(Vec<TimeExpr>),
    /// The time is before one of these. An absent time is where [`Field::counts_never_as_before`] says so.
    Before(Vec<TimeExpr>),
    /// The text contains one of these, ignoring case.
    Contains(Vec<String>),
    /// The number is at least this.
    AtLeast(u32),
    /// The field is present (or absent).
    Present(bool),
}

/// One filter of a query.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Term {
    pub field: Field,
    pub test: Test,
    /// The filter excludes what the test finds.
    pub negated: bool,
}

/// What a search compares: a text with its letters lowered one by one, so that a part of it is found whatever stands
/// behind it (`str::to_lowercase` gives a Greek sigma two forms).
#[must_use]
pub fn lowercase(text: &str) -> String {
    match text.is_ascii() {
        true => text.to_ascii_lowercase(),
        false => text.chars().flat_map(char::to_lowercase).collect(),
    }
}

impl Term {
    /// Whether the state passes this filter at `now`.
    #[must_use]
    pub fn matches(&self, doc: &StateDoc, now: Timestamp) -> bool {
        let value = self.field.key(doc);
        let found = match (&self.test, value) {
            (Test::Present(wanted), value) => (value != SortValue::Absent) == *wanted,
            (Test::Before(_), SortValue::Absent) => self.field.counts_never_as_before(),
            (_, SortValue::Absent) => false,
            (Test::AnyOf(values), SortValue::Text(text)) if self.field == Field::ClientAddr => {
                let address = text.parse::<IpAddr>();
                address.is_ok_and(|address| networks(values).any(|network| network.holds(address)))
            }
            (Test::AnyOf(values), _) => self.field.text(doc).is_some_and(|text| values.contains(&text)),
            (Test::After(times), SortValue::Number(ms)) => {
                times.iter().any(|t| ms >= t.resolve(now).millis())
            }
            (Test::Before(times), SortValue::Number(ms)) => {
                times.iter().any(|t| ms < t.resolve(now).millis())
            }
            (Test::Contains(needles), SortValue::Text(text)) => {
                let text = lowercase(text);
                needles.iter().any(|needle| text.contains(&lowercase(needle)))
            }
            (Test::AtLeast(least), SortValue::Number(number)) => number >= i64::from(*least),
            _ => false,
        };
        found != self.negated
    }

    /// Whether what passes can change by the mere passing of time.
    #[must_use]
    pub fn is_relative(&self) -> bool {
        match &self.test {
            Test::After(times) | Test::Before(times) => times.iter().any(|time| time.is_relative()),
            _ => self.field == Field::RecentConnects,
        }
    }

    /// The parameter's name on the wire, with `!` when negated.
    #[must_use]
    pub fn parameter(&self) -> String {
        let name = PARAMETERS
            .iter()
            .find(|p| p.field == self.field && p.kind == Kind::of(&self.test))
            .map_or(self.field.name(), |p| p.name);
        if self.negated { format!("{name}!") } else { name.to_owned() }
    }

    /// The parameter's values on the wire, one per repetition.
    #[must_use]
    pub fn values(&self) -> Vec<String> {
        match &self.test {
            Test::AnyOf(values) | Test::Contains(values) => values.clone(),
            Test::After(times) | Test::Before(times) => times.iter().map(TimeExpr::to_string).collect(),
            Test::AtLeast(least) => vec![least.to_string()],
            Test::Present(present) => vec![present.to_string()],
        }
    }
}

/// The networks of a filter on addresses.
pub fn networks(values: &[String]) -> impl Iterator<Item = Network> {
    values.iter().filter_map(|value| Network::parse(value))
}

/// All filters of a query; a client must pass each.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Filter {
    pub terms: Vec<Term>,
}

impl Filter {
    #[must_use]
    pub fn matches(&self, doc: &StateDoc, now: Timestamp) -> bool {
        self.terms.iter().all(|term| term.matches(doc, now))
    }

    /// Whether the answer can change by the mere passing of time.
    #[must_use]
    pub fn is_relative(&self) -> bool {
        self.terms.iter().any(Term::is_relative)
    }
}

/// The parameters that say which part of a list is wanted, and what is counted in it; not which clients, in what order.
pub const PAGING: [&str; 6] = ["_limit", "_skip", "_bookmark", "_facets", "_count", "_placeOf"];
pub const DEFAULT_LIMIT: u32 = 25;
pub const MAX_LIMIT: u32 = 1_000;
/// Longer searches than a client id can be are refused.
const MAX_VALUE_BYTES: usize = 65_535;
const UNKNOWN: &str = "this parameter is not known";
/// More filter values than this in one request are refused.
const MAX_VALUES: usize = 1_000;

/// One question to the State API.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Query {
    pub filter: Filter,
    /// Ties are always broken by id.
    pub sort: Vec<SortKey>,
    /// 1 to [`MAX_LIMIT`].
    pub limit: u32,
    pub skip: u64,
    pub bookmark: Option<String>,
    pub facets: Vec<Field>,
    pub counts: Vec<Count>,
    /// The client whose place among the rows is asked for.
    pub place_of: Option<String>,
}

impl Default for Query {
    fn default() -> Self {
        Self {
            filter: Filter::default(),
            sort: Vec::new(),
            limit: DEFAULT_LIMIT,
            skip: 0,
            bookmark: None,
            facets: Vec::new(),
            counts: Vec::new(),
            place_of: None,
        }
    }
}

/// One thing that is wrong with a request.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{parameter}={value}: {problem}")]
pub struct Violation {
    pub parameter: String,
    pub value: String,
    /// What is wrong and what would be right, as a sentence.
    pub problem: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Set,
    After,
    Before,
    Contains,
    AtLeast,
    Present,
}

impl Kind {
    const fn of(test: &Test) -> Self {
        match test {
            Test::AnyOf(_) => Self::Set,
            Test::After(_) => Self::After,
            Test::Before(_) => Self::Before,
            Test::Contains(_) => Self::Contains,
            Test::AtLeast(_) => Self::AtLeast,
            Test::Present(_) => Self::Present,
        }
    }
}

struct Parameter {
    name: &'static str,
    field: Field,
    kind: Kind,
}

const fn parameter(name: &'static str, field: Field, kind: Kind) -> Parameter {
    Parameter { name, field, kind }
}

/// Every filter parameter. Of two names for one filter the first is the one that is written.
const PARAMETERS: &[Parameter] = &[
    parameter("connectionStatus", Field::ConnectionStatus, Kind::Set),
    parameter("clientType", Field::ClientType, Kind::Set),
    parameter("deviceType", Field::DeviceType, Kind::Set),
    parameter("typeId", Field::DeviceType, Kind::Set),
    parameter("deviceId", Field::DeviceId, Kind::Set),
    parameter("disconnectInitiator", Field::DisconnectInitiator, Kind::Set),
    parameter("mqttReasonCode", Field::MqttReasonCode, Kind::Set),
    parameter("closeCode", Field::CloseCode, Kind::Set),
    parameter("lastActivityEvent", Field::LastActivityEvent, Kind::Set),
    parameter("mqttConnectProtocol", Field::MqttConnectProtocol, Kind::Set),
    parameter("certainty", Field::Certainty, Kind::Set),
    parameter("clientAddr", Field::ClientAddr, Kind::Set),
    parameter("stale", Field::StaleSince, Kind::Present),
    parameter("connectedAfter", Field::LastConnectTime, Kind::After),
    parameter("lastConnectedAfter", Field::LastConnectTime, Kind::After),
    parameter("connectedBefore", Field::LastConnectTime, Kind::Before),
    parameter("disconnectedAfter", Field::LastDisconnectTime, Kind::After),
    parameter("disconnectedBefore", Field::LastDisconnectTime, Kind::Before),
    parameter("activeAfter", Field::LastActivityTime, Kind::After),
    parameter("activeBefore", Field::LastActivityTime, Kind::Before),
    parameter("publishedAfter", Field::LastPublishTime, Kind::After),
    parameter("publishedBefore", Field::LastPublishTime, Kind::Before),
    parameter("refusedAfter", Field::LastRefusedTime, Kind::After),
    parameter("minRecentConnects", Field::RecentConnects, Kind::AtLeast),
    parameter("search", Field::Id, Kind::Contains),
];

impl Query {
    /// Reads decoded `name`, `value` pairs of a query string.
    ///
    /// # Errors
    /// One [`Violation`] for each parameter that is unknown or has a value that it cannot have.
    pub fn parse<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> Result<Self, Vec<Violation>> {
        Self::parse_with(pairs, Self::read_control)
    }

    /// Reads filters and `_sort` alone: which clients, in what order.
    ///
    /// # Errors
    /// As [`Self::parse`]; any other control is one that is not known.
    pub fn parse_list<'a>(
        pairs: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Result<Self, Vec<Violation>> {
        Self::parse_with(pairs, |query, name, value| match name {
            "_sort" => parse_sort(value).map(|sort| query.sort = sort),
            _ => Err(UNKNOWN.to_owned()),
        })
    }

    fn parse_with<'a>(
        pairs: impl IntoIterator<Item = (&'a str, &'a str)>,
        read_control: fn(&mut Self, &str, &str) -> Result<(), String>,
    ) -> Result<Self, Vec<Violation>> {
        let mut query = Self::default();
        let mut violations = Vec::new();
        let mut values_seen = 0_usize;
        for (name, value) in pairs {
            values_seen += 1;
            let result = if values_seen > MAX_VALUES {
                Err(too_many_values())
            } else if value.len() > MAX_VALUE_BYTES {
                Err(format!("a value may have at most {MAX_VALUE_BYTES} bytes"))
            } else if name.starts_with('_') {
                read_control(&mut query, name, value)
            } else {
                query.read_filter(name, value)
            };
            if let Err(problem) = result {
                let value = value.chars().take(200).collect();
                violations.push(Violation { parameter: name.chars().take(200).collect(), value, problem });
                if values_seen > MAX_VALUES {
                    break;
                }
            }
        }
        if query.bookmark.is_some() && query.skip > 0 {
            violations.push(Violation {
                parameter: "_skip".to_owned(),
                value: query.skip.to_string(),
                problem: "_skip and _bookmark cannot be combined".to_owned(),
            });
        }
        presence::drop_either_way(&mut query.filter.terms);
        // A comma list holds many values in one parameter, but is written as one parameter for each.
        if violations.is_empty() && query.to_pairs().len() > MAX_VALUES {
            let longest = query.filter.terms.iter().max_by_key(|term| term.values().len());
            violations.extend(longest.map(|term| Violation {
                parameter: term.parameter(),
                value: term.values().join(",").chars().take(200).collect(),
                problem: too_many_values(),
            }));
        }
        if violations.is_empty() { Ok(query) } else { Err(violations) }
    }

    fn read_control(&mut self, name: &str, value: &str) -> Result<(), String> {
        match name {
            "_limit" => {
                self.limit = value
                    .parse()
                    .ok()
                    .filter(|limit| (1..=MAX_LIMIT).contains(limit))
                    .ok_or_else(|| format!("a whole number from 1 to {MAX_LIMIT} is needed"))?;
            }
            "_skip" => {
                self.skip = value.parse().map_err(|_| "a whole number from 0 is needed".to_owned())?;
            }
            "_bookmark" => {
                self.bookmark = Some(value.to_owned()).filter(|bookmark| !bookmark.is_empty());
            }
            "_sort" => self.sort = parse_sort(value)?,
            "_facets" => {
                for name in value.split(',').filter(|name| !name.is_empty()) {
                    let field = Field::from_name(name.trim()).ok_or_else(|| unknown_field(name))?;
                    if !self.facets.contains(&field) {
                        self.facets.push(field);
                    }
                }
            }
            "_count" => count::read(&mut self.counts, value)?,
            "_placeOf" => self.place_of = Some(value.to_owned()),
            _ => return Err(UNKNOWN.to_owned()),
        }
        Ok(())
    }

    fn read_filter(&mut self, name: &str, value: &str) -> Result<(), String> {
        let (base, negated) = name.strip_suffix('!').map_or((name, false), |base| (base, true));
        let parameter = PARAMETERS.iter().find(|p| p.name == base).ok_or_else(|| UNKNOWN.to_owned())?;
        if parameter.kind == Kind::Present {
            return presence::read(&mut self.filter.terms, parameter.field, negated, value);
        }
        let test = values::parse(parameter, value)?;
        let same = |term: &&mut Term| {
            term.field == parameter.field && term.negated == negated && Kind::of(&term.test) == parameter.kind
        };
        match self.filter.terms.iter_mut().find(same) {
            Some(term) => values::add_alternatives(&mut term.test, test),
            None => self.filter.terms.push(Term { field: parameter.field, test, negated }),
        }
        Ok(())
    }

    /// Writes the query as `name`, `value` pairs that [`Self::parse`] reads to the same query.
    #[must_use]
    pub fn to_pairs(&self) -> Vec<(String, String)> {
        let mut pairs = Vec::new();
        for term in &self.filter.terms {
            let name = term.parameter();
            pairs.extend(term.values().into_iter().map(|value| (name.clone(), value)));
        }
        let mut control = |name: &str, value: String| pairs.push((name.to_owned(), value));
        if !self.sort.is_empty() {
            control("_sort", format_sort(&self.sort));
        }
        if self.limit != DEFAULT_LIMIT {
            control("_limit", self.limit.to_string());
        }
        if self.skip > 0 {
            control("_skip", self.skip.to_string());
        }
        if let Some(bookmark) = &self.bookmark {
            control("_bookmark", bookmark.clone());
        }
        if !self.facets.is_empty() {
            control("_facets", self.facets.iter().map(|field| field.name()).collect::<Vec<_>>().join(","));
        }
        for count in &self.counts {
            control("_count", count.asked().to_owned());
        }
        if let Some(id) = &self.place_of {
            control("_placeOf", id.clone());
        }
        pairs
    }
}

fn too_many_values() -> String {
    format!("a request may have at most {MAX_VALUES} values")
}

fn unknown_field(name: &str) -> String {
    let known = Field::ALL.map(Field::name).join(", ");
    format!("“{}” is not a field; the fields are {known}", name.chars().take(60).collect::<String>())
}

/// Reads a sort: a comma list of fields, `-` before one for descending.
///
/// # Errors
/// A sentence that names the field that is not known or stands twice.
pub fn parse_sort(value: &str) -> Result<Vec<SortKey>, String> {
    let mut sort: Vec<SortKey> = Vec::new();
    for part in value.split(',').map(str::trim).filter(|part| !part.is_empty()) {
        let (name, descending) = part.strip_prefix('-').map_or((part, false), |name| (name, true));
        let field = Field::from_name(name).ok_or_else(|| unknown_field(name))?;
        if sort.iter().any(|key| key.field == field) {
            return Err(format!("{name} stands twice"));
        }
        sort.push(SortKey { field, descending });
    }
    Ok(sort)
}

/// Writes what [`parse_sort`] reads.
#[must_use]
pub fn format_sort(sort: &[SortKey]) -> String {
    let keys = sort.iter().map(|key| format!("{}{}", if key.descending { "-" } else { "" }, key.field));
    keys.collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests;
