//! Builds the dashboard into `dist/`: Trunk compiles and links it, the page is made to fit the content security policy,
//! and every file is compressed. The server embeds the result. Called by `dist`, `start`, `build`, `test` and `bench`.

use std::env;

use crate::workspace::Workspace;
use crate::{files, fingerprint, minify, page, precompress, process, setup, split, styles, timing};

/// The page and its files are served from the root of the host.
const PUBLIC_URL: &str = "/";

/// Installs what the build needs, then builds if the sources have changed since the last time.
pub fn set_up_and_build(workspace: &Workspace) -> anyhow::Result<()> {
    let tools = timing::step("Setting up", || setup::for_dashboard(workspace))?;
    build(workspace, &tools)
}

/// Builds the dashboard if the sources have changed since the last time.
pub fn build(workspace: &Workspace, tools: &setup::DashboardTools) -> anyhow::Result<()> {
    if fingerprint::is_current(workspace)? {
        println!("==> The dashboard in dist/ is up to date");
        return Ok(());
    }
    let sources = fingerprint::of_sources(workspace)?;
    timing::step("Building the dashboard", || trunk(workspace, tools))?;
    timing::step("Compressing the dashboard", || {
        minify::scripts(workspace, &tools.terser)?;
        split::replace(workspace, tools)?;
        fit_policy(workspace)?;
        join_styles(workspace)?;
        precompress::directory(&workspace.dist())
    })?;
    fingerprint::remember(workspace, &sources)
}

fn trunk(workspace: &Workspace, tools: &setup::DashboardTools) -> anyhow::Result<()> {
    // Trunk runs offline, and so does the Cargo it starts, so all packages of the lock file must be there before.
    process::stream(&mut process::cargo(workspace, &["fetch", "--quiet", "--locked"]))?;

    let mut trunk = process::command(workspace, &tools.trunk);
    trunk.env(split::SWITCH, "1");
    trunk.args(["build", "--release", "--public-url", PUBLIC_URL]);
    process::prepend_path(&mut trunk, &[&tools.wasm_bindgen_dir, &tools.node_bin_dir])?;
    // Everybody else reads NO_COLOR as "set or not"; Trunk insists on `true` or `false`.
    if let Some(value) = env::var_os("NO_COLOR") {
        trunk.env("NO_COLOR", if value.is_empty() { "false" } else { "true" });
    }
    process::stream(&mut trunk)
}

fn fit_policy(workspace: &Workspace) -> anyhow::Result<()> {
    let page_file = workspace.dist().join("index.html");
    let html = String::from_utf8_lossy(&files::read(&page_file)?).into_owned();
    files::write(&page_file, page::fit(&html)?)
}

fn join_styles(workspace: &Workspace) -> anyhow::Result<()> {
    let dist = workspace.dist();
    let page_file = dist.join("index.html");
    let text = |name: &str| Ok(String::from_utf8_lossy(&files::read(&dist.join(name))?).into_owned());
    let page = styles::join(&text("index.html")?, PUBLIC_URL, text)?;
    for sheet in &page.sheets {
        files::write(&dist.join(&sheet.name), &sheet.content)?;
    }
    files::write(&page_file, &page.html)?;
    page.joined.iter().try_for_each(|name| files::remove(&dist.join(name)))
}
