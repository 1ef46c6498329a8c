//! The folder that a run leaves behind, and how files get into it without being half there or lost.
//!
//! One process at a time works in it. What the files hold is not known here.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};

use crate::data::files;

/// One row per scored step.
pub(crate) const ACCURACY_CSV: &str = "accuracy.csv";
pub(crate) const ACCURACY_PNG: &str = "accuracy.png";
/// The confusion matrix after the last step.
pub(crate) const CONFUSION_CSV: &str = "confusion.csv";
pub(crate) const CONFUSION_PNG: &str = "confusion.png";
/// The most confident wrong answers after the last step.
pub(crate) const MISTAKES_PNG: &str = "mistakes.png";
/// The final weights.
pub(crate) const MODEL: &str = "model.safetensors";
/// Configuration, data, versions, results and timings.
pub(crate) const SUMMARY: &str = "summary.json";

/// The weights of the best score, where those are kept.
pub(crate) const BEST: &str = "best.safetensors";
/// All that going on needs.
pub(crate) const CHECKPOINT: &str = "checkpoint.jsonl";

/// Everything a complete run leaves, in the order in which people look for it.
pub(crate) const FILES: [&str; 7] = [
    ACCURACY_CSV,
    ACCURACY_PNG,
    CONFUSION_CSV,
    CONFUSION_PNG,
    MISTAKES_PNG,
    MODEL,
    SUMMARY,
];

/// A folder for the files of a run.
#[derive(Debug)]
pub(crate) struct RunDir {
    path: PathBuf,
    /// Keeps the lock; the system gives it back even when this process is killed.
    _lock: Option<File>,
}

impl RunDir {
    /// Makes `path` ready for a run. A folder that holds results, or a run that can go on, is
    /// refused; with `force` those, and nothing else in it, are removed.
    pub(crate) fn create(path: &Path, force: bool) -> Result<Self> {
        let shown = path.display();
        refuse_file(path)?;
        let made = fs::create_dir_all(path);
        made.with_context(|| format!("--out: cannot make the folder {shown}"))?;
        let run_dir = Self::lock(path.into())?;
        let otherwise = "choose another --out, or replace";
        let holds = |name: &&str| path.join(name).exists();
        let first_told = [SUMMARY, CHECKPOINT, BEST].into_iter();
        let held = first_told.chain(FILES.into_iter().rev()).find(holds);
        if let Some(name) = held.filter(|_| !force) {
            let what = match name {
                SUMMARY => format!("the results of a run: {otherwise} them"),
                CHECKPOINT => {
                    let resume = format!("go on with --resume {shown}");
                    format!("a run that is not complete: {resume}, {otherwise} it")
                }
                _ => format!("results ({name}): {otherwise} them"),
            };
            bail!("{shown} holds {what} with --force");
        }
        // The summary first, because it says that the rest is complete.
        for name in FILES.into_iter().rev().chain([BEST, CHECKPOINT]) {
            run_dir.remove(name)?;
        }
        Ok(run_dir)
    }

    /// A folder that several processes may write to at once, whatever it holds; made where it is
    /// not there.
    pub(crate) fn shared(path: &Path) -> Result<Self> {
        refuse_file(path)?;
        make(path)?;
        Ok(Self {
            path: path.into(),
            _lock: None,
        })
    }

    /// Opens the folder of a run that is there, without changing anything in it.
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let shown = path.display();
        ensure!(path.exists(), "{shown}: no such folder");
        ensure!(
            path.is_dir(),
            "{shown} is a file, the folder of a run is expected"
        );
        Self::lock(path.into())
    }

    /// Takes the folder for this process alone.
    fn lock(path: PathBuf) -> Result<Self> {
        let shown = path.display();
        // Elsewhere a folder cannot be opened like a file.
        if !cfg!(unix) {
            return Ok(Self { path, _lock: None });
        }
        let folder = File::open(&path).with_context(|| format!("cannot open {shown}"))?;
        if let Err(TryLockError::WouldBlock) = folder.try_lock() {
            bail!("{shown}: another process is at work in this folder");
        }
        // Any other error: a file system without locks. They are a help, not a need.
        Ok(Self {
            path,
            _lock: Some(folder),
        })
    }

    /// Makes `path` ready for files of these names beside whatever it holds; nothing is removed.
    /// Where one of them is there already the folder is refused, except with `force`.
    pub(crate) fn beside(path: &Path, names: &[&str], force: bool) -> Result<Self> {
        refuse_file(path)?;
        for name in names {
            files::refuse_taken(&path.join(name), force)?;
        }
        Self::shared(path)
    }

    /// Makes a new folder `parent`/`stamp`, or `stamp`-2, `stamp`-3, ... where that is taken.
    pub(crate) fn create_new(parent: &Path, stamp: &str) -> Result<Self> {
        make(parent)?;
        let others = (2..1_000).map(|number| format!("{stamp}-{number}"));
        for name in [stamp.to_owned()].into_iter().chain(others) {
            let path = parent.join(name);
            // Makes it or fails, so two runs of the same second cannot share one.
            match fs::create_dir(&path) {
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
                made => {
                    made.with_context(|| format!("cannot make the folder {}", path.display()))?;
                    return Self::lock(path);
                }
            }
        }
        let shown = parent.display();
        bail!("{shown} holds a thousand runs of {stamp}: use --out")
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Opens a file that is there and grows while the run goes on. The folder is this run's from
    /// here on, so what a process that was killed left half written goes.
    pub(crate) fn append(&self, name: &str) -> Result<Growing> {
        files::remove_unfinished(&self.path);
        let path = self.path.join(name);
        Growing::open(&path).with_context(|| format!("cannot open {}", path.display()))
    }

    /// The bytes of a file; `None` when it is not there.
    pub(crate) fn read(&self, name: &str) -> Result<Option<Vec<u8>>> {
        self.unless_missing(name, "read", |path| fs::read(path))
    }

    /// Removes a file, which need not be there.
    pub(crate) fn remove(&self, name: &str) -> Result<()> {
        self.unless_missing(name, "remove", |path| fs::remove_file(path))?;
        Ok(())
    }

    fn unless_missing<T>(
        &self,
        name: &str,
        verb: &str,
        work: impl Fn(&Path) -> io::Result<T>,
    ) -> Result<Option<T>> {
        let path = self.path.join(name);
        match work(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            done => {
                let done = done.with_context(|| format!("cannot {verb} {}", path.display()))?;
                Ok(Some(done))
            }
        }
    }

    /// Writes a whole file. It appears under its name complete and on the disk, or not at all.
    pub(crate) fn write(&self, name: &str, bytes: &[u8]) -> Result<()> {
        files::write(&self.path.join(name), bytes, true)
    }
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

fn refuse_file(path: &Path) -> Result<()> {
    let is_file = path.exists() && !path.is_dir();
    ensure!(
        !is_file,
        "{} is a file: --out takes a folder",
        path.display()
    );
    Ok(())
}

fn make(folder: &Path) -> Result<()> {
    let made = fs::create_dir_all(folder);
    made.with_context(|| format!("cannot make the folder {}", folder.display()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use tempfile::tempdir;

    // What is refused, and what --force replaces: tests/cli.rs and tests/resume.rs.
    #[test]
    fn runs_of_the_same_second_get_folders_of_their_own() {
        let folder = tempdir().unwrap();
        let parent = folder.path().join("runs");
        let run = || RunDir::create_new(&parent, "now").unwrap().path;
        for name in ["now", "now-2", "now-3"] {
            assert_eq!(run(), parent.join(name));
        }
    }
}
