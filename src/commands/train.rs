//! `mnist-tch`: train, show progress, leave the files behind, print the result.

use std::fmt::Write;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use jiff::Timestamp;

use super::devices::libtorch_version;
use super::progress::Progress;
use super::source::Source;
use crate::data::{CLASSES, Dataset, Split};
use crate::learn::config::Config;
use crate::learn::device::{Choice, Device};
use crate::learn::prediction;
use crate::learn::record::{ConfusionMatrix, StepRecord};
use crate::learn::training::Training;
use crate::learn::weights::Weights;
use crate::report::run_dir::{self, RunDir};
use crate::report::summary::{self, Data, Summary, Timings};
use crate::report::tables::{self, AccuracyLog};
use crate::report::{curve, heatmap, mistakes};

/// Where runs go that were not told where to go.
const RUNS: &str = "runs";

/// What the command line asks for.
#[derive(Debug, Clone)]
pub struct Options {
    /// The protocol.
    pub config: Config,
    /// Where to train.
    pub device: Choice,
    /// The images.
    pub source: Source,
    /// Threads on the CPU.
    pub threads: NonZeroUsize,
    /// The run directory; `None` means a new one in `runs`.
    pub out: Option<PathBuf>,
    /// Whether results in the run directory may be replaced.
    pub force: bool,
    /// Whether only errors are printed.
    pub quiet: bool,
    /// The final accuracy below which the run counts as failed, 0..=1.
    pub min_accuracy: Option<f64>,
}

/// Trains as `options` say.
///
/// # Errors
/// When the device, the data or the run directory cannot be used, training fails, or the accuracy is too low.
pub fn run(options: &Options, program_start: Instant) -> Result<()> {
    let started = Timestamp::now();
    let device = super::select_device(options.device, options.quiet)?;
    let split = options.source.load()?;
    let config = &options.config;
    let batch_size = config.batch_size;
    ensure!(
        batch_size.get() <= split.train.len(),
        "--batch-size {batch_size} is more than the {} training images",
        split.train.len()
    );
    let weights = Weights::initial(config.init, config.seed);
    let mut training = Training::new(config, &weights, &split, device, options.threads)?;
    let run_dir = open_run_dir(options, started)?;

    let start_seconds = program_start.elapsed().as_secs_f64();
    let begun = Instant::now();
    let history = train(&mut training, &run_dir, options.quiet)?;
    let training_seconds = begun.elapsed().as_secs_f64();

    let timings = Timings {
        start_seconds,
        training_seconds,
        images_per_second: history.images(&split) / training_seconds,
    };
    let mut config = config.clone();
    config.eval_every = Some(training.schedule().eval_every());
    let summary = Summary {
        started: started.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
        version: env!("CARGO_PKG_VERSION"),
        libtorch: libtorch_version(),
        configuration: config,
        data: describe(&split),
        device: device.to_string(),
        threads: if device.is_cpu() {
            options.threads.get()
        } else {
            1
        },
        epochs: summary::epochs(&history.records),
        final_accuracy: history.confusion.accuracy(),
        timings,
    };
    let weights = training.weights()?;
    write_mistakes(&run_dir, &weights, &split.test, device)?;
    write_files(&run_dir, &history, &weights, &summary.to_json()?)?;
    if !options.quiet {
        super::print(&result_text(&history, run_dir.path(), timings))?;
    }
    check_accuracy(options.min_accuracy, summary.final_accuracy)
}

/// What a finished run has to show.
struct History {
    records: Vec<StepRecord>,
    /// After the last step.
    confusion: ConfusionMatrix,
    images_trained: usize,
}

impl History {
    /// Images trained on and images scored.
    #[expect(clippy::cast_precision_loss, reason = "far below 2^53")]
    fn images(&self, split: &Split) -> f64 {
        (self.images_trained + self.records.len() * split.test.len()) as f64
    }
}

fn open_run_dir(options: &Options, started: Timestamp) -> Result<RunDir> {
    match &options.out {
        Some(path) => RunDir::create(path, options.force),
        // No colons, which some file systems do not take.
        None => RunDir::create_new(
            Path::new(RUNS),
            &started.strftime("%Y-%m-%dT%H-%M-%SZ").to_string(),
        ),
    }
}

/// Goes through the run, with every row in the file before the next step is waited for.
fn train(training: &mut Training, run_dir: &RunDir, quiet: bool) -> Result<History> {
    let mut log = AccuracyLog::new(run_dir.open_new(run_dir::ACCURACY_CSV)?);
    let mut progress = Progress::new(training.schedule(), quiet);
    let (mut records, mut last, mut images_trained) = (Vec::new(), None, 0);
    let outcome = training.try_for_each(|step| {
        let step = step?;
        if let Some(record) = step.record() {
            log.add(&record)?;
            records.push(record);
        }
        progress.step(&step);
        images_trained += step.images;
        last = step.confusion.or(last.take());
        Ok(())
    });
    progress.finish();
    outcome.map_err(|error: anyhow::Error| {
        let kept = run_dir.path().join(run_dir::ACCURACY_CSV);
        error.context(format!(
            "stopped; what there is stands in {}",
            kept.display()
        ))
    })?;
    let confusion = last.context("the run ended without a score")?;
    Ok(History {
        records,
        confusion,
        images_trained,
    })
}

fn describe(split: &Split) -> Data {
    Data {
        name: split.name.clone(),
        train_images: split.train.len(),
        test_images: split.test.len(),
        sha256: split.sha256(),
    }
}

fn write_files(
    run_dir: &RunDir,
    history: &History,
    weights: &Weights,
    summary: &str,
) -> Result<()> {
    let confusion = &history.confusion;
    let labels = super::class_names(confusion.classes());
    run_dir.write(run_dir::MODEL, &weights.to_safetensors()?)?;
    run_dir.write(run_dir::CONFUSION_CSV, &tables::confusion_csv(confusion)?)?;
    run_dir.write(
        run_dir::CONFUSION_PNG,
        &heatmap::heatmap(confusion, &labels)?,
    )?;
    run_dir.write(run_dir::ACCURACY_PNG, &curve::curve(&history.records)?)?;
    // Last, because it says that the run is complete.
    run_dir.write(run_dir::SUMMARY, summary.as_bytes())
}

/// Asks the trained network once more for every answer, not only their count.
fn write_mistakes(
    run_dir: &RunDir,
    weights: &Weights,
    test: &Dataset,
    device: Device,
) -> Result<()> {
    let answers = prediction::answers(weights, test, device)?;
    let names = super::class_names(CLASSES);
    run_dir.write(
        run_dir::MISTAKES_PNG,
        &mistakes::picture(&answers, test, &names)?,
    )
}

fn result_text(history: &History, folder: &Path, timings: Timings) -> String {
    let mut text = tables::epochs_text(&history.records);
    let _ = write!(text, "\n{}\n", tables::confusion_text(&history.confusion));
    let (seconds, rate) = (timings.training_seconds, timings.images_per_second);
    let _ = writeln!(
        text,
        "{seconds:.1} s, {rate:.0} images/s trained on or scored"
    );
    let _ = writeln!(text, "files in {}:", folder.display());
    for name in run_dir::FILES {
        let _ = writeln!(text, "  {name}");
    }
    text
}

fn check_accuracy(least: Option<f64>, found: f64) -> Result<()> {
    if let Some(least) = least {
        ensure!(
            found >= least,
            "the final accuracy {found:.4} is below --min-accuracy {least}"
        );
    }
    Ok(())
}
