//! Turns the catalogues in `locales/` into typed functions, one for each key: `t::rows_new(3)`.
//!
//! A key that is missing is a function that is missing, an unknown placeholder is an argument too many, and a key
//! that no source file uses fails the build here; so does a translation that lacks a key or a placeholder. The
//! list of languages is the list of files: a new language is one file.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs};

use serde_json::Value;

type Problem = Box<dyn std::error::Error>;

/// The language that the keys are written in and that is compiled in.
const SOURCE: &str = "en";
/// `cargo xtask dist` sets this variable, because it splits what it has built.
const SPLIT: &str = "ROLLCALL_SPLIT";
/// The key of a language's own name.
const NAME: &str = "_name";
/// The plural categories of CLDR, in the order of their slots. `src/i18n.rs` counts on it.
const CATEGORIES: [&str; 6] = ["zero", "one", "two", "few", "many", "other"];

type Catalogue = BTreeMap<String, Value>;

fn main() -> Result<(), Problem> {
    split();
    for path in ["locales", "src", "build.rs"] {
        println!("cargo::rerun-if-changed={path}");
    }
    let mut catalogues: BTreeMap<String, Catalogue> = BTreeMap::new();
    for path in files(Path::new("locales"), "json")? {
        let language = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default().to_owned();
        let text = fs::read_to_string(&path)?;
        let parsed = serde_json::from_str(&text).map_err(|error| format!("{}: {error}", path.display()))?;
        catalogues.insert(language, parsed);
    }
    let source = catalogues.get(SOURCE).ok_or("locales/en.json is missing")?;
    let mut problems = unused_keys(source)?;
    for (language, catalogue) in &catalogues {
        problems.extend(differences(language, source, catalogue));
    }
    if !problems.is_empty() {
        return Err(format!("the catalogues do not fit the dashboard:\n{}", problems.join("\n")).into());
    }
    let target = PathBuf::from(env::var("OUT_DIR")?).join("catalogue.rs");
    fs::write(target, code(source, &catalogues)?)?;
    Ok(())
}

/// Whether parts of the dashboard become files that the browser fetches later (`src/view/later.rs`). Only then the linker
/// keeps what the splitting needs to know.
fn split() {
    println!("cargo::rerun-if-env-changed={SPLIT}");
    println!("cargo::rustc-check-cfg=cfg(split)");
    if env::var_os(SPLIT).is_some() {
        println!("cargo::rustc-cfg=split");
        println!("cargo::rustc-link-arg-bins=--emit-relocs");
    }
}

/// The files with that extension in a folder and the folders below it, in order.
fn files(folder: &Path, extension: &str) -> Result<Vec<PathBuf>, Problem> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            found.extend(files(&path, extension)?);
        } else if path.extension().is_some_and(|e| e == extension) {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

fn unused_keys(source: &Catalogue) -> Result<Vec<String>, Problem> {
    let mut used: BTreeSet<String> = BTreeSet::new();
    for path in files(Path::new("src"), "rs")? {
        let text = fs::read_to_string(path)?;
        used.extend(text.split("t::").skip(1).map(|rest| {
            rest.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect::<String>()
        }));
    }
    let unused = source.keys().filter(|key| *key != NAME && !used.contains(*key));
    Ok(unused.map(|key| format!("locales/{SOURCE}.json: nothing uses “{key}”")).collect())
}

fn differences(language: &str, source: &Catalogue, catalogue: &Catalogue) -> Vec<String> {
    let mut problems = Vec::new();
    let mut say = |what: String| problems.push(format!("locales/{language}.json: {what}"));
    for (key, message) in source {
        match catalogue.get(key) {
            None => say(format!("“{key}” is missing")),
            Some(other) if message.is_object() != other.is_object() => {
                say(format!("“{key}” must have plural forms in all languages or in none"));
            }
            Some(other) if !placeholders(other).is_subset(&placeholders(message)) => {
                say(format!("“{key}” has a placeholder that the source does not have"));
            }
            Some(other) => {
                let dropped: Vec<_> =
                    placeholders(message).difference(&placeholders(other)).cloned().collect();
                if !dropped.is_empty() {
                    say(format!("“{key}” lacks {dropped:?}"));
                }
            }
        }
    }
    for key in catalogue.keys().filter(|key| !source.contains_key(*key)) {
        say(format!("“{key}” is not in the source language"));
    }
    for (key, message) in catalogue {
        let forms = message.as_object();
        if forms.is_some_and(|forms| forms.keys().any(|form| !CATEGORIES.contains(&form.as_str()))) {
            say(format!("“{key}” has a plural form that is none of {CATEGORIES:?}"));
        }
        if forms.is_some_and(|forms| !forms.contains_key("other")) {
            say(format!("“{key}” lacks the plural form “other”"));
        }
    }
    problems
}

/// The names in braces, in all forms of a message.
fn placeholders(message: &Value) -> BTreeSet<String> {
    let texts: Vec<&str> = match message {
        Value::String(text) => vec![text],
        Value::Object(forms) => forms.values().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    };
    let names = texts.iter().flat_map(|text| text.split('{').skip(1)).filter_map(|rest| rest.split_once('}'));
    names.map(|(name, _)| name.to_owned()).collect()
}

/// The placeholders that become arguments, in the order in which the sentence names them: that is the order in
/// which a caller writes them.
fn arguments(message: &Value) -> Vec<String> {
    let text = message.as_str().or_else(|| message.get("other").and_then(Value::as_str)).unwrap_or_default();
    let mut names: Vec<String> = Vec::new();
    for (name, _) in text.split('{').skip(1).filter_map(|rest| rest.split_once('}')) {
        if name != "count" && !names.iter().any(|known| known == name) {
            names.push(name.to_owned());
        }
    }
    names
}

fn code(source: &Catalogue, catalogues: &BTreeMap<String, Catalogue>) -> Result<String, Problem> {
    let (mut functions, mut keys, mut texts) = (String::new(), String::new(), String::new());
    let mut slot = 0_usize;
    for (key, message) in source.iter().filter(|(key, _)| *key != NAME) {
        let names = arguments(message);
        let parameters: String = names.iter().map(|name| format!(", {name}: &str")).collect();
        let pairs: String = names.iter().map(|name| format!("(\"{name}\", {name}), ")).collect();
        match message {
            Value::String(text) => {
                writeln!(keys, "    ({key:?}, false),")?;
                writeln!(texts, "    {text:?},")?;
                let parameters = parameters.trim_start_matches(", ");
                writeln!(
                    functions,
                    "    pub fn {key}({parameters}) -> String {{ super::text({slot}, &[{pairs}]) }}"
                )?;
                slot += 1;
            }
            Value::Object(forms) => {
                writeln!(keys, "    ({key:?}, true),")?;
                for category in CATEGORIES {
                    writeln!(
                        texts,
                        "    {:?},",
                        forms.get(category).and_then(Value::as_str).unwrap_or_default()
                    )?;
                }
                let call = format!("super::plural({slot}, count, &[{pairs}])");
                writeln!(functions, "    pub fn {key}(count: u64{parameters}) -> String {{ {call} }}")?;
                slot += CATEGORIES.len();
            }
            _ => return Err(format!("“{key}” is neither a text nor plural forms").into()),
        }
    }
    let mut languages = String::new();
    for (language, catalogue) in catalogues {
        let name = catalogue.get(NAME).and_then(Value::as_str).unwrap_or(language);
        writeln!(languages, "    ({language:?}, {name:?}),")?;
    }
    Ok(format!(
        "/// Every key, and whether it has plural forms.\nconst KEYS: &[(&str, bool)] = &[\n{keys}];\n\
         /// The texts of the source language, slot by slot.\nconst SOURCE_TEXTS: &[&str] = &[\n{texts}];\n\
         /// The languages there are, with their own names.\npub const LANGUAGES: &[(&str, &str)] = &[\n{languages}];\n\
         /// One function for each key of the catalogue.\n#[rustfmt::skip]\npub mod t {{\n{functions}}}\n"
    ))
}
