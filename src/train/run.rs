//! A run from where it stands to its end, or as far as it gets: steps become rows, checkpoints,
//! pictures, weights and the summary.
//!
//! A new run is one that goes on from step 0. The checkpoint in memory is the history of the run;
//! the one on the disk is the same at the steps where it was last kept, and `accuracy.csv` is made
//! anew from it, so whatever became of that file after the last checkpoint does not matter.

use std::num::NonZeroUsize;
use std::time::Instant;

use anyhow::{Context, Error, Result};
use serde::{Deserialize, Serialize};

use super::Options;
use crate::data::{DataRecord, Dataset};
use crate::learn::checkpoint::{Best, Checkpoint};
use crate::learn::libtorch;
use crate::learn::{Config, ConfusionMatrix, Device, State, Training};
use crate::report::run_dir::{self, RunDir};
use crate::report::summary::{self, Origin, Summary, Timings};
use crate::report::tables::{self, AccuracyLog};
use crate::report::{charts, heatmap, json, sheets, text};
use crate::terminal::progress::RunProgress;
use crate::terminal::signals::{Interrupt, Stopped};
use crate::terminal::{file_list, print};

/// What a checkpoint remembers besides the training itself.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct RunMetadata {
    /// When the run began: UTC, ISO 8601.
    pub started: String,
    /// The trained weights that it began with.
    pub from: Option<Origin>,
    /// The libtorch it began with.
    pub libtorch: String,
    /// The device it began on, such as `cpu` or `cuda:0`.
    pub device: String,
    /// Which images they are, and where.
    pub data: DataRecord,
    /// Seconds of training so far, in all sessions.
    pub training_seconds: f64,
}

/// One process's part of a run.
pub(crate) struct Run<'a> {
    pub options: &'a Options,
    pub folder: RunDir,
    /// The run so far.
    pub history: Checkpoint<RunMetadata>,
    /// The run from there on.
    pub training: Training,
    /// The images that are scored.
    pub test: Dataset,
    pub device: Device,
    pub threads: NonZeroUsize,
}

impl Run<'_> {
    /// Trains to the end and leaves the results, or to the step at which it is stopped and leaves a
    /// checkpoint and what there is.
    pub fn run(mut self, program_start: Instant) -> Result<()> {
        let interrupt = Interrupt::listen()?;
        let start_seconds = program_start.elapsed().as_secs_f64();
        self.train(&interrupt).map_err(|error| self.failed(error))?;
        let (made, steps) = (self.training.made(), self.training.schedule().steps());
        let Some(signal) = interrupt.signal().filter(|_| made < steps) else {
            return self.finish(start_seconds);
        };
        self.leave().map_err(|error| self.failed(error))?;
        let folder = self.folder.path().display();
        let place =
            format!("after step {made} of {steps}; go on with: mnist-tch --resume {folder}");
        Err(Error::new(Stopped { signal, place }))
    }

    /// Goes through the steps, with every row in the file before the next step is waited for.
    fn train(&mut self, interrupt: &Interrupt) -> Result<()> {
        let rows = self.history.records.len();
        let csv = tables::accuracy_csv(&self.history.records)?;
        self.folder.write(run_dir::ACCURACY_CSV, &csv)?;
        let mut log = AccuracyLog::after(rows, self.folder.append(run_dir::ACCURACY_CSV)?);
        let (training, quiet) = (&self.training, self.options.quiet);
        let mut progress = RunProgress::new(training.schedule(), training.made(), quiet);
        let (begun, before) = (Instant::now(), self.history.about.training_seconds);
        loop {
            if interrupt.signal().is_some() {
                self.training.stop();
            }
            let Some(step) = self.training.next().transpose()? else {
                return Ok(());
            };
            progress.step(&step);
            self.history.about.training_seconds = before + begun.elapsed().as_secs_f64();
            if let Some(record) = step.record() {
                log.add(&record)?;
                if let Some(weights) = step.weights
                    && self.history.is_best(&record)
                {
                    let record = record.clone();
                    self.history.best = Some(Best { record, weights });
                }
                self.history.records.push(record);
                self.history.confusion = step.confusion;
            }
            if let Some(state) = step.state {
                self.keep(state)?;
            }
        }
    }

    /// Keeps `state`, with the rows up to now, as the point from which the run can go on.
    pub fn keep(&mut self, state: State) -> Result<()> {
        // From numbers that are none no run goes on: the checkpoint before is worth more.
        if !state.is_finite() {
            return Ok(());
        }
        self.history.state = state;
        let bytes = self.history.to_bytes()?;
        self.folder.write(run_dir::CHECKPOINT, &bytes)
    }

    /// Leaves a checkpoint, the pictures and the weights of what there is.
    fn leave(&mut self) -> Result<()> {
        let state = self.training.state()?;
        let (step, model) = (state.step(), state.weights.to_safetensors()?);
        self.keep(state)?;
        if step > 0 {
            self.write_scores()?;
            self.folder.write(run_dir::MODEL, &model)?;
        }
        Ok(())
    }

    /// Leaves the pictures of what there is, as far as that can be, and says where.
    fn failed(&self, error: Error) -> Error {
        let _ = self.write_scores();
        let folder = self.folder.path();
        if !folder.exists() {
            return error.context("stopped");
        }
        let folder = folder.display();
        let there = format!("stopped; what there is stands in {folder}");
        error.context(if self.training.has_failed() {
            there
        } else {
            format!("{there}; once this is mended, go on with: mnist-tch --resume {folder}")
        })
    }

    /// Leaves the results, prints them, and judges the accuracy.
    fn finish(mut self, start_seconds: f64) -> Result<()> {
        let confusion = self.history.confusion.clone();
        let confusion = &confusion.context("the run ended without a score")?;
        let timings = self.timings(start_seconds);
        self.complete(confusion, timings)
            .map_err(|error| self.failed(error))?;
        if !self.options.quiet {
            let best = self.history.best.as_ref().map(|_| run_dir::BEST);
            let files = run_dir::FILES.into_iter().chain(best);
            let files: Vec<&str> = files.collect();
            print(&format!(
                "{}\n{}\n{:.1} s, {:.0} images/s trained on or scored\n{}",
                text::epochs_text(&self.history.records),
                text::confusion_text(confusion, self.class_names()),
                timings.training_seconds,
                timings.images_per_second,
                file_list(self.folder.path(), &files)
            ))?;
        }
        self.options.check_accuracy(confusion.accuracy())
    }

    fn complete(&mut self, confusion: &ConfusionMatrix, timings: Timings) -> Result<()> {
        self.write_scores()?;
        let model = self.training.state()?.weights.to_safetensors()?;
        self.folder.write(run_dir::MODEL, &model)?;
        let answers = self.training.scores()?.predictions();
        let mistakes = sheets::mistakes(&answers, &self.test, self.class_names())?;
        self.folder.write(run_dir::MISTAKES_PNG, &mistakes)?;
        // After all others, because it says that the run is complete.
        let summary = json(&self.summary(confusion, timings))?;
        self.folder.write(run_dir::SUMMARY, summary.as_bytes())
    }

    /// Writes `confusion.csv`, the pictures of all scores and the best weights; nothing before the
    /// first one.
    fn write_scores(&self) -> Result<()> {
        let Some(confusion) = &self.history.confusion else {
            return Ok(());
        };
        let heatmap = heatmap::heatmap(confusion, 1, self.class_names())?;
        let csv = tables::confusion_csv(confusion)?;
        let curve = charts::accuracy(&self.history.records)?;
        if let Some(Best { weights, .. }) = &self.history.best {
            self.folder
                .write(run_dir::BEST, &weights.to_safetensors()?)?;
        }
        self.folder.write(run_dir::CONFUSION_CSV, &csv)?;
        self.folder.write(run_dir::CONFUSION_PNG, &heatmap)?;
        self.folder.write(run_dir::ACCURACY_PNG, &curve)
    }

    fn class_names(&self) -> &[String] {
        &self.history.about.data.classes
    }

    fn timings(&self, start_seconds: f64) -> Timings {
        let (history, schedule) = (&self.history, self.training.schedule());
        let trained = schedule.images_through(schedule.steps());
        let scored = history.records.len() * history.about.data.test_images;
        let training_seconds = history.about.training_seconds;
        Timings {
            start_seconds,
            training_seconds,
            images_per_second: (trained + scored) as f64 / training_seconds,
        }
    }

    fn summary(&self, confusion: &ConfusionMatrix, timings: Timings) -> Summary<Config> {
        let about = &self.history.about;
        let mut configuration = self.history.config.clone();
        configuration.eval_every = Some(self.training.schedule().eval_every());
        let on_cpu = self.device.is_cpu();
        Summary {
            started: about.started.clone(),
            version: env!("CARGO_PKG_VERSION"),
            libtorch: libtorch::version(),
            configuration,
            from: about.from.clone(),
            data: about.data.clone(),
            device: self.device.to_string(),
            gpu: self.device.gpu_record(),
            threads: if on_cpu { self.threads.get() } else { 1 },
            epochs: summary::milestones(&self.history.records),
            final_accuracy: confusion.accuracy(),
            best: self.history.best.as_ref().map(|best| best.record.clone()),
            timings,
        }
    }
}
