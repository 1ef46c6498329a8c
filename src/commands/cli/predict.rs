//! The options of `predict`.

use std::path::PathBuf;

use clap::Args;

use super::groups::Machine;
use crate::commands::predict::{Format, Options};

/// Where `--show` keeps what it shows.
const PREPARED: &str = "prepared";

/// All of them.
#[derive(Debug, Args)]
pub struct Arguments {
    /// PNG or JPEG pictures of one digit each, dark on light or light on dark; folders of them; - for stdin
    #[arg(value_name = "IMAGE", required = true)]
    images: Vec<PathBuf>,
    /// The model: a safetensors file of this program or of PyTorch, or the directory of a run
    #[arg(long, value_name = "FILE|RUN_DIR")]
    model: PathBuf,
    /// Print a JSON object a line, with the probability of every class
    #[arg(long)]
    json: bool,
    /// Print the picture as the network sees it, 28x28, below each line, and keep it in --out
    #[arg(long, conflicts_with = "json")]
    show: bool,
    /// Keep the pictures as the network sees them in this folder, as NAME.28x28.png [default with --show: prepared]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Replace other pictures of these names
    #[arg(long)]
    force: bool,
    #[command(flatten, next_help_heading = "Machine")]
    machine: Machine,
}

impl From<Arguments> for Options {
    fn from(arguments: Arguments) -> Self {
        let format = match (arguments.json, arguments.show) {
            (true, _) => Format::Json,
            (false, true) => Format::Shown,
            (false, false) => Format::Text,
        };
        Self {
            model: arguments.model,
            images: arguments.images,
            device: arguments.machine.device,
            threads: arguments.machine.threads(),
            format,
            out: arguments.out.or(arguments.show.then(|| PREPARED.into())),
            force: arguments.force,
        }
    }
}
