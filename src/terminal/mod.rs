//! What all commands share: options, the images and the model they name, progress, signals, and
//! printing.
//!
//! Parsed options are valid by their type; nothing behind the parsers compares strings. Results go
//! to stdout, everything else to stderr. Nothing outside this folder and `main` prints.

pub(crate) mod images;
pub(crate) mod model;
pub(crate) mod options;
pub(crate) mod progress;
pub(crate) mod signals;

use std::fs::File;
use std::io::{self, ErrorKind, Read, Write};
use std::path::Path;

use anyhow::{Context, Result};

pub use self::signals::Stopped;

/// Prints results. A reader that has seen enough (`| head`) is not an error.
pub(crate) fn print(text: &str) -> Result<()> {
    let mut stdout = io::stdout().lock();
    let written = write!(stdout, "{text}").and_then(|()| stdout.flush());
    match written {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        other => other.context("cannot write to stdout"),
    }
}

/// Tells the user something that is not a result. Where stderr is closed there is nobody to tell.
pub(crate) fn note(text: &str) {
    let _ = writeln!(io::stderr().lock(), "{text}");
}

/// Ends the program, of which every file is written by now. The usual way out would take libtorch's
/// registries and caches apart piece by piece, for a tenth of a second and more, before the system
/// takes all memory back anyway.
pub fn exit(status: i32) -> ! {
    let _ = io::stdout().flush();
    signal_hook::low_level::exit(status)
}

/// Ends the program where C++ would: libtorch meets some failures of a GPU where it cannot report
/// them.
pub(crate) extern "C" fn end_for_cpp() {
    note(
        "error: libtorch cannot go on, mostly because the GPU has failed: see nvidia-smi and dmesg; \
         a run that was begun goes on with --resume",
    );
    exit(1)
}

/// The beginning of a stream: where it has more than `most` bytes, one of those that follow too.
pub(crate) fn read_start(source: impl Read, most: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    source.take(most + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// The same of the file at `path`.
pub(crate) fn start_of(path: &Path, most: u64) -> Result<Vec<u8>> {
    let open = File::open(path);
    open.and_then(|file| read_start(file, most))
        .context("cannot be read")
}

/// The end of a report: which files there are.
pub(crate) fn file_list(folder: &Path, names: &[&str]) -> String {
    format!("files in {}:\n  {}\n", folder.display(), names.join("\n  "))
}
