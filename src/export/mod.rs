//! `mnist-tch export`: a trained model as an ONNX file, or as a web page.

mod onnx;
mod page;

use std::path::PathBuf;

use anyhow::{Result, bail};
use clap::Args;

use crate::data::files;
use crate::learn::{Device, cores, score};
use crate::terminal::images::{Mirrors, Sources, reload};
use crate::terminal::model::{self, Model, ModelOptions};
use crate::terminal::{note, print};

#[derive(Debug, Args)]
pub(crate) struct Options {
    /// The file to write. NAME.html: a web page on which one draws and the network answers.
    /// NAME.onnx: its input `images` is n x 1 x 28 x 28, f32, grey values / 255 with ink high; its
    /// output `logits` is n x classes, f32
    #[arg(value_name = "FILE")]
    file: PathBuf,
    #[command(flatten)]
    model: ModelOptions,
    /// Replace the file
    #[arg(long)]
    force: bool,
}

pub(crate) fn run(options: &Options, sources: &Sources) -> Result<()> {
    let name = options.file.display();
    let ending = options.file.extension().unwrap_or_default();
    let is_page = ending.eq_ignore_ascii_case("html");
    if !is_page && !ending.eq_ignore_ascii_case("onnx") {
        bail!("{name}: give it a name that ends in .onnx, or in .html for a web page");
    }
    let model = model::open(&options.model.model, false)?;
    files::refuse_taken(&options.file, options.force)?;
    let bytes = if is_page {
        page(&model, &options.model, sources)?.into_bytes()
    } else {
        onnx::onnx(&model.weights)
    };
    files::write(&options.file, &bytes, true)?;
    let size = bytes.len();
    print(&format!("{name}: {size} bytes\n"))
}

/// The page, with the mistakes on the run's test images where those can still be read.
fn page(model: &Model, options: &ModelOptions, sources: &Sources) -> Result<String> {
    let (run, preparation, classes) = model.trained_on(options)?;
    let mut tested = None;
    if let Some(run) = &run {
        match reload(&run.data, sources, &Mirrors::default(), false) {
            Ok((split, _)) => {
                let scores = score(&model.weights, &split.test, Device::CPU, cores())?;
                tested = Some((scores.predictions(), split.test));
            }
            Err(error) => note(&format!("note: a page without mistakes: {error:#}")),
        }
    }
    let tested = tested
        .as_ref()
        .map(|(answers, images)| (&answers[..], images));
    Ok(page::page(
        &model.weights,
        preparation,
        &classes,
        run.as_ref(),
        tested,
    ))
}
