//! The command line: the list of commands, and what each extra adds to the core.

use std::env;
use std::fmt::Write;
use std::time::Instant;

use anyhow::Result;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Arg, CommandFactory, Parser, Subcommand};
use clap_complete::{Shell, generate};

use crate::terminal::images::Sources;
use crate::terminal::{exit, note, print};
use crate::{describe, devices, evaluate, train};

const ABOUT: &str = "Trains a small CNN on MNIST: accuracy after every step, confusion matrix, \
                     figures, weights";

// clap wraps paragraphs, so each is one line here.
const LONG_ABOUT: &str = "\
Trains a small CNN on MNIST with libtorch. Without options it repeats the run of a published Flux \
note: 5 epochs on 5,000 images in batches of 100, with the accuracy on 5,000 other images after \
every step. The images are part of the program.";

// Lines of at most 80 columns.
const EXAMPLES: &str = "\
Examples:
  mnist-tch                                    the article's run
  mnist-tch --device cpu --out first           on the CPU, files in first/
  mnist-tch --device cuda                      on the GPU, or an error
  mnist-tch --device cpu --min-accuracy 0.9    in CI: exit status 1 below 90 %
  mnist-tch --resume first                     resume after Ctrl-C or a crash
  mnist-tch --dataset fashion-mnist            another data set, downloaded once
  mnist-tch --data-dir mnist --epochs 1        your own images
  mnist-tch --data-dir mnist --train-range 0..5000 --test-range train:5000..10000
                                               the article's images from MNIST
  mnist-tch reproduce                          40 seeds and a verdict
  mnist-tch evaluate --model first             precision, recall, F1, matrix
  mnist-tch predict --model first photo.jpg    your own pictures; - for stdin
  mnist-tch predict --model first test.csv --csv out.csv
  mnist-tch export --model first digit.html    a web page to draw on
  mnist-tch export --model first model.onnx    for other runtimes
  mnist-tch describe --png network.png         the layers, as a figure too
  mnist-tch show --range test:0..200           images with their labels
  mnist-tch devices                            devices, and why not CUDA

Exit status: 0 success, 1 error, 2 wrong usage, 128 + N if signal N stopped the run \
(130: Ctrl-C). Results go to stdout, progress to stderr.";

/// The parsed command line.
#[derive(Debug, Parser)]
#[command(
    name = "mnist-tch",
    version,
    about = ABOUT,
    long_about = LONG_ABOUT,
    after_help = examples(),
    args_conflicts_with_subcommands = true,
    disable_help_subcommand = true
)]
pub struct CommandLine {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    pub(crate) train: train::Options,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Train with many seeds, and test whether the article's curve is typical of them
    #[cfg(feature = "reproduce")]
    Reproduce(Box<crate::seeds::Options>),
    /// Score a trained model: accuracy, precision, recall, F1, confusion matrix
    Evaluate(evaluate::Options),
    /// Recognize the digits in your own pictures
    #[cfg(feature = "predict")]
    Predict(crate::photos::predict::Options),
    /// Write a trained model as a web page to draw on, or as an ONNX file
    #[cfg(feature = "export")]
    Export(crate::export::Options),
    /// Show the layers: shapes, parameters, multiply-adds; as a figure too
    Describe(describe::Options),
    /// Draw a contact sheet of images with their labels as a PNG, to inspect a data set
    Show(crate::show::Options),
    /// Download MNIST, Fashion-MNIST or KMNIST, or verify the files; --dataset downloads
    /// automatically
    #[cfg(feature = "fetch")]
    Fetch(crate::fetch::Options),
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
    /// Parses the arguments of this process. Help, version and usage errors end it.
    pub fn from_args() -> Self {
        Self::try_parse().unwrap_or_else(|error| {
            let quotes_control =
                env::args_os().any(|arg| arg.to_string_lossy().contains(char::is_control));
            if error.use_stderr() && quotes_control {
                let text = error.render().to_string();
                text.trim_end().lines().for_each(note);
            } else {
                let _ = error.print();
            }
            exit(error.exit_code())
        })
    }

    /// Runs the command. The program started at `start`.
    ///
    /// # Errors
    /// What went wrong, or `Stopped` after a signal.
    pub fn run(self, start: Instant) -> Result<()> {
        let sources = sources();
        match self.command {
            None => train::run(&self.train, &sources, start),
            #[cfg(feature = "reproduce")]
            Some(Command::Reproduce(options)) => crate::seeds::run(&options, &sources),
            Some(Command::Evaluate(options)) => evaluate::run(&options, &sources),
            #[cfg(feature = "predict")]
            Some(Command::Predict(options)) => crate::photos::predict::run(&options, &sources),
            #[cfg(feature = "export")]
            Some(Command::Export(options)) => crate::export::run(&options, &sources),
            Some(Command::Describe(options)) => describe::run(&options),
            Some(Command::Show(options)) => crate::show::run(&options, &sources),
            #[cfg(feature = "fetch")]
            Some(Command::Fetch(options)) => crate::fetch::run(&options),
            Some(Command::Devices) => devices::run(),
            Some(Command::Completions { shell }) => print(&completions(shell)),
        }
    }
}

/// Where images come from: IDX files, and what the extras add.
#[allow(clippy::needless_update, reason = "not every build has all extras")]
fn sources() -> Sources {
    Sources {
        #[cfg(feature = "formats")]
        read_folder: crate::formats::read,
        #[cfg(feature = "formats")]
        read_unlabeled: Some(crate::formats::read_unlabeled),
        #[cfg(feature = "fetch")]
        fetch: Some(crate::fetch::fetch_missing),
        ..Sources::default()
    }
}

/// The examples of `--help`, without those that need an extra which is not built.
fn examples() -> String {
    let extras = [
        ("mnist-tch reproduce", cfg!(feature = "reproduce")),
        ("mnist-tch predict", cfg!(feature = "predict")),
        ("mnist-tch export", cfg!(feature = "export")),
        ("fashion-mnist", cfg!(feature = "fetch")),
    ];
    let is_built = |line: &&str| {
        extras
            .iter()
            .all(|(text, built)| *built || !line.contains(text))
    };
    EXAMPLES.split_inclusive('\n').filter(is_built).collect()
}

/// The supported shells.
fn shell() -> impl TypedValueParser<Value = Shell> {
    PossibleValuesParser::new(["bash", "zsh", "fish"]).try_map(|name| name.parse())
}

/// The completion script for `shell`.
fn completions(shell: Shell) -> String {
    let (mut command, mut script) = (CommandLine::command(), Vec::new());
    generate(shell, &mut command, "mnist-tch", &mut script);
    // For bash, clap_complete spells a name with a hyphen in two ways, so that no option of a
    // subcommand would be completed (clap-rs/clap#6421).
    let mut script = String::from_utf8_lossy(&script).replace("mnist__subcmd__tch", "mnist__tch");
    if shell == Shell::Fish {
        // Behind an option that waits for its value, fish's argparse fails; there is no command yet.
        script = script.replace("    or return\n", "    or return 0\n");
        script += &fish_positionals(&command);
    }
    script
}

/// Completions for positional values, which `clap_complete` leaves out for fish.
fn fish_positionals(command: &clap::Command) -> String {
    let mut script = String::new();
    for subcommand in command.get_subcommands() {
        let values = subcommand
            .get_positionals()
            .flat_map(Arg::get_possible_values);
        let values: Vec<String> = values.map(|value| value.get_name().to_owned()).collect();
        if !values.is_empty() {
            let condition = format!(
                "__fish_mnist_tch_using_subcommand {}",
                subcommand.get_name()
            );
            let values = values.join(" ");
            let _ = writeln!(
                script,
                "complete -c mnist-tch -n '{condition}' -f -a '{values}'"
            );
        }
    }
    script
}

#[cfg(test)]
mod tests;
