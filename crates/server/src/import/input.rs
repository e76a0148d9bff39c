//! One input of an import: a file or standard input, with gzip and zstd recognised by their first bytes.

use std::fs::File;
use std::io::{self, BufReader, Cursor, Read};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use flate2::read::MultiGzDecoder;

use super::ImportError;

/// A file that has been opened.
pub struct Input {
    /// As it is named in messages.
    pub name: String,
    /// Bytes, as far as that is known.
    pub size: Option<u64>,
    source: Box<dyn Read + Send>,
}

const BUFFER_BYTES: usize = 1 << 20;
const GZIP: [u8; 2] = [0x1f, 0x8b];
const ZSTD: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];
/// The most memory that a zstd file may claim for its window; the default of the `zstd` program is less.
const ZSTD_WINDOW_MAX: u64 = 128 << 20;

impl Input {
    /// # Errors
    /// When there is no such file, or it cannot be read.
    pub fn open(path: &Path) -> Result<Self, ImportError> {
        if path == Path::new("-") {
            let source = Box::new(io::stdin());
            return Ok(Self { name: "standard input".to_owned(), size: None, source });
        }
        let name = path.display().to_string();
        let failed = |reason| ImportError::Input { path: path.display().to_string(), reason };
        let file = File::open(path).map_err(failed)?;
        let metadata = file.metadata().map_err(failed)?;
        if metadata.is_dir() {
            return Err(failed(io::ErrorKind::IsADirectory.into()));
        }
        // A pipe or a device has no size.
        let size = metadata.is_file().then_some(metadata.len());
        Ok(Self { name, size, source: Box::new(file) })
    }

    /// The bytes, unpacked. `read` counts those of the file itself.
    ///
    /// # Errors
    /// When its beginning cannot be read.
    pub fn unpacked(self, read: &Arc<AtomicU64>) -> io::Result<Box<dyn io::BufRead + Send>> {
        let mut source = Counted { source: self.source, read: Arc::clone(read) };
        let mut start = Vec::with_capacity(ZSTD.len());
        source.by_ref().take(ZSTD.len() as u64).read_to_end(&mut start)?;
        let (is_gzip, is_zstd) = (start.starts_with(&GZIP), start.starts_with(&ZSTD));
        let whole = BufReader::with_capacity(BUFFER_BYTES, Cursor::new(start).chain(source));
        Ok(if is_gzip {
            Box::new(BufReader::with_capacity(BUFFER_BYTES, MultiGzDecoder::new(whole)))
        } else if is_zstd {
            let frames = ZstdFrames { source: whole, frame: None };
            Box::new(BufReader::with_capacity(BUFFER_BYTES, frames))
        } else {
            Box::new(whole)
        })
    }
}

struct Counted<R> {
    source: R,
    read: Arc<AtomicU64>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let bytes = self.source.read(buffer)?;
        self.read.fetch_add(bytes as u64, Ordering::Relaxed);
        Ok(bytes)
    }
}

/// The frames of a zstd file one after the other; the library reads one.
struct ZstdFrames<R> {
    source: R,
    frame: Option<Box<ruzstd::decoding::FrameDecoder>>,
}

impl<R: io::BufRead> ZstdFrames<R> {
    /// Starts the next frame; `false` at the end of the file.
    fn next_frame(&mut self) -> io::Result<bool> {
        use ruzstd::decoding::errors::{FrameDecoderError, ReadFrameHeaderError};
        while !self.source.fill_buf()?.is_empty() {
            let mut frame = ruzstd::decoding::FrameDecoder::new();
            frame.set_max_window_size(ZSTD_WINDOW_MAX);
            match frame.init(&mut self.source) {
                Ok(()) => {
                    self.frame = Some(Box::new(frame));
                    return Ok(true);
                }
                Err(FrameDecoderError::ReadFrameHeaderError(ReadFrameHeaderError::SkipFrame {
                    length,
                    ..
                })) => {
                    io::copy(&mut self.source.by_ref().take(u64::from(length)), &mut io::sink())?;
                }
                Err(error) => return Err(io::Error::other(error.to_string())),
            }
        }
        Ok(false)
    }
}

impl<R: io::BufRead> Read for ZstdFrames<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            if self.frame.is_none() && !self.next_frame()? {
                return Ok(0);
            }
            let Some(frame) = &mut self.frame else { return Ok(0) };
            while frame.can_collect() == 0 && !frame.is_finished() {
                let one = ruzstd::decoding::BlockDecodingStrategy::UptoBlocks(1);
                frame.decode_blocks(&mut self.source, one).map_err(|e| io::Error::other(e.to_string()))?;
            }
            let bytes = frame.read(buffer)?;
            if bytes > 0 || buffer.is_empty() {
                return Ok(bytes);
            }
            self.frame = None;
        }
    }
}
