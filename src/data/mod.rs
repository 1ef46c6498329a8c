//! Labeled images: the ones embedded in the program, IDX files, and which of them to train and
//! test on.
//!
//! A [`Dataset`] holds images of 28x28 gray values and one label per image, below the number of
//! classes. Anything else is refused with an error that names the file. The extra `formats` reads
//! other formats, `fetch` downloads published sets; both produce the types defined here. This
//! module knows nothing about tensors or training.

use std::num::NonZeroUsize;
use std::panic::resume_unwind;
use std::sync::{Mutex, PoisonError};
use std::thread::{self, ScopedJoinHandle};
use std::{io, iter};

use anyhow::{Context, Result};

pub(crate) mod array;
pub(crate) mod content;
mod dataset;
pub(crate) mod file_kind;
pub(crate) mod files;
pub(crate) mod idx;
pub(crate) mod idx_folder;
mod location;
mod published;
pub(crate) mod read_options;
mod record;
mod split;

pub use dataset::Dataset;
pub use location::{FolderReader, Location};
pub(crate) use published::{FILE_NAMES, emnist_classes};
pub use published::{Preparation, Published};
pub(crate) use read_options::Unlabeled;
pub use read_options::{Classes, LoadedDataset, Pictures, ReadOptions};
pub(crate) use record::DataRecord;
pub(crate) use split::ImageRange;
pub use split::{Part, Split, mnist_10k};

/// Height and width of every image, in pixels.
pub const SIDE: usize = 28;
/// Pixels of one image.
pub const PIXELS: usize = SIDE * SIDE;
/// Number of classes of MNIST and its family (digits, clothes, kana), the default.
pub const CLASSES: usize = 10;
/// Maximum number of classes: labels are bytes.
pub const MAX_CLASSES: usize = 256;

/// The error if the system refuses to start a thread.
pub(crate) const THREAD_REFUSED: &str =
    "cannot start another thread: use fewer --threads or --jobs";

/// Formats a digest in hex.
pub(crate) fn hex(digest: impl AsRef<[u8]>) -> String {
    let digits = digest.as_ref().iter().map(|byte| format!("{byte:02x}"));
    digits.collect::<Vec<_>>().concat()
}

/// Joins the first ten texts of a list, and counts the others.
pub(crate) fn list_first(texts: &[impl AsRef<str>]) -> String {
    const MAX_LISTED: usize = 10;
    let first = texts.iter().take(MAX_LISTED).map(AsRef::as_ref);
    let listed = first.collect::<Vec<&str>>().join(", ");
    match texts.len().saturating_sub(MAX_LISTED) {
        0 => listed,
        others => format!("{listed} and {others} more"),
    }
}

/// The number of cores that this process may use, at least one.
pub fn cores() -> NonZeroUsize {
    thread::available_parallelism().unwrap_or(NonZeroUsize::MIN)
}

/// Parallel map that preserves order. The first error stops it.
pub(crate) fn in_parallel<T: Send, R: Send>(
    items: Vec<T>,
    threads: NonZeroUsize,
    work: impl Fn(T) -> Result<R> + Sync,
) -> Result<Vec<R>> {
    let threads = threads.get().min(items.len());
    let queue = Mutex::new(items.into_iter().enumerate());
    let locked = || queue.lock().unwrap_or_else(PoisonError::into_inner);
    let do_next = |(index, item)| {
        let done = work(item).inspect_err(|_| locked().by_ref().for_each(drop));
        Ok((index, done?))
    };
    let share = || -> Result<Vec<_>> { iter::from_fn(|| locked().next()).map(do_next).collect() };
    let shares: Result<Vec<_>> = thread::scope(|scope| {
        // No worker starts before all exist, so that a failed spawn leaves nothing half done.
        let mut waiting = locked();
        let start = |_| thread::Builder::new().spawn_scoped(scope, share);
        let others: io::Result<Vec<_>> = (1..threads).map(start).collect();
        if others.is_err() {
            waiting.by_ref().for_each(drop);
        }
        drop(waiting);
        let others = others.context(THREAD_REFUSED)?;
        let own = share();
        let others = others.into_iter().map(ScopedJoinHandle::join);
        let others = others.map(|other| other.unwrap_or_else(|panic| resume_unwind(panic)));
        others.chain([own]).collect()
    });
    let mut all: Vec<_> = shares?.into_iter().flatten().collect();
    all.sort_by_key(|(index, _)| *index);
    Ok(all.into_iter().map(|(_, done)| done).collect())
}
