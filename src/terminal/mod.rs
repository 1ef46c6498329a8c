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

use anyhow::{Context, Error, Result};

pub use self::signals::Stopped;

/// Prints results. A closed pipe (`| head`) is not an error.
pub(crate) fn print(text: &str) -> Result<()> {
    let mut stdout = io::stdout().lock();
    let text = printable(text, &['\n']);
    let written = write!(stdout, "{text}").and_then(|()| stdout.flush());
    match written {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        other => other.context("cannot write to stdout"),
    }
}

/// Prints a message to stderr. Ignores a closed stderr.
pub(crate) fn note(line: &str) {
    let _ = writeln!(io::stderr().lock(), "{}", printable(line, &[]));
}

/// Prints an error to stderr in one line and returns the exit status.
pub fn report_error(error: &Error) -> i32 {
    let stopped = error.downcast_ref::<Stopped>();
    // The context goes from the widest to the closest.
    note(&stopped.map_or_else(|| format!("error: {error:#}"), ToString::to_string));
    stopped.map_or(1, Stopped::status)
}

/// Replaces control characters except `allowed`. Names of files and classes, and what servers say,
/// must not send escape sequences to the terminal or forge lines.
pub(crate) fn printable(text: &str, allowed: &[char]) -> String {
    let is_unsafe = |letter: char| letter.is_control() && !allowed.contains(&letter);
    text.replace(is_unsafe, " ")
}

/// Ends the program; all files are written by now. Returning from `main` instead would take
/// libtorch's registries and caches apart piece by piece, which takes a tenth of a second and more.
pub fn exit(status: i32) -> ! {
    let _ = io::stdout().flush();
    signal_hook::low_level::exit(status)
}

/// Called instead of C++'s `terminate`: libtorch meets some failures of a GPU where it cannot
/// report them.
pub(crate) extern "C" fn end_for_cpp() {
    note(
        "error: libtorch cannot continue, probably because the GPU has failed: see nvidia-smi and \
         dmesg; resume the run with --resume",
    );
    exit(1)
}

/// The start of a stream: up to `max` bytes, and one more if there are more.
pub(crate) fn read_start(source: impl Read, max: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    source.take(max + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// The start of the file at `path`; see [`read_start`].
pub(crate) fn start_of(path: &Path, max: u64) -> Result<Vec<u8>> {
    let file = File::open(path);
    file.and_then(|file| read_start(file, max))
        .context("cannot read the file")
}

/// The list of files at the end of a report.
pub(crate) fn file_list(folder: &Path, names: &[&str]) -> String {
    format!("files in {}:\n  {}\n", folder.display(), names.join("\n  "))
}
