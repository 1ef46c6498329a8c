//! The folder of a run: the names of its files, who may write to it, and what is never overwritten.
//!
//! One process at a time works in it. What the files contain is the concern of others.

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
/// The most confident wrong predictions after the last step.
pub(crate) const MISTAKES_PNG: &str = "mistakes.png";
/// The final weights.
pub(crate) const MODEL: &str = "model.safetensors";
/// Configuration, data, versions, results and timings.
pub(crate) const SUMMARY: &str = "summary.json";

/// The weights of the best score, with `--keep best`.
pub(crate) const BEST: &str = "best.safetensors";
/// Everything that `--resume` needs.
pub(crate) const CHECKPOINT: &str = "checkpoint.jsonl";

/// The files of a complete run, in display order.
pub(crate) const FILES: [&str; 7] = [
    ACCURACY_CSV,
    ACCURACY_PNG,
    CONFUSION_CSV,
    CONFUSION_PNG,
    MISTAKES_PNG,
    MODEL,
    SUMMARY,
];

/// The output folder of a run.
#[derive(Debug)]
pub(crate) struct RunDir {
    path: PathBuf,
    /// Holds the lock, which the system releases even if this process is killed.
    _lock: Option<File>,
}

impl RunDir {
    /// Prepares the folder `path` for a run. A folder with results, or with a run that can be
    /// resumed, is refused; with `force` these files, and no others, are removed.
    pub(crate) fn create(path: &Path, force: bool) -> Result<Self> {
        let shown = path.display();
        refuse_file(path)?;
        create_folder(path).context("--out")?;
        let run_dir = Self::lock(path.into())?;
        let otherwise = "choose another --out, or replace";
        let is_there = |name: &&str| path.join(name).exists();
        let by_importance = [SUMMARY, CHECKPOINT, BEST].into_iter();
        let found = by_importance.chain(FILES.into_iter().rev()).find(is_there);
        if let Some(name) = found.filter(|_| !force) {
            let what = match name {
                SUMMARY => format!("the results of a run: {otherwise} them"),
                CHECKPOINT => {
                    format!("an incomplete run: continue it with --resume {shown}, {otherwise} it")
                }
                _ => format!("results ({name}): {otherwise} them"),
            };
            bail!("{shown} holds {what} with --force");
        }
        // The summary first, because it says that the other files are complete.
        for name in FILES.into_iter().rev().chain([BEST, CHECKPOINT]) {
            run_dir.remove(name)?;
        }
        Ok(run_dir)
    }

    /// Opens a folder that several processes may write to at once, or creates it. Leftover
    /// temporary files of killed processes are removed.
    pub(crate) fn shared(path: &Path) -> Result<Self> {
        refuse_file(path)?;
        create_folder(path)?;
        files::remove_unfinished(path);
        Ok(Self {
            path: path.into(),
            _lock: None,
        })
    }

    /// Opens the folder of an existing run without changing anything in it.
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let shown = path.display();
        ensure!(path.exists(), "{shown}: no such folder");
        ensure!(
            path.is_dir(),
            "{shown} is a file: expected the folder of a run"
        );
        Self::lock(path.into())
    }

    /// Locks the folder for this process alone.
    fn lock(path: PathBuf) -> Result<Self> {
        let shown = path.display();
        // Windows cannot open a folder like a file.
        if !cfg!(unix) {
            return Ok(Self { path, _lock: None });
        }
        let folder = File::open(&path).with_context(|| format!("cannot open {shown}"))?;
        if let Err(TryLockError::WouldBlock) = folder.try_lock() {
            bail!("{shown}: another process is using this folder");
        }
        // Any other error means a file system without locks, which is no reason to stop.
        Ok(Self {
            path,
            _lock: Some(folder),
        })
    }

    /// Prepares the folder `path` for new files with these names beside its other files. Existing
    /// files with these names are refused without `force`.
    pub(crate) fn beside(path: &Path, names: &[&str], force: bool) -> Result<Self> {
        refuse_file(path)?;
        for name in names {
            files::refuse_taken(&path.join(name), force)?;
        }
        Self::shared(path)
    }

    /// Creates a new folder `parent`/`stamp`, or `stamp`-2, `stamp`-3, ... if that exists.
    pub(crate) fn create_new(parent: &Path, stamp: &str) -> Result<Self> {
        create_folder(parent)?;
        let others = (2..1_000).map(|number| format!("{stamp}-{number}"));
        for name in [stamp.to_owned()].into_iter().chain(others) {
            let path = parent.join(name);
            // Fails on an existing folder, so two runs of the same second cannot share one.
            match fs::create_dir(&path) {
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
                created => {
                    let cannot = || format!("cannot create the folder {}", path.display());
                    created.with_context(cannot)?;
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

    /// Opens an existing file that grows during the run. Leftover temporary files of killed
    /// processes are removed.
    pub(crate) fn append(&self, name: &str) -> Result<Growing> {
        files::remove_unfinished(&self.path);
        let path = self.path.join(name);
        Growing::open(&path).with_context(|| format!("cannot open {}", path.display()))
    }

    /// The bytes of a file; `None` if it does not exist.
    pub(crate) fn read(&self, name: &str) -> Result<Option<Vec<u8>>> {
        self.unless_missing(name, "read", |path| fs::read(path))
    }

    /// Removes a file if it exists.
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

    /// Writes a whole file: see [`files::write`].
    pub(crate) fn write(&self, name: &str, bytes: &[u8]) -> Result<()> {
        files::write(&self.path.join(name), bytes, true)
    }
}

/// A file that grows by whole pieces: on a full disk a piece is written completely or not at all.
#[derive(Debug)]
pub(crate) struct Growing {
    file: File,
    /// Bytes in whole pieces.
    length: u64,
}

impl Growing {
    /// Opens an existing file.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        let file = OpenOptions::new().append(true).open(path)?;
        let length = file.metadata()?.len();
        Ok(Self { file, length })
    }
}

impl Write for Growing {
    fn write(&mut self, piece: &[u8]) -> io::Result<usize> {
        self.file.write_all(piece).inspect_err(|_| {
            // The caller gets the error of the write.
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

fn create_folder(path: &Path) -> Result<()> {
    let created = fs::create_dir_all(path);
    created.with_context(|| format!("cannot create the folder {}", path.display()))
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
