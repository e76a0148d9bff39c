//! Takes what the first paint does not need out of the dashboard's WebAssembly: functions marked as parts go into files of
//! their own, which are fetched when they are needed; and makes one script of all that the page starts with. Called by
//! `dashboard` after Trunk and in place of what Trunk made of the compiled code; touches `dist/` and a folder for its work
//! below Cargo's target directory only.

use std::fs;
use std::path::Path;

use anyhow::Context;

use crate::workspace::Workspace;
use crate::{binding, files, fingerprint, minify, process, setup};

/// Where the build script of the dashboard looks whether its parts become files.
pub const SWITCH: &str = "ROLLCALL_SPLIT";

/// What Cargo calls the program, and where it puts it below its target directory.
const COMPILED: &str = "wasm32-unknown-unknown/wasm-release/rollcall-dashboard.wasm";
/// How wasm-split calls the script that fetches parts.
const LINK: &str = "__wasm_split.js";
/// What the page's script ends with: wasm-bindgen's function that fetches the code and runs it.
const START: &str = "__wbg_init();";
/// How the names of files begin that come after the first paint.
pub const LATER: &str = "later-";

/// What the code may use of WebAssembly; every browser since 2021 knows it. wasm-opt keeps to what it is told here.
const FEATURES: [&str; 6] = [
    "--enable-bulk-memory",
    "--enable-nontrapping-float-to-int",
    "--enable-sign-ext",
    "--enable-mutable-globals",
    "--enable-reference-types",
    "--enable-multivalue",
];

/// Small once it is compressed: a function that is called once stays one unless it is short, because what stands inside
/// another is compressed worse; and the branches of what is left are made anew from scratch, which finds shorter ones than the
/// compiler's. The lowest addresses are the end of the stack, so no pointer is that small.
const OPTIMISATIONS: [&str; 7] = [
    "-Oz",
    "--converge",
    "--flatten",
    "--rereloop",
    "-Oz",
    "--low-memory-unused",
    "--one-caller-inline-max-function-size=50",
];

/// A file of the finished dashboard; `name` is the one that the scripts use for it.
struct Product {
    name: String,
    final_name: String,
    content: Vec<u8>,
}

/// Splits the compiled dashboard and puts the files into `dist/`, in the place of Trunk's script and WebAssembly.
pub fn replace(workspace: &Workspace, tools: &setup::DashboardTools) -> anyhow::Result<()> {
    let work = workspace.target.join("rollcall-split");
    if work.exists() {
        fs::remove_dir_all(&work).with_context(|| format!("cannot empty {}", work.display()))?;
    }
    let [parts, bound] = ["parts", "bound"].map(|name| work.join(name));
    let mut split = process::command(workspace, &tools.wasm_split);
    split.arg(workspace.target.join(COMPILED)).arg(&parts).args(["--out-name", "rollcall"]);
    process::quiet(&mut split)?;
    let mut bind = process::command(workspace, tools.wasm_bindgen_dir.join("wasm-bindgen"));
    bind.args(["--target", "web", "--no-typescript", "--keep-lld-exports", "--out-name", "rollcall"]);
    process::quiet(bind.arg("--out-dir").arg(&bound).arg(parts.join("rollcall.wasm")))?;
    tighten(workspace, tools, &bound, &parts.join(LINK))?;

    let mut products = Vec::new();
    for file in files::below(&parts)?.into_iter().chain(files::below(&bound)?) {
        if let Some(product) = finished(workspace, tools, &file)? {
            products.push(product);
        }
    }
    install(workspace, &name_finally(products))
}

/// Makes what wasm-bindgen wrote between the script and the code small, in place.
fn tighten(
    workspace: &Workspace,
    tools: &setup::DashboardTools,
    bound: &Path,
    link: &Path,
) -> anyhow::Result<()> {
    let [script, code, text] =
        ["rollcall.js", "rollcall_bg.wasm", "rollcall_bg.wat"].map(|name| bound.join(name));
    let tool = |name: &str| {
        let mut tool = process::command(workspace, tools.node_bin_dir.join(name));
        tool.args(FEATURES);
        tool
    };
    process::quiet(tool("wasm-dis").arg(&code).arg("-o").arg(&text))?;
    let read = |file: &Path| anyhow::Ok(String::from_utf8_lossy(&files::read(file)?).into_owned());
    let pair = binding::Pair { script: read(&script)?, code: read(&text)? };
    let link = read(link)?;
    let pair = binding::tighten(&pair, &[&link]);
    files::write(&script, one_script(&pair.script, &link)?)?;
    files::write(&text, pair.code)?;
    process::quiet(tool("wasm-as").arg(&text).arg("-o").arg(&code))
}

/// One script of what the page starts with, in place of three that wait for each other: what wasm-bindgen wrote, what fetches
/// the parts, and what starts the program.
fn one_script(script: &str, link: &str) -> anyhow::Result<String> {
    let taken = format!("from \"./{LINK}\"");
    let import = script.lines().find(|line| line.starts_with("import * as ") && line.contains(&taken));
    let import = import.with_context(|| format!("the script does not import {LINK}"))?;
    let name = import.split_whitespace().nth(3).unwrap_or_default();
    let without_exports = |line: &&str| !line.starts_with("export {");
    let script: Vec<_> = script.lines().filter(|line| *line != import).filter(without_exports).collect();
    let link: Vec<_> = link.lines().filter(|line| !line.starts_with("import ")).collect();
    let offered =
        link.iter().filter_map(|line| line.strip_prefix("export const ")?.split_whitespace().next());
    let offered: Vec<_> = offered.collect();
    let link = link.join("\n").replace("export const ", "const ");
    let script = script.join("\n");
    Ok(format!(
        "{script}\nconst {name} = (() => {{\n{link}\nreturn {{ {} }};\n}})();\n{START}\n",
        offered.join(", ")
    ))
}

/// What becomes of one file; `None` for what is part of another.
fn finished(
    workspace: &Workspace,
    tools: &setup::DashboardTools,
    file: &Path,
) -> anyhow::Result<Option<Product>> {
    let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let content = match file.extension().and_then(|extension| extension.to_str()) {
        Some("js") if name != LINK => minify::minify(workspace, &tools.terser, file)?,
        Some("wasm") if name != "rollcall.wasm" => {
            let small = file.with_extension("small");
            let mut optimize = process::command(workspace, tools.node_bin_dir.join("wasm-opt"));
            optimize.args(FEATURES).args(OPTIMISATIONS).arg(file).arg("-o").arg(&small);
            process::quiet(&mut optimize)?;
            files::read(&small)?
        }
        _ => return Ok(None),
    };
    Ok(Some(Product { final_name: name.clone(), name, content }))
}

/// Puts a hash of all files into the name of each, and the names into the scripts. The files name each other, so none can
/// have a hash of its own content only.
fn name_finally(mut products: Vec<Product>) -> Vec<Product> {
    let mut all = Vec::new();
    for product in &products {
        all.extend_from_slice(product.name.as_bytes());
        all.extend_from_slice(&product.content);
    }
    let hash = fingerprint::of(&all);
    let mut later = 0;
    for product in &mut products {
        product.final_name = match product.name.as_str() {
            "rollcall.js" => format!("rollcall-{hash}.js"),
            "rollcall_bg.wasm" => format!("rollcall-{hash}_bg.wasm"),
            _ => {
                later += 1;
                format!("{LATER}{later}-{hash}.wasm")
            }
        };
    }
    let names: Vec<_> =
        products.iter().map(|product| (product.name.clone(), product.final_name.clone())).collect();
    for script in products.iter_mut().filter(|product| product.name.ends_with(".js")) {
        let mut text = String::from_utf8_lossy(&script.content).into_owned();
        for (name, final_name) in &names {
            for before in ["URL(\"", "URL(\"./"] {
                text = text.replace(&format!("{before}{name}"), &format!("{before}{final_name}"));
            }
        }
        script.content = text.into_bytes();
    }
    products
}

/// Writes the files, names them in the page and removes Trunk's.
fn install(workspace: &Workspace, products: &[Product]) -> anyhow::Result<()> {
    let dist = workspace.dist();
    let page_file = dist.join("index.html");
    let mut page = with_one_script(&String::from_utf8_lossy(&files::read(&page_file)?))?;
    for (ending, name) in [("_bg.wasm", "rollcall_bg.wasm"), (".js", "rollcall.js")] {
        let of_trunk = files::below(&dist)?.into_iter().find(|file| is_of_trunk(file, ending));
        let of_trunk = of_trunk.with_context(|| format!("Trunk made no rollcall-…{ending}"))?;
        let product = products.iter().find(|product| product.name == name);
        let product = product.with_context(|| format!("wasm-bindgen made no {name}"))?;
        let old = of_trunk.file_name().unwrap_or_default().to_string_lossy().into_owned();
        page = page.replace(&old, &product.final_name);
        files::remove(&of_trunk)?;
    }
    for product in products {
        files::write(&dist.join(&product.final_name), &product.content)?;
    }
    files::write(&page_file, page)
}

/// The page with the script itself in place of Trunk's inline script, which imports it, and of the hint that it will be needed.
fn with_one_script(page: &str) -> anyhow::Result<String> {
    let parts = || {
        let (before, rest) = page.split_once("<script type=\"module\">")?;
        let (_, rest) = rest.split_once("</script>")?;
        let (between, rest) = rest.split_once("<link rel=\"modulepreload\" href=\"")?;
        let (address, rest) = rest.split_once('"')?;
        let (_, after) = rest.split_once('>')?;
        Some(format!("{before}<script type=\"module\" src=\"{address}\"></script>{between}{after}"))
    };
    parts().context("Trunk's page is another than it was: it has no inline script, or no hint for it")
}

fn is_of_trunk(file: &Path, ending: &str) -> bool {
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    name.starts_with("rollcall-") && name.ends_with(ending)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn product(name: &str, content: &str) -> Product {
        Product { name: name.to_owned(), final_name: String::new(), content: content.into() }
    }

    #[test]
    fn the_scripts_use_the_final_names() {
        let named = |code: &str| {
            name_finally(vec![
                product(
                    "rollcall.js",
                    "new URL(\"rollcall_bg.wasm\",b);fetch(new URL(\"./chunk_1.wasm\",b))",
                ),
                product("rollcall_bg.wasm", code),
                product("chunk_1.wasm", "c"),
            ])
        };
        let products = named("a");
        let [script, code, later] = products.as_slice() else { panic!("a file is lost") };
        let text = String::from_utf8_lossy(&script.content);
        assert!(text.contains(&format!("\"{}\"", code.final_name)));
        assert!(text.contains(&format!("\"./{}\"", later.final_name)));
        assert!(later.final_name.starts_with(LATER));
        // What is cached for ever under one name never changes.
        let others = named("b");
        assert!(products.iter().zip(&others).all(|(one, other)| one.final_name != other.final_name));
    }

    #[test]
    fn one_script_is_all_three() {
        let script = "import * as import1 from \"./__wasm_split.js\"\nuse(import1);\nexport { initSync, a as default };";
        let link = "import { initSync } from \"./rollcall.js\";\n\nexport const load = wrap(initSync);";
        let one = one_script(script, link).unwrap();
        let expected = "use(import1);\nconst import1 = (() => {\n\nconst load = wrap(initSync);\nreturn { load };\n})();\n__wbg_init();\n";
        assert_eq!(one, expected);
        assert!(one_script("use(import1);", link).is_err());
    }

    /// What Trunk 0.21.14 writes.
    const TRUNK_PAGE: &str = r#"<head>
<link rel="stylesheet" href="/main-1f.css">
<script type="module">
import init from '/rollcall-2e.js';
const wasm = await init({ module_or_path: '/rollcall-2e_bg.wasm' });


dispatchEvent(new CustomEvent("TrunkApplicationStarted", {detail: {wasm}}));

</script>
<link rel="modulepreload" href="/rollcall-2e.js" crossorigin="anonymous">
<link rel="preload" href="/rollcall-2e_bg.wasm" as="fetch" type="application/wasm" crossorigin="anonymous"></head>
"#;

    #[test]
    fn the_page_has_the_script_itself() {
        let (before, rest) = TRUNK_PAGE.split_once("<script").unwrap();
        let (_, after) = rest.split_once("crossorigin=\"anonymous\">").unwrap();
        let script = "<script type=\"module\" src=\"/rollcall-2e.js\"></script>\n";
        assert_eq!(with_one_script(TRUNK_PAGE).unwrap(), format!("{before}{script}{after}"));
        assert!(with_one_script("<head></head>").is_err());
    }
}
