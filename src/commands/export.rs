//! `mnist-tch export`: a trained model as an ONNX file.

use std::path::PathBuf;

use anyhow::Result;

use super::model;
use crate::report::folders::file;
use crate::report::onnx;

/// What the command line asks for.
#[derive(Debug, Clone)]
pub struct Options {
    /// The model's file, or the directory of its run.
    pub model: PathBuf,
    /// The file to write.
    pub file: PathBuf,
    /// Whether a file of that name may be replaced.
    pub force: bool,
}

/// Writes the ONNX file.
///
/// # Errors
/// When the model cannot be used, or the file is there already or cannot be written.
pub fn run(options: &Options) -> Result<()> {
    let model = model::open(&options.model)?;
    file::refuse_taken(&options.file, options.force)?;
    let bytes = onnx::onnx(&model.weights);
    file::write(&options.file, &bytes)?;
    super::print(&format!(
        "{}: {} bytes\n",
        options.file.display(),
        bytes.len()
    ))
}
