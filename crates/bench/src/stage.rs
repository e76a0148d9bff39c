//! The server that `tests/bench/browser.mjs` opens in a browser: a fleet of the asked size, and as much happening as
//! that script says. Standard output tells where it is as one line of JSON, then answers each command with one line;
//! `child` says which commands there are. It ends with its standard input, and measures nothing itself.

use std::io::Write as _;
use std::path::PathBuf;

use anyhow::Context;
use serde_json::json;

use crate::asking::Asked;
use crate::data::Data;

/// Each client has one session in its past.
const ROWS_EACH: u64 = 2;

#[derive(clap::Args)]
pub struct Args {
    /// Clients in the fleet
    #[arg(long, default_value_t = 1_000_000, value_parser = clap::value_parser!(u32).range(1_000..))]
    clients: u32,
    /// Where the made-up fleets are kept between runs
    #[arg(long)]
    cache: PathBuf,
}

pub fn run(args: &Args) -> anyhow::Result<()> {
    std::fs::create_dir_all(&args.cache)?;
    Data::clean(&args.cache)?;
    let data = Data::prepare(&args.cache, args.clients, ROWS_EACH * u64::from(args.clients))?;
    let (mut asked, _) = Asked::start(&data.folder, data.world)?;
    eprintln!("connecting the clients …");
    asked.server.ask("open")?;
    let http = asked.server.http;
    tell(&json!({
        "url": format!("http://{http}/"), "key": asked.key.key, "token": asked.key.token,
        "process": asked.server.pid(), "folder": data.path(""),
    }))?;
    for line in std::io::stdin().lines() {
        let line = line.context("standard input cannot be read")?;
        if line.starts_with("rate ") {
            asked.server.tell(&line)?;
            tell(&json!({}))?;
        } else {
            let (events, seconds) = asked.server.ask(&line)?;
            tell(&json!({ "events": events, "seconds": seconds }))?;
        }
    }
    Ok(())
}

fn tell(what: &serde_json::Value) -> anyhow::Result<()> {
    let mut output = std::io::stdout().lock();
    writeln!(output, "{what}")?;
    Ok(output.flush()?)
}
