//! What a file holds, out of gzip where it is in one.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

use anyhow::{Context, Result, ensure};
use flate2::bufread::MultiGzDecoder;

/// How every gzip file begins.
pub(crate) const GZIP: [u8; 2] = [0x1f, 0x8b];
/// What stands in the place of a file that Git LFS has not fetched.
const LFS: &[u8] = b"version https://git-lfs";

/// What `read` makes of a file as it is; errors name the file.
pub(crate) fn raw<T>(path: &Path, read: impl FnOnce(BufReader<File>) -> Result<T>) -> Result<T> {
    let work = || {
        let mut file = BufReader::new(File::open(path)?);
        ensure!(
            !file.fill_buf()?.starts_with(LFS),
            "a Git LFS pointer, not the file itself: fetch it with git lfs pull"
        );
        read(file)
    };
    work().with_context(|| path.display().to_string())
}

/// What `read` makes of the content of a file, raw or gzip; errors name the file.
pub(crate) fn read<T>(path: &Path, read: impl FnOnce(&mut dyn BufRead) -> Result<T>) -> Result<T> {
    raw(path, |mut file| {
        let start = file.fill_buf()?;
        let is_gzip = start.starts_with(&GZIP);
        // Some unpackers leave the name as it was.
        let ending = path.extension().unwrap_or_default();
        if ending.eq_ignore_ascii_case("gz") {
            ensure!(!start.is_empty(), "the file is empty");
            ensure!(
                is_gzip || !start.starts_with(b"<"),
                "not a gzip file, whatever its name says (an error page that was saved?)"
            );
        }
        if !is_gzip {
            return read(&mut file);
        }
        let mut content = BufReader::new(MultiGzDecoder::new(file));
        read(&mut content).context("within the gzip file")
    })
}
