//! `cargo xtask size`: what the dashboard weighs on the wire, file by file, and how much of it the first paint waits for.

use std::fs;
use std::ops::AddAssign;
use std::path::Path;

use anyhow::Context;

use crate::workspace::Workspace;
use crate::{dashboard, files, precompress, split};

/// What the first paint may weigh, in bytes of Brotli. A test loads the page and holds it to the same number.
const FIRST_PAINT_BUDGET: u64 = 250_000;

/// Bytes as they lie and as they travel.
#[derive(Clone, Copy, Default)]
struct Sizes {
    raw: u64,
    gzip: u64,
    brotli: u64,
}

impl AddAssign for Sizes {
    fn add_assign(&mut self, other: Self) {
        self.raw += other.raw;
        self.gzip += other.gzip;
        self.brotli += other.brotli;
    }
}

/// Builds the dashboard if need be and prints the table.
pub fn run(workspace: &Workspace) -> anyhow::Result<()> {
    dashboard::set_up_and_build(workspace)?;
    let dist = workspace.dist();
    let (mut all, mut first_paint) = (Sizes::default(), Sizes::default());
    println!("\n{:<44} {:>10} {:>10} {:>10}", "bytes", "raw", "gzip", "brotli");
    for file in files::below(&dist)? {
        if precompress::is_compressed(&file) {
            continue;
        }
        let sizes = sizes(&file)?;
        let name = file.strip_prefix(&dist).unwrap_or(&file);
        let mark = if is_for_first_paint(name) { "* " } else { "  " };
        row(&format!("{mark}{}", name.display()), sizes);
        all += sizes;
        if is_for_first_paint(name) {
            first_paint += sizes;
        }
    }
    row("* needed for the first paint", first_paint);
    row("  all", all);
    println!("{}", verdict(first_paint.brotli));
    Ok(())
}

/// How the first paint stands against its budget.
fn verdict(bytes: u64) -> String {
    match FIRST_PAINT_BUDGET.checked_sub(bytes) {
        Some(left) => {
            format!("The first paint is within its budget of {FIRST_PAINT_BUDGET} bytes: {left} left.")
        }
        None => {
            let over = bytes - FIRST_PAINT_BUDGET;
            format!("The first paint is over its budget of {FIRST_PAINT_BUDGET} bytes, by {over}.")
        }
    }
}

fn row(name: &str, sizes: Sizes) {
    println!("{name:<44} {:>10} {:>10} {:>10}", sizes.raw, sizes.gzip, sizes.brotli);
}

/// A file without a compressed sibling travels as it lies.
fn sizes(file: &Path) -> anyhow::Result<Sizes> {
    let raw = fs::metadata(file).with_context(|| format!("cannot read {}", file.display()))?.len();
    let packed =
        |suffix| fs::metadata(precompress::with_suffix(file, suffix)).map_or(raw, |metadata| metadata.len());
    Ok(Sizes { raw, gzip: packed(".gz"), brotli: packed(".br") })
}

/// The page, its style and its code, which has English in it; languages, the parts that come later and the custom element
/// are not waited for.
fn is_for_first_paint(name: &Path) -> bool {
    let extension = name.extension().and_then(|extension| extension.to_str());
    let is_custom_element = name.file_stem().is_some_and(|stem| stem == "element");
    let is_later = name.to_string_lossy().starts_with(split::LATER);
    !is_custom_element && !is_later && matches!(extension, Some("html" | "css" | "js" | "wasm"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_budget_is_met_to_the_byte() {
        assert!(verdict(FIRST_PAINT_BUDGET).ends_with("within its budget of 250000 bytes: 0 left."));
        assert!(verdict(FIRST_PAINT_BUDGET + 1).ends_with("over its budget of 250000 bytes, by 1."));
    }

    #[test]
    fn the_first_paint_needs_no_language_file_and_no_later_part() {
        let check = |name: &str, expect| {
            assert_eq!(is_for_first_paint(Path::new(name)), expect, "{name}");
        };
        check("index.html", true);
        check("rollcall-1f_bg.wasm", true);
        check("later-1-1f.wasm", false);
        check("style-1f.css", true);
        check("later-1f.css", false);
        check("locales/en.json", false);
        check("locales/ko.json", false);
        check("favicon.svg", false);
        check("element.js", false);
    }
}
