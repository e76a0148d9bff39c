//! `cargo xtask test`: every check and every test, in an order that tells of cheap mistakes first. A step that fails does
//! not stop the later ones. The last line of the output is always `N passed, N failed`.

use std::env;
use std::path::Path;
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use clap::ValueEnum;

use crate::counts::{Counts, Runner};
use crate::workspace::Workspace;
use crate::{dashboard, files, process, schema, setup, timing};

/// A part of the tests that can be asked for by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Suite {
    /// The code is formatted.
    Fmt,
    /// clippy has nothing to say, natively and for the browser.
    Clippy,
    /// Tests that run natively: units, properties, and the server as a black box.
    Rust,
    /// The dashboard's tests in a headless browser.
    Wasm,
    /// Journeys through the whole product, in a headless browser.
    E2e,
    /// IBM's SDKs for Watson IoT Platform, unmodified, against the server.
    Sdk,
    /// schemathesis: every call of the API against its description.
    Schema,
}

/// What became of one step.
struct Outcome {
    name: &'static str,
    counts: Counts,
    took: Duration,
}

/// Runs the suites asked for, or all; succeeds only if nothing failed.
pub fn run(workspace: &Workspace, only: &[Suite], screenshots: bool) -> anyhow::Result<ExitCode> {
    let wants = |suite: Suite| only.is_empty() || only.contains(&suite);
    let mut outcomes = Vec::new();
    let mut step = |name, work: &dyn Fn() -> anyhow::Result<Counts>| {
        outcomes.push(run_step(name, work));
    };

    step("set-up", &|| set_up(workspace, wants).map(|()| Counts::default()));
    if wants(Suite::Fmt) {
        step("fmt", &|| check(cargo(workspace, "fmt --all --check")));
    }
    if needs_dashboard(workspace, only) {
        step("dashboard", &|| dashboard::set_up_and_build(workspace).map(|()| Counts::default()));
    }
    if wants(Suite::Clippy) {
        step("clippy", &|| check(cargo(workspace, "clippy --workspace --all-targets -- -D warnings")));
        step("clippy for the browser", &|| check(cargo(workspace, CLIPPY_WASM)));
    }
    if wants(Suite::Rust) {
        step("rust", &|| {
            let mut cargo = cargo(workspace, "test --workspace --no-fail-fast");
            process::counted(&mut cargo, Runner::Cargo)
        });
    }
    if wants(Suite::Wasm) {
        step("wasm", &|| wasm(workspace));
    }
    if wants(Suite::E2e) {
        step("e2e", &|| end_to_end(workspace, screenshots));
    }
    if wants(Suite::Sdk) {
        step("sdk", &|| sdk(workspace));
    }
    if wants(Suite::Schema) {
        step("schema", &|| schema::run(workspace));
    }
    Ok(report(&outcomes))
}

/// This looks at the model too, as part of the dashboard. Its own tests are native: proptest does not compile for the
/// browser.
const CLIPPY_WASM: &str =
    "clippy --package rollcall --target wasm32-unknown-unknown --all-targets -- -D warnings";

/// A step that cannot even be done counts as one failure.
fn run_step(name: &'static str, work: &dyn Fn() -> anyhow::Result<Counts>) -> Outcome {
    println!("\n==> {name}");
    let start = Instant::now();
    let counts = work().unwrap_or_else(|error| {
        eprintln!("error: {error:#}");
        Counts { failed: 1, ..Counts::default() }
    });
    Outcome { name, counts, took: start.elapsed() }
}

fn set_up(workspace: &Workspace, wants: impl Fn(Suite) -> bool) -> anyhow::Result<()> {
    if wants(Suite::Fmt) || wants(Suite::Clippy) {
        setup::for_lints(workspace)?;
    }
    if wants(Suite::Clippy) || wants(Suite::Wasm) {
        setup::wasm_target(workspace)?;
    }
    if wants(Suite::Wasm) {
        setup::wasm_bindgen_dir(workspace)?;
    }
    if wants(Suite::Rust) || wants(Suite::Wasm) || wants(Suite::E2e) || wants(Suite::Sdk) {
        setup::for_browser_tests(workspace)?;
    }
    Ok(())
}

/// The server does not compile without a dashboard to embed. Which one it is matters only to the end-to-end tests, so
/// somebody who asks for one quick suite does not wait for a new one.
fn needs_dashboard(workspace: &Workspace, only: &[Suite]) -> bool {
    let is_there = workspace.dist().join("index.html").is_file();
    let embeds = |suite: &Suite| match suite {
        Suite::E2e => true,
        Suite::Clippy | Suite::Rust | Suite::Sdk | Suite::Schema => !is_there,
        Suite::Fmt | Suite::Wasm => false,
    };
    only.is_empty() || only.iter().any(embeds)
}

/// A Cargo command line without quoting, split at blanks.
fn cargo(workspace: &Workspace, line: &str) -> Command {
    let args: Vec<&str> = line.split_whitespace().collect();
    process::cargo(workspace, &args)
}

/// A command that either passes or fails as a whole.
fn check(mut command: Command) -> anyhow::Result<Counts> {
    process::stream(&mut command)?;
    Ok(Counts { passed: 1, ..Counts::default() })
}

fn wasm(workspace: &Workspace) -> anyhow::Result<Counts> {
    let runner = setup::wasm_bindgen_dir(workspace)?.join("wasm-bindgen-test-runner");
    let driver = env::var_os("CHROMEDRIVER").unwrap_or_else(|| "/usr/bin/chromedriver".into());
    if !Path::new(&driver).is_file() {
        bail!("there is no {}: set CHROMEDRIVER to the path of chromedriver", Path::new(&driver).display());
    }
    let mut cargo =
        cargo(workspace, "test --package rollcall --target wasm32-unknown-unknown --no-fail-fast");
    cargo
        .env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUNNER", runner)
        .env("CHROMEDRIVER", driver)
        // Seconds. The default of 20 is short for a debug build on a busy machine.
        .env("WASM_BINDGEN_TEST_TIMEOUT", "120");
    process::counted(&mut cargo, Runner::Cargo)
}

fn end_to_end(workspace: &Workspace, screenshots: bool) -> anyhow::Result<Counts> {
    setup::require_node(workspace)?;
    process::stream(&mut cargo(workspace, "build --package rollcall-server"))?;
    let tests = workspace.root.join("tests");
    let is_test = |file: &Path| file.to_string_lossy().ends_with(".test.mjs");
    let mut journeys = files::below(&tests.join("e2e"))?;
    journeys.retain(|file| is_test(file));
    if journeys.is_empty() {
        bail!("there is no test in tests/e2e");
    }

    let mut node = process::command(workspace, "node");
    node.args(["--test", "--test-reporter=spec"])
        .args(journeys)
        .env("ROLLCALL_BIN", workspace.server("debug"))
        // Has the MQTT library that the commands on the page are for.
        .env("ROLLCALL_PYTHON", setup::python_environment(workspace, "tests/sdk/requirements.txt")?);
    if screenshots {
        let pictures = tests.join("screenshots");
        std::fs::create_dir_all(&pictures)
            .with_context(|| format!("cannot create {}", pictures.display()))?;
        node.env("ROLLCALL_SCREENSHOTS", pictures);
    }
    process::counted(&mut node, Runner::Node)
}

/// Both SDKs, each beside a server of its own.
fn sdk(workspace: &Workspace) -> anyhow::Result<Counts> {
    let tools = setup::for_sdk_tests(workspace)?;
    process::stream(&mut cargo(workspace, "build --package rollcall-server"))?;
    let tests = workspace.root.join("tests/sdk");
    let beside_server = |program: &Path, args: &[&str]| {
        let mut node = process::command(workspace, "node");
        node.arg("beside-server.mjs")
            .arg(program)
            .args(args)
            .current_dir(&tests)
            .env("ROLLCALL_BIN", workspace.server("debug"));
        node
    };
    let mut node = beside_server(Path::new("node"), &["--test", "--test-reporter=spec", "wiotp.test.mjs"]);
    let mut counts = process::counted(&mut node, Runner::Node)?;
    // No caches and no compiled files in the checkout, and no warnings about what the SDK itself uses.
    let pytest = ["-B", "-m", "pytest", "-p", "no:cacheprovider", "--quiet", "--disable-warnings"];
    counts += process::counted(&mut beside_server(&tools.python, &pytest), Runner::Pytest)?;
    Ok(counts)
}

/// Prints the table, the names of what failed, and the line that counts.
fn report(outcomes: &[Outcome]) -> ExitCode {
    let mut total = Counts::default();
    println!();
    for Outcome { name, counts, took } in outcomes {
        total.passed += counts.passed;
        total.failed += counts.failed;
        println!(
            "{name:<24} {:>6} passed {:>4} failed {:>13}",
            counts.passed,
            counts.failed,
            timing::seconds(*took)
        );
    }
    for outcome in outcomes.iter().filter(|outcome| outcome.counts.failed > 0) {
        // Said again where it is found: there may be a thousand lines between.
        outcome.counts.failures.iter().for_each(|line| println!("{line}"));
        println!("FAILED: {}", outcome.name);
    }
    println!("{} passed, {} failed", total.passed, total.failed);
    if total.failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
