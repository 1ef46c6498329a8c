//! The options of `evaluate`.

use std::path::PathBuf;

use clap::Args;

use super::groups::{Images, Machine};
use crate::commands::evaluate::Options;

/// All of them.
#[derive(Debug, Args)]
// Nothing is trained here.
#[command(mut_arg("train_size", |arg| arg.hide(true)))]
pub struct Arguments {
    /// The model: a safetensors file of this program or of PyTorch, or the directory of a run, whose own test images
    /// are then the default
    #[arg(long, value_name = "FILE|RUN_DIR")]
    model: PathBuf,
    #[command(flatten, next_help_heading = "Data")]
    images: Images,
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
            source: arguments.images.into(),
            device: arguments.machine.device,
            threads: arguments.machine.threads(),
            out: arguments.out,
            force: arguments.force,
        }
    }
}
