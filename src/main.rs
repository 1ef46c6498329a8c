//! The program: parse, run, one line for an error, an exit status.

use std::io::Write;
use std::process::ExitCode;
use std::time::Instant;

use mnist_tch::cli::{self, Command};
use mnist_tch::commands::{completions, describe, devices, evaluate, export, predict, train};

fn main() -> ExitCode {
    let start = Instant::now();
    let outcome = match cli::parse() {
        Command::Train(options) => train::run(&options, start),
        Command::Evaluate(options) => evaluate::run(&options),
        Command::Predict(options) => predict::run(&options),
        Command::Export(options) => export::run(&options),
        Command::Describe(options) => describe::run(&options),
        Command::Devices => devices::run(),
        Command::Completions(script) => completions::run(&script),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // One line: each part says where, from the widest to the closest.
            let _ = writeln!(std::io::stderr(), "error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
