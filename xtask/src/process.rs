//! Runs other programs: streamed to the terminal, hidden unless they fail, or watched for test counts. Every child is
//! made by `command`, so that all of them see the same environment.

use std::env;
use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;

use anyhow::{Context, bail};

use crate::counts::{Counts, Runner};
use crate::workspace::Workspace;

/// How much of a failed program's hidden output is shown.
const TAIL_LINES: usize = 40;
/// How much of what a test runner says of failures is kept for the end.
const FAILURE_LINES: usize = 60;

/// A program to be run in the root of the checkout, sharing Cargo's target directory with us.
///
/// `cargo run` describes the xtask package in environment variables. They are taken away, because build scripts that
/// watch them would otherwise run again whenever one changes between `cargo xtask` and plain `cargo`.
pub fn command(workspace: &Workspace, program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    for (name, _) in env::vars_os() {
        let name_text = name.to_string_lossy();
        if name_text.starts_with("CARGO_PKG_") || name_text.starts_with("CARGO_MANIFEST_") {
            command.env_remove(&name);
        }
    }
    command.current_dir(&workspace.root).env("CARGO_TARGET_DIR", &workspace.target);
    command
}

pub fn cargo(workspace: &Workspace, args: &[&str]) -> Command {
    let mut command = command(workspace, "cargo");
    command.args(args);
    command
}

/// Puts directories in front of the child's `PATH`.
pub fn prepend_path(command: &mut Command, directories: &[&Path]) -> anyhow::Result<()> {
    let inherited = env::var_os("PATH").unwrap_or_default();
    let all = directories.iter().map(|directory| directory.to_path_buf()).chain(env::split_paths(&inherited));
    let joined = env::join_paths(all).context("a directory's name cannot be part of PATH")?;
    command.env("PATH", joined);
    Ok(())
}

/// Runs a program with its output on the terminal.
pub fn stream(command: &mut Command) -> anyhow::Result<()> {
    let status = command.status().with_context(|| cannot_start(command))?;
    if !status.success() {
        bail!("`{}` failed ({status})", display(command));
    }
    Ok(())
}

/// Runs a program without showing its output, except for the end of it when the program fails.
pub fn quiet(command: &mut Command) -> anyhow::Result<()> {
    let output = command.stdin(Stdio::null()).output().with_context(|| cannot_start(command))?;
    if output.status.success() {
        return Ok(());
    }
    let mut text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.push_str(&String::from_utf8_lossy(&output.stderr));
    let lines: Vec<&str> = text.lines().collect();
    for line in &lines[lines.len().saturating_sub(TAIL_LINES)..] {
        eprintln!("    {line}");
    }
    bail!("`{}` failed ({})", display(command), output.status);
}

/// What a program prints, or `None` if it is absent or fails.
pub fn answer(command: &mut Command) -> Option<String> {
    let output = command.stdin(Stdio::null()).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// Runs a test runner with its output on the terminal and adds up the counts it prints.
///
/// A runner that fails counts as at least one failure, whatever it printed, and so does one that ran no test.
pub fn counted(command: &mut Command, runner: Runner) -> anyhow::Result<Counts> {
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| cannot_start(command))?;
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    let errors = thread::spawn(move || echo(stderr, &mut std::io::stderr(), runner));
    let mut counts = echo(stdout, &mut std::io::stdout(), runner);
    counts += errors.join().unwrap_or_default();
    let status = child.wait().with_context(|| format!("lost sight of `{}`", display(command)))?;

    if !status.success() && counts.failed == 0 {
        eprintln!("`{}` failed ({status})", display(command));
        counts.failed = 1;
    }
    if counts == Counts::default() {
        eprintln!("`{}` ran no test", display(command));
        counts.failed = 1;
    }
    Ok(counts)
}

/// Copies lines as they come and counts on the way. Bytes that are not text are shown as well as they can be.
fn echo(source: Option<impl Read>, to: &mut impl Write, runner: Runner) -> Counts {
    let mut counts = Counts::default();
    let Some(source) = source else { return counts };
    let mut reader = BufReader::new(source);
    let mut line = Vec::new();
    let mut tells_failures = false;
    while reader.read_until(b'\n', &mut line).is_ok_and(|read| read > 0) {
        // A terminal that has gone away must not stop the tests.
        let _ = to.write_all(&line).and_then(|()| to.flush());
        let text = String::from_utf8_lossy(&line);
        counts += runner.count(&text);
        tells_failures = runner.tells_failures(&text, tells_failures);
        if tells_failures && counts.failures.len() < FAILURE_LINES {
            counts.failures.push(text.trim_end().to_owned());
        }
        line.clear();
    }
    counts
}

fn cannot_start(command: &Command) -> String {
    format!("cannot start `{}`", display(command))
}

/// The command as a person would type it, without the directory of the program.
fn display(command: &Command) -> String {
    let program = Path::new(command.get_program());
    let name = program.file_name().unwrap_or(program.as_os_str());
    let mut text = name.to_string_lossy().into_owned();
    for arg in command.get_args() {
        text.push(' ');
        text.push_str(&arg.to_string_lossy());
    }
    text
}
