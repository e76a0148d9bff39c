//! Installs what a command needs and does not find: once, into the cache directory, with one line that says what and for
//! how long. Rust tools come from crates.io, npm packages from the npm registry, the browser and the broker from apt;
//! nothing else is downloaded. Commands ask for one of the sets below and get the paths they need.

mod apt;
mod node;
mod rust;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;

use crate::workspace::Workspace;

pub use node::require as require_node;

/// What building the dashboard needs.
pub struct DashboardTools {
    /// Trunk itself.
    pub trunk: PathBuf,
    /// Where wasm-bindgen and its test runner lie.
    pub wasm_bindgen_dir: PathBuf,
    /// Where wasm-opt lies.
    pub node_bin_dir: PathBuf,
}

/// The compiler's WebAssembly target, Trunk, wasm-bindgen and wasm-opt.
pub fn for_dashboard(workspace: &Workspace) -> anyhow::Result<DashboardTools> {
    node::require(workspace)?;
    rust::wasm_target(workspace)?;
    Ok(DashboardTools {
        trunk: rust::tool(workspace, &rust::TRUNK)?,
        wasm_bindgen_dir: wasm_bindgen_dir(workspace)?,
        node_bin_dir: node::packages(workspace)?,
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

/// cargo-deny.
pub fn cargo_deny(workspace: &Workspace) -> anyhow::Result<PathBuf> {
    rust::tool(workspace, &rust::CARGO_DENY)
}

/// Fills a directory somewhere else and puts it in place when it is complete, so that an interrupted installation or a
/// second one at the same time never leaves half of it behind.
fn install_directory(
    place: &Path,
    is_complete: impl Fn(&Path) -> bool,
    fill: impl FnOnce(&Path) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let (Some(parent), Some(name)) = (place.parent(), place.file_name()) else {
        anyhow::bail!("{} is no place for an installation", place.display());
    };
    let name = name.to_string_lossy();
    let unfinished = parent.join(format!(".{name}.{}", std::process::id()));
    let cannot_write = || format!("cannot write to the cache directory {}", parent.display());
    fs::create_dir_all(&unfinished).with_context(cannot_write)?;
    let filled = fill(&unfinished);
    if filled.is_err() || is_complete(place) {
        // Failed, or somebody else was faster: either way this copy is not wanted, and losing it loses nothing.
        let _ = fs::remove_dir_all(&unfinished);
        return filled;
    }
    if place.exists() {
        fs::remove_dir_all(place).with_context(cannot_write)?;
    }
    fs::rename(&unfinished, place).with_context(cannot_write)
}
