//! What a file holds, out of gzip where it is in one, and what files are that hold no data.

use std::fs::File;
use std::io::{BufReader, Cursor, Read};
use std::path::Path;

use anyhow::{Context, Result, ensure};
use flate2::read::MultiGzDecoder;

const GZIP: [u8; 2] = [0x1f, 0x8b];
/// What stands in the place of a file that Git LFS has not fetched.
const LFS: &[u8] = b"version https://git-lfs";

/// Opens a file, and reads its beginning.
pub(super) fn open(path: &Path) -> Result<(BufReader<File>, Vec<u8>)> {
    let mut file = BufReader::new(File::open(path)?);
    let mut start = Vec::new();
    (&mut file).take(LFS.len() as u64).read_to_end(&mut start)?;
    ensure!(
        start != LFS,
        "a Git LFS pointer, not the file itself: fetch it with git lfs pull"
    );
    Ok((file, start))
}

/// What `read` makes of the content of a file, raw or gzip; errors name the file.
pub(super) fn read<T>(path: &Path, read: impl FnOnce(&mut dyn Read) -> Result<T>) -> Result<T> {
    let work = || {
        let (file, start) = open(path)?;
        let is_gzip = start.starts_with(&GZIP);
        // Some unpackers leave the name as it was.
        if path
            .extension()
            .is_some_and(|ending| ending.eq_ignore_ascii_case("gz"))
        {
            ensure!(!start.is_empty(), "the file is empty");
            ensure!(
                is_gzip || !start.starts_with(b"<"),
                "not a gzip file, whatever its name says (an error page that was saved?)"
            );
        }
        let mut whole = Cursor::new(start).chain(file);
        if is_gzip {
            return read(&mut MultiGzDecoder::new(whole)).context("within the gzip file");
        }
        read(&mut whole)
    };
    work().with_context(|| path.display().to_string())
}

/// What `read` makes of a file that can be read in any order; errors name the file.
pub(super) fn archive<T>(
    path: &Path,
    read: impl FnOnce(BufReader<File>) -> Result<T>,
) -> Result<T> {
    let opened = open(path).and_then(|(file, _)| read(file));
    opened.with_context(|| path.display().to_string())
}
