//! Whole files: they appear under their name complete and on the disk, or not at all, and replace
//! nothing unasked.

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;

use anyhow::{Context, Result, ensure};

/// What the name of a file begins with while it is being written.
const UNFINISHED: &str = ".mnist-tch-";

/// Removes what a killed process left half written in `folder`, which no other process may be
/// using.
pub(crate) fn remove_unfinished(folder: &Path) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        if entry.file_name().to_string_lossy().starts_with(UNFINISHED) {
            // Where that cannot be it does no harm.
            let _ = fs::remove_file(entry.path());
        }
    }
}

/// Writes a file that appears whole or not at all, with the permissions that any new file has. It
/// is on the disk before it has its name; several processes may write the same one.
pub(crate) fn write(path: &Path, bytes: &[u8], replace: bool) -> Result<()> {
    let work = || {
        let folder = path.parent().context("it is in no folder")?;
        // A name alone is one in the current folder.
        let folder = Path::new(".").join(folder);
        let mut builder = tempfile::Builder::new();
        builder.prefix(UNFINISHED);
        #[cfg(unix)]
        builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
        let mut file = builder.tempfile_in(&folder)?;
        file.write_all(bytes)?;
        file.as_file().sync_all()?;
        if replace {
            file.persist(path)?;
        } else {
            file.persist_noclobber(path)?;
        }
        // So that the name, too, outlives a power cut; not every system opens a folder for it.
        let _ = File::open(folder).and_then(|folder| folder.sync_all());
        Ok(())
    };
    let written: Result<()> = work();
    written.with_context(|| format!("cannot write {}", path.display()))
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
