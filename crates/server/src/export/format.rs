//! How a state and a log entry are written in each format. Called by the command and by the State API's export.

use rollcall_model::log::{LogEntry, LogEvent};
use rollcall_model::monitor::MonitorMessage;
use rollcall_model::query::Field;
use rollcall_model::{ClientState, ConnectionEvent, EventKind, SessionKey, StateDoc, Timestamp};
use serde::Serialize;

use super::csv::push_record;

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// One JSON object a line
    Ndjson,
    /// A header and one record a line (RFC 4180); cells that a spreadsheet would run are marked with an apostrophe
    Csv,
}

impl Format {
    /// The format of that name, as flags and parameters have it.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        match name {
            "ndjson" => Some(Self::Ndjson),
            "csv" => Some(Self::Csv),
            _ => None,
        }
    }

    #[must_use]
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::Ndjson => "application/x-ndjson",
            Self::Csv => "text/csv; charset=utf-8; header=present",
        }
    }

    /// What a file's name ends in.
    #[must_use]
    pub const fn extension(self) -> &'static str {
        match self {
            Self::Ndjson => "ndjson",
            Self::Csv => "csv",
        }
    }
}

/// Writes states into a buffer.
#[derive(Debug, Clone, Copy)]
pub struct StateRows(pub Format);

#[derive(Serialize)]
struct StateLine<'a> {
    #[serde(flatten)]
    doc: &'a StateDoc,
    kept: &'a ClientState,
}

impl StateRows {
    /// What stands before the first row.
    pub fn start(self, out: &mut Vec<u8>) {
        if self.0 == Format::Csv {
            push_record(out, Field::ALL.map(|field| Some(field.name())));
        }
    }

    /// Appends a state; with `kept`, NDJSON has what an import needs.
    ///
    /// # Errors
    /// When the state cannot be JSON, which does not happen.
    pub fn push(
        self,
        out: &mut Vec<u8>,
        doc: &StateDoc,
        kept: Option<&ClientState>,
    ) -> Result<(), serde_json::Error> {
        match (self.0, kept) {
            (Format::Csv, _) => {
                let cells = Field::ALL.map(|field| field.text(doc));
                push_record(out, cells.iter().map(Option::as_deref));
                return Ok(());
            }
            (Format::Ndjson, Some(kept)) => serde_json::to_writer(&mut *out, &StateLine { doc, kept })?,
            (Format::Ndjson, None) => serde_json::to_writer(&mut *out, doc)?,
        }
        out.push(b'\n');
        Ok(())
    }
}

/// A monitor message, and what it leaves out of the event.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct LogLine<'a> {
    #[serde(flatten)]
    message: &'a MonitorMessage,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_port: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    connection: Option<u64>,
    /// The whole event, where message and additions do not tell it.
    #[serde(skip_serializing_if = "Option::is_none")]
    kept: Option<&'a ConnectionEvent>,
}

/// The columns of a log in CSV, by the names of the Connection Logs API.
const LOG_COLUMNS: [&str; 18] = [
    "timestamp",
    "clientId",
    "event",
    "message",
    "disconnectInitiator",
    "mqttReasonCode",
    "closeCode",
    "reason",
    "clientAddr",
    "clientPort",
    "protocol",
    "secure",
    "connectTime",
    "readMsg",
    "writeMsg",
    "readBytes",
    "writeBytes",
    "certainty",
];

/// What stands before the first entry of a log.
pub fn start_log(format: Format, out: &mut Vec<u8>) {
    if format == Format::Csv {
        push_record(out, LOG_COLUMNS.map(Some));
    }
}

/// Appends a log entry.
///
/// # Errors
/// When it cannot be JSON, which does not happen.
pub fn push_event(
    format: Format,
    out: &mut Vec<u8>,
    event: &ConnectionEvent,
) -> Result<(), serde_json::Error> {
    match format {
        Format::Csv => {
            if let Some(entry) = LogEntry::from_event(event) {
                let cells = log_cells(entry);
                push_record(out, cells.iter().map(Option::as_deref));
            }
        }
        Format::Ndjson => {
            if let Some(message) = MonitorMessage::from_event(event) {
                serde_json::to_writer(&mut *out, &log_line(event, &message))?;
                out.push(b'\n');
            }
        }
    }
    Ok(())
}

fn log_line<'a>(event: &'a ConnectionEvent, message: &'a MonitorMessage) -> LogLine<'a> {
    let connection = session(&event.kind).map(|key| key.connection).filter(|number| *number != 0);
    let mut read = message.to_event();
    read.peer.port = event.peer.port;
    // The user that all devices share says nothing and is left out of messages.
    read.peer.user.clone_from(&event.peer.user);
    if let Some(key) = session_mut(&mut read.kind) {
        key.connection = connection.unwrap_or(0);
    }
    let kept = (read != *event).then_some(event);
    let additions = kept.is_none();
    LogLine {
        message,
        client_port: event.peer.port.filter(|_| additions),
        connection: connection.filter(|_| additions),
        kept,
    }
}

const fn session(kind: &EventKind) -> Option<&SessionKey> {
    match kind {
        EventKind::Connect { session, .. } => Some(session),
        EventKind::Disconnect { session, .. } | EventKind::Activity { session, .. } => session.as_ref(),
        EventKind::FailedConnect { .. } | EventKind::Missed => None,
    }
}

/// The session that an event names.
pub const fn session_mut(kind: &mut EventKind) -> Option<&mut SessionKey> {
    match kind {
        EventKind::Connect { session, .. } => Some(session),
        EventKind::Disconnect { session, .. } | EventKind::Activity { session, .. } => session.as_mut(),
        EventKind::FailedConnect { .. } | EventKind::Missed => None,
    }
}

fn log_cells(entry: LogEntry) -> [Option<String>; 18] {
    fn text<T: ToString>(value: Option<T>) -> Option<String> {
        value.map(|value| value.to_string())
    }
    let event = entry.event.map(|event| match event {
        LogEvent::Connect => "connect",
        LogEvent::FailedConnect => "failedConnect",
        LogEvent::Disconnect => "disconnect",
    });
    [
        Some(entry.timestamp.to_string()),
        entry.client_id,
        text(event),
        Some(entry.message),
        text(entry.disconnect_initiator.map(|initiator| initiator.as_str())),
        text(entry.mqtt_reason_code),
        text(entry.close_code),
        entry.reason,
        entry.client_addr,
        text(entry.client_port),
        entry.protocol,
        text(entry.secure),
        text::<Timestamp>(entry.connect_time),
        text(entry.read_msg),
        text(entry.write_msg),
        text(entry.read_bytes),
        text(entry.write_bytes),
        text(entry.certainty.map(|certainty| certainty.as_str())),
    ]
}
