//! `mnist-tch evaluate`: the accuracy of a trained model, with precision, recall and F1 per class.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;

use crate::data::ImageRange;
use crate::learn::{DeviceChoice, score};
use crate::report::figures::{confusion, samples};
use crate::report::run_dir::{CONFUSION_CSV, CONFUSION_PNG, MISTAKES_PNG, RunDir};
use crate::report::{tables, text};
use crate::terminal::images::{SetOptions, Sources, test_range};
use crate::terminal::model::{self, TestSet};
use crate::terminal::options::Machine;
use crate::terminal::{file_list, print};

const CLASSES_CSV: &str = "classes.csv";
const PREDICTIONS_CSV: &str = "predictions.csv";

/// All files in `--out`.
const FILES: [&str; 5] = [
    CLASSES_CSV,
    CONFUSION_CSV,
    CONFUSION_PNG,
    MISTAKES_PNG,
    PREDICTIONS_CSV,
];

#[derive(Debug, Args)]
pub(crate) struct Options {
    /// The model: a safetensors file of this program or of PyTorch, or the folder of a run. A model
    /// in the folder of a run is scored on the test images of that run by default
    #[arg(long, value_name = "FILE|RUN_DIR")]
    model: PathBuf,
    #[command(flatten, next_help_heading = "Data")]
    set: SetOptions,
    /// Score images A to B - 1 of the test file, or with train:A..B of the training file [default:
    /// those of the model's run, else all of the test file]
    #[arg(long, value_name = "A..B", value_parser = test_range, allow_hyphen_values = true)]
    #[arg(help_heading = "Data")]
    test_range: Option<ImageRange>,
    #[command(flatten, next_help_heading = "Machine")]
    machine: Machine,
    /// Folder for classes.csv, confusion.csv, confusion.png, mistakes.png and predictions.csv
    /// (every logit)
    #[arg(long, value_name = "DIR", help_heading = "Output")]
    out: Option<PathBuf>,
    /// Replace these files if they exist
    #[arg(long, requires = "out", help_heading = "Output")]
    force: bool,
}

/// Scores a model, prints the result and writes the files.
pub(crate) fn run(options: &Options, sources: &Sources) -> Result<()> {
    let model = model::open(&options.model, false)?;
    let (device, threads) = options.machine.select(DeviceChoice::Cpu, false)?;
    let out = options.out.as_ref();
    let out = out
        .map(|path| RunDir::beside(path, &FILES, options.force))
        .transpose()?;
    let TestSet {
        name,
        classes,
        images,
    } = model.images(&options.set, options.test_range, sources)?;
    let scores = score(&model.weights, &images, device, threads)?;
    let confusion = &scores.confusion;
    let class_scores = confusion.class_scores();
    // All digits of the accuracy, as in accuracy.csv.
    let mut report = format!(
        "accuracy {} on {} test images of {}\n\n{}\n{}",
        confusion.accuracy(),
        confusion.total(),
        name,
        text::classes_text(&class_scores),
        text::confusion_text(confusion, &classes)
    );
    if let Some(out) = &out {
        let mistakes = samples::mistakes(&scores.predictions(), &images, &classes)?;
        let predictions = tables::predictions_csv(images.labels(), &scores.logits)?;
        out.write(CLASSES_CSV, &tables::classes_csv(&class_scores)?)?;
        out.write(CONFUSION_CSV, &tables::confusion_csv(confusion)?)?;
        out.write(CONFUSION_PNG, &confusion::heatmap(confusion, 1, &classes)?)?;
        out.write(MISTAKES_PNG, &mistakes)?;
        out.write(PREDICTIONS_CSV, &predictions)?;
        report = report + "\n" + &file_list(out.path(), &FILES);
    }
    print(&report)
}
