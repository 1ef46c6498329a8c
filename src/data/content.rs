//! Opens data files, decompresses gzip, and explains which unsupported kind a file is.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

use anyhow::{Context, Error, Result};
use flate2::bufread::MultiGzDecoder;

use super::file_kind::{FileKind, START_BYTES};

/// Passes the content of a file to `read`. Errors name the file.
pub(crate) fn open<T>(path: &Path, read: impl FnOnce(BufReader<File>) -> Result<T>) -> Result<T> {
    let work = || {
        let file = File::open(path)?;
        read(BufReader::new(file)).map_err(|error| explain(path, error))
    };
    work().with_context(|| path.display().to_string())
}

/// Passes the content of a file to `read`, decompressed if it is a gzip file. Errors name the file.
pub(crate) fn open_maybe_gzip<T>(
    path: &Path,
    read: impl FnOnce(&mut dyn BufRead) -> Result<T>,
) -> Result<T> {
    open(path, |mut file| {
        // Some unpackers keep the `.gz` suffix, so the name does not decide.
        if FileKind::of(file.fill_buf()?) != Some(FileKind::Gzip) {
            return read(&mut file);
        }
        read(&mut BufReader::new(MultiGzDecoder::new(file))).context("within the gzip file")
    })
}

/// The kind of a file by its first (decompressed) bytes; `None` for IDX, CSV and anything else that
/// is not in the table.
pub(crate) fn kind(path: &Path) -> Option<FileKind> {
    let mut file = BufReader::new(File::open(path).ok()?);
    let kind = FileKind::of(file.fill_buf().ok()?);
    if kind != Some(FileKind::Gzip) {
        return kind;
    }
    let mut start = Vec::new();
    // A damaged gzip file may have a readable start.
    let _ = MultiGzDecoder::new(file)
        .take(START_BYTES as u64)
        .read_to_end(&mut start);
    FileKind::of(&start).or(kind)
}

/// Replaces a parse error by a clearer one if the file is of an unsupported kind.
fn explain(path: &Path, error: Error) -> Error {
    match kind(path) {
        None | Some(FileKind::Gzip | FileKind::Npy | FileKind::Npz) => error,
        Some(kind) => Error::msg(kind.describe_as_images()),
    }
}
