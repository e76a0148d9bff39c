//! Tells whether the dashboard in `dist/` is still what the sources say, so that `start` and `test` build it only when
//! something changed. The build takes a minute even when Cargo has nothing to do, because wasm-opt and Brotli start over.

use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};

use anyhow::Context;

use crate::files;
use crate::workspace::Workspace;

/// What lies in the root and does not go into the dashboard. Everything else counts, so a new input is never forgotten.
const NOT_INPUT: [&str; 8] =
    ["target", "dist", "tests", "fuzz", "docs", "rollcall-data", "node_modules", "README.md"];

/// The same inside `crates/`: the server embeds the dashboard, not the other way round.
const NOT_INPUT_CRATES: [&str; 1] = ["server"];

/// What counts although it lies in a hidden or skipped place: compiler flags, and the versions of wasm-opt and terser.
const MORE_INPUT: [&str; 2] = [".cargo/config.toml", "tests/package-lock.json"];

/// A short name for some content, for cache directories and file names. Not for security: nobody attacks their own build.
pub fn of(content: &[u8]) -> String {
    let mut hasher = DefaultHasher::new();
    hasher.write(content);
    format!("{:016x}", hasher.finish())
}

/// Whether `dist/` was built from exactly the sources as they are now, and has not been touched since.
pub fn is_current(workspace: &Workspace) -> anyhow::Result<bool> {
    let Ok(page) = fs::read(workspace.dist().join("index.html")) else {
        return Ok(false);
    };
    let Ok(stamp) = fs::read_to_string(stamp_file(workspace)) else {
        return Ok(false);
    };
    Ok(stamp == stamp_for(&of_sources(workspace)?, &page))
}

/// Remembers that `dist/` has been built from these sources. Whoever builds asks for them before: somebody may write on
/// while the compiler reads.
pub fn remember(workspace: &Workspace, sources: &str) -> anyhow::Result<()> {
    let page = files::read(&workspace.dist().join("index.html"))?;
    files::write(&stamp_file(workspace), stamp_for(sources, &page))
}

/// Checkouts may share a target directory, so the stamp's name holds the place of the checkout.
fn stamp_file(workspace: &Workspace) -> PathBuf {
    let place = of(workspace.root.as_os_str().as_encoded_bytes());
    workspace.target.join(format!("rollcall-dist-{place}"))
}

fn stamp_for(sources: &str, page: &[u8]) -> String {
    format!("{sources} {}", of(page))
}

/// A short name for all that goes into the dashboard.
pub fn of_sources(workspace: &Workspace) -> anyhow::Result<String> {
    let mut hasher = DefaultHasher::new();
    let mut inputs: Vec<_> = MORE_INPUT.iter().map(|file| workspace.root.join(file)).collect();
    for entry in inputs_in(&workspace.root, &NOT_INPUT)? {
        match entry.file_name() {
            Some(name) if name == "crates" => {
                for package in inputs_in(&entry, &NOT_INPUT_CRATES)? {
                    inputs.extend(files_of(&package)?);
                }
            }
            _ => inputs.extend(files_of(&entry)?),
        }
    }
    for input in inputs {
        input.hash(&mut hasher);
        files::read(&input)?.hash(&mut hasher);
    }
    Ok(format!("{:016x}", hasher.finish()))
}

fn files_of(path: &Path) -> anyhow::Result<Vec<PathBuf>> {
    if path.is_dir() { files::below(path) } else { Ok(vec![path.to_path_buf()]) }
}

/// What lies directly in a directory, sorted, without hidden files and without `except`.
fn inputs_in(directory: &Path, except: &[&str]) -> anyhow::Result<Vec<PathBuf>> {
    let cannot_read = || format!("cannot read {}", directory.display());
    let mut inputs = Vec::new();
    for entry in fs::read_dir(directory).with_context(cannot_read)? {
        let entry = entry.with_context(cannot_read)?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if !name.starts_with('.') && !except.contains(&name.as_ref()) {
            inputs.push(entry.path());
        }
    }
    inputs.sort();
    Ok(inputs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn different_content_has_a_different_name() {
        assert_eq!(of(b"a"), of(b"a"));
        assert_ne!(of(b"a"), of(b"b"));
        assert_eq!(of(b"").len(), 16);
    }
}
