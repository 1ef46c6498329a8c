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
    let _ = match stopped {
        Some(stopped) => writeln!(std::io::stderr(), "{stopped}"),
        // Each part says where, from the widest to the closest. A file's or a server's words stay
        // in the line.
        None => {
            let line = format!("{error:#}").replace(char::is_control, " ");
            writeln!(std::io::stderr(), "error: {line}")
        }
    };
    stopped.map_or(1, Stopped::status)
}
