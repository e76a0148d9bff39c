//! Rust's own tools: the WebAssembly target and the components of the toolchain by rustup, programs by `cargo install`.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};

use super::install_directory;
use crate::process;
use crate::workspace::{Workspace, executable};

const WASM_TARGET: &str = "wasm32-unknown-unknown";

/// A program from crates.io at the one version this project is tested with.
pub struct Tool {
    /// What the message calls it.
    title: &'static str,
    package: &'static str,
    version: &'static str,
    program: &'static str,
    arguments: &'static [&'static str],
    /// Roughly, on two cores.
    minutes: u32,
}

/// The last stable version for the compiler in `rust-toolchain.toml`. Without default features it asks nobody whether it
/// is up to date.
pub const TRUNK: Tool = Tool {
    title: "Trunk",
    package: "trunk",
    version: "0.21.14",
    program: "trunk",
    arguments: &["--locked", "--no-default-features", "--features", "rustls"],
    minutes: 5,
};

/// The version must equal that of the library in `Cargo.toml`. Not `--locked`: its lock file names a version of
/// webpki-roots that not every mirror of the registry has.
pub const WASM_BINDGEN: Tool = Tool {
    title: "wasm-bindgen",
    package: "wasm-bindgen-cli",
    version: "0.2.130",
    program: "wasm-bindgen",
    arguments: &[],
    minutes: 3,
};

/// Takes the parts of the dashboard that are needed later out of its WebAssembly. The version fits that of
/// `wasm_split_helpers` in `Cargo.lock`.
pub const WASM_SPLIT: Tool = Tool {
    title: "wasm-split",
    package: "wasm_split_cli_support",
    version: "0.2.4",
    program: "wasm-split-cli",
    arguments: &["--locked", "--features", "build-binary"],
    minutes: 2,
};

/// Drives Firefox.
pub const GECKODRIVER: Tool = Tool {
    title: "geckodriver",
    package: "geckodriver",
    version: "0.37.1",
    program: "geckodriver",
    arguments: &["--locked"],
    minutes: 4,
};

pub const CARGO_DENY: Tool = Tool {
    title: "cargo-deny",
    package: "cargo-deny",
    version: "0.20.2",
    program: "cargo-deny",
    arguments: &["--locked"],
    minutes: 6,
};

pub const CARGO_FUZZ: Tool = Tool {
    title: "cargo-fuzz",
    package: "cargo-fuzz",
    version: "0.13.2",
    program: "cargo-fuzz",
    arguments: &["--locked"],
    minutes: 2,
};

/// The path of a tool's program, installed first if it is missing.
pub fn tool(workspace: &Workspace, tool: &Tool) -> anyhow::Result<PathBuf> {
    let tools = workspace.cache.join("tools");
    let place = tools.join(format!("{}-{}", tool.package, tool.version));
    let program_in = |root: &Path| root.join("bin").join(executable(tool.program));
    if !program_in(&place).is_file() {
        println!("Installing {} {} (once, about {} minutes) …", tool.title, tool.version, tool.minutes);
        // Kept when the installation is interrupted, so that the next attempt goes on where this one stopped.
        let build = tools.join(format!(".build-{}-{}", tool.package, tool.version));
        install_directory(
            &place,
            |root| program_in(root).is_file(),
            |root| {
                install(workspace, tool, root, &build)?;
                // Only leftovers, a few hundred megabytes: nothing depends on them being gone.
                let _ = fs::remove_dir_all(&build);
                Ok(())
            },
        )
        .with_context(|| {
            format!("cannot install {} {}; is crates.io reachable?", tool.title, tool.version)
        })?;
    }
    Ok(program_in(&place))
}

fn install(workspace: &Workspace, tool: &Tool, root: &Path, build: &Path) -> anyhow::Result<()> {
    let mut cargo = process::cargo(workspace, &["install", tool.package]);
    cargo
        .args(["--version", tool.version])
        .args(tool.arguments)
        .arg("--root")
        .arg(root)
        .env("CARGO_TARGET_DIR", build)
        // These programs run for seconds; optimising them the way their authors ship them takes minutes.
        .env("CARGO_PROFILE_RELEASE_LTO", "off")
        .env("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "16")
        .env("CARGO_PROFILE_RELEASE_OPT_LEVEL", "1");
    process::quiet(&mut cargo)
}

/// The standard library for WebAssembly.
///
/// `rust-toolchain.toml` names it, but rustup installs what that file names only when it is allowed to.
pub fn wasm_target(workspace: &Workspace) -> anyhow::Result<()> {
    let mut rustc = process::command(workspace, "rustc");
    rustc.args(["--print", "target-libdir", "--target", WASM_TARGET]);
    if process::answer(&mut rustc).is_some_and(|directory| Path::new(&directory).is_dir()) {
        return Ok(());
    }
    println!("Installing the Rust target {WASM_TARGET} (once, less than a minute) …");
    rustup(workspace, &["target", "add", WASM_TARGET])
}

/// rustfmt and clippy.
pub fn components(workspace: &Workspace) -> anyhow::Result<()> {
    let mut missing = Vec::new();
    for (command, component) in [("fmt", "rustfmt"), ("clippy", "clippy")] {
        if process::answer(&mut process::cargo(workspace, &[command, "--version"])).is_none() {
            missing.push(component);
        }
    }
    if missing.is_empty() {
        return Ok(());
    }
    println!("Installing {} (once, less than a minute) …", missing.join(" and "));
    rustup(workspace, &[&["component", "add"], &missing[..]].concat())
}

fn rustup(workspace: &Workspace, args: &[&str]) -> anyhow::Result<()> {
    let mut rustup = process::command(workspace, "rustup");
    if process::answer(rustup.arg("--version")).is_none() {
        bail!(
            "`rustup {}` is needed, but there is no rustup: install Rust from https://rustup.rs, or install this part \
             the way your Rust was installed",
            args.join(" ")
        );
    }
    process::quiet(process::command(workspace, "rustup").args(args))
}
