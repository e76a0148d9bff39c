//! Makes what lies between the dashboard's script and its WebAssembly small. wasm-bindgen gives every function that one side
//! has for the other a long name with a hash in it, on both sides, and lets the script offer classes of our dependencies
//! that nobody takes. Called by `split` with the script and the code as text, before either is optimised; reads and
//! writes no files.

use std::collections::{BTreeMap, BTreeSet};

/// The digits of the hash at the end of a name.
const HASH_DIGITS: usize = 16;
/// How the lines of the text format begin that tell what one side has for the other.
const IMPORT: &str = " (import \"";
const EXPORT: &str = " (export \"";

/// A script and the code that it starts.
#[derive(Debug, PartialEq, Eq)]
pub struct Pair {
    pub script: String,
    /// In the text format of WebAssembly.
    pub code: String,
}

/// The same pair, smaller. `others` are scripts that use the code too: what they name stays as it is.
pub fn tighten(pair: &Pair, others: &[&str]) -> Pair {
    let script = without_classes(&pair.script);
    let fixed: BTreeSet<&str> = others.iter().copied().flat_map(words).collect();
    let named: BTreeSet<&str> = words(&script).chain(fixed.iter().copied()).collect();
    let long = pair.code.lines().flat_map(names_at_border);
    let long: BTreeSet<&str> = long.filter(|name| is_hashed(name) && !fixed.contains(name)).collect();
    let free = (0..).map(|number| format!("_{number:x}")).filter(|name| !named.contains(name.as_str()));
    let short: BTreeMap<&str, String> = long.into_iter().zip(free).collect();

    let mut code = String::with_capacity(pair.code.len());
    for line in pair.code.lines().filter(|line| !is_unused(line, &named)) {
        let is_at_border = names_at_border(line).next().is_some();
        code.push_str(&if is_at_border { renamed(line, &short) } else { line.to_owned() });
        code.push('\n');
    }
    Pair { script: renamed(&script, &short), code }
}

/// Without exported classes and what belongs to them: the page imports none. The code that they alone call goes with them.
fn without_classes(script: &str) -> String {
    let mut rest = String::with_capacity(script.len());
    let mut lines = script.lines();
    while let Some(line) = lines.next() {
        let is_registry = line.starts_with("const ") && line.contains("Finalization = ");
        if line.starts_with("export class ") {
            lines.by_ref().find(|line| *line == "}");
        } else if is_registry && !line.ends_with(';') {
            lines.by_ref().find(|line| line.ends_with(';'));
        } else if !is_registry && !line.starts_with("if (Symbol.dispose) ") {
            rest.push_str(line);
            rest.push('\n');
        }
    }
    rest
}

/// Whether the code offers there what no script names.
fn is_unused(line: &str, named: &BTreeSet<&str>) -> bool {
    line.starts_with(EXPORT) && names_at_border(line).any(|name| !named.contains(name))
}

/// What is imported there, and from where, or exported; nothing on other lines.
fn names_at_border(line: &str) -> impl Iterator<Item = &str> {
    let count = if line.starts_with(IMPORT) { 2 } else { usize::from(line.starts_with(EXPORT)) };
    line.split('"').skip(1).step_by(2).take(count)
}

fn is_hashed(name: &str) -> bool {
    // Of names that are equal but for a number, some have it behind the hash.
    let numbered = name.trim_end_matches(|digit: char| digit.is_ascii_digit()).strip_suffix('_');
    ends_in_hash(name) || numbered.is_some_and(ends_in_hash)
}

fn ends_in_hash(name: &str) -> bool {
    let parts = name.split_at_checked(name.len().saturating_sub(HASH_DIGITS));
    parts.is_some_and(|(before, hash)| {
        before.ends_with(['_', 'h']) && hash.bytes().all(|digit| digit.is_ascii_hexdigit())
    })
}

fn renamed(text: &str, short: &BTreeMap<&str, String>) -> String {
    let mut all = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find(is_of_word) {
        let (before, from_word) = rest.split_at(start);
        let (word, after) = from_word.split_at(from_word.find(|c| !is_of_word(c)).unwrap_or(from_word.len()));
        all.push_str(before);
        all.push_str(short.get(word).map_or(word, String::as_str));
        rest = after;
    }
    all + rest
}

/// What could be the name of something in a script.
fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c| !is_of_word(c)).filter(|word| !word.is_empty())
}

fn is_of_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_' || c == '$'
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCRIPT: &str = r#"
export class Sink {
    close() {
        wasm.sink_close(this.ptr);
    }
}
if (Symbol.dispose) Sink.prototype[Symbol.dispose] = Sink.prototype.free;
function __wbg_get_imports() {
    return {
        __wbg_log_0123456789abcdef: function(x) { console.log(x); },
        __wbindgen_throw: invoke__h0123456789abcdef_16,
    };
}
function invoke__h0123456789abcdef_16() { wasm.invoke__h0123456789abcdef_16(); }
const SinkFinalization = (typeof FinalizationRegistry === 'undefined')
    ? { register: () => {} }
    : new FinalizationRegistry(ptr => wasm.sink_close(ptr, 1));
let wasm;
"#;
    const CODE: &str = r#"(module
 (import "./a_bg.js" "__wbg_log_0123456789abcdef" (func $log))
 (import "./a_bg.js" "__wbindgen_throw" (func $throw))
 (data "\"invoke__h0123456789abcdef_16")
 (export "invoke__h0123456789abcdef_16" (func $0))
 (export "sink_close" (func $1))
 (export "part_0123456789abcdef" (func $2))
 (export "memory" (memory $0))
)
"#;

    fn tightened() -> Pair {
        let pair = Pair { script: SCRIPT.to_owned(), code: CODE.to_owned() };
        tighten(&pair, &["import{memory,part_0123456789abcdef}from\"./a.js\""])
    }

    #[test]
    fn both_sides_know_each_other_by_the_same_short_names() {
        let Pair { script, code } = tightened();
        assert!(code.contains("(import \"./a_bg.js\" \"_0\" (func $log))"), "{code}");
        assert!(script.contains(" _0: function(x)"), "{script}");
        assert!(code.contains("(export \"_1\" (func $0))"), "{code}");
        assert!(script.contains("function _1() { wasm._1(); }"), "{script}");
        assert!(code.contains("\"__wbindgen_throw\"") && script.contains("__wbindgen_throw:"));
        assert!(
            code.contains("(data \"\\\"invoke__h0123456789abcdef_16\")"),
            "what is no name stays: {code}"
        );
    }

    #[test]
    fn what_nobody_takes_is_not_offered_and_what_the_other_script_takes_keeps_its_name() {
        let Pair { script, code } = tightened();
        assert!(!script.contains("Sink"), "{script}");
        assert!(
            script.starts_with("\nfunction __wbg_get_imports") && script.ends_with("}\nlet wasm;\n"),
            "{script}"
        );
        assert!(!code.contains("sink_close"), "{code}");
        assert!(
            code.contains("(export \"memory\"") && code.contains("(export \"part_0123456789abcdef\""),
            "{code}"
        );
    }
}
