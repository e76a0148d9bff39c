//! What one line of an import says: a monitor message, or a line of `rollcall export`. Called by the reader; it knows
//! neither files nor the journal.

use memchr::memmem;
use rollcall_model::monitor::MonitorMessage;
use rollcall_model::{ClientId, ClientState, ConnectionEvent, StateDoc};
use serde::Deserialize;

use crate::export::session_mut;

/// The longest id that MQTT can carry, in bytes.
const ID_BYTES_MAX: usize = 65_535;

/// A line that is right.
#[expect(clippy::large_enum_variant, reason = "nearly all records are events, and those should not be boxed")]
#[derive(Debug, Clone, PartialEq)]
pub enum Record {
    Event(ConnectionEvent),
    /// A state as the fold keeps it.
    State(Box<ClientState>),
    /// A state as the State API tells it, which is less.
    Doc(Box<StateDoc>),
}

/// What is wrong with a line.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    #[error("this is no UTF-8 text")]
    NotText,
    #[error("the line is longer than {} bytes", super::lines::LINE_BYTES_MAX)]
    TooLong,
    #[error("the input ends within this line ({0})")]
    CutOff(String),
    #[error("the input cannot be read any further: {0}")]
    Unreadable(String),
    #[error("{0}")]
    Json(String),
    #[error(
        "this is neither a monitor message (it has no “Action”) nor a state (it has no “connectionStatus”)"
    )]
    Neither,
    #[error("there is no client id")]
    NoClient,
    #[error("the client id is longer than {ID_BYTES_MAX} bytes")]
    IdTooLong,
    #[error("“{0}” and what is kept of it are of different clients")]
    Mismatch(String),
    #[error("the client is of another organisation, {0}")]
    OtherOrg(String),
}

impl Problem {
    /// The sort of problem, for the counts of many.
    #[must_use]
    pub const fn sort(&self) -> &'static str {
        match self {
            Self::NotText => "not UTF-8",
            Self::TooLong => "too long",
            Self::CutOff(_) => "cut off",
            Self::Unreadable(_) => "unreadable",
            Self::Json(_) => "not valid",
            Self::Neither => "neither message nor state",
            Self::NoClient => "without a client id",
            Self::IdTooLong => "client id too long",
            Self::Mismatch(_) => "of two clients",
            Self::OtherOrg(_) => "of another organisation",
        }
    }
}

/// What `rollcall export log` adds to a monitor message, so that the event comes back as it was.
#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Additions {
    client_port: Option<u16>,
    /// The connection number in the key of the session.
    connection: Option<u64>,
    kept: Option<ConnectionEvent>,
}

#[derive(Deserialize)]
struct KeptState {
    id: String,
    kept: Option<Box<ClientState>>,
}

/// Reads a line; `org` is the only organisation whose clients are wanted.
///
/// # Errors
/// What is wrong with it.
pub fn parse(line: &[u8], org: Option<&str>) -> Result<Record, Problem> {
    let text = std::str::from_utf8(line).map_err(|_| Problem::NotText)?;
    let has = |name: &[u8]| memmem::find(line, name).is_some();
    let record = if has(b"\"Action\"") {
        Record::Event(parse_event(text, has)?)
    } else if has(b"\"connectionStatus\"") {
        parse_state(text)?
    } else {
        json::<serde::de::IgnoredAny>(text)?;
        return Err(Problem::Neither);
    };
    check_id(record.client_id(), org)?;
    Ok(record)
}

impl Record {
    fn client_id(&self) -> &str {
        match self {
            Self::Event(event) => &event.client_id,
            Self::State(state) => &state.id,
            Self::Doc(doc) => &doc.id,
        }
    }
}

fn json<'a, T: Deserialize<'a>>(text: &'a str) -> Result<T, Problem> {
    serde_json::from_str(text).map_err(|error| {
        let said = error.to_string();
        // The library counts lines within the line.
        Problem::Json(said.replace(" at line 1 column ", ", at column "))
    })
}

fn parse_event(text: &str, has: impl Fn(&[u8]) -> bool) -> Result<ConnectionEvent, Problem> {
    let message: MonitorMessage = json(text)?;
    let mut event = message.to_event();
    if !(has(b"\"ClientPort\"") || has(b"\"Connection\"") || has(b"\"Kept\"")) {
        return Ok(event);
    }
    let additions: Additions = json(text)?;
    if let Some(kept) = additions.kept {
        return if kept.client_id == event.client_id {
            Ok(kept)
        } else {
            Err(Problem::Mismatch(event.client_id))
        };
    }
    event.peer.port = additions.client_port;
    if let Some(key) = session_mut(&mut event.kind) {
        key.connection = additions.connection.unwrap_or(0);
    }
    Ok(event)
}

fn parse_state(text: &str) -> Result<Record, Problem> {
    let KeptState { id, kept } = json(text)?;
    match kept {
        Some(kept) if kept.id == id => Ok(Record::State(kept)),
        Some(_) => Err(Problem::Mismatch(id)),
        None => Ok(Record::Doc(Box::new(json(text)?))),
    }
}

fn check_id(id: &str, org: Option<&str>) -> Result<(), Problem> {
    if id.is_empty() {
        return Err(Problem::NoClient);
    }
    if id.len() > ID_BYTES_MAX {
        return Err(Problem::IdTooLong);
    }
    match (ClientId::parse(id).org, org) {
        (Some(other), Some(org)) if other != org => Err(Problem::OtherOrg(other.to_owned())),
        _ => Ok(()),
    }
}
