//! The options of a training run, which need no subcommand.

use std::path::PathBuf;

use clap::Args;

use super::Command;
use super::groups::{Machine, Protocol};
use super::values::fraction;
use crate::commands::images::ImageOptions;
use crate::commands::{resume, train};
use crate::learn::config::Config;

/// All of them.
#[derive(Debug, Args)]
pub struct Arguments {
    #[command(flatten, next_help_heading = "Machine")]
    machine: Machine,
    #[command(flatten, next_help_heading = "Training")]
    training: Training,
    #[command(flatten, next_help_heading = "Data")]
    images: ImageOptions,
    #[command(flatten, next_help_heading = "Output")]
    output: Output,
}

#[derive(Debug, Args)]
struct Training {
    #[command(flatten)]
    protocol: Protocol,
    /// Seed of the initial weights and of shuffling
    #[arg(
        long,
        value_name = "N",
        default_value = "0",
        allow_negative_numbers = true
    )]
    seed: u64,
    /// Keep a checkpoint after every N steps and at each epoch's end; 0: at each epoch's end only
    #[arg(
        long,
        value_name = "N",
        default_value = "0",
        allow_negative_numbers = true
    )]
    checkpoint_every: usize,
}

/// What a checkpoint says itself.
const NOT_WITH_RESUME: [&str; 14] = [
    "epochs",
    "batch_size",
    "lr",
    "seed",
    "init",
    "shuffle",
    "eval_every",
    "checkpoint_every",
    "dataset",
    "classes",
    "train_range",
    "test_range",
    "out",
    "force",
];

#[derive(Debug, Args)]
struct Output {
    /// Folder for the files of this run [default: a new one in runs/, named by the time]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Go on with the run in DIR that was stopped; all that decides its numbers comes from its checkpoint
    #[arg(long, value_name = "DIR")]
    #[arg(conflicts_with_all = NOT_WITH_RESUME)]
    resume: Option<PathBuf>,
    /// Replace the results that --out holds; nothing else in it is touched
    #[arg(long, requires = "out")]
    force: bool,
    /// Print nothing but errors
    #[arg(long, short)]
    quiet: bool,
    /// Exit with status 1 if the final accuracy is below X (0 to 1); the files are written anyway
    #[arg(long, value_name = "X", value_parser = fraction, allow_negative_numbers = true)]
    min_accuracy: Option<f64>,
}

impl From<Arguments> for Command {
    fn from(arguments: Arguments) -> Self {
        match &arguments.output.resume {
            Some(folder) => Self::Resume(resume::Options {
                folder: folder.clone(),
                device: arguments.machine.device,
                threads: arguments.machine.threads(),
                data_dir: arguments.images.set.data_dir,
                quiet: arguments.output.quiet,
                min_accuracy: arguments.output.min_accuracy,
            }),
            None => Self::Train(arguments.into()),
        }
    }
}

impl From<Arguments> for train::Options {
    fn from(arguments: Arguments) -> Self {
        let Arguments {
            machine,
            training,
            images,
            output,
        } = arguments;
        Self {
            config: Config {
                checkpoint_every: training.checkpoint_every,
                ..training.protocol.config(training.seed)
            },
            device: machine.device,
            threads: machine.threads(),
            images,
            out: output.out,
            force: output.force,
            quiet: output.quiet,
            min_accuracy: output.min_accuracy,
        }
    }
}

#[cfg(test)]
mod tests;
