//! The binary `rollcall`: reads the command line and calls the part that does it.

use std::io::IsTerminal as _;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use rollcall_server::config::ServeArgs;
use rollcall_server::{devices, export, import, keys, serve};

/// The dependency says why.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Which MQTT clients are connected, when each was last active, and why it disconnected.
#[derive(Debug, Parser)]
#[command(name = "rollcall", version, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the server: dashboard, APIs, embedded MQTT broker
    Serve(ServeArgs),
    /// Give devices tokens of their own
    #[command(subcommand)]
    Devices(devices::Command),
    /// Make API keys for programs and people, and sign-in links
    #[command(subcommand)]
    Keys(keys::Command),
    /// Take monitor messages and exported states from files into the data folder
    Import(import::ImportArgs),
    /// Write all states, or the whole log, to a file
    #[command(subcommand)]
    Export(export::Command),
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let result = match cli.command {
        Command::Serve(args) => run_server(args).map(|()| ExitCode::SUCCESS),
        Command::Devices(command) => devices::run(command).map(|()| ExitCode::SUCCESS),
        Command::Keys(command) => keys::run(command).map(|()| ExitCode::SUCCESS),
        Command::Import(args) => import::run(args),
        Command::Export(command) => export::run(command).map(|()| ExitCode::SUCCESS),
    };
    match result {
        Ok(code) => code,
        Err(error) => {
            eprintln!("rollcall: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run_server(args: ServeArgs) -> Result<(), Box<dyn std::error::Error>> {
    let config = args.resolve()?;
    // Quiet by default: the broker writes a line for every odd client.
    let filter = tracing_subscriber::EnvFilter::try_from_env("ROLLCALL_LOG")
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("warn,rmqtt=error,rmqtt_net=error"));
    // A line that cannot be written, as to a file on a full disk, must not end the thread that has it to say.
    let lines = tracing_subscriber::fmt().log_internal_errors(false);
    // Colours are for a terminal: in a file or a collector of logs they are noise between the words.
    let has_colours =
        std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    lines.with_ansi(has_colours).with_env_filter(filter).with_writer(std::io::stderr).init();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let result = runtime.block_on(serve::serve(config));
    // Connections that do not end by themselves must not hold up the end.
    runtime.shutdown_timeout(std::time::Duration::from_secs(2));
    Ok(result?)
}
