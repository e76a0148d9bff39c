//! The npm packages of `tests/package.json` (wasm-opt and terser for the build, the browser driver for the end-to-end tests), of
//! `tests/sdk/package.json` (IBM's SDK) and of `tests/bench/package.json` (other tables). They lie in the cache directory, under a name made of the lock file, and the
//! `node_modules` beside each is a link to them.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};

use super::install_directory;
use crate::workspace::Workspace;
use crate::{files, fingerprint, process};

/// The oldest version whose test runner and standard library the tests rely on.
const OLDEST_MAJOR: u32 = 20;

/// Refuses to go on without Node.js and npm.
pub fn require(workspace: &Workspace) -> anyhow::Result<()> {
    let version = process::answer(process::command(workspace, "node").arg("--version"));
    let Some(version) = version else {
        bail!("Node.js is needed and `node` is not found: install Node.js {OLDEST_MAJOR} or newer");
    };
    let major = version.trim_start_matches('v').split('.').next().and_then(|major| major.parse::<u32>().ok());
    if major.is_none_or(|major| major < OLDEST_MAJOR) {
        bail!("Node.js {OLDEST_MAJOR} or newer is needed, but `node` is {version}");
    }
    if process::answer(process::command(workspace, NPM).arg("--version")).is_none() {
        bail!("`npm` is needed and not found: it is part of Node.js, some systems package it separately");
    }
    Ok(())
}

/// npm is a script, and Windows starts scripts only by their full name.
const NPM: &str = if cfg!(windows) { "npm.cmd" } else { "npm" };

/// Installs the packages of `tests` if they are missing; answers with the directory of their programs.
pub fn packages(workspace: &Workspace) -> anyhow::Result<PathBuf> {
    install_for(workspace, "tests")
}

/// Installs IBM's SDK if it is missing. The end-to-end tests and the build do without it and its many old packages.
pub fn sdk(workspace: &Workspace) -> anyhow::Result<()> {
    install_for(workspace, "tests/sdk").map(|_| ())
}

/// Installs the tables that the dashboard is compared with, if they are missing.
pub fn bench(workspace: &Workspace) -> anyhow::Result<()> {
    install_for(workspace, "tests/bench").map(|_| ())
}

fn install_for(workspace: &Workspace, folder: &str) -> anyhow::Result<PathBuf> {
    let tests = workspace.root.join(folder);
    let lock = files::read(&tests.join("package-lock.json"))?;
    let place = workspace.cache.join(format!("node-{}", fingerprint::of(&lock)));
    // npm writes this file last.
    let is_complete = |root: &Path| root.join("node_modules/.package-lock.json").is_file();
    if !is_complete(&place) {
        println!("Installing the npm packages of {folder}/package.json (once, less than a minute) …");
        install_directory(&place, is_complete, |root| install(workspace, &tests, root))
            .context("cannot install the npm packages; is the npm registry reachable?")?;
    }
    let modules = place.join("node_modules");
    link(&modules, &tests.join("node_modules"))?;
    Ok(modules.join(".bin"))
}

fn install(workspace: &Workspace, tests: &Path, root: &Path) -> anyhow::Result<()> {
    for name in ["package.json", "package-lock.json"] {
        files::write(&root.join(name), files::read(&tests.join(name))?)?;
    }
    let mut npm = process::command(workspace, NPM);
    npm.args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"]).current_dir(root);
    process::quiet(&mut npm)
}

/// Makes `link` lead to `target`, replacing a link that leads elsewhere but nothing that a person made.
fn link(target: &Path, link: &Path) -> anyhow::Result<()> {
    if fs::read_link(link).is_ok_and(|leads_to| leads_to == target) {
        return Ok(());
    }
    match fs::symlink_metadata(link) {
        Ok(found) if found.is_symlink() => {
            fs::remove_file(link).with_context(|| format!("cannot replace {}", link.display()))?;
        }
        Ok(_) => bail!("{} is in the way: delete it and try again", link.display()),
        Err(_) => {}
    }
    symlink(target, link).with_context(|| format!("cannot make the link {}", link.display()))
}

#[cfg(unix)]
fn symlink(target: &Path, link: &Path) -> std::io::Result<()> {
    std::os::unix::fs::symlink(target, link)
}

#[cfg(windows)]
fn symlink(target: &Path, link: &Path) -> std::io::Result<()> {
    std::os::windows::fs::symlink_dir(target, link)
}
