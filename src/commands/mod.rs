//! One file per command: its options, and what it does with data, learning and reports. Beside them
//! `options` that several share, `model`, `images` and `progress`.
//!
//! What leaves the parsers is valid by its type; nothing behind them compares strings. Results go
//! to stdout, everything else to stderr. Nothing outside this folder and `main` prints.

mod describe;
mod devices;
mod evaluate;
mod export;
mod fetch;
mod images;
mod interrupt;
mod model;
mod options;
mod predict;
mod progress;
mod reproduce;
mod show;
mod train;

use std::fs::File;
use std::io::{self, ErrorKind, Read, Write};
use std::path::Path;
use std::time::Instant;

use anyhow::{Context, Result};
use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{CommandFactory, Parser, Subcommand};
use clap_complete::{Shell, generate};

pub use self::interrupt::Stopped;

const ABOUT: &str = "Trains a small CNN on MNIST: accuracy after every step, confusion matrix, \
                     pictures, weights";

// clap wraps paragraphs, so they are lines without a break here.
const LONG_ABOUT: &str = "\
Trains a small CNN on MNIST with libtorch. Without options it is the run of a published Flux note: \
5 epochs over 5,000 images in batches of 100, the accuracy on 5,000 others after every step. \
The images are part of the program.";

// Lines of 80 columns at most, which no terminal of the usual width breaks.
const EXAMPLES: &str = "\
Examples:
  mnist-tch                                    the article's run
  mnist-tch --device cpu --out first           on the CPU, files in first/
  mnist-tch --device cuda                      on the GPU or not at all
  mnist-tch --device cpu --min-accuracy 0.9    in CI: exit status 1 below 90 %
  mnist-tch --resume first                     goes on after Ctrl-C or a crash
  mnist-tch --dataset fashion-mnist            another data set, fetched once
  mnist-tch --data-dir mnist --epochs 1        your own images, in any form
  mnist-tch --data-dir mnist --train-range 0..5000 --test-range train:5000..10000
                                               the article's images out of MNIST
  mnist-tch reproduce                          40 seeds: is the article one?
  mnist-tch evaluate --model first             precision, recall, F1, matrix
  mnist-tch predict --model first photo.jpg    your own pictures; - for stdin
  mnist-tch export --model first digit.html    a page to draw on
  mnist-tch export --model first model.onnx    for other runtimes
  mnist-tch describe --png network.png         the layers, as a figure too
  mnist-tch show --range test:0..200           a picture of images and labels
  mnist-tch devices                            which devices, why not CUDA

Exit status: 0 done, 1 failed, 2 wrong usage, 130 stopped by Ctrl-C, 143 by SIGTERM. \
Results go to stdout, progress to stderr.";

/// What was typed.
#[derive(Debug, Parser)]
#[command(
    name = "mnist-tch",
    version,
    about = ABOUT,
    long_about = LONG_ABOUT,
    after_help = EXAMPLES,
    args_conflicts_with_subcommands = true,
    disable_help_subcommand = true
)]
pub struct CommandLine {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    train: train::Options,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the same job for many seeds: is the article's curve one of them?
    Reproduce(Box<reproduce::Options>),
    /// Score a trained model: accuracy, precision, recall, F1, confusion matrix
    Evaluate(evaluate::Options),
    /// Recognise the digits in your own pictures
    Predict(predict::Options),
    /// Write a trained model as a web page to draw on, or as an ONNX file
    Export(export::Options),
    /// Show the layers: shapes, parameters, multiply-adds; as a figure too
    Describe(describe::Options),
    /// Draw images with their labels into a PNG, to see what there is to train on
    Show(show::Options),
    /// Fetch MNIST, Fashion-MNIST or KMNIST, or see that it is there; --dataset does so by itself
    Fetch(fetch::Options),
    /// Show libtorch, the CUDA driver, the GPUs and the threads of this machine
    Devices,
    /// Print the script that completes this program's options in a shell
    Completions {
        /// The shell
        #[arg(value_name = "SHELL", value_parser = shell())]
        shell: Shell,
    },
}

impl CommandLine {
    /// The command line of this process. Help, version and usage errors end it.
    pub fn of_this_process() -> Self {
        Self::try_parse().unwrap_or_else(|error| {
            // What clap's own exit does, without taking libtorch apart.
            let _ = error.print();
            exit(error.exit_code())
        })
    }

    /// Does what it says. The program began at `start`.
    ///
    /// # Errors
    /// What went wrong, or [`Stopped`] after a signal.
    pub fn run(self, start: Instant) -> Result<()> {
        match self.command {
            None => train::run(&self.train, start),
            Some(Command::Reproduce(options)) => reproduce::run(&options),
            Some(Command::Evaluate(options)) => evaluate::run(&options),
            Some(Command::Predict(options)) => predict::run(&options),
            Some(Command::Export(options)) => export::run(&options),
            Some(Command::Describe(options)) => describe::run(&options),
            Some(Command::Show(options)) => show::run(&options),
            Some(Command::Fetch(options)) => fetch::run(&options),
            Some(Command::Devices) => devices::run(),
            Some(Command::Completions { shell }) => print(&completions(shell)),
        }
    }
}

/// The shells whose scripts are kept in working order.
fn shell() -> impl TypedValueParser<Value = Shell> {
    PossibleValuesParser::new(["bash", "zsh", "fish"]).try_map(|name| name.parse())
}

/// What a shell needs to complete this program's options, by clap's own generator.
fn completions(shell: Shell) -> String {
    let (mut command, mut script) = (CommandLine::command(), Vec::new());
    generate(shell, &mut command, "mnist-tch", &mut script);
    // For bash clap_complete spells a name with a hyphen in two ways, so that no option of a
    // command would be found (clap-rs/clap#6421). Once that is mended, nothing is replaced here.
    String::from_utf8_lossy(&script).replace("mnist__subcmd__tch", "mnist__tch")
}

/// Prints results. A reader that has seen enough (`| head`) is not an error.
fn print(text: &str) -> Result<()> {
    let mut stdout = io::stdout().lock();
    let written = write!(stdout, "{text}").and_then(|()| stdout.flush());
    match written {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        other => other.context("cannot write to stdout"),
    }
}

/// Tells the user something that is not a result. Where stderr is closed there is nobody to tell.
fn note(text: &str) {
    let _ = writeln!(io::stderr().lock(), "{text}");
}

/// Ends the program, of which every file is written by now. The usual way out would take libtorch's
/// registries and caches apart piece by piece, for a tenth of a second and more, before the system
/// takes all memory back anyway.
pub fn exit(status: i32) -> ! {
    let _ = io::stdout().flush();
    signal_hook::low_level::exit(status)
}

/// The beginning of a stream: where it has more than `most` bytes, one of those that follow too.
fn read_start(source: impl Read, most: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    source.take(most + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// The same of the file at `path`.
fn start_of(path: &Path, most: u64) -> Result<Vec<u8>> {
    let open = File::open(path);
    open.and_then(|file| read_start(file, most))
        .context("cannot be read")
}

/// The end of a report: which files there are.
fn file_list(folder: &Path, names: &[&str]) -> String {
    format!("files in {}:\n  {}\n", folder.display(), names.join("\n  "))
}

#[cfg(test)]
mod tests;
