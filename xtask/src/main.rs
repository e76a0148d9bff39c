//! What a person types to work on Rollcall: `cargo xtask start | build | dist | test | fuzz | audit | size | bench`.
//!
//! This file is the table of contents: it reads the command line and hands over to one module per command. Everything
//! that has to be installed first is the business of `setup`; nothing here is part of the product.

mod audit;
mod bench;
mod binding;
mod counts;
mod dashboard;
mod files;
mod fingerprint;
mod fuzz;
mod launch;
mod minify;
mod page;
mod precompress;
mod process;
mod schema;
mod setup;
mod size;
mod split;
mod styles;
mod test;
mod timing;
mod workspace;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::test::Suite;
use crate::workspace::Workspace;

/// Builds, runs and tests Rollcall. What is missing is installed once, into a cache directory.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Build everything in release mode and run the server.
    Start {
        /// Passed on to `rollcall serve`, for example `--http 127.0.0.1:9000` or `--demo 0`.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<String>,
    },
    /// Build everything in release mode: the dashboard and the server that carries it.
    Build,
    /// Build only the dashboard, into `dist/`.
    Dist,
    /// Run every check and every test; the last line says how many passed and failed.
    Test {
        /// Run only these, for example `--only fmt --only rust` or `--only fmt,rust`.
        #[arg(long, value_enum, value_delimiter = ',')]
        only: Vec<Suite>,
        /// Let the end-to-end tests write pictures to tests/screenshots.
        #[arg(long)]
        screenshots: bool,
    },
    /// Try inputs on one of the parsers with libFuzzer until it fails or is interrupted; needs the nightly compiler.
    Fuzz {
        /// client_id, query, bookmark, time or monitor.
        target: String,
        /// Passed on to libFuzzer, for example `-max_total_time=60`.
        #[arg(last = true)]
        args: Vec<String>,
    },
    /// Check licences, sources and security advisories of the dependencies.
    Audit,
    /// Print how large the dashboard is, file by file, and whether the first paint stays within its budget.
    Size,
    /// Measure the release build, beside SQLite asked the same on the same data.
    Bench(bench::Args),
}

fn main() -> ExitCode {
    match run(Cli::parse().command) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> anyhow::Result<ExitCode> {
    let workspace = Workspace::locate()?;
    match command {
        Command::Start { args } => launch::start(&workspace, &args)?,
        Command::Build => {
            launch::build(&workspace)?;
        }
        Command::Dist => dashboard::set_up_and_build(&workspace)?,
        Command::Test { only, screenshots } => return test::run(&workspace, &only, screenshots),
        Command::Fuzz { target, args } => fuzz::run(&workspace, &target, &args)?,
        Command::Audit => return audit::run(&workspace),
        Command::Size => size::run(&workspace)?,
        Command::Bench(args) => bench::run(&workspace, &args)?,
    }
    Ok(ExitCode::SUCCESS)
}
