//! The programs that tests and benchmarks drive and that come from the system: a browser with its driver, a second MQTT
//! broker and MQTT command-line clients, what the examples of the documentation call, and fonts for the languages of the
//! dashboard.

use std::env;

use anyhow::{Context, bail};

use crate::process;
use crate::workspace::{Workspace, executable};

/// Debian's names.
const PACKAGES: [&str; 6] =
    ["chromium", "chromium-driver", "curl", "fonts-noto-cjk", "mosquitto", "mosquitto-clients"];

/// The programs in them that are run. Where all are found, however they came there, nothing is installed.
const PROGRAMS: [&str; 6] =
    ["chromium", "chromedriver", "curl", "mosquitto", "mosquitto_pub", "mosquitto_sub"];

/// The other browser: only the browser bench wants it.
const FIREFOX: &str = "firefox-esr";

/// Installs Firefox if it is missing.
pub fn firefox(workspace: &Workspace) -> anyhow::Result<()> {
    if is_found(FIREFOX) || is_found("firefox") {
        return Ok(());
    }
    if !answers(workspace, "apt-get", "--version") {
        bail!("Firefox is needed, and there is no apt-get to install it: install it yourself");
    }
    install(workspace, &[FIREFOX], "less than a minute")
}

/// Installs the packages of a Python that can make environments of its own. Called where there is none.
pub fn python(workspace: &Workspace) -> anyhow::Result<()> {
    if !answers(workspace, "apt-get", "--version") {
        bail!(
            "Python 3 with `venv` and `pip` is needed, and there is no apt-get to install it: install it yourself"
        );
    }
    install(workspace, &["python3", "python3-venv"], "less than a minute")
}

/// Installs what is missing, with `sudo` for everybody but root.
pub fn packages(workspace: &Workspace) -> anyhow::Result<()> {
    let mut query = process::command(workspace, "dpkg-query");
    query.args(["--show", "--showformat", "${db:Status-Status}\n"]).args(PACKAGES);
    let is_debian = answers(workspace, "apt-get", "--version");
    if is_debian {
        // The query fails when it does not know one of the packages.
        if process::answer(&mut query).is_some_and(|all| all.lines().all(|one| one == "installed")) {
            return Ok(());
        }
    } else if PROGRAMS.iter().all(|program| is_found(program)) {
        return Ok(());
    } else {
        bail!(
            "these tests need {}, and there is no apt-get to install them: install them yourself",
            PROGRAMS.join(", ")
        );
    }
    install(workspace, &PACKAGES, "about 2 minutes")
        .context("if apt does not know a package, install it another way, so that its programs are found")
}

/// Says so first; `time` is how long it takes.
fn install(workspace: &Workspace, packages: &[&str], time: &str) -> anyhow::Result<()> {
    println!("Installing {} with apt-get (once, {time}) …", packages.join(", "));
    apt_get(workspace, &["update"])?;
    apt_get(workspace, &[&["install", "--yes", "--no-install-recommends"], packages].concat())
}

fn apt_get(workspace: &Workspace, args: &[&str]) -> anyhow::Result<()> {
    let is_root = process::answer(process::command(workspace, "id").arg("-u")).as_deref() == Some("0");
    if !is_root && !answers(workspace, "sudo", "--version") {
        bail!("`apt-get {}` needs root, and there is no sudo: run it as root", args.join(" "));
    }
    // sudo passes no environment on, so `env` sets what apt is to see.
    let words: &[&str] = if is_root { &["env"] } else { &["sudo", "env"] };
    let mut command = process::command(workspace, words[0]);
    command.args(&words[1..]).args(["DEBIAN_FRONTEND=noninteractive", "apt-get", "--quiet"]).args(args);
    process::quiet(&mut command)
}

fn answers(workspace: &Workspace, program: &str, flag: &str) -> bool {
    process::answer(process::command(workspace, program).arg(flag)).is_some()
}

fn is_found(program: &str) -> bool {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path).any(|directory| directory.join(executable(program)).is_file())
}
