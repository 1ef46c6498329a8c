//! Gets published files from mirrors into a folder, so that only right files ever stand there under their names.
//!
//! It owns the order of things: what is there already, one process at a time, each mirror in turn, what is kept when
//! a connection breaks off, and the check before a file takes its name. It prints nothing: what happens is reported
//! through a closure. Which files and mirrors there are is [`super::catalog`]'s to say.

mod cache;
mod check;
mod client;
mod mirror;
mod partial;
mod problem;
mod transfer;

pub use cache::folder_of;
pub use mirror::Mirror;

use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Error, Result};

use super::catalog::PublishedFile;
use transfer::Transfer;

/// Held by the process that fetches into a folder. It stays there, empty: the lock is the system's, and ends with the
/// process however that ends.
const LOCK: &str = ".mnist-tch.lock";

/// What to fetch, from where, to where.
#[derive(Debug)]
pub struct Request<'a> {
    /// The files wanted.
    pub files: &'a [PublishedFile],
    /// Folders on the web that may have them, asked in this order.
    pub mirrors: &'a [Mirror],
    /// The folder they go to; it is made where it is missing.
    pub folder: &'a Path,
    /// Whether a `.gz` file there that is not the published one may be replaced: in the program's own cache it may.
    pub replace: bool,
    /// How long to wait.
    pub patience: Patience,
}

/// How long a mirror may take.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// Until there is a connection.
    pub connect: Duration,
    /// Without a byte, and the time over which the pace is measured.
    pub stall: Duration,
    /// Bytes per second below which a mirror is too slow.
    pub slowest: u32,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(15),
            stall: Duration::from_secs(30),
            slowest: 1_000,
        }
    }
}

/// What happens meanwhile.
#[derive(Debug)]
pub enum Event<'a> {
    /// Another process is fetching into this folder, and this one waits for it.
    Waiting(&'a Path),
    /// Bytes begin to come.
    Begun {
        /// The address they come from.
        url: &'a str,
        /// Bytes of the file that are there already and do not come again.
        start: u64,
    },
    /// More bytes have come.
    Received {
        /// Bytes of the file that are there.
        bytes: u64,
        /// Bytes of the whole file, where the mirror says it.
        total: Option<u64>,
    },
    /// A mirror was given up, and the next one is tried.
    NextMirror {
        /// The address of the file at the mirror that was given up.
        url: &'a str,
        /// What was wrong.
        reason: &'a Error,
    },
    /// A file is there and right.
    Finished {
        /// Its name, with `.gz`.
        name: &'a str,
        /// Its size as it was served.
        bytes: u64,
    },
}

/// Makes sure that the folder holds the files wanted, raw or as `.gz`, and returns how many had to be fetched.
/// Files that are there are checked and never fetched; without a missing file nothing is written and nothing asked.
///
/// # Errors
/// When no mirror has a file, when a file that is there is wrong and may not be replaced, or when the folder cannot
/// be written to. A file under its final name is always right.
pub fn fetch(request: &Request, report: &mut dyn FnMut(Event)) -> Result<usize> {
    if missing(request)?.is_empty() {
        return Ok(0);
    }
    let folder = request.folder;
    fs::create_dir_all(folder)
        .with_context(|| format!("cannot make the folder {}", folder.display()))?;
    let _lock = lock(folder, report)?;
    // Another process may have fetched them while this one waited.
    let missing = missing(request)?;
    let mut transfer = Transfer::new(request, report);
    for file in &missing {
        transfer.fetch(file)?;
    }
    Ok(missing.len())
}

fn missing<'a>(request: &Request<'a>) -> Result<Vec<&'a PublishedFile>> {
    let mut missing = Vec::new();
    for file in request.files {
        if !is_there(request, file)? {
            missing.push(file);
        }
    }
    Ok(missing)
}

fn is_there(request: &Request, file: &PublishedFile) -> Result<bool> {
    let Some(path) = find(request.folder, file) else {
        return Ok(false);
    };
    let packed = path.extension().is_some_and(|extension| extension == "gz");
    let check = || {
        let mut source = File::open(&path)?;
        if packed {
            check::compressed(&mut source, file)
        } else {
            check::content(source, file)
        }
    };
    match check() {
        Ok(()) => Ok(true),
        Err(_) if request.replace && packed => Ok(false),
        Err(error) => Err(error.context(format!(
            "{} is not the published file; move it away and it will be fetched",
            path.display()
        ))),
    }
}

/// The file where it is there: raw before packed, as folders are read, and with the dot that some unpackers put in.
fn find(folder: &Path, file: &PublishedFile) -> Option<PathBuf> {
    [file.name.to_owned(), file.name.replace("-idx", ".idx")]
        .into_iter()
        .flat_map(|name| [name.clone(), format!("{name}.gz")])
        .map(|name| folder.join(name))
        .find(|path| path.is_file())
}

/// Waits until no other process fetches into `folder`; the lock ends with the file that is returned.
fn lock(folder: &Path, report: &mut dyn FnMut(Event)) -> Result<File> {
    let path = folder.join(LOCK);
    let mut lock = || {
        let mut options = File::options();
        let file = options
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                report(Event::Waiting(folder));
                file.lock()?;
            }
            Err(TryLockError::Error(error)) => return Err(error),
        }
        Ok(file)
    };
    lock().with_context(|| format!("cannot lock {}", path.display()))
}
