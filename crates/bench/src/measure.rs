//! Times, percentiles and the table they end up in.

use std::time::{Duration, Instant};

/// Asks that do not count, at the start of each row.
const WARM_UP: usize = 10;

/// Repeats `ask` so often, or as long; the first ten do not count. In milliseconds.
pub fn times(
    asks: usize,
    at_most: Duration,
    mut ask: impl FnMut(usize) -> anyhow::Result<()>,
) -> anyhow::Result<Times> {
    let begin = Instant::now();
    let mut times = Vec::with_capacity(asks);
    for number in 0..asks + WARM_UP {
        if times.len() > WARM_UP && begin.elapsed() > at_most {
            break;
        }
        let start = Instant::now();
        ask(number)?;
        if number >= WARM_UP {
            times.push(start.elapsed().as_secs_f64() * 1_000.0);
        }
    }
    Ok(Times::new(times))
}

/// Measured values, ascending.
#[derive(Debug, Clone, Default)]
pub struct Times(Vec<f64>);

impl Times {
    pub fn new(mut values: Vec<f64>) -> Self {
        values.sort_unstable_by(f64::total_cmp);
        Self(values)
    }

    /// The value that so many in a hundred are below.
    pub fn percentile(&self, percent: usize) -> f64 {
        let at = (self.0.len() * percent / 100).min(self.0.len().saturating_sub(1));
        self.0.get(at).copied().unwrap_or(f64::NAN)
    }
}

/// Whether a small or a large number is good.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Better {
    Less,
    More,
}

/// One line of the table.
#[derive(Debug, Clone)]
pub struct Row {
    pub what: String,
    pub unit: &'static str,
    pub better: Better,
    /// What p50 and p99 (or the one figure there is) should be.
    pub target: (Option<f64>, Option<f64>),
    pub ours: (f64, Option<f64>),
    pub baseline: Option<(f64, Option<f64>)>,
}

impl Row {
    /// A row of times in milliseconds.
    pub fn times(what: &str, target: (f64, f64), ours: &Times, baseline: Option<&Times>) -> Self {
        let both = |times: &Times| (times.percentile(50), Some(times.percentile(99)));
        Self {
            what: what.to_owned(),
            unit: "ms",
            better: Better::Less,
            target: (Some(target.0), Some(target.1)),
            ours: both(ours),
            baseline: baseline.map(both),
        }
    }

    /// A row of one figure.
    pub fn figure(
        what: &str,
        unit: &'static str,
        better: Better,
        target: Option<f64>,
        ours: f64,
        baseline: Option<f64>,
    ) -> Self {
        let baseline = baseline.map(|figure| (figure, None));
        Self { what: what.to_owned(), unit, better, target: (target, None), ours: (ours, None), baseline }
    }

    fn is_missed(&self) -> bool {
        let misses = |target: Option<f64>, ours: Option<f64>| {
            target.zip(ours).is_some_and(|(target, ours)| match self.better {
                Better::Less => ours > target,
                Better::More => ours < target,
            })
        };
        misses(self.target.0, Some(self.ours.0)) || misses(self.target.1, self.ours.1)
    }

    fn ratio(&self) -> String {
        let Some((baseline, _)) = self.baseline else { return "–".to_owned() };
        let ratio = match self.better {
            Better::Less => baseline / self.ours.0,
            Better::More => self.ours.0 / baseline,
        };
        match ratio {
            10.0.. => format!("{ratio:.0}×"),
            0.1.. => format!("{ratio:.1}×"),
            _ => format!("{ratio:.3}×"),
        }
    }
}

/// Prints the table; a row that misses its target has an exclamation mark.
pub fn print(rows: &[Row]) {
    let header = ["", "target", "p50", "p99", "SQLite p50", "p99", "ratio"];
    let mut cells = vec![header.map(str::to_owned)];
    for row in rows {
        let target = match row.target {
            (Some(p50), Some(p99)) => format!("{} / {} {}", shown(p50), shown(p99), row.unit),
            (Some(figure), None) => format!("{} {}", shown(figure), row.unit),
            _ => "–".to_owned(),
        };
        let optional = |value: Option<f64>| value.map_or_else(|| "–".to_owned(), shown);
        let mark = if row.is_missed() { "!" } else { " " };
        cells.push([
            format!("{mark} {}", row.what),
            target,
            format!("{} {}", shown(row.ours.0), row.unit),
            optional(row.ours.1),
            optional(row.baseline.map(|(p50, _)| p50)),
            optional(row.baseline.and_then(|(_, p99)| p99)),
            row.ratio(),
        ]);
    }
    let widths: Vec<usize> = (0..header.len())
        .map(|column| cells.iter().map(|row| row[column].chars().count()).max().unwrap_or(0))
        .collect();
    for row in &cells {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(&widths) {
            let pad = " ".repeat(width.saturating_sub(cell.chars().count()));
            line += &if line.is_empty() { format!("{cell}{pad}") } else { format!("  {pad}{cell}") };
        }
        println!("{}", line.trim_end());
    }
    println!(
        "! misses its target. SQLite is asked within the process, Rollcall over HTTP. Ratio: how many times better."
    );
}

fn shown(value: f64) -> String {
    match value.abs() {
        size if size >= 10_000.0 => {
            let digits = format!("{value:.0}");
            let mut text = String::new();
            for (at, digit) in digits.chars().enumerate() {
                if at > 0 && (digits.len() - at).is_multiple_of(3) {
                    text.push(',');
                }
                text.push(digit);
            }
            text
        }
        size if size >= 100.0 => format!("{value:.0}"),
        size if size >= 1.0 => format!("{value:.1}"),
        size if size >= 0.1 => format!("{value:.2}"),
        _ => format!("{value:.3}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentile_is_a_value_that_was_measured() {
        let times = Times::new((0..100).rev().map(f64::from).collect());
        assert_eq!((times.percentile(50), times.percentile(99)), (50.0, 99.0));
        assert_eq!(Times::new(vec![7.0]).percentile(99), 7.0);
    }

    #[test]
    fn a_row_misses_its_target_on_either_side_of_it() {
        let figure = |better, target, ours| Row::figure("", "", better, Some(target), ours, None).is_missed();
        assert!(figure(Better::More, 10.0, 9.0) && !figure(Better::More, 10.0, 11.0));
        assert!(figure(Better::Less, 10.0, 11.0) && !figure(Better::Less, 10.0, 9.0));
        let late = Times::new(vec![1.0, 1.0, 1.0, 20.0]);
        assert!(Row::times("", (4.0, 10.0), &late, None).is_missed());
    }

    #[test]
    fn large_numbers_are_written_in_groups() {
        assert_eq!(
            [shown(1_234_567.0), shown(310.4), shown(4.25), shown(0.0042)],
            ["1,234,567", "310", "4.2", "0.004"]
        );
    }
}
