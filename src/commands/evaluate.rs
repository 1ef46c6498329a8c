//! `mnist-tch evaluate`: how good a trained model is, as a whole and class by class.

use std::fmt::Write;
use std::num::NonZeroUsize;
use std::path::PathBuf;

use anyhow::Result;

use super::images::SetOptions;
use super::model::{self, TestImages};
use crate::data::ImageRange;
use crate::learn::answer::Answer;
use crate::learn::class_scores::class_scores;
use crate::learn::device::Choice;
use crate::learn::evaluation::evaluate;
use crate::learn::prediction;
use crate::learn::record::ConfusionMatrix;
use crate::report::figures::{heatmap, mistakes};
use crate::report::folders::run_dir::{self, RunDir};
use crate::report::tables;

const CLASSES_CSV: &str = "classes.csv";
const PREDICTIONS_CSV: &str = "predictions.csv";

/// Everything that `--out` holds.
const FILES: [&str; 5] = [
    CLASSES_CSV,
    run_dir::CONFUSION_CSV,
    run_dir::CONFUSION_PNG,
    run_dir::MISTAKES_PNG,
    PREDICTIONS_CSV,
];

/// What the command line asks for.
#[derive(Debug, Clone)]
pub struct Options {
    /// The model's file, or the directory of its run.
    pub model: PathBuf,
    /// The files of the images; where they name none, those of the model's run.
    pub set: SetOptions,
    /// Which of the images; `None` means all of the test file, or those of the model's run.
    pub range: Option<ImageRange>,
    /// Where to do it.
    pub device: Choice,
    /// Threads on the CPU.
    pub threads: NonZeroUsize,
    /// Where files go; `None` means that there are none.
    pub out: Option<PathBuf>,
    /// Whether files of those names may be replaced.
    pub force: bool,
}

/// Scores a model and prints the result.
///
/// # Errors
/// When the model, the images, the device or the folder cannot be used.
pub fn run(options: &Options) -> Result<()> {
    let model = model::open(&options.model)?;
    let device = super::select_device(options.device, false)?;
    let test = model.images(&options.set, options.range.as_ref())?;
    let out = options.out.as_ref();
    let out = out
        .map(|path| RunDir::beside(path, &FILES, options.force))
        .transpose()?;
    let confusion = evaluate(&model.weights, &test.images, device, options.threads)?;
    if let Some(out) = &out {
        // The same images in the same chunks once more, for every answer and not only their count.
        let logits = prediction::logits(&model.weights, &test.images, device, options.threads)?;
        write_files(out, &test, &confusion, &logits)?;
    }
    let mut report = result_text(&confusion, &test);
    if let Some(out) = &out {
        let _ = writeln!(report, "\nfiles in {}:", out.path().display());
        for name in FILES {
            let _ = writeln!(report, "  {name}");
        }
    }
    super::print(&report)
}

fn result_text(confusion: &ConfusionMatrix, test: &TestImages) -> String {
    // The accuracy with all its digits, as it stands in accuracy.csv.
    let (accuracy, total) = (confusion.accuracy(), confusion.total());
    let classes = tables::classes_text(&class_scores(confusion));
    let matrix = tables::confusion_text(confusion, &test.classes);
    let images = &test.name;
    format!("accuracy {accuracy} on {total} test images of {images}\n\n{classes}\n{matrix}")
}

fn write_files<Row: AsRef<[f32]>>(
    out: &RunDir,
    test: &TestImages,
    confusion: &ConfusionMatrix,
    logits: &[Row],
) -> Result<()> {
    let names = &test.classes;
    let answers = logits.iter().map(|row| Answer::from_logits(row.as_ref()));
    let answers: Vec<Answer> = answers.collect();
    out.write(CLASSES_CSV, &tables::classes_csv(&class_scores(confusion))?)?;
    out.write(run_dir::CONFUSION_CSV, &tables::confusion_csv(confusion)?)?;
    out.write(run_dir::CONFUSION_PNG, &heatmap::heatmap(confusion, names)?)?;
    out.write(
        run_dir::MISTAKES_PNG,
        &mistakes::picture(&answers, &test.images, names)?,
    )?;
    out.write(
        PREDICTIONS_CSV,
        &tables::predictions_csv(test.images.labels(), logits)?,
    )
}
