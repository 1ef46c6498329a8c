//! The folder that a run leaves behind, and how files get into it without ever being half there or lost.
//!
//! One process at a time works in it. What the files hold is not known here.

use std::fs::{self, File, TryLockError};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};

use super::files;
use super::files::Growing;

/// One row per scored step.
pub const ACCURACY_CSV: &str = "accuracy.csv";
/// The accuracy curve.
pub const ACCURACY_PNG: &str = "accuracy.png";
/// The confusion matrix after the last step.
pub const CONFUSION_CSV: &str = "confusion.csv";
/// The confusion matrix as a heatmap.
pub const CONFUSION_PNG: &str = "confusion.png";
/// The most confident wrong answers after the last step.
pub const MISTAKES_PNG: &str = "mistakes.png";
/// The final weights.
pub const MODEL: &str = "model.safetensors";
/// Configuration, data, versions, results and timings.
pub const SUMMARY: &str = "summary.json";

/// All that going on needs, as long as the run is not complete.
pub const CHECKPOINT: &str = "checkpoint.jsonl";

/// Everything a complete run leaves, in the order in which people look for it.
pub const FILES: [&str; 7] = [
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
pub struct RunDir {
    path: PathBuf,
    /// Keeps the lock; the system gives it back even when this process is killed.
    _lock: Option<File>,
}

impl RunDir {
    /// Makes `path` ready for a run. A folder that holds results, or a run that can go on, is refused; with `force`
    /// those, and nothing else in it, are removed.
    ///
    /// # Errors
    /// When it holds a run, is a file, cannot be written to, or another process is at work in it.
    pub fn create(path: &Path, force: bool) -> Result<Self> {
        let shown = path.display();
        ensure!(
            !path.exists() || path.is_dir(),
            "{shown} is a file: --out takes a folder"
        );
        fs::create_dir_all(path)
            .with_context(|| format!("--out: cannot make the folder {shown}"))?;
        let run_dir = Self::lock(path.into())?;
        let holds = |name: &&str| path.join(name).exists();
        if !force && holds(&SUMMARY) {
            bail!(
                "{shown} holds the results of a run: choose another --out, or replace them with --force"
            );
        }
        if !force && holds(&CHECKPOINT) {
            bail!(
                "{shown} holds a run that is not complete: go on with --resume {shown}, choose another --out, or \
                 replace it with --force"
            );
        }
        // The summary first, because it says that the rest is complete.
        let files = FILES.into_iter().rev().chain([CHECKPOINT]).filter(holds);
        for name in files {
            ensure!(
                force,
                "{shown} holds results ({name}): choose another --out, or replace them with --force"
            );
            run_dir.remove(name)?;
        }
        Ok(run_dir)
    }

    /// A folder that several processes may write to at once, whatever it holds; made where it is not there.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn shared(path: &Path) -> Result<Self> {
        let shown = path.display();
        ensure!(
            !path.exists() || path.is_dir(),
            "{shown} is a file: --out takes a folder"
        );
        fs::create_dir_all(path).with_context(|| format!("cannot make the folder {shown}"))?;
        Ok(Self {
            path: path.into(),
            _lock: None,
        })
    }

    /// Opens the folder of a run that is there, without changing anything in it.
    ///
    /// # Errors
    /// When it is not there, is a file, or another process is at work in it.
    pub fn open(path: &Path) -> Result<Self> {
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

    /// Makes `path` ready for files of these names beside whatever it holds; nothing is removed. Where one of them is
    /// there already the folder is refused, except with `force`.
    ///
    /// # Errors
    /// When it holds one of the files, is a file, or cannot be made.
    pub fn beside(path: &Path, names: &[&str], force: bool) -> Result<Self> {
        let shown = path.display();
        ensure!(
            !path.exists() || path.is_dir(),
            "{shown} is a file: --out takes a folder"
        );
        for name in names {
            files::refuse_taken(&path.join(name), force)?;
        }
        Self::shared(path)
    }

    /// Makes a new folder `parent`/`stamp`, or `stamp`-2, `stamp`-3, ... where that is taken.
    ///
    /// # Errors
    /// When `parent` cannot be written to.
    pub fn create_new(parent: &Path, stamp: &str) -> Result<Self> {
        let shown = parent.display();
        fs::create_dir_all(parent).with_context(|| format!("cannot make the folder {shown}"))?;
        for number in 1..1_000 {
            let name = if number == 1 {
                stamp.to_owned()
            } else {
                format!("{stamp}-{number}")
            };
            let path = parent.join(name);
            // Makes it or fails, so two runs of the same second cannot share one.
            match fs::create_dir(&path) {
                Ok(()) => return Self::lock(path),
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
                Err(error) => {
                    return Err(error)
                        .with_context(|| format!("cannot make the folder {}", path.display()));
                }
            }
        }
        bail!("{shown} holds a thousand runs of {stamp}: use --out")
    }

    /// The folder.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Opens a file that is there and grows while the run goes on.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub fn append(&self, name: &str) -> Result<Growing> {
        let path = self.path.join(name);
        Growing::open(&path).with_context(|| format!("cannot open {}", path.display()))
    }

    /// The bytes of a file; `None` when it is not there.
    ///
    /// # Errors
    /// When it is there and cannot be read.
    pub fn read(&self, name: &str) -> Result<Option<Vec<u8>>> {
        let path = self.path.join(name);
        match fs::read(&path) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error).with_context(|| format!("cannot read {}", path.display())),
        }
    }

    /// Removes a file, which need not be there.
    ///
    /// # Errors
    /// When it is there and cannot be removed.
    pub fn remove(&self, name: &str) -> Result<()> {
        let path = self.path.join(name);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                Err(error).with_context(|| format!("cannot remove {}", path.display()))
            }
            _ => Ok(()),
        }
    }

    /// Writes a whole file. It appears under its name complete and on the disk, or not at all.
    ///
    /// # Errors
    /// When it cannot be written, for example because the disk is full.
    pub fn write(&self, name: &str, bytes: &[u8]) -> Result<()> {
        files::write(&self.path.join(name), bytes)
    }
}

#[cfg(test)]
mod tests;
