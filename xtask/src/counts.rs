//! Reads how many tests passed and failed from what test runners print. Pure: `process` feeds it lines, `test` adds up.

use std::ops::AddAssign;

/// Tests that passed and tests that did not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    pub passed: u64,
    pub failed: u64,
    /// What the runners said in the end of those that failed.
    pub failures: Vec<String>,
}

impl AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.failures.extend(other.failures);
    }
}

/// Whose output is read.
#[derive(Clone, Copy, Debug)]
pub enum Runner {
    /// libtest and wasm-bindgen-test-runner: `test result: ok. 3 passed; 0 failed; …`, once for each test binary.
    Cargo,
    /// `node --test`: `ℹ pass 3`, or `# pass 3` in the TAP format, once at the end.
    Node,
    /// pytest: `1 failed, 3 passed in 0.12s`, between `=` signs unless it is told to be quiet, once at the end.
    Pytest,
}

impl Runner {
    /// What this line adds to the counts; nothing for most lines.
    pub fn count(self, line: &str) -> Counts {
        let line = without_colours(line);
        match self {
            Self::Cargo => cargo_line(line.trim()),
            Self::Node => node_line(line.trim()),
            Self::Pytest => pytest_line(line.trim()),
        }
    }

    /// Whether the runner tells at this line why tests failed, given whether it did at the line before.
    pub fn tells_failures(self, line: &str, told_before: bool) -> bool {
        let line = without_colours(line);
        let line = line.trim();
        match self {
            Self::Cargo => !line.starts_with("test result: ") && (told_before || line == "failures:"),
            Self::Node => told_before || line == "✖ failing tests:",
            Self::Pytest => told_before || ["FAILURES", "ERRORS"].contains(&line.trim_matches('=').trim()),
        }
    }
}

fn cargo_line(line: &str) -> Counts {
    let mut counts = Counts::default();
    let Some((_, result)) = line.strip_prefix("test result: ").and_then(|rest| rest.split_once(". ")) else {
        return counts;
    };
    for part in result.split(';') {
        let mut words = part.split_whitespace();
        let number = words.next().and_then(|word| word.parse().ok());
        match (number, words.next()) {
            (Some(number), Some("passed")) => counts.passed = number,
            (Some(number), Some("failed")) => counts.failed = number,
            _ => {}
        }
    }
    counts
}

/// A cancelled test is one that could not finish, so it counts as failed.
fn node_line(line: &str) -> Counts {
    let mut counts = Counts::default();
    let words: Vec<&str> = line.split_whitespace().collect();
    let ["ℹ" | "#", what, number] = words[..] else {
        return counts;
    };
    let Ok(number) = number.parse() else {
        return counts;
    };
    match what {
        "pass" => counts.passed = number,
        "fail" | "cancelled" => counts.failed = number,
        _ => {}
    }
    counts
}

/// An error is a test that could not be prepared or cleaned up after, so it counts as failed.
fn pytest_line(line: &str) -> Counts {
    let mut counts = Counts::default();
    let summary = line.trim_matches('=').trim();
    let Some((results, seconds)) = summary.rsplit_once(" in ") else {
        return counts;
    };
    // After a minute it adds `(0:01:23)`.
    let seconds = seconds.split_whitespace().next().and_then(|word| word.strip_suffix('s'));
    if seconds.is_none_or(|seconds| seconds.parse::<f64>().is_err()) {
        return counts;
    }
    for part in results.split(", ") {
        let Some((Ok(number), what)) =
            part.split_once(' ').map(|(number, what)| (number.parse::<u64>(), what))
        else {
            return Counts::default();
        };
        match what {
            "passed" => counts.passed += number,
            "failed" | "error" | "errors" => counts.failed += number,
            _ => {}
        }
    }
    counts
}

/// Takes ANSI colour sequences (`ESC [ … m`) out of a line.
fn without_colours(line: &str) -> String {
    let mut parts = line.split('\u{1b}');
    let mut plain = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let text = part.split_once('m').map_or(part, |(_, text)| text);
        plain.push_str(text);
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(runner: Runner, output: &str, passed: u64, failed: u64) {
        let mut counts = Counts::default();
        for line in output.lines() {
            counts += runner.count(line);
        }
        assert_eq!(counts, Counts { passed, failed, ..Counts::default() });
    }

    #[test]
    fn cargo_results_of_all_binaries_are_added_up() {
        check(
            Runner::Cargo,
            "running 2 tests
test tests::a ... ok
test tests::b ... FAILED

test result: FAILED. 1 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.01s

test result: ok. 40 passed; 0 failed; 2 ignored; 0 measured; 0 filtered out; finished in 1.20s",
            41,
            1,
        );
    }

    #[test]
    fn the_browser_runner_prints_the_same_without_measured() {
        check(
            Runner::Cargo,
            "test result: ok. 3 passed; 0 failed; 0 ignored; 0 filtered out; finished in 0.24s",
            3,
            0,
        );
    }

    #[test]
    fn colours_do_not_hide_a_result() {
        check(
            Runner::Cargo,
            "test result: \u{1b}[32mok\u{1b}(B\u{1b}[m. 7 passed; 0 failed; 0 ignored",
            7,
            0,
        );
        check(Runner::Node, "\u{1b}[34mℹ pass 5\u{1b}[39m", 5, 0);
    }

    #[test]
    fn node_counts_failed_and_cancelled_tests_as_failed() {
        check(
            Runner::Node,
            "✔ the table shows every client (812.5ms)
ℹ tests 8
ℹ suites 0
ℹ pass 5
ℹ fail 1
ℹ cancelled 2
ℹ skipped 0
ℹ todo 0
ℹ duration_ms 1234.5",
            5,
            3,
        );
    }

    #[test]
    fn node_in_tap_format_is_understood() {
        check(Runner::Node, "# tests 2\n# pass 2\n# fail 0", 2, 0);
    }

    #[test]
    fn pytest_counts_errors_as_failed() {
        check(
            Runner::Pytest,
            ".F.E                                                                     [100%]
FAILED test_wiotp.py::test_a - AssertionError: 9 passed
1 failed, 2 passed, 1 skipped, 51 warnings, 1 error in 3.04s",
            2,
            2,
        );
        check(
            Runner::Pytest,
            "\u{1b}[32m============ \u{1b}[1m28 passed\u{1b}[0m in 2.53s ====\u{1b}[0m",
            28,
            0,
        );
        check(Runner::Pytest, "28 passed, 2 errors in 83.20s (0:01:23)", 28, 2);
    }

    #[test]
    fn talk_about_results_is_not_a_result() {
        check(Runner::Cargo, "the last test result: ok. 9 passed", 0, 0);
        check(Runner::Node, "all pass 9", 0, 0);
        check(Runner::Pytest, "all 9 passed in 3s", 0, 0);
        check(Runner::Pytest, "9 passed in a hurry", 0, 0);
    }

    /// The lines of an output that tell of failures.
    fn told(runner: Runner, output: &str) -> Vec<&str> {
        let mut tells = false;
        let mut is_told = |line: &&str| {
            tells = runner.tells_failures(line, tells);
            tells
        };
        output.lines().filter(|line| is_told(line)).collect()
    }

    #[test]
    fn what_runners_say_of_failures_is_found() {
        let cargo =
            "test a ... FAILED\n\nfailures:\n\n---- a stdout ----\nassertion\n\ntest result: FAILED. 1";
        assert_eq!(told(Runner::Cargo, cargo), ["failures:", "", "---- a stdout ----", "assertion", ""]);
        let node = "✖ a (1ms)\nℹ fail 1\n\n✖ failing tests:\n\n✖ a (1ms)\n  AssertionError";
        assert_eq!(told(Runner::Node, node), ["✖ failing tests:", "", "✖ a (1ms)", "  AssertionError"]);
        let pytest = ".F\n===== FAILURES =====\n____ a ____\n1 failed in 0.1s";
        assert_eq!(told(Runner::Pytest, pytest), ["===== FAILURES =====", "____ a ____", "1 failed in 0.1s"]);
        assert!(told(Runner::Node, "✔ a (1ms)\nℹ pass 1\nfailures: none").is_empty());
    }
}
