//! Training with its output: a row per scored step, and at the end checkpoint, figures, weights and
//! summary.
//!
//! A new run is one that resumes from step 0. `history` is the whole run in memory; on disk, it is
//! the checkpoint. `accuracy.csv` is written anew from it, so rows after the last checkpoint of a
//! killed run do not matter.

use std::num::NonZeroUsize;
use std::time::Instant;

use anyhow::{Context, Error, Result};
use serde::{Deserialize, Serialize};

use super::Options;
use crate::data::{DataRecord, Dataset};
use crate::learn::checkpoint::{Best, Checkpoint};
use crate::learn::libtorch;
use crate::learn::{Config, ConfusionMatrix, Device, State, Training};
use crate::report::figures::{accuracy, confusion, samples};
use crate::report::run_dir::{self, RunDir};
use crate::report::summary::{self, Origin, Summary, Timings};
use crate::report::tables::{self, AccuracyLog};
use crate::report::{json, text};
use crate::terminal::progress::RunProgress;
use crate::terminal::signals::{Interrupt, Stopped};
use crate::terminal::{file_list, print};

/// Run metadata in a checkpoint, besides the training state.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct RunMetadata {
    /// Start time of the run: UTC, ISO 8601.
    pub started: String,
    /// The weights it started from, with `--from`.
    pub from: Option<Origin>,
    /// Version of libtorch at the start.
    pub libtorch: String,
    /// Device at the start, such as `cpu` or `cuda:0`.
    pub device: String,
    /// The images, and where they come from.
    pub data: DataRecord,
    /// Seconds of training so far, in all sessions.
    pub training_seconds: f64,
}

/// A run in one session of the program.
pub(crate) struct Run<'a> {
    pub options: &'a Options,
    pub folder: RunDir,
    /// The run so far.
    pub history: Checkpoint<RunMetadata>,
    /// The rest of the run.
    pub training: Training,
    pub test: Dataset,
    pub device: Device,
    pub threads: NonZeroUsize,
}

impl Run<'_> {
    /// Trains to the end and writes the results; on a signal, writes a checkpoint and the results
    /// so far.
    pub fn run(mut self, program_start: Instant) -> Result<()> {
        let interrupt = Interrupt::listen()?;
        let start_seconds = program_start.elapsed().as_secs_f64();
        self.train(&interrupt)
            .map_err(|error| self.save_after_failure(error))?;
        let steps_done = self.training.steps_done();
        let steps = self.training.schedule().steps();
        let Some(signal) = interrupt.signal().filter(|_| steps_done < steps) else {
            return self.finish(start_seconds);
        };
        self.save_and_stop()
            .map_err(|error| self.save_after_failure(error))?;
        let folder = self.folder.path().display();
        let hint =
            format!("after step {steps_done} of {steps}; resume with: mnist-tch --resume {folder}");
        Err(Error::new(Stopped { signal, hint }))
    }

    /// Trains step by step. Each row is in the file before the next step is awaited.
    fn train(&mut self, interrupt: &Interrupt) -> Result<()> {
        let rows = self.history.records.len();
        let csv = tables::accuracy_csv(&self.history.records)?;
        self.folder.write(run_dir::ACCURACY_CSV, &csv)?;
        let mut log = AccuracyLog::append(rows, self.folder.append(run_dir::ACCURACY_CSV)?);
        let (training, quiet) = (&self.training, self.options.quiet);
        let mut progress = RunProgress::new(training.schedule(), training.steps_done(), quiet);
        let (session_start, earlier) = (Instant::now(), self.history.about.training_seconds);
        loop {
            if interrupt.signal().is_some() {
                self.training.stop();
            }
            let Some(step) = self.training.next().transpose()? else {
                return Ok(());
            };
            progress.step(&step);
            self.history.about.training_seconds = earlier + session_start.elapsed().as_secs_f64();
            if let Some(record) = step.record() {
                log.write(&record)?;
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
                self.save_checkpoint(state)?;
            }
        }
    }

    /// Saves `state` and the rows so far as the checkpoint.
    pub fn save_checkpoint(&mut self, state: State) -> Result<()> {
        // Never checkpoint NaNs: keep the previous one.
        if !state.is_finite() {
            return Ok(());
        }
        self.history.state = state;
        let bytes = self.history.to_bytes()?;
        self.folder.write(run_dir::CHECKPOINT, &bytes)
    }

    /// Saves a checkpoint, and the figures and weights of the run so far.
    fn save_and_stop(&mut self) -> Result<()> {
        let state = self.training.state()?;
        let (step, model) = (state.step(), state.weights.to_safetensors()?);
        self.save_checkpoint(state)?;
        if step > 0 {
            self.write_scores()?;
            self.folder.write(run_dir::MODEL, &model)?;
        }
        Ok(())
    }

    /// Writes the figures of the run so far, if possible, and adds to the error where they are.
    fn save_after_failure(&self, error: Error) -> Error {
        let _ = self.write_scores();
        let folder = self.folder.path();
        if !folder.exists() {
            return error.context("stopped");
        }
        let folder = folder.display();
        let stopped = format!("stopped; the results so far are in {folder}");
        error.context(if self.training.has_failed() {
            stopped
        } else {
            format!("{stopped}; once this is fixed, resume with: mnist-tch --resume {folder}")
        })
    }

    /// Writes and prints the results, and checks the accuracy.
    fn finish(mut self, start_seconds: f64) -> Result<()> {
        let confusion = self.history.confusion.clone();
        let confusion = &confusion.context("the run ended without a score")?;
        let timings = self.timings(start_seconds);
        self.write_results(confusion, timings)
            .map_err(|error| self.save_after_failure(error))?;
        if !self.options.quiet {
            let best = self.history.best.as_ref().map(|_| run_dir::BEST);
            let files: Vec<&str> = run_dir::FILES.into_iter().chain(best).collect();
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

    fn write_results(&mut self, confusion: &ConfusionMatrix, timings: Timings) -> Result<()> {
        self.write_scores()?;
        let model = self.training.state()?.weights.to_safetensors()?;
        self.folder.write(run_dir::MODEL, &model)?;
        let predictions = self.training.scores()?.predictions();
        let mistakes = samples::mistakes(&predictions, &self.test, self.class_names())?;
        self.folder.write(run_dir::MISTAKES_PNG, &mistakes)?;
        // Last, because it marks the run as complete.
        let summary = json(&self.summary(confusion, timings))?;
        self.folder.write(run_dir::SUMMARY, summary.as_bytes())
    }

    /// Writes `confusion.csv`, the figures and the best weights; nothing before the first score.
    fn write_scores(&self) -> Result<()> {
        let Some(confusion) = &self.history.confusion else {
            return Ok(());
        };
        let heatmap = confusion::heatmap(confusion, 1, self.class_names())?;
        let csv = tables::confusion_csv(confusion)?;
        let curve = accuracy::accuracy(&self.history.records)?;
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
        configuration.eval_every = self.training.schedule().eval_every();
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
