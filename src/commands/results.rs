//! The files of a run that are made from its records and weights, and the text that a finished run prints.

use std::fmt::Write;
use std::path::Path;

use anyhow::{Context, Result, ensure};

use crate::data::Dataset;
use crate::learn::answer::Answer;
use crate::learn::checkpoint::Checkpoint;
use crate::learn::weights::Weights;
use crate::report::figures::{curve, heatmap, mistakes};
use crate::report::folders::run_dir::{self, RunDir};
use crate::report::tables;
use crate::report::tables::summary::Timings;

/// Writes `confusion.csv` and both pictures; nothing before the first score. `names` are those of the classes.
///
/// # Errors
/// When a file cannot be written.
pub fn write_scores<A>(run_dir: &RunDir, run: &Checkpoint<A>, names: &[String]) -> Result<()> {
    let Some(confusion) = &run.confusion else {
        return Ok(());
    };
    let heatmap = heatmap::heatmap(confusion, names)?;
    run_dir.write(run_dir::CONFUSION_CSV, &tables::confusion_csv(confusion)?)?;
    run_dir.write(run_dir::CONFUSION_PNG, &heatmap)?;
    run_dir.write(run_dir::ACCURACY_PNG, &curve::curve(&run.records)?)
}

/// Writes `model.safetensors`.
///
/// # Errors
/// When it cannot be written.
pub fn write_model(run_dir: &RunDir, weights: &Weights) -> Result<()> {
    run_dir.write(run_dir::MODEL, &weights.to_safetensors()?)
}

/// Writes `mistakes.png`: the most confident wrong ones of the `answers` to the `test` images.
///
/// # Errors
/// When it cannot be written.
pub fn write_mistakes(
    run_dir: &RunDir,
    answers: &[Answer],
    test: &Dataset,
    names: &[String],
) -> Result<()> {
    let picture = mistakes::picture(answers, test, names)?;
    run_dir.write(run_dir::MISTAKES_PNG, &picture)
}

/// What a finished run prints: the article's table, the confusion matrix, how long it took, the files.
///
/// # Errors
/// When there was no score.
pub fn text<A>(
    run: &Checkpoint<A>,
    names: &[String],
    folder: &Path,
    timings: Timings,
) -> Result<String> {
    let confusion = run.confusion.as_ref().context("there was no score")?;
    let mut text = tables::epochs_text(&run.records);
    let _ = write!(text, "\n{}\n", tables::confusion_text(confusion, names));
    let (seconds, rate) = (timings.training_seconds, timings.images_per_second);
    let _ = writeln!(
        text,
        "{seconds:.1} s, {rate:.0} images/s trained on or scored"
    );
    let _ = writeln!(text, "files in {}:", folder.display());
    for name in run_dir::FILES {
        let _ = writeln!(text, "  {name}");
    }
    Ok(text)
}

/// Whether the accuracy that was `found` is enough.
///
/// # Errors
/// When it is below `least`.
pub fn check_accuracy(least: Option<f64>, found: f64) -> Result<()> {
    if let Some(least) = least {
        ensure!(
            found >= least,
            "the final accuracy {found:.4} is below --min-accuracy {least}"
        );
    }
    Ok(())
}
