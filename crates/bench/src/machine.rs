//! What machine this is, how busy, and how much memory a process has. From `/proc`; elsewhere it is not known.

use std::fs;

use anyhow::Context;

/// Says what the figures depend on, and when others used the machine meanwhile.
pub fn describe() {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let model = fs::read_to_string("/proc/cpuinfo").ok().and_then(|text| {
        let line = text.lines().find(|line| line.starts_with("model name"))?;
        line.split_once(": ").map(|(_, model)| model.to_owned())
    });
    let load = load().map_or_else(|| "unknown".to_owned(), |load| format!("{load:.2}"));
    println!("{cores} cores, {}, load {load} at the start", model.as_deref().unwrap_or("unknown processor"));
    warn_if_busy();
}

/// Processes that wanted to run in the last minute, on average.
fn load() -> Option<f64> {
    fs::read_to_string("/proc/loadavg").ok()?.split(' ').next()?.parse().ok()
}

fn warn_if_busy() {
    if load().is_some_and(|load| load > 0.5) {
        println!(
            "Others use this machine: the load is more than 0.5 before anything is measured, so times are too long."
        );
    }
}

/// Memory of a process, in bytes.
#[derive(Debug, Clone, Copy)]
pub struct Memory {
    pub resident: u64,
    pub peak: u64,
}

pub fn memory(pid: u32) -> anyhow::Result<Memory> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let field = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name)).context("no such field")?;
        let kib: u64 = line.trim().trim_end_matches(" kB").parse()?;
        anyhow::Ok(kib * 1_024)
    };
    Ok(Memory { resident: field("VmRSS:")?, peak: field("VmHWM:")? })
}

/// Ticks of the clock that others had on the processors since the start, and all ticks: see [`noise`].
pub struct Usage {
    busy: u64,
    all: u64,
    ours: u64,
}

impl Usage {
    pub fn now() -> Option<Self> {
        // Each in its place, whatever else there is: without a terminal one of them is -1.
        let numbers =
            |text: &str| text.split_whitespace().map(|word| word.parse().unwrap_or(0)).collect::<Vec<u64>>();
        let stat = fs::read_to_string("/proc/stat").ok()?;
        let cpu = numbers(stat.lines().next()?.strip_prefix("cpu ")?);
        let all = cpu.iter().take(8).sum();
        let idle: u64 = cpu.iter().skip(3).take(2).sum();
        // Of ourselves and of the children that have ended.
        let own = fs::read_to_string("/proc/self/stat").ok()?;
        let own = numbers(own.rsplit_once(") ")?.1);
        let ours = own.iter().skip(11).take(4).sum();
        Some(Self { busy: all - idle, all, ours })
    }

    /// Which share of the processors others had since `self`.
    pub fn others_since(&self) -> Option<f64> {
        let now = Self::now()?;
        let (busy, ours) = (now.busy - self.busy, now.ours - self.ours);
        Some(busy.saturating_sub(ours) as f64 / (now.all - self.all).max(1) as f64)
    }
}
