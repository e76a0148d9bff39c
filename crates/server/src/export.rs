//! `rollcall export`: writes the states of all clients, or the log, as NDJSON or CSV, with constant memory.
//!
//! The NDJSON is what `rollcall import` reads: a log and the states that were exported and imported are the same
//! fleet. The State API exports states in the same formats (`api::export`) beside a running server; this command takes
//! the data folder for itself.

mod csv;
mod format;
mod log;
mod output;
mod states;

use std::path::PathBuf;

use clap::Subcommand;
use rollcall_model::query::Violation;

use crate::clock;
use crate::config::default_data;
use crate::data_folder::{DataFolder, DataFolderError};
use crate::fleet::BookmarkError;
use crate::journal::JournalError;

pub(crate) use format::session_mut;
pub use format::{Format, StateRows};
pub use states::{PAGE_ROWS, query as states_query};

use output::Output;

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Write the state of every client that passes the filters
    #[command(after_help = STATES_HELP)]
    States(Options),
    /// Write the log, oldest entry first
    #[command(after_help = LOG_HELP)]
    Log(Options),
}

const STATES_HELP: &str = "\
Filters are those of the State API, and _sort: connectionStatus=connected 'deviceType!=demo' activeBefore=now-2d
The NDJSON has one state a line as the State API tells it, and in “kept” what an import needs to restore it.
A session that was open when a server died stays open here; its state is stale since then.
Beside a running server, ask it: GET /api/v0002/export/states?format=csv";

const LOG_HELP: &str = "\
Filters are those of the Connection Logs API: clientId, typeId, deviceId, fromTime, toTime, event=connect,disconnect
The NDJSON has one monitor message a line. “rollcall import” reads it.";

#[derive(Debug, clap::Args)]
pub struct Options {
    /// Folder of the journal [default: rollcall-data]
    #[arg(long, env = "ROLLCALL_DATA", value_name = "DIR")]
    data: Option<PathBuf>,
    /// How to write it
    #[arg(long, value_enum, default_value_t = Format::Ndjson)]
    format: Format,
    /// Where to write it; the file appears when it is complete [default: standard output]
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    /// What to write; without filters, everything
    #[arg(value_name = "NAME=VALUE")]
    filters: Vec<String>,
}

#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    #[error("“{0}” is no filter; filters are written NAME=VALUE")]
    NoFilter(String),
    #[error("{}", .0.iter().map(Violation::to_string).collect::<Vec<_>>().join("\n"))]
    Filters(Vec<Violation>),
    #[error("cannot write {path}: {reason}")]
    Output { path: String, reason: std::io::Error },
    #[error("{0}, or ask it: GET /api/v0002/export/states gives the states")]
    InUse(DataFolderError),
    #[error(transparent)]
    Folder(DataFolderError),
    #[error(transparent)]
    Journal(#[from] JournalError),
    #[error("the export cannot go on: {0}")]
    Page(#[from] BookmarkError),
}

impl From<DataFolderError> for ExportError {
    fn from(error: DataFolderError) -> Self {
        match error {
            DataFolderError::InUse(_) => Self::InUse(error),
            error => Self::Folder(error),
        }
    }
}

/// Runs the command.
///
/// # Errors
/// When a filter is wrong, a server uses the data folder, or something cannot be read or written.
pub fn run(command: Command) -> Result<(), Box<dyn std::error::Error>> {
    let (options, is_log) = match command {
        Command::States(options) => (options, false),
        Command::Log(options) => (options, true),
    };
    let path = options.output.clone();
    match export(options, is_log) {
        // Whoever reads our output has read enough.
        Err(ExportError::Output { reason, .. })
            if path.is_none() && reason.kind() == std::io::ErrorKind::BrokenPipe =>
        {
            Ok(())
        }
        result => Ok(result?),
    }
}

fn export(options: Options, is_log: bool) -> Result<(), ExportError> {
    let now = clock::now();
    let pairs = options.filters.iter().map(|filter| pair(filter)).collect::<Result<Vec<_>, _>>()?;
    let data = options.data.unwrap_or_else(default_data);
    if is_log {
        let filter = log::Filter::parse(&pairs, now).map_err(ExportError::Filters)?;
        let folder = DataFolder::open(&data)?;
        let mut output = Output::open(options.output)?;
        log::write(folder.journal.as_ref(), &filter, options.format, &mut output)?;
        return output.finish();
    }
    let query = states::query(pairs).map_err(ExportError::Filters)?;
    let folder = DataFolder::open(&data)?;
    // Nobody has watched these clients since; the server that runs next will say what became of them.
    folder.fleet.set_feed_lost(folder.alive());
    let mut output = Output::open(options.output)?;
    states::write(&folder.fleet, query, now, options.format, &mut output)?;
    output.finish()
}

/// `NAME=VALUE`, or `NAME!=VALUE` for a filter that excludes.
fn pair(filter: &str) -> Result<(&str, &str), ExportError> {
    filter.split_once('=').ok_or_else(|| ExportError::NoFilter(filter.to_owned()))
}
