//! Lists the files of a data folder.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

use crate::report::run_dir::{ACCURACY_PNG, CONFUSION_PNG, MISTAKES_PNG};

/// Maximum folder depth of the search.
pub(super) const DEPTH: usize = 5;
const MAX_FILES: usize = 2_000_000;
/// Non-hidden folders and files created by operating systems and file servers.
const SYSTEM: [&str; 11] = [
    "#recycle",
    "#snapshot",
    "$recycle.bin",
    "@eadir",
    "@recently-snapshot",
    "@recycle",
    "@tmp",
    "__macosx",
    "__pycache__",
    "lost+found",
    "system volume information",
];
/// Pictures written by this program, which may lie in a data folder.
const RESULTS: [&str; 5] = [
    ACCURACY_PNG,
    "band.png",
    CONFUSION_PNG,
    "contact_sheet.png",
    MISTAKES_PNG,
];

/// Returns the regular files in `folder` and below, sorted, except hidden ones, those of systems,
/// and results of this program.
pub(super) fn list(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut listing = Listing::default();
    listing.add(folder, DEPTH)?;
    listing.files.sort();
    Ok(listing.files)
}

#[derive(Default)]
struct Listing {
    files: Vec<PathBuf>,
    /// The folders that are being listed, without symbolic links.
    open: Vec<PathBuf>,
}

impl Listing {
    fn add(&mut self, folder: &Path, depth: usize) -> Result<()> {
        let context = || format!("cannot read the folder {}", folder.display());
        let target = folder.canonicalize().with_context(context)?;
        // A link to a folder around it would repeat all files.
        if self.open.iter().any(|open| open.starts_with(&target)) {
            return Ok(());
        }
        self.open.push(target);
        for entry in fs::read_dir(folder).with_context(context)? {
            let entry = entry.with_context(context)?;
            if is_left_out(&entry.file_name()) {
                continue;
            }
            let path = entry.path();
            let mut kind = entry.file_type().with_context(context)?;
            if kind.is_symlink() {
                match fs::metadata(&path) {
                    Ok(target) => kind = target.file_type(),
                    Err(_) => continue,
                }
            }
            if kind.is_file() {
                self.files.push(path);
            } else if kind.is_dir() && depth > 0 {
                self.add(&path, depth - 1)?;
            }
            ensure!(
                self.files.len() <= MAX_FILES,
                "{}: more than {MAX_FILES} files: name the folder of the data set itself",
                folder.display()
            );
        }
        self.open.pop();
        Ok(())
    }
}

fn is_left_out(name: &OsStr) -> bool {
    let name = name.to_string_lossy().to_lowercase();
    name.starts_with('.') || SYSTEM.contains(&&*name) || RESULTS.contains(&&*name)
}
