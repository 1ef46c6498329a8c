//! The program: parse, run, one line for an error, an exit status.

use std::io::Write;
use std::time::Instant;

use anyhow::Error;
use mnist_tch::cli::CommandLine;
use mnist_tch::{Stopped, exit};

fn main() -> ! {
    let start = Instant::now();
    let outcome = CommandLine::from_args().run(start);
    exit(outcome.map_or_else(|error| report_error(&error), |()| 0))
}

/// Prints the error to stderr in one line and returns the exit status.
fn report_error(error: &Error) -> i32 {
    let stopped = error.downcast_ref::<Stopped>();
    // The context goes from the widest to the closest. Text from files and servers must not break
    // the line or send escape sequences to the terminal.
    let line = stopped.map_or_else(|| format!("error: {error:#}"), ToString::to_string);
    let line = line.replace(char::is_control, " ");
    let _ = writeln!(std::io::stderr(), "{line}");
    stopped.map_or(1, Stopped::status)
}
