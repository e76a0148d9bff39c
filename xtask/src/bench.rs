//! `cargo xtask bench`: how fast the release build is, beside SQLite asked the same on the same data (`crates/bench`);
//! with `--only size` or `--only latency`, what the dashboard weighs and how soon a browser shows things; with
//! `--browser`, how the dashboard does under load, beside other tables.

use std::path::PathBuf;

use anyhow::bail;
use clap::ValueEnum;

use crate::workspace::{Workspace, executable};
use crate::{dashboard, launch, process, setup, size, timing};

/// What is run in a browser, each beside a server of its own, and what it measures.
const BENCHES: [(&str, &str); 2] = [
    ("tests/bench/firstpaint.mjs", "Measuring the first paint"),
    ("tests/bench/latency.mjs", "Measuring latencies"),
];
const PROGRAM: &str = "rollcall-bench";
/// What compares the dashboard with other tables, in browsers.
const BROWSER: &str = "tests/bench/browser.mjs";

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
    /// Measure the dashboard in browsers while messages arrive, beside AG Grid Community and Perspective
    #[arg(long, conflicts_with_all = ["only", "growth", "quick", "rows"])]
    browser: bool,
    /// With --browser: so many minutes more, over which the memory may not grow
    #[arg(long, requires = "browser", default_value_t = 0.5)]
    minutes: f64,
    /// With --browser: only these (ours, scale2, firefox, aggrid, perspective) [default: all]
    #[arg(long, requires = "browser", value_delimiter = ',')]
    in_browser: Vec<String>,
}

pub fn run(workspace: &Workspace, args: &Args) -> anyhow::Result<()> {
    if args.browser {
        return browser(workspace, args);
    }
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
    let mut bench = process::command(workspace, build(workspace)?);
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

/// Builds the program; answers with its path.
fn build(workspace: &Workspace) -> anyhow::Result<PathBuf> {
    timing::step("Building the bench", || {
        process::stream(&mut process::cargo(workspace, &["build", "--release", "--package", PROGRAM]))
    })?;
    Ok(workspace.target.join("release").join(executable(PROGRAM)))
}

/// The script starts the program itself, and with it the server that carries the dashboard just built.
fn browser(workspace: &Workspace, args: &Args) -> anyhow::Result<()> {
    let geckodriver =
        timing::step("Setting up the browsers and the other tables", || setup::for_browser_bench(workspace))?;
    dashboard::set_up_and_build(workspace)?;
    let program = build(workspace)?;
    let mut node = process::command(workspace, "node");
    node.arg(BROWSER).arg("--minutes").arg(args.minutes.to_string());
    node.arg("--cache").arg(workspace.target.join("bench"));
    if let Some(clients) = args.clients {
        node.arg("--clients").arg(clients.to_string());
    }
    if !args.in_browser.is_empty() {
        node.arg("--only").arg(args.in_browser.join(","));
    }
    process::stream(node.env("ROLLCALL_BENCH", program).env("ROLLCALL_GECKODRIVER", geckodriver))
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
