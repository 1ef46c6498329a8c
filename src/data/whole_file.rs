//! Whole files: they appear under their name complete and on the disk, or not at all.

use std::fs::File;
use std::io::Write;
use std::path::Path;

use anyhow::{Context, Result};

/// Writes a file that appears whole or not at all, with the permissions that any new file has.
pub(crate) fn write(path: &Path, bytes: &[u8], replace: bool) -> Result<()> {
    let folder = path.parent().context("it is in no folder")?;
    let folder = if folder.as_os_str().is_empty() {
        Path::new(".")
    } else {
        folder
    };
    let mut builder = tempfile::Builder::new();
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    let mut file = builder.tempfile_in(folder)?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    if replace {
        file.persist(path)?;
    } else {
        file.persist_noclobber(path)?;
    }
    // So that the name, too, outlives a power cut; not every system lets a folder be opened for it.
    let _ = File::open(folder).and_then(|folder| folder.sync_all());
    Ok(())
}
