//! The fuzz targets on the stable compiler: each over its saved corpus, then over ten seconds of mutated input.
//!
//! There is no feedback from coverage here; `cargo xtask fuzz TARGET` has it. This finds out at every test run whether
//! a change broke a property. A failing input is printed and saved: once it is fixed it belongs into the corpus.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics, in its helpers too")]

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;
use rand::{Rng as _, SeedableRng as _};

#[path = "../../../fuzz/targets.rs"]
mod targets;

/// How long each target is given mutated input.
const MUTATING: Duration = Duration::from_secs(10);
/// No input of this size may keep a parser busy for so long, even on a machine that has something else to do.
const INPUT_MAX: Duration = Duration::from_secs(5);
const INPUT_BYTES_MAX: usize = 4_096;

#[test]
fn client_ids_hold_their_properties() {
    check("client_id");
}

#[test]
fn queries_hold_their_properties() {
    check("query");
}

#[test]
fn bookmarks_hold_their_properties() {
    check("bookmark");
}

#[test]
fn times_hold_their_properties() {
    check("time");
}

#[test]
fn monitor_messages_hold_their_properties() {
    check("monitor");
}

/// A target that is not in both places would be run by only one of the two programs.
#[test]
fn every_target_has_a_program_for_libfuzzer() {
    let programs = std::fs::read_dir(fuzz().join("fuzz_targets")).unwrap();
    let mut programs: Vec<_> =
        programs.map(|entry| entry.unwrap().path().file_stem().unwrap().display().to_string()).collect();
    programs.sort();
    let mut names = targets::ALL.map(|(name, _)| name);
    names.sort_unstable();
    assert_eq!(programs, names);
}

fn check(name: &str) {
    let (_, target) = targets::ALL.into_iter().find(|(known, _)| *known == name).unwrap();
    let corpus = corpus(name);
    for (file, input) in &corpus {
        run(name, target, input, &format!("the corpus file {file}"));
    }
    let inputs: Vec<_> = corpus.into_iter().map(|(_, input)| input).collect();
    let words = dictionary();
    let seed = seed();
    let mut random = StdRng::seed_from_u64(seed);
    let (start, mut count) = (Instant::now(), 0_u64);
    while start.elapsed() < MUTATING {
        let input = mutated(&inputs, &words, &mut random);
        run(name, target, &input, &format!("input {count} of ROLLCALL_FUZZ_SEED={seed}"));
        count += 1;
    }
    println!("{name}: {count} mutated inputs, ROLLCALL_FUZZ_SEED={seed}");
}

fn run(name: &str, target: targets::Target, input: &[u8], origin: &str) {
    let start = Instant::now();
    let result = catch_unwind(AssertUnwindSafe(|| target(input)));
    let took = start.elapsed();
    if result.is_ok() && took < INPUT_MAX {
        return;
    }
    let saved = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("fuzz-{name}"));
    std::fs::write(&saved, input).unwrap();
    let text = input.escape_ascii();
    panic!("{name} failed after {took:?} on {origin}, saved as {}:\n{text}", saved.display());
}

fn fuzz() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz")
}

/// The saved inputs of a target and the names of their files, in the same order everywhere.
fn corpus(name: &str) -> Vec<(String, Vec<u8>)> {
    let files = std::fs::read_dir(fuzz().join("corpus").join(name)).unwrap();
    let mut files: Vec<_> = files.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(!files.is_empty(), "{name} has no corpus");
    files.into_iter().map(|file| (file.display().to_string(), std::fs::read(file).unwrap())).collect()
}

/// The words that libFuzzer gets, too.
fn dictionary() -> Vec<Vec<u8>> {
    let text = std::fs::read_to_string(fuzz().join("dictionary.txt")).unwrap();
    let words = text.lines().filter_map(|line| line.strip_prefix('"')?.strip_suffix('"'));
    words.map(|word| word.as_bytes().to_vec()).collect()
}

/// Other inputs at every run, unless a person wants those of a run before.
fn seed() -> u64 {
    match std::env::var("ROLLCALL_FUZZ_SEED") {
        Ok(seed) => seed.parse().unwrap(),
        Err(_) => rand::random(),
    }
}

/// One of the inputs with some changes.
fn mutated(inputs: &[Vec<u8>], words: &[Vec<u8>], random: &mut StdRng) -> Vec<u8> {
    let mut bytes = inputs.choose(random).unwrap().clone();
    for _ in 0..random.random_range(1..=6) {
        mutate(&mut bytes, inputs, words, random);
    }
    bytes.truncate(INPUT_BYTES_MAX);
    bytes
}

fn mutate(bytes: &mut Vec<u8>, inputs: &[Vec<u8>], words: &[Vec<u8>], random: &mut StdRng) {
    let at = random.random_range(0..=bytes.len());
    let part = |bytes: &[u8], random: &mut StdRng| {
        let from = random.random_range(0..=bytes.len());
        let to = random.random_range(from..=bytes.len().min(from + 64));
        from..to
    };
    match random.random_range(0..9) {
        // A bit is turned over.
        0 if at < bytes.len() => bytes[at] ^= 1 << random.random_range(0..8),
        // A byte becomes another, most often one that means something.
        1 if at < bytes.len() => {
            let telling = b"\0\x7f\x80\xff %+-./0:=&,!\"\\{}[]\n";
            bytes[at] = if random.random() { random.random() } else { *telling.choose(random).unwrap() };
        }
        // A digit becomes another, so that the rest stays valid.
        2 => {
            let digits: Vec<_> = (0..bytes.len()).filter(|at| bytes[*at].is_ascii_digit()).collect();
            if let Some(at) = digits.choose(random) {
                bytes[*at] = random.random_range(b'0'..=b'9');
            }
        }
        3 => bytes.truncate(at),
        4 => {
            let gone = part(bytes, random);
            bytes.drain(gone);
        }
        // A part stands twice.
        5 => {
            let twice = bytes[part(bytes, random)].to_vec();
            bytes.splice(at..at, twice);
        }
        // A part of another input.
        6 => {
            let other = inputs.choose(random).unwrap();
            let taken = other[part(other, random)].to_vec();
            bytes.splice(at..at, taken);
        }
        // Text that is not ASCII.
        7 => {
            let text = char::from_u32(random.random_range(0x80..0x1_1000)).unwrap_or('\u{fffd}').to_string();
            bytes.splice(at..at, text.into_bytes());
        }
        _ => {
            let word = words.choose(random).unwrap().clone();
            bytes.splice(at..at, word);
        }
    }
}
