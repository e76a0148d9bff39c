//! How far an import is: a bar on a terminal, a line now and then otherwise.

use std::io::IsTerminal as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

use super::Tally;
use super::input::Input;

/// How often a line is written when there is no terminal.
const LINE_INTERVAL: Duration = Duration::from_secs(10);
const WITH_SIZE: &str = "{wide_bar} {bytes} of {total_bytes}  {msg}  {eta} left";
const WITHOUT_SIZE: &str = "{spinner} {bytes}  {msg}  {elapsed}";

pub struct Progress {
    bar: Option<ProgressBar>,
    read: Arc<AtomicU64>,
    total: Option<u64>,
    start: Instant,
    last_line: std::cell::Cell<Instant>,
}

impl Progress {
    pub fn start(inputs: &[Input]) -> Self {
        let total: Option<u64> = inputs.iter().map(|input| input.size).sum();
        let bar = std::io::stderr().is_terminal().then(|| {
            let bar = total.map_or_else(ProgressBar::no_length, ProgressBar::new);
            let template = if total.is_some() { WITH_SIZE } else { WITHOUT_SIZE };
            match ProgressStyle::with_template(template) {
                Ok(style) => bar.with_style(style),
                Err(_) => bar,
            }
        });
        let now = Instant::now();
        Self { bar, read: Arc::default(), total, start: now, last_line: now.into() }
    }

    /// Where the reader counts the bytes of the files.
    pub fn read_bytes(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.read)
    }

    /// Lets something else write to the terminal.
    pub fn say<T>(&self, write: impl FnOnce() -> T) -> T {
        match &self.bar {
            Some(bar) => bar.suspend(write),
            None => write(),
        }
    }

    fn rate(&self, lines: u64) -> u64 {
        (lines as f64 / self.start.elapsed().as_secs_f64().max(0.001)) as u64
    }

    pub fn lines(&self, lines: u64) {
        let read = self.read.load(Ordering::Relaxed);
        let rate = self.rate(lines);
        if let Some(bar) = &self.bar {
            bar.set_position(read);
            bar.set_message(format!("{lines} lines, {rate}/s"));
        } else if self.last_line.get().elapsed() >= LINE_INTERVAL {
            self.last_line.set(Instant::now());
            let share = self.total.filter(|total| *total > 0).map(|total| 100 * read / total);
            let share = share.map(|percent| format!(", {percent} %")).unwrap_or_default();
            eprintln!("{lines} lines, {rate}/s{share}");
        }
    }

    /// Takes the bar away. Returns how long it took and how fast it was, for the summary.
    pub fn finish(&self, lines: u64) -> String {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
        format!("{:.1} s, {} lines/s", self.start.elapsed().as_secs_f64(), self.rate(lines))
    }
}

/// Says what the import did.
pub fn summarize(tally: &Tally, rate: &str, is_dry_run: bool) {
    let Tally { lines, bad, logged, known, states, activity, strangers } = *tally;
    if is_dry_run {
        println!(
            "{lines} lines ({rate}): {bad} bad, {logged} log entries, {activity} of activity, {states} states"
        );
        println!("Nothing was written: this was a dry run.");
        return;
    }
    println!(
        "{lines} lines ({rate}): {bad} bad, {logged} logged, {known} in the log already, {activity} of activity, {states} states"
    );
    if strangers > 0 {
        println!(
            "{strangers} refused attempts of clients that never connected are in the log only: the fleet keeps {} of those.",
            crate::fleet::STRANGERS_MAX
        );
    }
}
