//! The program: parse, run, one line for an error, an exit status.

use std::io::Write;
use std::time::Instant;

use anyhow::Error;
use mnist_tch::commands::{CommandLine, Stopped, exit};

fn main() -> ! {
    let start = Instant::now();
    let outcome = CommandLine::of_this_process().run(start);
    exit(outcome.map_or_else(|error| complain(&error), |()| 0))
}

/// Says on stderr what went wrong, in one line, and gives the exit status for it.
fn complain(error: &Error) -> i32 {
    let stopped = error.downcast_ref::<Stopped>();
    // Each part says where, from the widest to the closest. What a file or a server says can
    // neither break the line nor reach the terminal.
    let line = stopped.map_or_else(|| format!("error: {error:#}"), ToString::to_string);
    let line = line.replace(char::is_control, " ");
    let _ = writeln!(std::io::stderr(), "{line}");
    stopped.map_or(1, Stopped::status)
}
