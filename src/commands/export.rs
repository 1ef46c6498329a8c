//! `mnist-tch export`: a trained model as an ONNX file.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;

use super::model;
use crate::report::{files, onnx};

#[derive(Debug, Args)]
pub(crate) struct Options {
    /// The ONNX file to write. Its input `images` is n x 1 x 28 x 28, f32, grey values / 255 with
    /// ink high; its output `logits` is n x classes, f32
    #[arg(value_name = "FILE.onnx")]
    file: PathBuf,
    /// The model: a safetensors file of this program or of PyTorch, or the directory of a run
    #[arg(long, value_name = "FILE|RUN_DIR")]
    model: PathBuf,
    /// Replace the file
    #[arg(long)]
    force: bool,
}

pub(crate) fn run(options: &Options) -> Result<()> {
    let model = model::open(&options.model, false)?;
    files::refuse_taken(&options.file, options.force)?;
    let bytes = onnx::onnx(&model.weights);
    files::write(&options.file, &bytes)?;
    let (name, size) = (options.file.display(), bytes.len());
    super::print(&format!("{name}: {size} bytes\n"))
}
