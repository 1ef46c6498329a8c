//! One file per command: they wire data, learning and report together, and speak to the terminal.
//!
//! Results go to stdout, everything else to stderr. Nothing outside this folder and `main` prints.

pub mod cli;
pub mod completions;
pub mod describe;
pub mod devices;
pub mod evaluate;
pub mod export;
pub mod fetch;
pub mod images;
pub mod interrupt;
pub mod model;
pub mod predict;
mod progress;
pub mod reproduce;
mod results;
pub mod resume;
mod session;
pub mod show;
pub mod train;

use std::io::{self, ErrorKind, Write};

use anyhow::{Context, Result};

use crate::learn::device::{self, Choice, Device};

/// Prints results. A reader that has seen enough (`| head`) is not an error.
fn print(text: &str) -> Result<()> {
    let mut stdout = io::stdout().lock();
    let written = stdout
        .write_all(text.as_bytes())
        .and_then(|()| stdout.flush());
    match written {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        other => other.context("cannot write to stdout"),
    }
}

/// Ends the program, of which every file is written by now. The usual way out would take libtorch's registries and
/// caches apart piece by piece, for a tenth of a second and more, before the system takes all memory back anyway.
pub fn exit(status: i32) -> ! {
    let _ = io::stdout().flush();
    signal_hook::low_level::exit(status)
}

/// Tells the user something that is not a result. Where stderr is closed there is nobody to tell.
fn note(text: &str) {
    let _ = writeln!(io::stderr().lock(), "{text}");
}

/// The device that is asked for; with a note why `auto` took the CPU although there is an NVIDIA driver.
fn select_device(choice: Choice, quiet: bool) -> Result<Device> {
    let selection = device::select(choice)?;
    if let Some(text) = selection.note
        && !quiet
    {
        note(&format!("note: {text}"));
    }
    Ok(selection.device)
}
