//! Files that are results: none is replaced unless asked, and none is left half written.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;

use anyhow::{Result, ensure};

use crate::data::whole_file;

/// Writes a whole file, in the place of one of that name.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    whole_file::write(path, bytes, true)
}

/// Refuses a path that is taken, so that nothing is replaced without `force`; a folder is never
/// replaced.
pub(crate) fn refuse_taken(path: &Path, force: bool) -> Result<()> {
    let shown = path.display();
    ensure!(
        !path.is_dir(),
        "{shown} is a folder: a file's name is expected"
    );
    let taken = path.symlink_metadata().is_ok();
    ensure!(
        force || !taken,
        "{shown} is there already: choose another name, or replace it with --force"
    );
    Ok(())
}

/// A file to whose end whole pieces are written: where the disk is full, a piece is there or not,
/// but never half.
#[derive(Debug)]
pub(crate) struct Growing {
    file: File,
    /// In bytes, of whole pieces.
    length: u64,
}

impl Growing {
    /// Opens a file that is there.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        let file = OpenOptions::new().append(true).open(path)?;
        let length = file.metadata()?.len();
        Ok(Self { file, length })
    }
}

impl Write for Growing {
    fn write(&mut self, piece: &[u8]) -> io::Result<usize> {
        self.file.write_all(piece).inspect_err(|_| {
            // The error is told in any case.
            let _ = self.file.set_len(self.length);
        })?;
        self.length += piece.len() as u64;
        Ok(piece.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}
