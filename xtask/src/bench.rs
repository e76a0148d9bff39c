//! `cargo xtask bench`: how fast the release build is, beside SQLite asked the same on the same data (`crates/bench`);
//! with `--only size` or `--only latency`, what the dashboard weighs and how soon a browser shows things.

use anyhow::bail;
use clap::ValueEnum;

use crate::workspace::{Workspace, executable};
use crate::{launch, process, setup, size, timing};

/// What is run in a browser, each beside a server of its own, and what it measures.
const BENCHES: [(&str, &str); 2] = [
    ("tests/bench/firstpaint.mjs", "Measuring the first paint"),
    ("tests/bench/latency.mjs", "Measuring latencies"),
];
const PROGRAM: &str = "rollcall-bench";

/// One part of what can be measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Part {
    /// Pages, clients and logs over HTTP, while events arrive
    Questions,
    /// MQTT subscribers
    Monitor,
    /// Folding events in memory
    Fold,
    /// A burst of reconnects, and a restart after kill -9
    Restart,
    /// `rollcall import`
    Import,
    /// What the dashboard weighs
    Size,
    /// How soon a browser shows things
    Latency,
}

/// What to measure, and on how much.
#[derive(clap::Args)]
pub struct Args {
    /// Clients in the fleet [default: 1000000]
    #[arg(long)]
    clients: Option<u32>,
    /// Entries in the log [default: ten a client]
    #[arg(long)]
    rows: Option<u64>,
    /// Ask less often: the 99th percentiles are rough
    #[arg(long)]
    quick: bool,
    /// Print the table at 10,000, 100,000, 1,000,000 and 3,000,000 clients
    #[arg(long, conflicts_with = "clients")]
    growth: bool,
    /// Measure only these; without it, everything but size and latency
    #[arg(long, value_enum, value_delimiter = ',')]
    only: Vec<Part>,
}

pub fn run(workspace: &Workspace, args: &Args) -> anyhow::Result<()> {
    if args.only.contains(&Part::Size) {
        size::run(workspace)?;
    }
    if args.only.contains(&Part::Latency) {
        latency(workspace)?;
    }
    let is_of_table = |part: &&Part| !matches!(part, Part::Size | Part::Latency);
    let parts: Vec<&Part> = args.only.iter().filter(is_of_table).collect();
    if args.only.is_empty() || !parts.is_empty() { table(workspace, args, &parts) } else { Ok(()) }
}

fn table(workspace: &Workspace, args: &Args, parts: &[&Part]) -> anyhow::Result<()> {
    timing::step("Building the bench", || {
        process::stream(&mut process::cargo(workspace, &["build", "--release", "--package", PROGRAM]))
    })?;
    let mut bench = process::command(workspace, workspace.target.join("release").join(executable(PROGRAM)));
    bench.arg("run").arg("--cache").arg(workspace.target.join("bench"));
    if let Some(clients) = args.clients {
        bench.arg("--clients").arg(clients.to_string());
    }
    if let Some(rows) = args.rows {
        bench.arg("--rows").arg(rows.to_string());
    }
    for (flag, is_given) in [("--quick", args.quick), ("--growth", args.growth)] {
        if is_given {
            bench.arg(flag);
        }
    }
    for part in parts.iter().filter_map(|part| part.to_possible_value()) {
        bench.arg("--only").arg(part.get_name());
    }
    process::stream(&mut bench)
}

fn latency(workspace: &Workspace) -> anyhow::Result<()> {
    for (script, _) in BENCHES {
        if !workspace.root.join(script).is_file() {
            bail!("there is no {script}, which measures the dashboard");
        }
    }
    timing::step("Setting up the browser and the MQTT programs", || setup::for_browser_tests(workspace))?;
    let server = launch::build(workspace)?;
    for (script, what) in BENCHES {
        timing::step(what, || {
            let mut node = process::command(workspace, "node");
            process::stream(node.arg(script).env("ROLLCALL_BIN", &server))
        })?;
    }
    Ok(())
}
