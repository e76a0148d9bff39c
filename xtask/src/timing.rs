//! Says what is being done and how long it took. Used by every command that takes longer than a blink.

use std::time::{Duration, Instant};

/// Announces a step, does it, and says how long it took; a failure is passed on untouched.
pub fn step<T>(what: &str, work: impl FnOnce() -> anyhow::Result<T>) -> anyhow::Result<T> {
    println!("==> {what}");
    let start = Instant::now();
    let value = work()?;
    println!("    {what}: {}", seconds(start.elapsed()));
    Ok(value)
}

/// A duration as a person says it: `0.4 s`, `3 min 05 s`.
pub fn seconds(duration: Duration) -> String {
    if duration.as_secs() < 60 {
        return format!("{:.1} s", duration.as_secs_f64());
    }
    let whole = duration.as_secs();
    format!("{} min {:02} s", whole / 60, whole % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_like_speech() {
        assert_eq!(seconds(Duration::from_millis(420)), "0.4 s");
        assert_eq!(seconds(Duration::from_secs(185)), "3 min 05 s");
    }
}
