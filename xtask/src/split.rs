//! Takes what the first paint does not need out of the dashboard's WebAssembly: functions marked as parts go into files of
//! their own, which a small script fetches when they are needed. Called by `dashboard` after Trunk and in place of what
//! Trunk made of the compiled code; touches `dist/` and a folder for its work below Cargo's target directory only.

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
/// another is compressed worse. The lowest addresses are the end of the stack, so no pointer is that small.
const OPTIMISATIONS: [&str; 5] = [
    "-Oz",
    "--converge",
    "--merge-similar-functions",
    "--low-memory-unused",
    "--one-caller-inline-max-function-size=100",
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
    let pair = binding::tighten(&pair, &[&read(link)?]);
    files::write(&script, pair.script)?;
    files::write(&text, pair.code)?;
    process::quiet(tool("wasm-as").arg(&text).arg("-o").arg(&code))
}

/// What becomes of one file; `None` for what only wasm-bindgen needed.
fn finished(
    workspace: &Workspace,
    tools: &setup::DashboardTools,
    file: &Path,
) -> anyhow::Result<Option<Product>> {
    let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let content = match file.extension().and_then(|extension| extension.to_str()) {
        Some("js") => minify::minify(workspace, &tools.terser, file)?,
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
            LINK => format!("parts-{hash}.js"),
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
            // Where it is an address only: the code knows the script by the name that it had.
            for before in ["from\"./", "URL(\"", "URL(\"./"] {
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
    let mut page = String::from_utf8_lossy(&files::read(&page_file)?).into_owned();
    for (ending, name) in [("_bg.wasm", "rollcall_bg.wasm"), (".js", "rollcall.js")] {
        let of_trunk = files::below(&dist)?.into_iter().find(|file| is_of_trunk(file, ending));
        let of_trunk = of_trunk.with_context(|| format!("Trunk made no rollcall-…{ending}"))?;
        let product = products.iter().find(|product| product.name == name);
        let product = product.with_context(|| format!("wasm-bindgen made no {name}"))?;
        let old = of_trunk.file_name().unwrap_or_default().to_string_lossy().into_owned();
        page = page.replace(&old, &product.final_name);
        files::remove(&of_trunk)?;
    }
    // The browser would find it only after it has read the script that needs it.
    let link = products.iter().find(|product| product.name == LINK);
    let link = &link.with_context(|| format!("wasm-split made no {LINK}"))?.final_name;
    let hint = format!("<link rel=\"modulepreload\" href=\"/{link}\" crossorigin=\"anonymous\">");
    page = page.replacen("</head>", &(hint + "</head>"), 1);
    for product in products {
        files::write(&dist.join(&product.final_name), &product.content)?;
    }
    files::write(&page_file, page)
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
                    "import*as a from\"./__wasm_split.js\";new URL(\"rollcall_bg.wasm\",b);c={\"./__wasm_split.js\":a}",
                ),
                product("rollcall_bg.wasm", code),
                product(LINK, "import{initSync}from\"./rollcall.js\";fetch(new URL(\"./chunk_1.wasm\",b))"),
                product("chunk_1.wasm", "c"),
            ])
        };
        let products = named("a");
        let [script, code, link, later] = products.as_slice() else { panic!("a file is lost") };
        let text = |product: &Product| String::from_utf8_lossy(&product.content).into_owned();
        assert!(text(script).contains(&format!("\"./{}\"", link.final_name)));
        assert!(text(script).contains(&format!("\"{}\"", code.final_name)));
        assert!(text(script).ends_with("{\"./__wasm_split.js\":a}"), "the code would not find it");
        assert!(text(link).contains(&format!("\"./{}\"", script.final_name)));
        assert!(text(link).contains(&format!("\"./{}\"", later.final_name)));
        assert!(later.final_name.starts_with(LATER));
        // What is cached for ever under one name never changes.
        let others = named("b");
        assert!(products.iter().zip(&others).all(|(one, other)| one.final_name != other.final_name));
    }
}
