//! The options of `evaluate`.

use std::path::PathBuf;

use clap::Args;

use super::groups::Machine;
use crate::commands::evaluate::Options;
use crate::commands::images::{SetOptions, test_range};
use crate::data::ImageRange;

/// All of them.
#[derive(Debug, Args)]
pub struct Arguments {
    /// The model: a safetensors file of this program or of PyTorch, or the directory of a run, whose own test images
    /// are then the default
    #[arg(long, value_name = "FILE|RUN_DIR")]
    model: PathBuf,
    #[command(flatten, next_help_heading = "Data")]
    set: SetOptions,
    /// Score images A to B - 1 of the test file, or with train:A..B of the training file [default: all of the test
    /// file, or those of the model's run]
    #[arg(long, value_name = "A..B", value_parser = test_range, allow_hyphen_values = true, help_heading = "Data")]
    test_range: Option<ImageRange>,
    #[command(flatten, next_help_heading = "Machine")]
    machine: Machine,
    /// Folder for classes.csv, confusion.csv, confusion.png, mistakes.png and predictions.csv (every logit)
    #[arg(long, value_name = "DIR", help_heading = "Output")]
    out: Option<PathBuf>,
    /// Replace files of these names
    #[arg(long, requires = "out", help_heading = "Output")]
    force: bool,
}

impl From<Arguments> for Options {
    fn from(arguments: Arguments) -> Self {
        Self {
            model: arguments.model,
            set: arguments.set,
            range: arguments.test_range,
            device: arguments.machine.device,
            threads: arguments.machine.threads(),
            out: arguments.out,
            force: arguments.force,
        }
    }
}
