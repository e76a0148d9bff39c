//! Where an export goes: standard output, or a file that appears under its name only when it is complete.

use std::fs::File;
use std::io::{self, Write};
use std::path::PathBuf;

use super::ExportError;

/// What is collected before it is written, in bytes.
const BUFFER_BYTES: usize = 1 << 18;

pub struct Output {
    target: Box<dyn Write>,
    /// As it is named in messages.
    name: String,
    buffer: Vec<u8>,
    file: Option<Unfinished>,
}

/// A file under another name; it is removed unless it is finished.
struct Unfinished {
    file: File,
    from: PathBuf,
    to: PathBuf,
    is_finished: bool,
}

impl Output {
    /// # Errors
    /// When the file cannot be made.
    pub fn open(path: Option<PathBuf>) -> Result<Self, ExportError> {
        let buffer = Vec::with_capacity(2 * BUFFER_BYTES);
        let Some(to) = path else {
            let name = "standard output".to_owned();
            return Ok(Self { target: Box::new(io::stdout()), name, buffer, file: None });
        };
        let name = to.display().to_string();
        let failed = |reason| ExportError::Output { path: name.clone(), reason };
        let mut partial =
            to.file_name().ok_or_else(|| failed(io::ErrorKind::IsADirectory.into()))?.to_owned();
        partial.push(".partial");
        let from = to.with_file_name(partial);
        let file = File::create(&from).map_err(failed)?;
        let target = Box::new(file.try_clone().map_err(failed)?);
        Ok(Self { target, name, buffer, file: Some(Unfinished { file, from, to, is_finished: false }) })
    }

    /// What is to be written next.
    pub const fn buffer(&mut self) -> &mut Vec<u8> {
        &mut self.buffer
    }

    /// Adds what `push` appends to the buffer.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn push(
        &mut self,
        push: impl FnOnce(&mut Vec<u8>) -> Result<(), serde_json::Error>,
    ) -> Result<(), ExportError> {
        push(&mut self.buffer).map_err(|error| self.failed(error.into()))?;
        if self.buffer.len() >= BUFFER_BYTES { self.flush() } else { Ok(()) }
    }

    /// # Errors
    /// When it cannot be written.
    pub fn flush(&mut self) -> Result<(), ExportError> {
        self.target.write_all(&self.buffer).map_err(|reason| self.failed(reason))?;
        self.buffer.clear();
        Ok(())
    }

    /// Writes the rest and gives the file its name.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn finish(mut self) -> Result<(), ExportError> {
        self.flush()?;
        self.target.flush().map_err(|reason| self.failed(reason))?;
        let Some(mut unfinished) = self.file.take() else { return Ok(()) };
        let done =
            unfinished.file.sync_all().and_then(|()| std::fs::rename(&unfinished.from, &unfinished.to));
        unfinished.is_finished = done.is_ok();
        done.map_err(|reason| self.failed(reason))
    }

    fn failed(&self, reason: io::Error) -> ExportError {
        ExportError::Output { path: self.name.clone(), reason }
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        if !self.is_finished {
            // Half an export is of no use; that it cannot be removed changes nothing.
            let _ = std::fs::remove_file(&self.from);
        }
    }
}
