//! The program: parse, run, print one line for an error, exit.

use std::env;
use std::time::Instant;

use anyhow::Error;
use mnist_tch::cli::CommandLine;
use mnist_tch::{exit, report_error};

fn main() -> ! {
    let start = Instant::now();
    let outcome = CommandLine::from_args().run(start);
    exit(outcome.map_or_else(|error| report_error(&explain(error)), |()| 0))
}

/// Adds the cause if the working directory has been removed; `src/start.c` changes to this one then.
fn explain(error: Error) -> Error {
    if env::current_dir().is_ok_and(|path| path.ends_with("fdinfo")) {
        error.context("the working directory no longer exists, change to another one")
    } else {
        error
    }
}
