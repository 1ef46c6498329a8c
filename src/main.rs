//! The program: parse, run, print one line for an error, exit.

use std::env;
use std::time::Instant;

use mnist_tch::cli::CommandLine;
use mnist_tch::{exit, report_error};

fn main() -> ! {
    let start = Instant::now();
    let directory_is_gone = leave_removed_directory();
    let outcome = CommandLine::from_args().run(start);
    let outcome = outcome.map_err(|error| {
        if directory_is_gone {
            error.context("the working directory no longer exists, change to another one")
        } else {
            error
        }
    });
    exit(outcome.map_or_else(|error| report_error(&error), |()| 0))
}

/// Leaves a working directory that no longer exists, in which libtorch's MKL would end the process.
/// Nothing can be created in the new one, and it holds no data, so relative paths still fail.
fn leave_removed_directory() -> bool {
    let is_gone = env::current_dir().is_err();
    if is_gone {
        let _ = env::set_current_dir("/proc/self/fdinfo");
    }
    is_gone
}
