//! The folder that a run leaves behind, and how files get into it without ever being half there or lost.

use std::fs::{self, File};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};

/// One row per scored step.
pub const ACCURACY_CSV: &str = "accuracy.csv";
/// The accuracy curve.
pub const ACCURACY_PNG: &str = "accuracy.png";
/// The confusion matrix after the last step.
pub const CONFUSION_CSV: &str = "confusion.csv";
/// The confusion matrix as a heatmap.
pub const CONFUSION_PNG: &str = "confusion.png";
/// The final weights.
pub const MODEL: &str = "model.safetensors";
/// Configuration, data, versions, results and timings.
pub const SUMMARY: &str = "summary.json";

/// Everything a run writes, in the order in which people look for it.
pub const FILES: [&str; 6] = [
    ACCURACY_CSV,
    ACCURACY_PNG,
    CONFUSION_CSV,
    CONFUSION_PNG,
    MODEL,
    SUMMARY,
];

/// A folder for one run's results.
#[derive(Debug)]
pub struct RunDir {
    path: PathBuf,
}

impl RunDir {
    /// Makes `path` ready for a run. A folder that holds results is refused; with `force` those results, and nothing
    /// else in it, are removed.
    ///
    /// # Errors
    /// When it holds results, is a file, or cannot be written to.
    pub fn create(path: &Path, force: bool) -> Result<Self> {
        let shown = path.display();
        ensure!(
            !path.exists() || path.is_dir(),
            "{shown} is a file: --out takes a folder"
        );
        fs::create_dir_all(path)
            .with_context(|| format!("--out: cannot make the folder {shown}"))?;
        for name in FILES {
            let file = path.join(name);
            if !file.exists() {
                continue;
            }
            ensure!(
                force,
                "{shown} holds the results of a run ({name}): choose another --out, or replace them with --force"
            );
            fs::remove_file(&file).with_context(|| format!("cannot remove {}", file.display()))?;
        }
        Ok(Self { path: path.into() })
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
                Ok(()) => return Ok(Self { path }),
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

    /// Opens a new file that grows while the run goes on.
    ///
    /// # Errors
    /// When it exists, for example because another run has just begun in the same folder, or cannot be made.
    pub fn open_new(&self, name: &str) -> Result<File> {
        let path = self.path.join(name);
        File::create_new(&path).with_context(|| format!("cannot make {}", path.display()))
    }

    /// Writes a whole file. It appears under its name complete and on the disk, or not at all.
    ///
    /// # Errors
    /// When it cannot be written, for example because the disk is full.
    pub fn write(&self, name: &str, bytes: &[u8]) -> Result<()> {
        write_whole(&self.path.join(name), bytes)
    }
}

/// Writes a whole file. It appears under its name complete and on the disk, or not at all.
///
/// # Errors
/// When it cannot be written, for example because the disk is full.
pub fn write_whole(path: &Path, bytes: &[u8]) -> Result<()> {
    let shown = path.display();
    let name = path.file_name().and_then(|name| name.to_str());
    let name = name.with_context(|| format!("{shown} is no name for a file"))?;
    let partial = path.with_file_name(format!(".{name}.partial"));
    let write = || {
        let mut file = File::create(&partial)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&partial, path)
    };
    write().with_context(|| {
        // What is left of it helps nobody; that this may fail too changes nothing.
        let _ = fs::remove_file(&partial);
        format!("cannot write {shown}")
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use tempfile::tempdir;

    #[test]
    fn results_are_refused_without_force_and_only_they_are_replaced() {
        let folder = tempdir().unwrap();
        let run = RunDir::create(folder.path(), false).unwrap();
        run.write(SUMMARY, b"{}").unwrap();
        fs::write(folder.path().join("notes.txt"), "mine").unwrap();
        let error = RunDir::create(folder.path(), false)
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("summary.json") && error.contains("--force"),
            "{error}"
        );
        assert!(folder.path().join(SUMMARY).exists());
        RunDir::create(folder.path(), true).unwrap();
        assert!(!folder.path().join(SUMMARY).exists());
        assert_eq!(
            fs::read_to_string(folder.path().join("notes.txt")).unwrap(),
            "mine"
        );
    }

    #[test]
    fn a_folder_without_results_may_hold_other_things() {
        let folder = tempdir().unwrap();
        fs::write(folder.path().join("notes.txt"), "mine").unwrap();
        RunDir::create(folder.path(), false).unwrap();
    }

    #[test]
    fn a_file_is_not_a_folder() {
        let folder = tempdir().unwrap();
        let file = folder.path().join("file");
        fs::write(&file, "").unwrap();
        let error = RunDir::create(&file, true).unwrap_err().to_string();
        assert!(error.contains("is a file"), "{error}");
    }

    #[test]
    fn runs_of_the_same_second_get_folders_of_their_own() {
        let folder = tempdir().unwrap();
        let parent = folder.path().join("runs");
        let names = [(); 3].map(|()| {
            let run = RunDir::create_new(&parent, "now").unwrap();
            run.path().strip_prefix(&parent).unwrap().to_owned()
        });
        assert_eq!(
            names.map(PathBuf::into_os_string),
            ["now", "now-2", "now-3"]
        );
    }

    #[test]
    fn files_appear_whole_and_leave_nothing_beside_them() {
        let folder = tempdir().unwrap();
        let run = RunDir::create(folder.path(), false).unwrap();
        run.write(MODEL, b"one").unwrap();
        run.write(MODEL, b"two").unwrap();
        let names: Vec<_> = fs::read_dir(folder.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        assert_eq!(names, [MODEL]);
        assert_eq!(fs::read(folder.path().join(MODEL)).unwrap(), b"two");
        fs::remove_dir_all(folder.path()).unwrap();
        let error = run.write(MODEL, b"three").unwrap_err().to_string();
        assert!(error.starts_with("cannot write"), "{error}");
    }

    #[test]
    fn a_growing_file_is_never_opened_twice() {
        let folder = tempdir().unwrap();
        let run = RunDir::create(folder.path(), false).unwrap();
        run.open_new(ACCURACY_CSV).unwrap();
        assert!(run.open_new(ACCURACY_CSV).is_err());
    }
}
