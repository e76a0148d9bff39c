//! What an import says of bad lines: the first ones in full, the others counted, all of them in a file if one is given.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::PathBuf;

use super::ImportError;
use super::lines::Bad;

/// Bad lines that are shown.
const SHOWN_MAX: u64 = 100;

pub struct Report {
    shown: u64,
    /// How many of each sort were not shown.
    hidden: BTreeMap<&'static str, u64>,
    rejects: Option<(String, BufWriter<File>)>,
}

impl Report {
    /// # Errors
    /// When the file for the whole list cannot be made.
    pub fn new(rejects: Option<PathBuf>) -> Result<Self, ImportError> {
        let rejects = rejects.map(|path| {
            let name = path.display().to_string();
            match File::create(&path) {
                Ok(file) => Ok((name, BufWriter::new(file))),
                Err(reason) => Err(ImportError::Rejects { path: name, reason }),
            }
        });
        Ok(Self { shown: 0, hidden: BTreeMap::new(), rejects: rejects.transpose()? })
    }

    /// Notes a bad line.
    ///
    /// # Errors
    /// When the whole list cannot be written.
    pub fn note(&mut self, bad: &Bad) -> Result<(), ImportError> {
        let Bad { file, number, problem } = bad;
        if let Some((path, list)) = &mut self.rejects {
            writeln!(list, "{file}:{number}: {problem}")
                .map_err(|reason| ImportError::Rejects { path: path.clone(), reason })?;
        }
        if self.shown < SHOWN_MAX {
            self.shown += 1;
            eprintln!("{file}:{number}: {problem}");
        } else {
            *self.hidden.entry(problem.sort()).or_default() += 1;
        }
        Ok(())
    }

    /// Says how many were not shown.
    ///
    /// # Errors
    /// When the whole list cannot be written.
    pub fn finish(self) -> Result<(), ImportError> {
        let hidden: u64 = self.hidden.values().sum();
        if hidden > 0 {
            let sorts: Vec<_> = self.hidden.iter().map(|(sort, count)| format!("{count} {sort}")).collect();
            let hint = if self.rejects.is_some() { "" } else { "; --rejects FILE lists them all" };
            eprintln!("and {hidden} more bad lines: {}{hint}", sorts.join(", "));
        }
        if let Some((path, mut list)) = self.rejects {
            list.flush().map_err(|reason| ImportError::Rejects { path, reason })?;
        }
        Ok(())
    }
}
