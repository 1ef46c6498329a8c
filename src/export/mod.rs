//! `mnist-tch export`: writes a trained model as an ONNX file or as a web page.

mod onnx;
mod page;

use std::path::PathBuf;

use anyhow::{Result, bail};
use clap::Args;

use crate::data::{Dataset, files};
use crate::learn::{Device, Prediction, Weights, cores, score};
use crate::terminal::images::{Mirrors, Sources, reload};
use crate::terminal::model::{self, ModelOptions, ModelRun};
use crate::terminal::{note, print};

#[derive(Debug, Args)]
pub(crate) struct Options {
    /// File to write. NAME.html: a web page to draw on, with the network inside. NAME.onnx: an ONNX
    /// file with the input `images` (n x 1 x 28 x 28, float32, gray values / 255, white ink on
    /// black) and the output `logits` (n x classes, float32)
    #[arg(value_name = "FILE")]
    file: PathBuf,
    #[command(flatten)]
    model: ModelOptions,
    /// Replace an existing file
    #[arg(long)]
    force: bool,
}

pub(crate) fn run(options: &Options, sources: &Sources) -> Result<()> {
    let name = options.file.display();
    let extension = options.file.extension().unwrap_or_default();
    let is_page = extension.eq_ignore_ascii_case("html");
    if !is_page && !extension.eq_ignore_ascii_case("onnx") {
        bail!("{name}: unknown file type, use a name that ends in .html or .onnx");
    }
    let model = model::open(&options.model.model, false)?;
    files::refuse_taken(&options.file, options.force)?;
    let bytes = if is_page {
        let (run, preparation, classes) = model.trained_on(&options.model)?;
        let tested = match &run {
            Some(run) => score_again(&model.weights, run, sources)?,
            None => None,
        };
        page::render(
            &model.weights,
            preparation,
            &classes,
            run.as_ref(),
            tested.as_ref(),
        )
        .into_bytes()
    } else {
        onnx::encode(&model.weights)
    };
    files::write(&options.file, &bytes, true)?;
    print(&format!("{name}: {} bytes\n", bytes.len()))
}

/// Predictions for the run's test images; `None`, with a note, if these cannot be read any more.
fn score_again(
    weights: &Weights,
    run: &ModelRun,
    sources: &Sources,
) -> Result<Option<(Vec<Prediction>, Dataset)>> {
    match reload(&run.data, sources, &Mirrors::default(), false) {
        Ok((split, _)) => {
            let scores = score(weights, &split.test, Device::CPU, cores())?;
            Ok(Some((scores.predictions(), split.test)))
        }
        Err(error) => {
            note(&format!("note: the page shows no mistakes: {error:#}"));
            Ok(None)
        }
    }
}
