//! `mnist-tch describe`: the layers of the network as a table and as a figure.

mod figure;

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;

use self::figure::network_figure;
use crate::data::{CLASSES, PIXELS, files, mnist_10k};
use crate::learn::Architecture;
use crate::report::text;
use crate::terminal::options::{Channels, channels};
use crate::terminal::{model, print};

#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Describe the network of this model: a safetensors file or the folder of a run
    #[arg(long, value_name = "FILE|RUN_DIR")]
    model: Option<PathBuf>,
    /// Channels of the network's blocks [default: 8,16,8]
    #[arg(long, value_name = "N,N..", value_parser = channels, conflicts_with = "model")]
    channels: Option<Channels>,
    /// Draw the network as well: stacks of feature maps with their sizes
    #[arg(long, value_name = "FILE")]
    png: Option<PathBuf>,
    /// Replace an existing file
    #[arg(long, requires = "png")]
    force: bool,
}

pub(crate) fn run(options: &Options) -> Result<()> {
    let architecture = match (&options.model, &options.channels) {
        (Some(path), _) => model::open(path, false)?.weights.architecture().clone(),
        (None, Some(channels)) => Architecture::new(channels.clone(), CLASSES)?,
        (None, None) => Architecture::article(CLASSES)?,
    };
    let layers = architecture.layers();
    let mut text = text::layers_text(&layers);
    if let Some(path) = &options.png {
        files::refuse_taken(path, options.force)?;
        let split = mnist_10k()?;
        let example = split.test.pixels().chunks_exact(PIXELS).next();
        let figure = network_figure(&layers, example.unwrap_or_default())?;
        files::write(path, &figure, true)?;
        text = format!("{text}\n{}\n", path.display());
    }
    print(&text)
}
