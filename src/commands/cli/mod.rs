//! The command line: what may be said, and what it means. The only part of the program that knows clap.
//!
//! Everything that leaves this module is valid by its type; nothing behind it compares strings. A file per
//! command, beside what they share: `groups` of options and the `values` that may be typed.

mod completions;
mod evaluate;
mod export;
mod groups;
mod predict;
mod reproduce;
mod train;
mod values;

use clap::{CommandFactory, Parser, Subcommand};

use crate::commands;

/// What to do.
#[derive(Debug, Clone)]
pub enum Command {
    /// Train.
    Train(commands::train::Options),
    /// Go on with a run that was stopped.
    Resume(commands::resume::Options),
    /// Run many seeds and compare.
    Reproduce(commands::reproduce::Options),
    /// Score a trained model.
    Evaluate(commands::evaluate::Options),
    /// Answer people's own pictures.
    Predict(commands::predict::Options),
    /// Write a trained model as ONNX.
    Export(commands::export::Options),
    /// Show what the network is made of.
    Describe(commands::describe::Options),
    /// Draw images with their labels.
    Show(commands::show::Options),
    /// Get a data set.
    Fetch(commands::fetch::Options),
    /// Show what this machine has.
    Devices,
    /// Print this script for a shell.
    Completions(String),
}

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
  mnist-tch --data-dir mnist --epochs 1        your own IDX files
  mnist-tch --data-dir mnist --train-range 0..5000 --test-range train:5000..10000
                                               the article's images out of MNIST
  mnist-tch reproduce                          40 seeds: is the article one?
  mnist-tch evaluate --model first             precision, recall, F1, matrix
  mnist-tch predict --model first photo.jpg    your own pictures; - for stdin
  mnist-tch export --model first model.onnx    for other runtimes
  mnist-tch describe --png network.png         the layers, as a figure too
  mnist-tch show --range test:0..200           a picture of images and labels
  mnist-tch devices                            which devices, why not CUDA

Exit status: 0 done, 1 failed, 2 wrong usage, 130 stopped by Ctrl-C, 143 by SIGTERM. \
Results go to stdout, progress to stderr.";

#[derive(Debug, Parser)]
#[command(
    name = "mnist-tch",
    version,
    about = "Trains a small CNN on MNIST: accuracy after every step, confusion matrix, pictures, weights",
    long_about = LONG_ABOUT,
    after_help = EXAMPLES,
    args_conflicts_with_subcommands = true,
    disable_help_subcommand = true
)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Verb>,
    #[command(flatten)]
    train: train::Arguments,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Run the same job for many seeds: is the article's curve one of them?
    Reproduce(Box<reproduce::Arguments>),
    /// Score a trained model: accuracy, precision, recall, F1, confusion matrix
    Evaluate(evaluate::Arguments),
    /// Recognise the digits in your own pictures
    Predict(predict::Arguments),
    /// Write a trained model as an ONNX file
    Export(export::Export),
    /// Show the layers: shapes, parameters, multiply-adds; as a figure too
    Describe(export::Describe),
    /// Draw images with their labels into a PNG, to see what there is to train on
    Show(commands::show::Options),
    /// Fetch MNIST, Fashion-MNIST or KMNIST, or see that it is there; --dataset does so by itself
    Fetch(commands::fetch::Options),
    /// Show libtorch, the CUDA driver, the GPUs and the threads of this machine
    Devices,
    /// Print the script that completes this program's options in a shell
    Completions(completions::Arguments),
}

/// Reads the command line of this process. Help, version and usage errors end it.
#[must_use]
pub fn parse() -> Command {
    match Arguments::try_parse() {
        Ok(arguments) => arguments.into(),
        Err(error) => {
            // What clap's own exit does, without taking libtorch apart.
            let _ = error.print();
            commands::exit(error.exit_code())
        }
    }
}

/// Reads a command line that is given word by word, the program's name first.
///
/// # Errors
/// The text that a wrong line, or one that asks for help, has printed.
pub fn parse_words(words: &[&str]) -> Result<Command, String> {
    match Arguments::try_parse_from(words) {
        Ok(arguments) => Ok(arguments.into()),
        Err(error) => Err(error.to_string()),
    }
}

impl From<Arguments> for Command {
    fn from(arguments: Arguments) -> Self {
        match arguments.command {
            Some(Verb::Reproduce(arguments)) => Command::Reproduce((*arguments).into()),
            Some(Verb::Evaluate(arguments)) => Command::Evaluate(arguments.into()),
            Some(Verb::Predict(arguments)) => Command::Predict(arguments.into()),
            Some(Verb::Export(arguments)) => Command::Export(arguments.into()),
            Some(Verb::Describe(arguments)) => Command::Describe(arguments.into()),
            Some(Verb::Show(options)) => Command::Show(options),
            Some(Verb::Fetch(options)) => Command::Fetch(options),
            Some(Verb::Devices) => Command::Devices,
            Some(Verb::Completions(arguments)) => {
                Command::Completions(arguments.script(Arguments::command()))
            }
            None => arguments.train.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clap_finds_no_fault_with_the_definition() {
        Arguments::command().debug_assert();
    }
}
