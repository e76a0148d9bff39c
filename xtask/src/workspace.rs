//! Where things are: the checkout, Cargo's target directory and the cache for tools. Every command starts by locating
//! these; nothing else in this program reads the environment to find a directory.

use std::env;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};

/// The directories that every command needs. All paths are absolute.
pub struct Workspace {
    /// The root of the checkout.
    pub root: PathBuf,
    /// Cargo's target directory, which child processes are told to share.
    pub target: PathBuf,
    /// Tools and npm packages, kept between runs and shared by all checkouts.
    pub cache: PathBuf,
}

impl Workspace {
    pub fn locate() -> anyhow::Result<Self> {
        Ok(Self { root: root()?, target: target()?, cache: cache()? })
    }

    /// The finished dashboard, which the server embeds.
    pub fn dist(&self) -> PathBuf {
        self.root.join("dist")
    }

    /// The built server, for a Cargo profile directory such as `release`.
    pub fn server(&self, profile: &str) -> PathBuf {
        self.target.join(profile).join(executable("rollcall"))
    }
}

/// A program's file name on this system.
pub fn executable(name: &str) -> String {
    format!("{name}{}", env::consts::EXE_SUFFIX)
}

/// `cargo run` says at run time where the package is. The path known at compile time would be that of whichever
/// checkout built the program last, when several checkouts share a target directory.
fn root() -> anyhow::Result<PathBuf> {
    let package = env::var_os("CARGO_MANIFEST_DIR")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from);
    let root = package.parent().context("the xtask package has no parent directory")?;
    if !root.join("Cargo.lock").is_file() {
        bail!("{} is not a Rollcall checkout: run `cargo xtask` inside one", root.display());
    }
    Ok(root.to_path_buf())
}

/// This program lies in `<target>/<profile>/`, so its own path tells the target directory however it was configured.
fn target() -> anyhow::Result<PathBuf> {
    let program = env::current_exe().context("cannot tell where this program lies")?;
    let target = program.parent().and_then(Path::parent);
    let target = target.with_context(|| format!("{} is in no target directory", program.display()))?;
    Ok(target.to_path_buf())
}

fn cache() -> anyhow::Result<PathBuf> {
    let set = |name| env::var_os(name).filter(|value| !value.is_empty());
    let cache = if let Some(directory) = set("ROLLCALL_CACHE") {
        PathBuf::from(directory)
    } else if let Some(directory) = set("XDG_CACHE_HOME") {
        PathBuf::from(directory).join("rollcall")
    } else if let Some(home) = env::home_dir() {
        home.join(".cache").join("rollcall")
    } else {
        bail!("there is no home directory: set ROLLCALL_CACHE to a directory for tools");
    };
    std::path::absolute(&cache)
        .with_context(|| format!("cannot resolve the cache directory {}", cache.display()))
}
