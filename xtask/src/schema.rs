//! The suite `schema`: schemathesis tries every call of the API, with requests that its description allows and requests
//! that it does not, and compares what comes back with the description. Called by `test`.

use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use anyhow::{Context, bail};

use crate::counts::Counts;
use crate::workspace::Workspace;
use crate::{files, process, setup};

const REQUIREMENTS: &str = "tests/schema/requirements.txt";

/// The call that takes credentials. Those that are made up are wrong, and who tries many is kept waiting: it is tried
/// last and alone, so that no other call is answered with 429.
const SIGN_IN: &str = "signIn";

/// Not asked: that everything that fits the description be accepted. It cannot say which texts are bookmarks, which days
/// a month has, or that a log needs one of two sets of parameters. And not whether wrong credentials are refused on
/// every call: after the fifth they are answered with 429 and not with 401.
const NOT_CHECKED: &str = "positive_data_acceptance,ignored_auth";

/// How long the clients of the demo may take to connect, so that the answers hold something.
const DEMO_CONNECTS: Duration = Duration::from_secs(3);

/// Runs the real server and schemathesis against it; each call of the API counts as one test.
pub fn run(workspace: &Workspace) -> anyhow::Result<Counts> {
    let python = setup::python_environment(workspace, REQUIREMENTS)?;
    process::stream(&mut process::cargo(workspace, &["build", "--package", "rollcall-server"]))?;
    let folder = workspace.target.join("schema");
    if folder.exists() {
        fs::remove_dir_all(&folder).with_context(|| format!("cannot empty {}", folder.display()))?;
    }
    fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;

    let server = Server::start(workspace, &folder)?;
    let auth = key(workspace, &folder)?;
    thread::sleep(DEMO_CONNECTS);
    let mut counts = Counts::default();
    for (name, selection) in [("calls", "--exclude-operation-id"), ("sign-in", "--include-operation-id")] {
        let report = folder.join(format!("{name}.xml"));
        let mut command = process::command(workspace, &python);
        command
            .args(["-m", "schemathesis.cli", "run", &format!("{}/api/openapi.json", server.address)])
            .args([selection, SIGN_IN, "--checks", "all", "--exclude-checks", NOT_CHECKED])
            // The same requests at every run.
            .args(["--generation-deterministic", "--max-examples", "60"])
            .args(["--phases", "examples,coverage,fuzzing", "--continue-on-failure"])
            // These judge how schemathesis makes its requests and how fast the machine is.
            .args(["--suppress-health-check", "all", "--warnings", "off"])
            .args(["--report", "junit", "--report-junit-path"])
            .arg(&report)
            .current_dir(&folder);
        if let Some(auth) = &auth {
            command.args(["--auth", auth]);
        }
        let is_clean = passes(&mut command)?;
        counts += read_report(&report, is_clean)?;
    }
    Ok(counts)
}

/// Not `process::stream`: its error would show the key.
fn passes(command: &mut Command) -> anyhow::Result<bool> {
    Ok(command.status().context("cannot start schemathesis")?.success())
}

/// Reads the totals of a JUnit report. A run that failed without a failed test is one failure.
fn read_report(report: &Path, is_clean: bool) -> anyhow::Result<Counts> {
    let text = String::from_utf8_lossy(&files::read(report)?).into_owned();
    let Some(mut counts) = totals(&text) else {
        bail!("{} is no JUnit report", report.display());
    };
    if !is_clean && counts.failed == 0 {
        counts.failed = 1;
    }
    Ok(counts)
}

fn totals(report: &str) -> Option<Counts> {
    let (_, rest) = report.split_once("<testsuites ")?;
    let (tag, _) = rest.split_once('>')?;
    let number = |name: &str| {
        let (_, value) = tag.split_once(&format!("{name}=\""))?;
        value.split_once('"')?.0.parse::<u64>().ok()
    };
    let failed = number("failures")? + number("errors")?;
    let passed = number("tests")?.checked_sub(failed + number("skipped")?)?;
    Some(Counts { passed, failed, ..Counts::default() })
}

/// The server, until it is dropped.
struct Server {
    child: Child,
    /// `http://127.0.0.1:…`
    address: String,
}

impl Server {
    /// Starts it on free ports; it says which.
    fn start(workspace: &Workspace, folder: &Path) -> anyhow::Result<Self> {
        let log = folder.join("server.log");
        let log = File::create(&log).with_context(|| format!("cannot write {}", log.display()))?;
        let mut command = process::command(workspace, workspace.server("debug"));
        command
            .args(["serve", "--http", "127.0.0.1:0", "--mqtt", "127.0.0.1:0", "--demo", "40", "--data"])
            .arg(folder.join("data"))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log);
        let mut child = command.spawn().context("cannot start the server")?;
        let output = child.stdout.take().map(BufReader::new);
        let mut server = Self { child, address: String::new() };
        let mut lines = output.into_iter().flat_map(BufRead::lines).map_while(Result::ok);
        for line in lines.by_ref() {
            if let Some((_, address)) = line.split_once("Dashboard").filter(|_| line.contains("http")) {
                server.address = address.trim().trim_end_matches('/').to_owned();
                // The server goes on writing, to nobody.
                thread::spawn(move || lines.for_each(drop));
                return Ok(server);
            }
        }
        bail!("the server did not start; {} says why", folder.join("server.log").display());
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself, which the report of the tests shows well enough.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// `key:token` of an administrator, who may try every method; `None` for a server that has no keys.
fn key(workspace: &Workspace, folder: &Path) -> anyhow::Result<Option<String>> {
    let rollcall = || process::command(workspace, workspace.server("debug"));
    if process::answer(rollcall().args(["keys", "--help"])).is_none() {
        return Ok(None);
    }
    let mut add = rollcall();
    add.args(["keys", "add", "--role", "admin", "--json", "--data"]).arg(folder.join("data"));
    let answer = process::answer(&mut add).context("`rollcall keys add` failed")?;
    let value = |name: &str| {
        let (_, rest) = answer.split_once(&format!("\"{name}\":"))?;
        rest.split('"').nth(1)
    };
    let both = value("key").zip(value("token")).context("`rollcall keys add` printed no key")?;
    Ok(Some(format!("{}:{}", both.0, both.1)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_totals_of_a_report_are_read() {
        let report = |totals: &str| {
            format!("<?xml version=\"1.0\"?>\n<testsuites {totals} time=\"5.2\">\n  <testsuite tests=\"9\"/>")
        };
        let text = report(r#"errors="1" failures="2" skipped="1" tests="8""#);
        assert_eq!(totals(&text), Some(Counts { passed: 4, failed: 3, ..Counts::default() }));
        assert_eq!(totals("<html>"), None);
    }
}
