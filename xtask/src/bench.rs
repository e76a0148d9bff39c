//! `cargo xtask bench`: what the release build weighs and how fast it is.

use anyhow::bail;

use crate::workspace::Workspace;
use crate::{launch, process, setup, size, timing};

const LATENCY: &str = "tests/bench/latency.mjs";

pub fn run(workspace: &Workspace) -> anyhow::Result<()> {
    size::run(workspace)?;
    if !workspace.root.join(LATENCY).is_file() {
        bail!("there is no {LATENCY}, which measures the latencies");
    }
    timing::step("Setting up the browser and the MQTT programs", || setup::for_browser_tests(workspace))?;
    let server = launch::build(workspace)?;
    timing::step("Measuring latencies", || {
        let mut node = process::command(workspace, "node");
        process::stream(node.arg(LATENCY).env("ROLLCALL_BIN", server))
    })
}
