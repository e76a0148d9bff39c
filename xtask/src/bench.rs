//! `cargo xtask bench`: what the release build weighs and how fast it is.

use anyhow::bail;

use crate::workspace::Workspace;
use crate::{launch, process, setup, size, timing};

/// What is run, each beside a server and a browser of its own, and what it measures.
const BENCHES: [(&str, &str); 2] = [
    ("tests/bench/firstpaint.mjs", "Measuring the first paint"),
    ("tests/bench/latency.mjs", "Measuring latencies"),
];

pub fn run(workspace: &Workspace) -> anyhow::Result<()> {
    size::run(workspace)?;
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
