//! The options of `export` and `describe`: a model in, a file out.

use std::path::PathBuf;

use clap::Args;

use crate::commands::{describe, export};

/// Those of `export`.
#[derive(Debug, Args)]
pub struct Export {
    /// The ONNX file to write. Its input `images` is n x 1 x 28 x 28, f32, grey values / 255 with ink high; its output
    /// `logits` is n x classes, f32
    #[arg(value_name = "FILE.onnx")]
    file: PathBuf,
    /// The model: a safetensors file of this program or of PyTorch, or the directory of a run
    #[arg(long, value_name = "FILE|RUN_DIR")]
    model: PathBuf,
    /// Replace the file
    #[arg(long)]
    force: bool,
}

impl From<Export> for export::Options {
    fn from(arguments: Export) -> Self {
        Self {
            model: arguments.model,
            file: arguments.file,
            force: arguments.force,
        }
    }
}

/// Those of `describe`.
#[derive(Debug, Args)]
pub struct Describe {
    /// The model whose network is meant: a safetensors file, or the directory of a run
    #[arg(long, value_name = "FILE|RUN_DIR")]
    model: Option<PathBuf>,
    /// Draw the network, too: feature maps as stacks with their sizes
    #[arg(long, value_name = "FILE")]
    png: Option<PathBuf>,
    /// Replace the file
    #[arg(long, requires = "png")]
    force: bool,
}

impl From<Describe> for describe::Options {
    fn from(arguments: Describe) -> Self {
        Self {
            model: arguments.model,
            png: arguments.png,
            force: arguments.force,
        }
    }
}
