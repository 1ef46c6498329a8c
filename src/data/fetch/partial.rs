//! A file on its way: it grows beside the place where it will stand, and takes its name only when it is whole.
//!
//! Beside the bytes stands a note of where they come from, so that a later process can go on where a killed one
//! stopped. Both have names that begin with a dot, always the same ones: nothing piles up.

use std::fs::{self, File, OpenOptions};
use std::io::{Seek, SeekFrom, Write};
use std::path::PathBuf;

use anyhow::{Context, Result};

/// Where a download goes on.
#[derive(Debug)]
pub struct Start {
    /// The first byte that is missing.
    pub byte: u64,
    /// Identifies the version of the file that the bytes at hand are from.
    pub validator: Option<String>,
}

/// The bytes that are there so far.
#[derive(Debug)]
pub struct Partial {
    file: File,
    length: u64,
    path: PathBuf,
    note: PathBuf,
    target: PathBuf,
}

impl Partial {
    /// Opens what an earlier download left of `target`, or begins with nothing. One process at a time, please.
    pub fn open(target: PathBuf) -> Result<Self> {
        let name = target.file_name().unwrap_or_default().to_string_lossy();
        let path = target.with_file_name(format!(".{name}.partial"));
        let note = target.with_file_name(format!(".{name}.partial.from"));
        let open = || {
            let mut options = OpenOptions::new();
            options.read(true).write(true).create(true).truncate(false);
            let mut file = options.open(&path)?;
            let length = file.seek(SeekFrom::End(0))?;
            std::io::Result::Ok((file, length))
        };
        let (file, length) = open().with_context(|| format!("cannot write {}", path.display()))?;
        Ok(Self {
            file,
            length,
            path,
            note,
            target,
        })
    }

    /// Bytes so far.
    pub fn length(&self) -> u64 {
        self.length
    }

    /// The bytes, for reading.
    pub fn file(&mut self) -> &mut File {
        &mut self.file
    }

    /// Where to go on with `url`, if the bytes so far are from there.
    pub fn start(&self, url: &str) -> Option<Start> {
        let note = fs::read_to_string(&self.note).unwrap_or_default();
        let mut lines = note.lines();
        (self.length > 0 && lines.next() == Some(url)).then(|| Start {
            byte: self.length,
            validator: lines.next().map(str::to_owned),
        })
    }

    /// Begins anew with bytes from `url`. The note is written while there are no bytes, so it is never about others.
    pub fn begin(&mut self, url: &str, validator: Option<&str>) -> Result<()> {
        self.clear()?;
        let note = format!("{url}\n{}", validator.unwrap_or_default());
        fs::write(&self.note, note).with_context(|| format!("cannot write {}", self.note.display()))
    }

    /// Forgets the bytes so far.
    pub fn clear(&mut self) -> Result<()> {
        self.length = 0;
        self.file
            .set_len(0)
            .and_then(|()| self.file.rewind())
            .with_context(|| format!("cannot write {}", self.path.display()))
    }

    /// Adds bytes at the end.
    pub fn append(&mut self, bytes: &[u8]) -> Result<()> {
        self.file
            .seek(SeekFrom::Start(self.length))
            .and_then(|_| self.file.write_all(bytes))
            .with_context(|| format!("cannot write {}", self.path.display()))?;
        self.length += bytes.len() as u64;
        Ok(())
    }

    /// Gives the file its name, once its bytes are on the disk.
    pub fn finish(self) -> Result<()> {
        self.file
            .sync_all()
            .and_then(|()| fs::rename(&self.path, &self.target))
            .with_context(|| format!("cannot write {}", self.target.display()))?;
        let _ = fs::remove_file(&self.note);
        // So that the name, too, outlives a power cut; not every system lets a folder be opened for that.
        if let Some(folder) = self.target.parent().and_then(|path| File::open(path).ok()) {
            let _ = folder.sync_all();
        }
        Ok(())
    }

    /// Keeps the bytes for another time; where there are none, nothing is left.
    pub fn keep(self) {
        if self.length == 0 {
            let _ = fs::remove_file(&self.path);
            let _ = fs::remove_file(&self.note);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;
    use tempfile::tempdir;

    const URL: &str = "http://example.org/a.gz";

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).unwrap();
        let mut names: Vec<String> = entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn a_later_process_goes_on_with_the_same_address_only() {
        let folder = tempdir().unwrap();
        let open = || Partial::open(folder.path().join("a.gz")).unwrap();
        let mut first = open();
        assert!(first.start(URL).is_none(), "there is nothing yet");
        first.begin(URL, Some("\"v1\"")).unwrap();
        first.append(b"one").unwrap();
        drop(first);
        let mut second = open();
        assert!(second.start("http://example.net/a.gz").is_none());
        let start = second.start(URL).unwrap();
        assert_eq!(
            (start.byte, start.validator.unwrap().as_str()),
            (3, "\"v1\"")
        );
        second.append(b"two").unwrap();
        second.finish().unwrap();
        assert_eq!(names(folder.path()), ["a.gz"]);
        assert_eq!(fs::read(folder.path().join("a.gz")).unwrap(), b"onetwo");
    }

    #[test]
    fn without_bytes_nothing_is_left() {
        let folder = tempdir().unwrap();
        let open = || Partial::open(folder.path().join("a.gz")).unwrap();
        let mut partial = open();
        partial.begin(URL, None).unwrap();
        partial.append(b"wrong").unwrap();
        partial.clear().unwrap();
        partial.keep();
        assert!(names(folder.path()).is_empty());
        let mut partial = open();
        partial.begin(URL, None).unwrap();
        partial.append(b"right").unwrap();
        partial.keep();
        assert_eq!(
            names(folder.path()),
            [".a.gz.partial", ".a.gz.partial.from"]
        );
        assert!(open().start(URL).unwrap().validator.is_none());
    }
}
