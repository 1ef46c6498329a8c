//! The options of `mnist-tch show`.

use std::path::PathBuf;

use clap::Args;

use super::groups::Files;
use super::values::{png, train_range};
use crate::commands::show::Options;
use crate::data::selection::Selection;

/// All of them.
#[derive(Debug, Args)]
pub struct Arguments {
    #[command(flatten)]
    files: Files,
    /// Show images A to B - 1 of the training file, or with test:A..B of the test file; 1,000 at most [default: the
    /// first 100 of the training file]
    #[arg(long, value_name = "A..B", value_parser = train_range, allow_hyphen_values = true)]
    range: Option<Selection>,
    /// The picture
    #[arg(long, value_name = "FILE.png", value_parser = png)]
    #[arg(default_value = "contact_sheet.png")]
    out: PathBuf,
    /// Replace the picture if it is there
    #[arg(long)]
    force: bool,
}

impl From<Arguments> for Options {
    fn from(arguments: Arguments) -> Self {
        Self {
            data_set: arguments.files.into(),
            range: arguments.range,
            out: arguments.out,
            force: arguments.force,
        }
    }
}
