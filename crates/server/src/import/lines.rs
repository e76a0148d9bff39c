//! The reading half of an import: lines out of all inputs, parsed, in batches. It runs in a thread of its own and ends
//! when the inputs do, or when nobody takes the batches any more.

use std::io::{self, BufRead, Read as _};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::mpsc::SyncSender;

use super::input::Input;
use super::line::{self, Problem, Record};

/// Longer lines are refused, before they are in memory. An exported state with the longest id has about 400 kB.
pub const LINE_BYTES_MAX: usize = 1 << 20;
/// Lines that are committed in one go.
const BATCH_LINES: u64 = 50_000;

/// Lines that follow each other.
#[derive(Debug, Default)]
pub struct Batch {
    /// Where it begins, as `FILE:LINE`.
    pub from: String,
    /// Lines read, good and bad, blank ones not counted.
    pub lines: u64,
    pub records: Vec<Record>,
    pub bad: Vec<Bad>,
}

/// A line that is wrong.
#[derive(Debug, Clone)]
pub struct Bad {
    pub file: Arc<str>,
    /// From 1.
    pub number: u64,
    pub problem: Problem,
}

/// Reads all inputs to their ends; see [`line::parse`] for `org` and [`Input::unpacked`] for `read`.
pub fn read_all(inputs: Vec<Input>, org: Option<&str>, read: &Arc<AtomicU64>, batches: &SyncSender<Batch>) {
    for input in inputs {
        let file: Arc<str> = input.name.as_str().into();
        let mut reader = Reader { file, number: 0, org, batch: Batch::default() };
        let is_wanted = match input.unpacked(read) {
            Ok(mut source) => reader.read(&mut *source, batches),
            Err(error) => {
                reader.number = 1;
                reader.bad(Problem::Unreadable(error.to_string()));
                true
            }
        };
        if !is_wanted || !reader.send(batches) {
            return;
        }
    }
}

struct Reader<'a> {
    file: Arc<str>,
    number: u64,
    org: Option<&'a str>,
    batch: Batch,
}

impl Reader<'_> {
    /// Reads one input; `false` when nobody wants its lines.
    fn read(&mut self, source: &mut dyn BufRead, batches: &SyncSender<Batch>) -> bool {
        let mut line = Vec::new();
        loop {
            line.clear();
            self.number += 1;
            match source.take(LINE_BYTES_MAX as u64 + 1).read_until(b'\n', &mut line) {
                Ok(0) => return true,
                Ok(_) => self.take(&line, source),
                Err(error) => {
                    // What was read of the line is not a line.
                    self.bad(Problem::Unreadable(error.to_string()));
                    return true;
                }
            }
            if self.batch.lines >= BATCH_LINES && !self.send(batches) {
                return false;
            }
        }
    }

    fn take(&mut self, line: &[u8], source: &mut dyn BufRead) {
        let is_ended = line.last() == Some(&b'\n');
        if !is_ended && line.len() > LINE_BYTES_MAX {
            self.bad(Problem::TooLong);
            // An error here comes again at the next line.
            let _ = skip_line(source);
            return;
        }
        let text = line.trim_ascii();
        // Some editors put a mark of the encoding at the start of a file.
        let text = text.strip_prefix(b"\xef\xbb\xbf").filter(|_| self.number == 1).unwrap_or(text);
        if text.is_empty() {
            return;
        }
        match line::parse(text, self.org) {
            Ok(record) => {
                self.count();
                self.batch.records.push(record);
            }
            // The last line of a file that was not written to its end.
            Err(Problem::Json(said)) if !is_ended => self.bad(Problem::CutOff(said)),
            Err(problem) => self.bad(problem),
        }
    }

    fn bad(&mut self, problem: Problem) {
        self.count();
        self.batch.bad.push(Bad { file: Arc::clone(&self.file), number: self.number, problem });
    }

    fn count(&mut self) {
        if self.batch.lines == 0 {
            self.batch.from = format!("{}:{}", self.file, self.number);
        }
        self.batch.lines += 1;
    }

    fn send(&mut self, batches: &SyncSender<Batch>) -> bool {
        batches.send(std::mem::take(&mut self.batch)).is_ok()
    }
}

fn skip_line(source: &mut dyn BufRead) -> io::Result<()> {
    loop {
        let buffer = source.fill_buf()?;
        if buffer.is_empty() {
            return Ok(());
        }
        match memchr::memchr(b'\n', buffer) {
            Some(at) => {
                source.consume(at + 1);
                return Ok(());
            }
            None => {
                let all = buffer.len();
                source.consume(all);
            }
        }
    }
}
