//! The table of a server that knows Watson's API only: no totals, no jumps, no counts, and few of the filters.
//!
//! Pages are read one after the other, each from the bookmark of the one before, and appended. The server filters by what
//! it knows, the rest is filtered here, and what can be counted are the rows that were read. Called by the questions of
//! the table, by exports and by selections.

use std::collections::HashSet;

use leptos::prelude::{GetUntracked, Set, UpdateValue, WithValue};
use leptos::task::spawn_local;
use rollcall_model::client_id::ClientId;
use rollcall_model::query::{Field, Filter, Query, Term, Test};
use rollcall_model::time::TimeExpr;
use rollcall_model::{ConnectionStatus, StateDoc, Timestamp};

use super::counts::Counts;
use super::{Asked, Table};
use crate::api::{self, ApiError, Dated, Token};
use crate::browser;
use crate::later::{Asking, answer, later};
use crate::store::Clock;
use crate::window::Answer;

/// Rows for a question: more than this no document of Watson's asks for.
pub const PAGE: u32 = 100;
/// All that is held is read again, page by page; not more often than this, and most of the time the server has its rest.
const REST_MS: i64 = 2_000;
const REST_FACTOR: i64 = 10;

/// Rows that pass the filter, and the question for those after them.
struct Pages {
    docs: Vec<StateDoc>,
    next: Option<Query>,
    /// How many clients were looked at.
    looked: u64,
}

/// What a plain Watson server tells of a client. Type and id of a device follow from the client's id.
#[must_use]
pub fn is_told(field: Field) -> bool {
    use Field::{
        ClientType, ConnectionStatus, Id, LastActivityEvent, LastActivityTime, LastConnectTime,
        LastDisconnectTime, MqttConnectProtocol,
    };
    matches!(
        field,
        Id | ClientType
            | ConnectionStatus
            | LastConnectTime
            | LastDisconnectTime
            | LastActivityEvent
            | LastActivityTime
            | MqttConnectProtocol
    )
}

/// Whether clients can be filtered by the field.
#[must_use]
pub fn is_filter(field: Field) -> bool {
    matches!(field, Field::DeviceType | Field::DeviceId) || is_told(field)
}

/// What is left of a filter when nobody tells the rest; the page says so.
#[must_use]
pub fn answerable(mut filter: Filter) -> Filter {
    filter.terms.retain(|term| is_filter(term.field));
    filter
}

/// The question for the first page, in Watson's own parameters. Relative times are reckoned here, and the same on every page.
#[must_use]
pub fn question(filter: &Filter, now: Timestamp) -> Query {
    let terms = filter.terms.iter().filter_map(|term| known_to_server(term, now)).collect();
    Query { filter: Filter { terms }, limit: PAGE, ..Query::default() }
}

/// A filter as the server knows it, if it does.
fn known_to_server(term: &Term, now: Timestamp) -> Option<Term> {
    let test = match (term.field, &term.test) {
        (Field::ConnectionStatus | Field::DeviceType | Field::DeviceId, Test::AnyOf(values)) => {
            Test::AnyOf(values.first().filter(|_| values.len() == 1).into_iter().cloned().collect())
        }
        (Field::LastConnectTime, Test::After(times)) if times.len() == 1 => {
            Test::After(times.iter().map(|time| TimeExpr::At(time.resolve(now))).collect())
        }
        _ => return None,
    };
    let is_one = !matches!(&test, Test::AnyOf(values) if values.is_empty());
    (is_one && !term.negated).then_some(Term { test, ..term.clone() })
}

/// A state with what follows from the client's id.
#[must_use]
pub fn named(mut doc: StateDoc) -> StateDoc {
    let id = ClientId::parse(&doc.id);
    let (kind, device) = (id.device_type.map(str::to_owned), id.device_id.map(str::to_owned));
    doc.device_type = doc.device_type.or(kind);
    doc.device_id = doc.device_id.or(device);
    doc
}

/// What the server says of a client, and what the monitor told of the same session: only that says how it ended.
fn with_what_is_known(doc: StateDoc, known: Option<&StateDoc>) -> StateDoc {
    let is_same = |known: &&StateDoc| {
        (known.connection_status, known.last_connect_time, known.last_disconnect_time)
            == (doc.connection_status, doc.last_connect_time, doc.last_disconnect_time)
    };
    match known.filter(is_same) {
        Some(known) => StateDoc {
            last_activity_event: doc.last_activity_event,
            last_activity_time: doc.last_activity_time,
            ..known.clone()
        },
        None => doc,
    }
}

/// Reads pages from this one on, at least one, until there are so many rows out of at least so many clients, or no more
/// pages.
async fn read(
    mut query: Query,
    filter: &Filter,
    (wanted, least): (usize, u64),
    clock: Clock,
    token: &Token,
) -> Result<Pages, ApiError> {
    let now = clock.exact();
    let mut looked = 0;
    let mut ids = HashSet::new();
    let mut docs = Vec::new();
    loop {
        if browser::is_hidden() {
            return Err(ApiError::Aborted);
        }
        let asked_ms = browser::wall_ms();
        let listing = api::list(&query, None, token).await?.ok_or(ApiError::Malformed)?;
        if let Some(date) = listing.date {
            clock.learn_date(&Dated { date, asked_ms, told_ms: browser::wall_ms() });
        }
        let is_last = listing.results.is_empty();
        looked += listing.results.len() as u64;
        let new = listing.results.into_iter().map(named);
        // In another order than that of the ids a client that changes meanwhile can come twice.
        docs.extend(new.filter(|doc| filter.matches(doc, now) && ids.insert(doc.id.clone())));
        query.bookmark = listing.bookmark.filter(|bookmark| !bookmark.is_empty() && !is_last);
        if query.bookmark.is_none() || docs.len() >= wanted && looked >= least {
            return Ok(Pages { docs, next: query.bookmark.is_some().then_some(query), looked });
        }
    }
}

later!(asking(table: Table, question: Option<Question>) -> Asking<()> {
    Box::pin(async move {
        match question {
            Some(question) => table.read_pages(question).await,
            None => {
                table.count_held();
                Ok(())
            }
        }
    })
});

/// What is asked for, and whether only for the page after those held.
struct Question {
    serial: u32,
    token: Token,
    asked: Asked,
    is_more: bool,
}

impl Table {
    /// Asks for the page after those held, or for all of them again.
    pub(super) fn ask_plain(self, serial: u32, token: Token, asked: Asked, is_more: bool) {
        spawn_local(async move {
            let answer = answer(asking(self, Some(Question { serial, token, asked, is_more }))).await;
            if self.is_current(serial) {
                self.conclude(answer);
            }
        });
    }

    /// Counts again what a message has changed.
    pub(super) fn count_plain(self) {
        spawn_local(async move {
            // Without the code nothing was read, and there is nothing to count.
            let _ = answer(asking(self, None)).await;
        });
    }

    async fn read_pages(
        self,
        Question { serial, token, asked: (filter, sort), is_more }: Question,
    ) -> Result<(), ApiError> {
        if let Some(dated) = api::first_date() {
            self.clock.learn_date(&dated);
        }
        let (now, from_ms) = (self.clock.exact(), browser::wall_ms());
        let (filter, sort) =
            (answerable(filter), sort.into_iter().filter(|key| is_told(key.field)).collect());
        self.inner.update_value(|inner| inner.window.ask(filter.clone(), Vec::clone(&sort)));
        let next = self.inner.with_value(|inner| inner.next.clone()).filter(|_| is_more);
        let held = self.inner.with_value(|inner| inner.window.held().end);
        // Rows that answer another question are not read again.
        let is_new = self.is_outdated.get_untracked();
        if is_new && !is_more {
            self.inner.update_value(|inner| inner.looked = 0);
            self.is_stopped.set(false);
        }
        let before = self.inner.with_value(|inner| inner.looked);
        let wanted = if is_more || is_new { (0, 0) } else { (usize::try_from(held).unwrap_or(0), before) };
        let query = next.unwrap_or_else(|| Query { sort, ..question(&filter, now) });
        let Pages { docs, next, looked } = read(query, &filter, wanted, self.clock, &token).await?;
        if !self.is_current(serial) {
            return Ok(());
        }
        let moved = self.inner.try_update_value(|inner| {
            let has_more = next.is_some();
            inner.next = next;
            inner.looked = if is_more { before + looked } else { looked };
            let took_ms = browser::wall_ms() - from_ms;
            inner.rest_ms = (took_ms * REST_FACTOR).max(REST_MS);
            if is_more {
                inner.window.append(docs, has_more, now);
                return 0;
            }
            let known = |id: &str| inner.window.index_of(id).and_then(|at| inner.window.row(at));
            let docs = docs.into_iter().map(|doc| {
                let known = known(&doc.id).map(|row| row.doc.clone());
                with_what_is_known(doc, known.as_deref())
            });
            let answer = Answer { start: 0, docs: docs.collect(), total: None, has_more };
            let visible = inner.visible.clone();
            inner.window.install(answer, &visible, now)
        });
        self.show_moved(moved);
        self.count_held();
        Ok(())
    }

    /// Looks for no more rows, or goes on.
    pub fn stop_looking(self, is_stopped: bool) {
        self.is_stopped.set(is_stopped);
        let visible = self.inner.with_value(|inner| inner.visible.clone());
        self.show(visible);
    }

    /// Counts the rows that were read, where the server counts none. One that is about to go is no longer counted.
    fn count_held(self) {
        let (connected, all, has_more, filtered, looked) = self.inner.with_value(|inner| {
            let window = &inner.window;
            let (mut connected, mut all) = (0, 0);
            for row in window.held().filter_map(|at| window.row(at)).filter(|row| !row.is_leaving) {
                connected += u64::from(row.doc.connection_status == ConnectionStatus::Connected);
                all += 1;
            }
            let is_filtered = window.is_filtered_by(Field::ConnectionStatus);
            (
                connected,
                all,
                window.total().is_none(),
                is_filtered,
                // Rows have room on screen, and clients were passed over.
                Some(inner.looked).filter(|looked| {
                    inner.next.is_some() && window.is_short_of(&inner.visible) && *looked > window.held().end
                }),
            )
        });
        // Rows that a filter keeps away are not counted by it.
        let count = |count: u64| (count > 0 || !filtered).then_some(count);
        self.set_counts(|_| Counts {
            connected: count(connected),
            disconnected: count(all - connected),
            stale: None,
            is_so_far: has_more,
            looked,
        });
    }
}

#[cfg(test)]
#[cfg(not(target_arch = "wasm32"))]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);

    fn parse(query: &str) -> Filter {
        Query::parse(query.split('&').filter_map(|pair| pair.split_once('='))).unwrap().filter
    }

    #[test]
    fn a_plain_server_is_asked_for_what_it_knows_only() {
        let asked = |query: &str| {
            let pairs = question(&parse(query), NOW).to_pairs();
            pairs.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("&")
        };
        assert_eq!(asked("connectionStatus=connected"), "connectionStatus=connected&_limit=100");
        assert_eq!(asked("deviceType=pump&deviceId=p-1&search=x"), "deviceType=pump&deviceId=p-1&_limit=100");
        for unknown in [
            "connectionStatus!=connected",
            "connectionStatus=connected,disconnected",
            "deviceType!=demo",
            "search=x",
            "activeAfter=now-1h",
            "connectedBefore=now-1h",
            "disconnectInitiator=network",
        ] {
            assert_eq!(asked(unknown), "_limit=100", "{unknown}");
        }
    }

    /// Such a server tells no addresses: to filter by them would leave nobody.
    #[test]
    fn a_filter_on_addresses_is_left_out_where_no_address_is_told() {
        let filter = parse("clientAddr=10.0.7.0/24&connectionStatus=connected");
        assert!(!is_filter(Field::ClientAddr));
        assert_eq!(answerable(filter), parse("connectionStatus=connected"));
    }

    #[test]
    fn relative_times_are_reckoned_before_the_server_is_asked() {
        let pairs = question(&parse("connectedAfter=now-1h"), NOW).to_pairs();
        assert_eq!(pairs[0], ("connectedAfter".to_owned(), NOW.plus_ms(-3_600_000).to_string()));
    }

    fn doc(json: serde_json::Value) -> StateDoc {
        named(serde_json::from_value(json).unwrap())
    }

    #[test]
    fn what_the_monitor_told_of_a_session_stays_as_long_as_the_session_is_the_same() {
        let lost = serde_json::json!({
            "id": "d:acme01:pump:p-1", "clientType": "device", "connectionStatus": "disconnected",
            "lastConnectTime": "2026-11-20T08:00:00Z", "lastDisconnectTime": "2026-11-20T09:00:00Z",
        });
        let plain = doc(lost.clone());
        assert_eq!((plain.device_type.as_deref(), plain.device_id.as_deref()), (Some("pump"), Some("p-1")));
        let told = StateDoc { close_code: Some(91), ..plain.clone() };
        assert_eq!(with_what_is_known(plain.clone(), Some(&told)).close_code, Some(91));
        let mut later = lost;
        later["lastDisconnectTime"] = "2026-11-20T10:00:00Z".into();
        assert_eq!(with_what_is_known(doc(later), Some(&told)).close_code, None);
    }
}
