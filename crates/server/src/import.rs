//! `rollcall import`: takes monitor messages and exported states from files into a data folder that no server uses.
//!
//! One thread reads and parses, this one folds, appends to the journal in batches and, at the end, checkpoints the
//! states. What is in the log already is not appended again, so an import that was interrupted or met bad lines can be
//! repeated as a whole. A line is taken entirely or not at all.

mod input;
mod line;
mod lines;
mod progress;
mod report;
mod seen;
mod writer;

#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::mpsc;

use crate::config::{ConfigError, checked_org, default_data};
use crate::data_folder::{DataFolder, DataFolderError};
use crate::journal::JournalError;

use input::Input;
use lines::Batch;
use progress::Progress;
use report::Report;
use writer::Writer;

/// Flags of `rollcall import`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
A line is one monitor message, as on the topics iot-2/…/mon, or one line of `rollcall export`. Give the log before the
states: that is faster. Exit code: 0 all lines were taken, 3 some lines were bad and the others were taken, 1 it failed.
An import can be repeated: what is in the log already is not logged again.")]
pub struct ImportArgs {
    /// Folder of the journal; made when it is missing [default: rollcall-data]
    #[arg(long, env = "ROLLCALL_DATA", value_name = "DIR")]
    data: Option<PathBuf>,
    /// Take only devices, gateways and applications of this organisation; others are bad lines
    #[arg(long, value_name = "ID")]
    org: Option<String>,
    /// Read and check everything, write nothing
    #[arg(long)]
    dry_run: bool,
    /// Write the list of all bad lines here; without it the first 100 are shown and the rest is counted
    #[arg(long, value_name = "FILE")]
    rejects: Option<PathBuf>,
    /// Files of monitor messages, one JSON object a line, plain, gzip or zstd; - for standard input
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
}

#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    #[error("cannot read {path}: {reason}")]
    Input { path: String, reason: std::io::Error },
    #[error("cannot write the list of bad lines {path}: {reason}")]
    Rejects { path: String, reason: std::io::Error },
    #[error("{failure}; everything before {at} is in the log. Repeat the import when the cause is gone")]
    Interrupted { failure: JournalError, at: String },
    #[error("{0}; the log entries are there, the states are not complete. Repeat the import")]
    NoStates(JournalError),
    #[error(transparent)]
    Folder(#[from] DataFolderError),
    #[error(transparent)]
    Config(#[from] ConfigError),
}

/// Some lines were bad, the others were taken.
const SOME_BAD: u8 = 3;
/// Batches that may wait for the writer.
const BATCHES_AHEAD: usize = 2;

/// Runs the command.
///
/// # Errors
/// When an input cannot be opened, a server uses the data folder, or the journal cannot be written.
pub fn run(args: ImportArgs) -> Result<ExitCode, Box<dyn std::error::Error>> {
    let tally = import(args)?;
    Ok(if tally.bad == 0 { ExitCode::SUCCESS } else { ExitCode::from(SOME_BAD) })
}

/// What an import did, in lines.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Tally {
    /// Lines read, blank ones not counted.
    pub lines: u64,
    pub bad: u64,
    /// Appended to the log.
    pub logged: u64,
    /// In the log before, or twice in the input.
    pub known: u64,
    /// States taken in whole.
    pub states: u64,
    /// Lines that change a state without being logged: activity.
    pub activity: u64,
    /// Refused attempts of unknown clients that are in the log, but beyond what the fleet keeps of strangers.
    pub strangers: u64,
}

fn import(args: ImportArgs) -> Result<Tally, ImportError> {
    let org = args.org.map(|org| checked_org(Some(org))).transpose()?;
    let inputs = args.files.iter().map(|path| Input::open(path)).collect::<Result<Vec<_>, _>>()?;
    let mut report = Report::new(args.rejects)?;
    // A dry run leaves the folder alone: it need not even exist.
    let mut writer = if args.dry_run {
        Writer::idle()
    } else {
        Writer::new(DataFolder::open_or_create(&args.data.unwrap_or_else(default_data))?)
    };
    let progress = Progress::start(&inputs);
    let mut tally = Tally::default();
    let (sender, batches) = mpsc::sync_channel::<Batch>(BATCHES_AHEAD);
    std::thread::scope(|scope| {
        let (read, org) = (progress.read_bytes(), org.as_deref());
        scope.spawn(move || lines::read_all(inputs, org, &read, &sender));
        for batch in batches {
            for bad in &batch.bad {
                progress.say(|| report.note(bad))?;
            }
            tally.lines += batch.lines;
            tally.bad += batch.bad.len() as u64;
            writer
                .take(batch.records, &mut tally)
                .map_err(|failure| ImportError::Interrupted { failure, at: batch.from.clone() })?;
            progress.lines(tally.lines);
        }
        // A failure drops the receiver above, which ends the reader.
        Ok::<_, ImportError>(())
    })?;
    let rate = progress.finish(tally.lines);
    writer.finish(&mut tally).map_err(ImportError::NoStates)?;
    report.finish()?;
    progress::summarize(&tally, &rate, args.dry_run);
    Ok(tally)
}
