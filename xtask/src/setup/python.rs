//! Python packages, from a file of requirements: they lie in a virtual environment in the cache directory, under a name
//! made of that file.

use std::path::{Path, PathBuf};

use anyhow::Context;

use super::{apt, install_directory};
use crate::workspace::Workspace;
use crate::{files, fingerprint, process};

/// Written last, so that its absence tells of an installation that failed.
const MARK: &str = "complete";

/// Installs the packages if they are missing; answers with the interpreter that has them.
pub fn environment(workspace: &Workspace, requirements: &str) -> anyhow::Result<PathBuf> {
    let file = workspace.root.join(requirements);
    let place = workspace.cache.join(format!("python-{}", fingerprint::of(&files::read(&file)?)));
    // The interpreter is a link to the system's, which may have gone since.
    let is_complete = |root: &Path| root.join(MARK).is_file() && interpreter(root).is_file();
    if !is_complete(&place) {
        if !can_make_environments(workspace) {
            apt::python(workspace)?;
        }
        println!("Installing the Python packages of {requirements} (once, less than a minute) …");
        install_directory(&place, is_complete, |root| install(workspace, &file, root))
            .context("cannot install the Python packages; is PyPI reachable?")?;
    }
    Ok(interpreter(&place))
}

/// Debian packages the interpreter without what makes environments.
fn can_make_environments(workspace: &Workspace) -> bool {
    let mut python = process::command(workspace, PYTHON);
    process::answer(python.args(["-c", "import ensurepip, venv"])).is_some()
}

const PYTHON: &str = if cfg!(windows) { "python" } else { "python3" };

/// An environment finds its packages by where its interpreter lies, so it may be moved; the scripts that pip writes
/// into it may not, and nobody runs them.
fn install(workspace: &Workspace, requirements: &Path, root: &Path) -> anyhow::Result<()> {
    process::quiet(process::command(workspace, PYTHON).args(["-m", "venv"]).arg(root))?;
    let mut pip = process::command(workspace, interpreter(root));
    pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--requirement"])
        .arg(requirements);
    process::quiet(&mut pip)?;
    files::write(&root.join(MARK), "")
}

fn interpreter(root: &Path) -> PathBuf {
    root.join(if cfg!(windows) { "Scripts/python.exe" } else { "bin/python" })
}
