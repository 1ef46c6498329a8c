//! `mnist-tch describe`: what the network is made of, as a table and as a figure.

use std::fmt::Write;
use std::path::PathBuf;

use anyhow::Result;

use super::model;
use crate::data::{CLASSES, PIXELS, mnist_10k};
use crate::learn::structure;
use crate::learn::weights::{Init, Weights};
use crate::report::figures::network;
use crate::report::folders::file;
use crate::report::tables;

/// What the command line asks for.
#[derive(Debug, Clone)]
pub struct Options {
    /// The model's file, or the directory of its run; `None` means the network as it is before training.
    pub model: Option<PathBuf>,
    /// Where the figure goes; `None` means that there is none.
    pub png: Option<PathBuf>,
    /// Whether a file of that name may be replaced.
    pub force: bool,
}

/// Prints the table and writes the figure.
///
/// # Errors
/// When the model cannot be used, or the file is there already or cannot be written.
pub fn run(options: &Options) -> Result<()> {
    let weights = match &options.model {
        Some(path) => model::open(path)?.weights,
        None => Weights::initial(Init::default(), 0, CLASSES),
    };
    let layers = structure::layers(&weights)?;
    let mut text = tables::layers_text(&layers);
    if let Some(path) = &options.png {
        file::refuse_taken(path, options.force)?;
        let split = mnist_10k()?;
        let example = split.test.pixels().chunks_exact(PIXELS).next();
        file::write(
            path,
            &network::figure(&layers, example.unwrap_or_default())?,
        )?;
        let _ = writeln!(text, "\n{}", path.display());
    }
    super::print(&text)
}
