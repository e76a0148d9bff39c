//! Compresses the finished dashboard once, as hard as possible, so that the server can send files as they lie. Called by
//! `dashboard`; reads and writes `dist/` only.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::Context;
use brotli::enc::BrotliEncoderParams;
use flate2::Compression;
use flate2::write::GzEncoder;

use crate::files;

/// Below this a compressed answer saves nothing: the packet is sent anyway.
const WORTHWHILE_BYTES: u64 = 512;

/// Writes `<file>.br` and `<file>.gz` beside every file of a directory, where that saves something.
pub fn directory(directory: &Path) -> anyhow::Result<()> {
    for file in files::below(directory)? {
        if is_compressed(&file) || size(&file)? < WORTHWHILE_BYTES {
            continue;
        }
        let raw = files::read(&file)?;
        let cannot_compress = || format!("cannot compress {}", file.display());
        for (suffix, packed) in [
            (".br", brotli(&raw).with_context(cannot_compress)?),
            (".gz", gzip(&raw).with_context(cannot_compress)?),
        ] {
            if packed.len() < raw.len() {
                files::write(&with_suffix(&file, suffix), packed)?;
            }
        }
    }
    Ok(())
}

/// `main.css` and `.br` make `main.css.br`.
pub fn with_suffix(file: &Path, suffix: &str) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

/// Whether this is one of the files written here.
pub fn is_compressed(file: &Path) -> bool {
    file.extension().is_some_and(|extension| extension == "br" || extension == "gz")
}

fn size(file: &Path) -> anyhow::Result<u64> {
    let metadata = fs::metadata(file).with_context(|| format!("cannot read {}", file.display()))?;
    Ok(metadata.len())
}

fn brotli(mut raw: &[u8]) -> std::io::Result<Vec<u8>> {
    let parameters = BrotliEncoderParams {
        quality: 11,
        lgwin: 22,
        size_hint: raw.len(),
        ..BrotliEncoderParams::default()
    };
    let mut packed = Vec::new();
    brotli::BrotliCompress(&mut raw, &mut packed, &parameters)?;
    Ok(packed)
}

fn gzip(raw: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(raw)?;
    encoder.finish()
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    #[test]
    fn both_formats_unpack_to_the_same_bytes() {
        let raw = b"rollcall ".repeat(1_000);

        let mut unpacked = Vec::new();
        let packed = brotli(&raw).unwrap();
        brotli::BrotliDecompress(&mut packed.as_slice(), &mut unpacked).unwrap();
        assert_eq!(unpacked, raw);

        let mut unpacked = Vec::new();
        let packed = gzip(&raw).unwrap();
        flate2::read::GzDecoder::new(packed.as_slice()).read_to_end(&mut unpacked).unwrap();
        assert_eq!(unpacked, raw);
    }
}
