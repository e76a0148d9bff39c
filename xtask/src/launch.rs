//! Builds the server around the dashboard and, for `start`, runs it.

use std::path::PathBuf;
use std::process::Command;

use crate::workspace::Workspace;
use crate::{dashboard, process, timing};

/// Passed to `rollcall serve` unless the user says otherwise: something to look at, and a place to keep it.
const DEFAULTS: [(&str, &str); 2] = [("--demo", "200"), ("--data", "rollcall-data")];

/// Builds everything and runs the server. On Unix this process becomes the server, so that Ctrl-C and other signals
/// reach it directly.
pub fn start(workspace: &Workspace, args: &[String]) -> anyhow::Result<()> {
    let server = build(workspace)?;
    let args = serve_arguments(args);
    println!("==> rollcall {}", args.join(" "));
    replace_by(process::command(workspace, server).args(args))
}

/// Builds the dashboard and the server that carries it; answers with the server's path.
pub fn build(workspace: &Workspace) -> anyhow::Result<PathBuf> {
    dashboard::set_up_and_build(workspace)?;
    timing::step("Building the server", || {
        let args = ["build", "--release", "--locked", "--package", "rollcall-server"];
        process::stream(&mut process::cargo(workspace, &args))
    })?;
    let server = workspace.server("release");
    println!("    The server is {}", server.display());
    Ok(server)
}

fn serve_arguments(user: &[String]) -> Vec<String> {
    let mut args = vec!["serve".to_owned()];
    for (flag, value) in DEFAULTS {
        let is_given = user
            .iter()
            .any(|arg| arg.strip_prefix(flag).is_some_and(|rest| rest.is_empty() || rest.starts_with('=')));
        if !is_given {
            args.extend([flag.to_owned(), value.to_owned()]);
        }
    }
    args.extend_from_slice(user);
    args
}

#[cfg(unix)]
fn replace_by(command: &mut Command) -> anyhow::Result<()> {
    use anyhow::Context;
    use std::os::unix::process::CommandExt;
    // Returns only when it fails.
    Err(command.exec()).context("cannot start the server")
}

#[cfg(not(unix))]
fn replace_by(command: &mut Command) -> anyhow::Result<()> {
    process::stream(command)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(user: &[&str], expect: &str) {
        let user: Vec<String> = user.iter().map(|&arg| arg.to_owned()).collect();
        assert_eq!(serve_arguments(&user).join(" "), expect);
    }

    #[test]
    fn a_demo_fleet_and_a_data_directory_are_the_default() {
        check(&[], "serve --demo 200 --data rollcall-data");
        check(&["--http", "127.0.0.1:9000"], "serve --demo 200 --data rollcall-data --http 127.0.0.1:9000");
    }

    #[test]
    fn what_the_user_says_wins_in_either_spelling() {
        check(&["--demo", "0"], "serve --data rollcall-data --demo 0");
        check(&["--demo=0", "--data=/tmp/x"], "serve --demo=0 --data=/tmp/x");
    }
}
