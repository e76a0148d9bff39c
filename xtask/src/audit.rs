//! `cargo xtask audit`: what the dependencies are allowed to be (`deny.toml`), and whether any has a known hole.

use std::process::{Command, ExitCode};

use crate::workspace::Workspace;
use crate::{process, setup};

/// Checks licences, bans and sources, then the advisories if their database can be had.
///
/// The database is a Git repository. Where it cannot be fetched that part is *not checked*, and the output says so:
/// that is no failure of the dependencies, but no clean bill of health either.
pub fn run(workspace: &Workspace) -> anyhow::Result<ExitCode> {
    let cargo_deny = setup::cargo_deny(workspace)?;
    let deny = |args: &[&str]| {
        let mut command = process::command(workspace, &cargo_deny);
        // Without `--workspace` only the dashboard would be looked at.
        command.arg("--workspace").args(args);
        command
    };
    println!("==> licences, bans, sources");
    let mut is_clean = passes(&mut deny(&["check", "--hide-inclusion-graph", "licenses", "bans", "sources"]));

    println!("==> advisories");
    if process::answer(&mut deny(&["fetch", "db"])).is_none() {
        println!("not checked: the advisory database (RustSec, on GitHub) cannot be fetched from here");
    } else {
        is_clean &= passes(&mut deny(&["check", "advisories"]));
    }
    Ok(if is_clean { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// A check that fails must not keep the next one from being made.
fn passes(check: &mut Command) -> bool {
    match process::stream(check) {
        Ok(()) => true,
        Err(error) => {
            eprintln!("error: {error:#}");
            false
        }
    }
}
