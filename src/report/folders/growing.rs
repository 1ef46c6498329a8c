//! A file that grows piece by piece while others read it. It knows nothing of rows.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;

/// A file to whose end whole pieces are written: where the disk is full, a piece is there or not, but never half.
#[derive(Debug)]
pub struct Growing {
    file: File,
    /// In bytes, of whole pieces.
    length: u64,
}

impl Growing {
    /// Opens a file that is there.
    ///
    /// # Errors
    /// When it is not there or cannot be written to.
    pub fn open(path: &Path) -> io::Result<Self> {
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
