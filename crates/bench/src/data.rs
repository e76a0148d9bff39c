//! The data that is measured on: made once for each size and kept, copied for each run.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::Context;
use rollcall_model::ConnectionEvent;
use rollcall_server::clock;
use rollcall_server::data_folder::DataFolder;

use crate::baseline::Baseline;
use crate::world::{self, World};

/// Grows when the layout of a data folder does, so that old ones are not used.
const LAYOUT: u32 = 1;
const BATCH: usize = 50_000;

/// A copy of the data that is removed at the end.
pub struct Data {
    pub world: World,
    pub folder: PathBuf,
    pub baseline: PathBuf,
    place: PathBuf,
}

impl Data {
    /// Makes the data if need be, in `cache`, and copies it.
    pub fn prepare(cache: &Path, clients: u32, rows: u64) -> anyhow::Result<Self> {
        let name = format!("fleet-{clients}-{rows}-v{}-{LAYOUT}", world::VERSION);
        let kept = cache.join(&name);
        if !kept.join("base").is_file() {
            make(&kept, clients, rows).with_context(|| format!("cannot make {}", kept.display()))?;
        }
        let base_ms = fs::read_to_string(kept.join("base"))?.trim().parse()?;
        let place = cache.join(format!("run-{}", std::process::id()));
        let data = Self {
            world: World { clients, rows, base_ms },
            folder: place.join("data"),
            baseline: place.join("baseline.db"),
            place,
        };
        copy_all(&kept.join("data"), &data.folder)?;
        fs::copy(kept.join("baseline.db"), &data.baseline)?;
        Ok(data)
    }

    /// Removes what runs have left that were killed: their directories end in the number of their process.
    pub fn clean(cache: &Path) -> anyhow::Result<()> {
        // Elsewhere nobody can tell which processes there are.
        if !Path::new("/proc/self").exists() {
            return Ok(());
        }
        for entry in fs::read_dir(cache)? {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().into_owned();
            let process = name.strip_prefix("run-").or_else(|| name.strip_prefix("empty-"));
            if process.is_some_and(|number| !Path::new("/proc").join(number).exists()) {
                fs::remove_dir_all(entry.path())?;
            }
        }
        Ok(())
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.place.join(name)
    }
}

fn copy_all(from: &Path, to: &Path) -> anyhow::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let to = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_all(&entry.path(), &to)?;
        } else {
            fs::copy(entry.path(), to)?;
        }
    }
    Ok(())
}

impl Drop for Data {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.place) {
            eprintln!("cannot remove {}: {error}", self.place.display());
        }
    }
}

fn make(kept: &Path, clients: u32, rows: u64) -> anyhow::Result<()> {
    eprintln!("making a fleet of {clients} clients with {rows} log entries (once) …");
    let start = Instant::now();
    if kept.exists() {
        fs::remove_dir_all(kept)?;
    }
    fs::create_dir_all(kept.join("data"))?;
    let world = World { clients, rows, base_ms: clock::now().millis() };
    let folder = DataFolder::open_or_create(&kept.join("data"))?;
    let mut baseline = Baseline::open_to_fill(&kept.join("baseline.db"))?;
    baseline.db.pragma_update(None, "synchronous", "OFF")?;
    let mut batch: Vec<ConnectionEvent> = Vec::with_capacity(BATCH);
    let mut write = |batch: &mut Vec<ConnectionEvent>| -> anyhow::Result<()> {
        folder.fleet.apply(batch);
        folder.journal.append(batch)?;
        baseline.log(batch)?;
        batch.clear();
        Ok(())
    };
    for round in 0..world.sessions() {
        for event in world.past(round) {
            batch.push(event);
            if batch.len() == BATCH {
                write(&mut batch)?;
            }
        }
        eprintln!("  {} of {} ({:.0} s)", round + 1, world.sessions(), start.elapsed().as_secs_f64());
    }
    write(&mut batch)?;
    folder.save(clock::now())?;
    eprintln!("  giving SQLite's log its index ({:.0} s)", start.elapsed().as_secs_f64());
    baseline.index_log()?;
    baseline.db.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)")?;
    drop((folder, baseline));
    fs::write(kept.join("base"), world.base_ms.to_string())?;
    Ok(())
}
