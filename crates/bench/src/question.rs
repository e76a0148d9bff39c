//! The questions: each as the State API has it and as SQL has it.

use std::fmt::Write as _;
use std::hint::black_box;

use anyhow::Context;
use rusqlite::{Connection, OptionalExtension, params_from_iter, types::Value};

use crate::world::{World, type_name};

/// What a dashboard counts in its sidebar.
const FACETS: [&str; 9] = [
    "connectionStatus",
    "clientType",
    "deviceType",
    "disconnectInitiator",
    "mqttReasonCode",
    "closeCode",
    "lastActivityEvent",
    "mqttConnectProtocol",
    "certainty",
];
const ROWS: u64 = 100;

/// A filter in both languages.
#[derive(Debug, Clone)]
struct Filter {
    parameter: String,
    sql: &'static str,
    value: Value,
}

/// A field to sort by, as `_sort` has it.
const SORTS: [&str; 10] = [
    "id",
    "-lastActivityTime",
    "lastConnectTime",
    "-lastDisconnectTime",
    "deviceType",
    "-clientAddr",
    "connectionStatus",
    "-mqttReasonCode",
    "reason",
    "-lastConnectTime",
];

/// One question for a page.
#[derive(Debug, Clone)]
pub struct Question {
    filters: Vec<Filter>,
    sort: &'static str,
    skip: u64,
    with_facets: bool,
}

fn filters(world: World) -> Vec<Filter> {
    let text = |parameter: &str, sql, value: &str| Filter {
        parameter: format!("{parameter}={value}"),
        sql,
        value: Value::Text(value.to_owned()),
    };
    let number = |parameter: &str, sql, value: i64| Filter {
        parameter: format!("{parameter}={value}"),
        sql,
        value: Value::Integer(value),
    };
    let time = |parameter: &str, sql, days_ago: i64| {
        let ms = world.base_ms - days_ago * 86_400_000;
        let time = rollcall_model::Timestamp::from_millis(ms);
        Filter { parameter: format!("{parameter}={time}"), sql, value: Value::Integer(ms) }
    };
    vec![
        text("connectionStatus", "connectionStatus = ?", "disconnected"),
        text("deviceType", "deviceType = ?", &type_name(0)),
        text("deviceType", "deviceType = ?", &type_name(20)),
        number("mqttReasonCode", "mqttReasonCode = ?", 141),
        text("disconnectInitiator", "disconnectInitiator = ?", "network"),
        time("connectedAfter", "lastConnectTime >= ?", 1),
        time("activeBefore", "lastActivityTime < ?", 2),
        text("clientType", "clientType = ?", "gateway"),
        text("mqttConnectProtocol", "mqttConnectProtocol = ?", "5"),
        text("connectionStatus", "connectionStatus = ?", "connected"),
        Filter {
            parameter: "clientAddr=10.0.7.0/24".to_owned(),
            sql: "clientAddr GLOB ?",
            value: Value::Text("10.0.7.*".to_owned()),
        },
    ]
}

/// The first page of every single filter in every order, with all facets.
pub fn single_filters(world: World) -> Vec<Question> {
    let filters = filters(world);
    let all = SORTS.into_iter().flat_map(|sort| filters.iter().map(move |filter| (sort, filter.clone())));
    all.map(|(sort, filter)| Question { filters: vec![filter], sort, skip: 0, with_facets: true }).collect()
}

/// Four filters and a search, in every order, with all facets.
pub fn four_filters(world: World) -> Vec<Question> {
    let all = filters(world);
    let pick =
        |numbers: [usize; 4]| numbers.into_iter().filter_map(|at| all.get(at).cloned()).collect::<Vec<_>>();
    let sets = [pick([0, 1, 4, 6]), pick([9, 1, 8, 5]), pick([0, 3, 6, 8]), pick([9, 2, 5, 6])];
    let searches = ["sn-0", "1", "SN-00", "-0", "zz"];
    let mut questions = Vec::new();
    for (at, sort) in SORTS.into_iter().enumerate() {
        for (set_at, set) in sets.iter().enumerate() {
            let needle = searches[(at + set_at) % searches.len()];
            let search = Filter {
                parameter: format!("search={needle}"),
                // LIKE ignores the case of ASCII letters.
                sql: "id LIKE ?",
                value: Value::Text(format!("%{needle}%")),
            };
            let filters = set.iter().cloned().chain([search]).collect();
            questions.push(Question { filters, sort, skip: 0, with_facets: true });
        }
    }
    questions
}

/// A page deep in the whole list, in every order.
pub fn deep_pages(world: World) -> Vec<Question> {
    let skip = u64::from(world.clients) * 9 / 10;
    SORTS.into_iter().map(|sort| Question { filters: Vec::new(), sort, skip, with_facets: false }).collect()
}

/// How many rows each filter alone would have: what a menu of options asks for.
pub struct Counting(Vec<Filter>);

impl Counting {
    pub fn new(world: World) -> Self {
        Self(filters(world))
    }

    pub fn path(&self) -> String {
        let mut path = "/api/v0002/clientconnectionstates?_limit=1".to_owned();
        for filter in &self.0 {
            path.push_str("&_count=");
            path.push_str(&filter.parameter.replace('=', "%3D"));
        }
        path
    }

    /// All numbers out of one pass, by SQLite.
    pub fn ask(&self, db: &Connection) -> anyhow::Result<Vec<u64>> {
        let sums: Vec<_> = self.0.iter().map(|filter| format!("coalesce(sum({}), 0)", filter.sql)).collect();
        let mut statement = db.prepare_cached(&format!("SELECT {} FROM state", sums.join(",")))?;
        let values = self.0.iter().map(|filter| &filter.value);
        let counts = statement.query_row(params_from_iter(values), |row| {
            (0..sums.len()).map(|column| row.get::<_, i64>(column).map(i64::cast_unsigned)).collect()
        })?;
        Ok(counts)
    }
}

/// Where a client is in the whole list: what a table asks that so many rows came into that it has lost its place.
pub struct Place {
    sort: &'static str,
    id: String,
}

/// The places of clients all over the fleet, in every order.
pub fn places(world: World) -> Vec<Place> {
    let step = world.clients / (SORTS.len() as u32 + 1);
    SORTS.into_iter().zip(1..).map(|(sort, at)| Place { sort, id: world.client(at * step).id }).collect()
}

impl Place {
    pub fn path(&self) -> String {
        format!("/api/v0002/clientconnectionstates?_limit=1&_sort={}&_placeOf={}", self.sort, self.id)
    }

    /// How many rows come before the client, by SQLite.
    pub fn ask(&self, db: &Connection) -> anyhow::Result<u64> {
        let (field, before) = self.sort.strip_prefix('-').map_or((self.sort, "<"), |field| (field, ">"));
        // Whoever has no value comes last.
        let sql = format!(
            "WITH one AS (SELECT id, {field} AS key FROM state WHERE id = ?1)
             SELECT count(*) FROM state, one WHERE CASE WHEN one.key IS NULL
             THEN state.{field} IS NOT NULL OR state.id < one.id
             ELSE state.{field} {before} one.key OR (state.{field} = one.key AND state.id < one.id) END"
        );
        let count: i64 = db.prepare_cached(&sql)?.query_row([&self.id], |row| row.get(0))?;
        Ok(count.cast_unsigned())
    }
}

/// The page before the one that is reached by bookmark, in every order.
pub fn before_bookmarked(world: World) -> Vec<Question> {
    let skip = (u64::from(world.clients) * 99 / 100).saturating_sub(ROWS);
    SORTS.into_iter().map(|sort| Question { filters: Vec::new(), sort, skip, with_facets: false }).collect()
}

impl Question {
    /// The page behind this one.
    pub fn next_page(&self) -> Self {
        Self { skip: self.skip + ROWS, ..self.clone() }
    }

    /// Path and query; with a bookmark the page that it leads to.
    pub fn path(&self, bookmark: Option<&str>) -> String {
        let mut path = format!("/api/v0002/clientconnectionstates?_limit={ROWS}&_sort={}", self.sort);
        for filter in &self.filters {
            path.push('&');
            path.push_str(&filter.parameter);
        }
        if self.with_facets {
            path.push_str("&_facets=");
            path.push_str(&FACETS.join(","));
        }
        // Writing to a string cannot fail.
        let _ = match bookmark {
            Some(bookmark) => write!(path, "&_bookmark={bookmark}"),
            None if self.skip > 0 => write!(path, "&_skip={}", self.skip),
            None => Ok(()),
        };
        path
    }

    fn wherever(&self) -> String {
        if self.filters.is_empty() {
            return String::new();
        }
        format!(" WHERE {}", self.filters.iter().map(|filter| filter.sql).collect::<Vec<_>>().join(" AND "))
    }

    fn values(&self) -> impl Iterator<Item = &Value> {
        self.filters.iter().map(|filter| &filter.value)
    }

    /// How many rows there are, by SQLite.
    pub fn count(&self, db: &Connection) -> anyhow::Result<u64> {
        let sql = format!("SELECT count(*) FROM state{}", self.wherever());
        let count: i64 =
            db.prepare_cached(&sql)?.query_row(params_from_iter(self.values()), |row| row.get(0))?;
        Ok(count.cast_unsigned())
    }

    /// The whole answer by SQLite: the page, how many rows there are, and the facets.
    pub fn ask(&self, db: &Connection) -> anyhow::Result<u64> {
        self.page(db, |row, columns| {
            for column in 0..columns {
                black_box(row.get_ref(column)?);
            }
            Ok(())
        })?;
        if self.with_facets { self.facets(db) } else { self.count(db) }
    }

    /// The rows of the page by SQLite; `each` also gets the number of columns.
    fn page(
        &self,
        db: &Connection,
        mut each: impl FnMut(&rusqlite::Row<'_>, usize) -> rusqlite::Result<()>,
    ) -> anyhow::Result<()> {
        let order = match self.sort.strip_prefix('-') {
            // SQLite's own order has absent values last here.
            Some(field) => format!("{field} DESC, id"),
            None if self.sort == "id" => "id".to_owned(),
            None => format!("{} NULLS LAST, id", self.sort),
        };
        let sql = format!(
            "SELECT * FROM state{} ORDER BY {order} LIMIT {ROWS} OFFSET {}",
            self.wherever(),
            self.skip
        );
        let mut page = db.prepare_cached(&sql)?;
        let columns = page.column_count();
        let mut rows = page.query(params_from_iter(self.values()))?;
        while let Some(row) = rows.next()? {
            each(row, columns)?;
        }
        Ok(())
    }

    /// All facets and the count out of one pass: faster than a pass for each.
    fn facets(&self, db: &Connection) -> anyhow::Result<u64> {
        let fields = FACETS.join(",");
        let sql = format!("SELECT count(*), {fields} FROM state{} GROUP BY {fields}", self.wherever());
        let mut statement = db.prepare_cached(&sql)?;
        let mut rows = statement.query(params_from_iter(self.values()))?;
        let mut total = 0;
        while let Some(row) = rows.next()? {
            total += row.get::<_, i64>(0)?.cast_unsigned();
            for column in 1..=FACETS.len() {
                black_box(row.get_ref(column)?);
            }
        }
        Ok(total)
    }
}

/// One client by its id, by SQLite.
pub fn one_client(db: &Connection, id: &str) -> anyhow::Result<()> {
    let mut statement = db.prepare_cached("SELECT * FROM state WHERE id = ?1")?;
    let found = statement
        .query_row([id], |row| row.get_ref(0).map(|id| black_box(id).as_str().is_ok()))
        .optional()?;
    found.context("SQLite does not know the client")?;
    Ok(())
}

/// The last 20 entries of a client's log, by SQLite.
pub fn last_entries(db: &Connection, id: &str) -> anyhow::Result<usize> {
    let mut statement = db.prepare_cached(
        "SELECT log.* FROM log WHERE client = (SELECT no FROM name WHERE id = ?1) ORDER BY time DESC LIMIT 20",
    )?;
    let columns = statement.column_count();
    let mut rows = statement.query([id])?;
    let mut count = 0;
    while let Some(row) = rows.next()? {
        count += 1;
        for column in 0..columns {
            black_box(row.get_ref(column)?);
        }
    }
    Ok(count)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use rollcall_model::query::Query;
    use rollcall_server::clock;
    use rollcall_server::fleet::Fleet;

    use super::*;
    use crate::baseline::Baseline;

    /// A figure beside another says nothing if they are answers to different questions.
    #[test]
    fn sqlite_and_the_fleet_give_the_same_rows_in_the_same_order_to_every_question() {
        let world = World { clients: 1_500, rows: 6_000, base_ms: 1_800_000_000_000 };
        let (fleet, now) = (Fleet::new(), clock::now());
        for round in 0..world.sessions() {
            fleet.apply(&world.past(round).collect::<Vec<_>>());
        }
        fleet.apply(&world.present().chain(world.activity()).collect::<Vec<_>>());
        assert_eq!(fleet.len(), 1_500);
        let mut baseline = Baseline::open(Path::new(":memory:")).unwrap();
        let all = fleet.query(&Query { limit: 2_000, ..Query::default() }, now).unwrap();
        baseline.load(|take| all.results.iter().try_for_each(take)).unwrap();
        let parse = |path: &str| {
            let pairs = path.split_once('?').unwrap().1.split('&').map(|pair| pair.split_once('=').unwrap());
            let pairs: Vec<_> = pairs.map(|(name, value)| (name, value.replace("%3D", "="))).collect();
            Query::parse(pairs.iter().map(|(name, value)| (*name, value.as_str()))).unwrap()
        };
        let mut not_empty = 0;
        for question in
            [single_filters, four_filters, deep_pages, before_bookmarked].iter().flat_map(|f| f(world))
        {
            let path = question.path(None);
            let ours = fleet.query(&parse(&path), now).unwrap();
            let mut ids: Vec<String> = Vec::new();
            question.page(&baseline.db, |row, _| row.get(0).map(|id| ids.push(id))).unwrap();
            let expected: Vec<_> = ours.results.iter().map(|doc| doc.id.clone()).collect();
            assert_eq!(ids, expected, "{path}");
            let total = ours.total_rows;
            assert_eq!(question.count(&baseline.db).unwrap(), total, "{path}");
            assert_eq!(question.ask(&baseline.db).unwrap(), total, "{path}");
            not_empty += u32::from(total > 0);
        }
        assert!(not_empty > 100, "{not_empty}");

        for place in places(world) {
            let ours = fleet.query(&parse(&place.path()), now).unwrap().place;
            assert_eq!(ours, Some(place.ask(&baseline.db).unwrap()), "{}", place.path());
        }
        let counting = Counting::new(world);
        let ours = fleet.query(&parse(&counting.path()), now).unwrap().counts;
        let ours: Vec<u64> = ours.iter().map(|(_, count)| *count).collect();
        assert_eq!(ours, counting.ask(&baseline.db).unwrap());
    }
}
