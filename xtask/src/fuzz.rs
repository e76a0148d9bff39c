//! `cargo xtask fuzz TARGET`: lets libFuzzer try inputs for as long as a person wants. The same targets run for some
//! seconds in the tests, on stable; what is found here and fixed belongs into `fuzz/corpus/TARGET`.

use std::ffi::OsStr;
use std::fs;
use std::path::PathBuf;

use anyhow::{Context, bail};

use crate::workspace::Workspace;
use crate::{dashboard, files, process, setup};

const TOOLCHAIN: &str = "nightly";

/// Runs one target until it fails or is interrupted; `args` go to libFuzzer, for example `-max_total_time=60`.
pub fn run(workspace: &Workspace, target: &str, args: &[String]) -> anyhow::Result<()> {
    let known = targets(workspace)?;
    if !known.iter().any(|name| name == target) {
        bail!("there is no fuzz target {target}; the targets are {}", known.join(", "));
    }
    require_nightly(workspace)?;
    let cargo_fuzz = setup::cargo_fuzz(workspace)?;
    // The server does not compile without a dashboard to embed; which one it is does not matter here.
    if !workspace.dist().join("index.html").is_file() {
        dashboard::set_up_and_build(workspace)?;
    }
    let fuzz = workspace.root.join("fuzz");
    // libFuzzer writes what it finds to the first directory and reads the others.
    let found = workspace.target.join("fuzz-corpus").join(target);
    fs::create_dir_all(&found).with_context(|| format!("cannot create {}", found.display()))?;
    println!("==> Fuzzing {target} until Ctrl-C; new inputs go to {}", found.display());

    let mut command = process::command(workspace, cargo_fuzz);
    command
        .args(["run", "--fuzz-dir", "fuzz", target])
        .arg(&found)
        .arg(fuzz.join("corpus").join(target))
        .arg("--")
        .arg(format!("-dict={}", fuzz.join("dictionary.txt").display()))
        .args(["-timeout=5", "-max_len=4096"])
        .args(args)
        // What libFuzzer needs of the compiler is not in stable; and Cargo is not to build everything anew for the
        // stable compiler afterwards.
        .env("RUSTUP_TOOLCHAIN", TOOLCHAIN)
        .env("CARGO_TARGET_DIR", workspace.target.join("fuzz"));
    process::stream(&mut command)
}

/// The targets are the files in `fuzz/fuzz_targets`.
fn targets(workspace: &Workspace) -> anyhow::Result<Vec<String>> {
    let files: Vec<PathBuf> = files::below(&workspace.root.join("fuzz/fuzz_targets"))?;
    let names = files.iter().filter_map(|file| file.file_stem().and_then(OsStr::to_str));
    Ok(names.map(str::to_owned).collect())
}

fn require_nightly(workspace: &Workspace) -> anyhow::Result<()> {
    let mut rustc = process::command(workspace, "rustc");
    if process::answer(rustc.arg("--version").env("RUSTUP_TOOLCHAIN", TOOLCHAIN)).is_none() {
        bail!(
            "libFuzzer needs the nightly compiler: install it with `rustup toolchain install {TOOLCHAIN} --profile minimal`. \
             Without it `cargo xtask test --only rust` runs the same targets for some seconds each"
        );
    }
    Ok(())
}
