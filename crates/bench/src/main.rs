//! `rollcall-bench`: how fast Rollcall is at what it is for, beside SQLite asked the same on the same data in the same
//! run. `cargo xtask bench` builds and runs it.
//!
//! It starts a server of its own with made-up events inside (`child`) and asks it from outside, over HTTP and MQTT.
//! An error or a wrong answer ends the run: a figure of something that did not work says nothing.

mod asking;
mod baseline;
mod child;
mod data;
mod http;
mod machine;
mod measure;
mod question;
mod recording;
mod stage;
mod watching;
mod world;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::{Parser, Subcommand, ValueEnum};

use asking::{Asked, Effort};
use data::Data;
use measure::{Better, Row};
use world::World;

/// The dependency says why.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[derive(Parser)]
#[command(name = "rollcall-bench")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Measure and print the table.
    Run(RunArgs),
    /// Be the server that a browser is measured on, at the command of standard input.
    #[command(hide = true)]
    Stage(stage::Args),
    /// Be the server that is measured.
    #[command(hide = true)]
    Serve { data: PathBuf, clients: u32, rows: u64, base_ms: i64 },
    /// Be `rollcall import`.
    #[command(hide = true)]
    Import(rollcall_server::import::ImportArgs),
}

#[derive(clap::Args)]
struct RunArgs {
    /// Clients in the fleet
    #[arg(long, default_value_t = 1_000_000, value_parser = clap::value_parser!(u32).range(1_000..))]
    clients: u32,
    /// Entries in the log [default: ten a client]
    #[arg(long)]
    rows: Option<u64>,
    /// Ask less often: the 99th percentiles are rough
    #[arg(long)]
    quick: bool,
    /// Print the table at 10,000, 100,000, 1,000,000 and 3,000,000 clients
    #[arg(long, conflicts_with = "clients")]
    growth: bool,
    /// Measure only these
    #[arg(long, value_enum, value_delimiter = ',')]
    only: Vec<Part>,
    /// Where the made-up fleets are kept between runs
    #[arg(long)]
    cache: PathBuf,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Part {
    /// Pages, clients and logs over HTTP, while events arrive
    Questions,
    /// MQTT subscribers
    Monitor,
    /// Folding in memory
    Fold,
    /// A burst of reconnects, and a restart after kill -9
    Restart,
    /// `rollcall import`
    Import,
}

const GROWTH: [u32; 4] = [10_000, 100_000, 1_000_000, 3_000_000];
/// Others may have so much of the processors before the figures are called noisy.
const NOISE_MAX: f64 = 0.1;

fn main() -> ExitCode {
    let result = match Cli::parse().command {
        Command::Run(args) => run(&args),
        Command::Stage(args) => stage::run(&args),
        Command::Serve { data, clients, rows, base_ms } => {
            child::serve(&data, World { clients, rows, base_ms })
        }
        Command::Import(args) => match rollcall_server::import::run(args) {
            Ok(code) => return code,
            Err(error) => Err(anyhow::anyhow!("{error}")),
        },
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: &RunArgs) -> anyhow::Result<()> {
    std::fs::create_dir_all(&args.cache)?;
    Data::clean(&args.cache)?;
    machine::describe();
    if cfg!(debug_assertions) {
        println!("This is a debug build: the figures say nothing.");
    }
    let one = [args.clients];
    for clients in if args.growth { &GROWTH[..] } else { &one[..] } {
        let rows = args.rows.unwrap_or(10 * u64::from(*clients));
        let (start, usage) = (Instant::now(), machine::Usage::now());
        let table = measure_fleet(args, *clients, rows)?;
        println!("\n{clients} clients, {rows} log entries; {:.0} s", start.elapsed().as_secs_f64());
        if let Some(others) =
            usage.and_then(|usage| usage.others_since()).filter(|others| *others > NOISE_MAX)
        {
            println!(
                "Noisy: other programs had {:.0} % of the processors meanwhile, so times are too long.",
                others * 100.0
            );
        }
        measure::print(&table);
    }
    Ok(())
}

fn measure_fleet(args: &RunArgs, clients: u32, rows: u64) -> anyhow::Result<Vec<Row>> {
    let wants = |part| args.only.is_empty() || args.only.contains(&part);
    let seconds = |full, quick| Duration::from_secs(if args.quick { quick } else { full });
    let effort =
        Effort { asks: if args.quick { 100 } else { 400 }, row: seconds(15, 3), throughput: seconds(8, 2) };
    let empty = empty_server(&args.cache)?;
    let data = Data::prepare(&args.cache, clients, rows)?;
    let mut table = Vec::new();
    if wants(Part::Fold) && clients >= MEMORY_CLIENTS_MIN {
        // First, so that no memory is taken twice.
        table.push(recording::fleet_memory(data.world)?);
    }
    if wants(Part::Questions) || wants(Part::Monitor) || wants(Part::Restart) {
        let (mut asked, start) = Asked::start(&data.folder, data.world)?;
        eprintln!("connecting the clients …");
        asked.server.ask("open")?;
        if wants(Part::Questions) {
            table.extend(asking::measure(&mut asked, &data, effort)?);
            table.extend(memory(&asked, data.world, empty)?);
        }
        table.push(Row::figure(
            "start after a clean stop, to the first page",
            "s",
            Better::Less,
            Some(3.0),
            start,
            None,
        ));
        if wants(Part::Monitor) {
            table.extend(watching::measure(&mut asked, seconds(10, 3))?);
        }
        if wants(Part::Restart) {
            table.extend(recording::burst_and_restart(asked, &data)?);
        }
    }
    if wants(Part::Fold) {
        table.push(recording::fold(data.world, if args.quick { 200_000 } else { 1_000_000 })?);
    }
    if wants(Part::Import) {
        let lines = (data.world.rows as usize).min(if args.quick { 200_000 } else { 1_000_000 });
        table.push(recording::import(&data, lines)?);
    }
    Ok(table)
}

/// How much memory a server takes without any clients.
fn empty_server(cache: &Path) -> anyhow::Result<u64> {
    let folder = cache.join(format!("empty-{}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    let (asked, _) = Asked::start(&folder, World { clients: 1, rows: 0, base_ms: 0 })?;
    let memory = machine::memory(asked.server.pid())?;
    drop(asked);
    std::fs::remove_dir_all(&folder)?;
    Ok(memory.resident)
}

/// Clients below which the memory of one says more about everything else.
const MEMORY_CLIENTS_MIN: u32 = 100_000;

fn memory(asked: &Asked, world: World, empty: u64) -> anyhow::Result<Vec<Row>> {
    let resident = machine::memory(asked.server.pid())?.resident;
    let clients = f64::from(world.clients);
    let target = Some(600.0 * (clients / 1e6).max(1.0));
    let mut rows =
        vec![Row::figure("memory of the server", "MB", Better::Less, target, resident as f64 / 1e6, None)];
    if world.clients >= MEMORY_CLIENTS_MIN {
        let each = resident.saturating_sub(empty) as f64 / clients;
        rows.push(Row::figure("memory of a client, all included", "bytes", Better::Less, None, each, None));
    }
    Ok(rows)
}
