//! Installs what a command needs and does not find: once, into the cache directory, with one line that says what and for
//! how long. Rust tools come from crates.io, npm packages from the npm registry, Python packages from PyPI, the browser and
//! the broker from apt; nothing else is downloaded. Commands ask for one of the sets below and get the paths they need.

mod apt;
mod node;
mod python;
mod rust;

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};

use crate::workspace::Workspace;

pub use node::require as require_node;
pub use python::environment as python_environment;

/// What building the dashboard needs.
pub struct DashboardTools {
    /// Trunk itself.
    pub trunk: PathBuf,
    /// Where wasm-bindgen and its test runner lie.
    pub wasm_bindgen_dir: PathBuf,
    /// The program that splits WebAssembly.
    pub wasm_split: PathBuf,
    /// Where wasm-opt lies.
    pub node_bin_dir: PathBuf,
    /// The script that minifies scripts.
    pub terser: PathBuf,
}

/// What the tests of IBM's SDKs need.
pub struct SdkTools {
    /// An interpreter that has the Python SDK and pytest.
    pub python: PathBuf,
}

/// The compiler's WebAssembly target, Trunk, wasm-bindgen, wasm-split and wasm-opt.
pub fn for_dashboard(workspace: &Workspace) -> anyhow::Result<DashboardTools> {
    node::require(workspace)?;
    rust::wasm_target(workspace)?;
    let node_bin_dir = node::packages(workspace)?;
    Ok(DashboardTools {
        trunk: rust::tool(workspace, &rust::TRUNK)?,
        wasm_bindgen_dir: wasm_bindgen_dir(workspace)?,
        wasm_split: rust::tool(workspace, &rust::WASM_SPLIT)?,
        // Beside `.bin`: what lies in there is no script on every system.
        terser: node_bin_dir.with_file_name("terser").join("bin/terser"),
        node_bin_dir,
    })
}

/// The directory of wasm-bindgen and its test runner.
pub fn wasm_bindgen_dir(workspace: &Workspace) -> anyhow::Result<PathBuf> {
    let program = rust::tool(workspace, &rust::WASM_BINDGEN)?;
    Ok(program.parent().map(Path::to_path_buf).unwrap_or_default())
}

/// rustfmt and clippy.
pub fn for_lints(workspace: &Workspace) -> anyhow::Result<()> {
    rust::components(workspace)
}

/// What the WebAssembly tests and the clippy run for the browser need from the compiler.
pub fn wasm_target(workspace: &Workspace) -> anyhow::Result<()> {
    rust::wasm_target(workspace)
}

/// The browser and the MQTT programs that tests and benchmarks drive.
pub fn for_browser_tests(workspace: &Workspace) -> anyhow::Result<()> {
    apt::packages(workspace)
}

/// Both browsers and the tables that the dashboard is compared with; answers with Firefox's driver.
pub fn for_browser_bench(workspace: &Workspace) -> anyhow::Result<PathBuf> {
    node::require(workspace)?;
    node::packages(workspace)?;
    node::bench(workspace)?;
    apt::packages(workspace)?;
    apt::firefox(workspace)?;
    rust::tool(workspace, &rust::GECKODRIVER)
}

/// IBM's SDKs for Node.js and for Python.
pub fn for_sdk_tests(workspace: &Workspace) -> anyhow::Result<SdkTools> {
    node::require(workspace)?;
    node::sdk(workspace)?;
    Ok(SdkTools { python: python::environment(workspace, "tests/sdk/requirements.txt")? })
}

/// cargo-deny.
pub fn cargo_deny(workspace: &Workspace) -> anyhow::Result<PathBuf> {
    rust::tool(workspace, &rust::CARGO_DENY)
}

/// cargo-fuzz.
pub fn cargo_fuzz(workspace: &Workspace) -> anyhow::Result<PathBuf> {
    rust::tool(workspace, &rust::CARGO_FUZZ)
}

/// Fills a directory somewhere else and puts it in place when it is complete, so that an interrupted installation never
/// leaves half of it behind. Of two installations at the same time the second waits and finds the work done.
fn install_directory(
    place: &Path,
    is_complete: impl Fn(&Path) -> bool,
    fill: impl FnOnce(&Path) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let (Some(parent), Some(name)) = (place.parent(), place.file_name()) else {
        bail!("{} is no place for an installation", place.display());
    };
    let beside = |suffix| parent.join(format!(".{}.{suffix}", name.to_string_lossy()));
    let cannot_write = || format!("cannot write to the cache directory {}", parent.display());

    fs::create_dir_all(parent).with_context(cannot_write)?;
    let lock = File::create(beside("lock")).with_context(cannot_write)?;
    // Released when the file is closed, which the system sees to even if this program is killed.
    lock.lock().with_context(cannot_write)?;
    if is_complete(place) {
        return Ok(());
    }
    let unfinished = beside("unfinished");
    for leftover in [place, &unfinished] {
        if leftover.exists() {
            fs::remove_dir_all(leftover).with_context(cannot_write)?;
        }
    }
    fs::create_dir(&unfinished).with_context(cannot_write)?;
    fill(&unfinished)?;
    fs::rename(&unfinished, place).with_context(cannot_write)
}
