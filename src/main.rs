//! The program: parse, run, one line for an error, an exit status.

use std::io::Write;
use std::process::ExitCode;
use std::time::Instant;

use mnist_tch::cli::{self, Command};
use mnist_tch::commands::interrupt::Stopped;
use mnist_tch::commands::{completions, describe, devices, evaluate, export, fetch, predict};
use mnist_tch::commands::{reproduce, resume, show, train};

fn main() -> ExitCode {
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
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            if let Some(stopped) = error.downcast_ref::<Stopped>() {
                let _ = writeln!(std::io::stderr(), "{stopped}");
                return ExitCode::from(stopped.status());
            }
            // One line: each part says where, from the widest to the closest.
            let _ = writeln!(std::io::stderr(), "error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
