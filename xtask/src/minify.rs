//! Makes the scripts of the finished dashboard small: comments, blanks and long names go. Called by `dashboard` after
//! Trunk, whose own minifier cannot parse what this wasm-bindgen writes; touches `dist/` only.

use std::fs;
use std::path::Path;

use anyhow::{Context, bail};

use crate::workspace::Workspace;
use crate::{files, fingerprint, process};

/// Minifies every script of `dist/` in place. A script that the page names is renamed too, because a name with a hash
/// stands for one content for ever.
pub fn scripts(workspace: &Workspace, terser: &Path) -> anyhow::Result<()> {
    let dist = workspace.dist();
    let page_file = dist.join("index.html");
    let mut page = String::from_utf8_lossy(&files::read(&page_file)?).into_owned();
    for file in files::below(&dist)? {
        if file.extension().is_none_or(|extension| extension != "js") {
            continue;
        }
        let minified = minify(workspace, terser, &file)?;
        let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let new_name = if page.contains(&name) { renamed(&name, &minified) } else { name.clone() };
        page = page.replace(&name, &new_name);
        fs::remove_file(&file).with_context(|| format!("cannot replace {}", file.display()))?;
        files::write(&file.with_file_name(new_name), minified)?;
    }
    files::write(&page_file, page)
}

/// A script without what only people need.
pub fn minify(workspace: &Workspace, terser: &Path, file: &Path) -> anyhow::Result<Vec<u8>> {
    let mut node = process::command(workspace, "node");
    node.arg(terser).arg(file).args(["--module", "--compress", "passes=3,ecma=2022", "--mangle"]);
    let output = node.output().context("cannot start `node`")?;
    if !output.status.success() || output.stdout.is_empty() {
        bail!("cannot minify {}: {}", file.display(), String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(output.stdout)
}

/// `rollcall-<hash>.js` with the hash of another content.
fn renamed(name: &str, content: &[u8]) -> String {
    let stem = name.strip_suffix(".js").unwrap_or(name);
    let stem = stem.rsplit_once('-').map_or(stem, |(stem, _)| stem);
    format!("{stem}-{}.js", fingerprint::of(content))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_follows_the_content() {
        let name = renamed("rollcall-2e2e2e2e2e2e2e2e.js", b"a");
        assert_eq!(name, format!("rollcall-{}.js", fingerprint::of(b"a")));
        assert_eq!(renamed(&name, b"a"), name);
        assert_ne!(renamed(&name, b"b"), name);
        assert!(renamed("plain.js", b"a").starts_with("plain-"));
    }
}
