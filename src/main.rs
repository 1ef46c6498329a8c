//! The program: parse, run, one line for an error, an exit status.

use std::io::Write;
use std::time::Instant;

use anyhow::Error;
use mnist_tch::commands;
use mnist_tch::commands::cli::{self, Command};
use mnist_tch::commands::interrupt::Stopped;
use mnist_tch::commands::{completions, describe, devices, evaluate, export, fetch, predict};
use mnist_tch::commands::{reproduce, resume, show, train};

fn main() -> ! {
    let start = Instant::now();
    let outcome = match cli::parse() {
        Command::Train(options) => train::run(&options, start),
        Command::Resume(options) => resume::run(&options, start),
        Command::Reproduce(options) => reproduce::run(&options),
        Command::Evaluate(options) => evaluate::run(&options),
        Command::Predict(options) => predict::run(&options),
        Command::Export(options) => export::run(&options),
        Command::Describe(options) => describe::run(&options),
        Command::Show(options) => show::run(&options),
        Command::Fetch(options) => fetch::run(&options),
        Command::Devices => devices::run(),
        Command::Completions(script) => completions::run(&script),
    };
    commands::exit(outcome.map_or_else(|error| complain(&error), |()| 0))
}

/// Says on stderr what went wrong, in one line, and gives the exit status for it.
fn complain(error: &Error) -> i32 {
    let stopped = error.downcast_ref::<Stopped>();
    let _ = match stopped {
        Some(stopped) => writeln!(std::io::stderr(), "{stopped}"),
        // Each part says where, from the widest to the closest.
        None => writeln!(std::io::stderr(), "error: {error:#}"),
    };
    stopped.map_or(1, Stopped::status)
}
