//! The options of `mnist-tch fetch`.

use std::path::PathBuf;

use clap::Args;

use super::groups::{DatasetName, Mirrors};
use crate::commands::fetch::Options;

/// All of them.
#[derive(Debug, Args)]
pub struct Arguments {
    /// The data set
    #[arg(value_name = "DATASET")]
    dataset: DatasetName,
    /// Folder for its four files [default: mnist-tch/DATASET in the user's cache folder]
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    #[command(flatten)]
    mirrors: Mirrors,
    /// Print nothing but errors
    #[arg(long, short)]
    quiet: bool,
}

impl From<Arguments> for Options {
    fn from(arguments: Arguments) -> Self {
        Self {
            dataset: arguments.dataset.into(),
            data_dir: arguments.data_dir,
            mirrors: arguments.mirrors.into(),
            quiet: arguments.quiet,
        }
    }
}
