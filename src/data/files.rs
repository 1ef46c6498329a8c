//! Atomic file writes: a file appears complete and synced, or not at all, and is never replaced
//! unless requested.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Write};
use std::path::Path;

use anyhow::{Context, Result, ensure};
use tempfile::NamedTempFile;

/// Prefix of the names of temporary files.
const TEMP_PREFIX: &str = ".mnist-tch-";

/// Removes the temporary files that killed processes left in `folder`. A file that a process is
/// still writing is locked and stays.
pub(crate) fn remove_unfinished(folder: &Path) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let is_temporary = entry.file_name().to_string_lossy().starts_with(TEMP_PREFIX)
            && entry.file_type().is_ok_and(|kind| kind.is_file());
        // A leftover that cannot be removed does no harm.
        if is_temporary
            && let Ok(file) = File::options().write(true).open(entry.path())
            && file.try_lock().is_ok()
        {
            let _ = fs::remove_file(entry.path());
        }
    }
}

/// Writes a file atomically, with default permissions. It is synced before it is renamed. Several
/// processes may write the same file.
///
/// # Errors
/// Without `replace`, an [`io::Error`] of the kind [`ErrorKind::AlreadyExists`] when the name is
/// taken; exactly one of several processes that write the file at the same time succeeds.
pub(crate) fn write(path: &Path, bytes: &[u8], replace: bool) -> Result<()> {
    let work = || {
        let folder = path.parent().context("it is in no folder")?;
        // `path` may be a bare file name.
        let folder = Path::new(".").join(folder);
        let mut file = create_temporary(&folder)?;
        file.write_all(bytes)?;
        file.as_file().sync_all()?;
        if replace {
            file.persist(path).map_err(|failed| failed.error)?;
        } else {
            persist_new(file, path)?;
        }
        // Makes the rename survive a power failure. Some systems cannot open a folder for it.
        let _ = File::open(folder).and_then(|folder| folder.sync_all());
        Ok(())
    };
    let written: Result<()> = work();
    written.with_context(|| format!("cannot write {}", path.display()))
}

/// Creates a temporary file, locked against [`remove_unfinished`].
fn create_temporary(folder: &Path) -> io::Result<NamedTempFile> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(TEMP_PREFIX);
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    loop {
        let file = builder.tempfile_in(folder)?;
        // Without support for locks there is no cleaning up either.
        let _ = file.as_file().lock();
        // Another process may have removed it before it was locked.
        if file.path().exists() {
            return Ok(file);
        }
    }
}

/// Renames a temporary file unless the destination exists.
fn persist_new(file: NamedTempFile, path: &Path) -> io::Result<()> {
    let Err(failed) = file.persist_noclobber(path) else {
        return Ok(());
    };
    if failed.error.kind() == ErrorKind::AlreadyExists {
        return Err(failed.error);
    }
    // Shared folders of virtual machines have neither hard links nor renames that keep an existing
    // file, so an empty file claims the name.
    File::create_new(path)?;
    let renamed = failed.file.persist(path);
    renamed.map(drop).map_err(|failed| {
        let _ = fs::remove_file(path);
        failed.error
    })
}

/// Fails if `path` exists, unless `force` is set. A folder is never replaced.
pub(crate) fn refuse_taken(path: &Path, force: bool) -> Result<()> {
    let shown = path.display();
    ensure!(!path.is_dir(), "{shown} is a folder: expected a file name");
    let taken = path.symlink_metadata().is_ok();
    ensure!(
        force || !taken,
        "{shown} already exists: choose another name, or replace it with --force"
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::thread;

    use tempfile::tempdir;

    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<String> = names.collect();
        names.sort();
        names
    }

    #[test]
    fn leftovers_of_killed_writers_go_and_the_file_of_a_live_one_stays() {
        let folder = tempdir().unwrap();
        let live = create_temporary(folder.path()).unwrap();
        let leftover = folder.path().join(".mnist-tch-killed");
        fs::write(&leftover, "half").unwrap();
        fs::write(folder.path().join(".mnist-tch.lock"), "").unwrap();
        fs::create_dir(folder.path().join(".mnist-tch-folder")).unwrap();
        remove_unfinished(folder.path());
        assert!(live.path().exists() && !leftover.exists());
        let path = folder.path().join("done");
        live.persist(&path).unwrap();
        let expected = [".mnist-tch-folder", ".mnist-tch.lock", "done"];
        assert_eq!(names(folder.path()), expected);
    }

    #[test]
    fn writers_and_cleaners_of_one_folder_do_not_disturb_each_other() {
        let folder = tempdir().unwrap();
        let path = folder.path();
        thread::scope(|scope| {
            for writer in 0..2 {
                scope.spawn(move || {
                    for file in 0..200 {
                        write(&path.join(format!("{writer}-{file}")), b"whole", false).unwrap();
                    }
                });
                scope.spawn(move || (0..2_000).for_each(|_| remove_unfinished(path)));
            }
        });
        assert_eq!(names(path).len(), 400);
    }

    #[test]
    fn of_many_writers_of_a_new_file_one_succeeds() {
        let folder = tempdir().unwrap();
        let path = folder.path().join("file");
        let results = thread::scope(|scope| {
            let write = |writer: u8| write(&path, &[writer], false);
            let writers = (0..8).map(|writer| scope.spawn(move || write(writer)));
            let writers: Vec<_> = writers.collect();
            let results = writers.into_iter().map(|writer| writer.join().unwrap());
            results.collect::<Vec<_>>()
        });
        let winners = (0_u8..).zip(&results).filter(|(_, result)| result.is_ok());
        let winners: Vec<u8> = winners.map(|(writer, _)| writer).collect();
        assert_eq!(fs::read(&path).unwrap(), winners);
        for error in results.into_iter().filter_map(Result::err) {
            let kind = error.downcast_ref().map(io::Error::kind);
            assert_eq!(kind, Some(ErrorKind::AlreadyExists), "{error:#}");
        }
        assert_eq!(names(folder.path()), ["file"], "nothing temporary is left");
    }
}
