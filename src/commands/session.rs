//! From a checkpoint to the end of the run, or as far as it gets: what a new run and a resumed one have in common.
//!
//! A new run is one that goes on from step 0. The checkpoint in memory is the history of the run; the
//! one on the disk is the same at the steps where it was last kept, and `accuracy.csv` is made anew
//! from it, so whatever became of that file after the last checkpoint does not matter.

use std::fmt::Write;
use std::num::NonZeroUsize;
use std::time::Instant;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use super::devices::libtorch_version;
use super::interrupt::{Interrupt, Signal, Stopped};
use super::progress::Progress;
use super::results;
use crate::data::Dataset;
use crate::learn::checkpoint::Checkpoint;
use crate::learn::device::Device;
use crate::learn::prediction;
use crate::learn::record::Step;
use crate::learn::state::State;
use crate::learn::training::Training;
use crate::report::folders::growing::Growing;
use crate::report::folders::run_dir::{self, RunDir};
use crate::report::tables::summary::{self, Data, Summary, Timings};
use crate::report::tables::{self, AccuracyLog};

/// What a checkpoint remembers besides the training itself.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct About {
    /// When the run began: UTC, ISO 8601.
    pub started: String,
    /// The libtorch it began with.
    pub libtorch: String,
    /// The device it began on, such as `cpu` or `cuda:0`.
    pub device: String,
    /// Which images they are.
    pub data: Data,
    /// Seconds of training so far, in all sessions.
    pub training_seconds: f64,
}

/// One process's part of a run.
pub struct Session {
    /// Where the files go.
    pub run_dir: RunDir,
    /// The run so far.
    pub run: Checkpoint<About>,
    /// The run from there on.
    pub training: Training,
    /// The images that are scored.
    pub test: Dataset,
    /// Where it trains.
    pub device: Device,
    /// Threads on the CPU.
    pub threads: NonZeroUsize,
    /// Whether only errors are printed.
    pub quiet: bool,
    /// The final accuracy below which the run counts as failed, 0..=1.
    pub min_accuracy: Option<f64>,
}

impl Session {
    /// Trains to the end and leaves the results, or to the step at which it is stopped and leaves a checkpoint and
    /// what there is.
    ///
    /// # Errors
    /// When training fails, a file cannot be written, or the accuracy is too low; [`Stopped`] after a signal.
    pub fn run(mut self, program_start: Instant) -> Result<()> {
        let interrupt = Interrupt::listen()?;
        let start_seconds = program_start.elapsed().as_secs_f64();
        let mut progress = Progress::new(self.training.schedule(), self.quiet);
        let outcome = self.train(&interrupt, &mut progress);
        progress.finish();
        if let Err(error) = outcome {
            return Err(self.failed(error));
        }
        let steps = self.training.schedule().steps();
        match interrupt.signal() {
            Some(signal) if self.training.made() < steps => self.stopped(signal),
            _ => self.finish(start_seconds),
        }
    }

    /// Keeps `state`, with the rows up to now, as the point from which the run can go on.
    ///
    /// # Errors
    /// When it cannot be written; the one before is still there then.
    pub fn keep(&mut self, state: State) -> Result<()> {
        // From numbers that are none no run goes on: the one before is worth more.
        if !state.is_finite() {
            return Ok(());
        }
        self.run.state = state;
        let bytes = self.run.to_bytes()?;
        self.run_dir.write(run_dir::CHECKPOINT, &bytes)
    }

    /// Goes through the steps, with every row in the file before the next step is waited for.
    fn train(&mut self, interrupt: &Interrupt, progress: &mut Progress) -> Result<()> {
        let records = &self.run.records;
        let rows = tables::accuracy_csv(records)?;
        self.run_dir.write(run_dir::ACCURACY_CSV, &rows)?;
        let file = self.run_dir.append(run_dir::ACCURACY_CSV)?;
        let mut log = AccuracyLog::after(records.len(), file);
        let (begun, before) = (Instant::now(), self.run.about.training_seconds);
        loop {
            if interrupt.signal().is_some() {
                self.training.stop();
            }
            let Some(step) = self.training.next() else {
                return Ok(());
            };
            let step = step?;
            progress.step(&step);
            self.run.about.training_seconds = before + begun.elapsed().as_secs_f64();
            self.record(step, &mut log)?;
        }
    }

    fn record(&mut self, step: Step, log: &mut AccuracyLog<Growing>) -> Result<()> {
        if let Some(record) = step.record() {
            log.add(&record)?;
            self.run.records.push(record);
        }
        if step.confusion.is_some() {
            self.run.confusion = step.confusion;
        }
        step.state.map_or(Ok(()), |state| self.keep(state))
    }

    fn class_names(&self) -> &[String] {
        &self.run.about.data.classes
    }

    /// Leaves the pictures of what there is, as far as that can be, and says where.
    fn failed(&self, error: anyhow::Error) -> anyhow::Error {
        let _ = results::write_scores(&self.run_dir, &self.run, self.class_names());
        let folder = self.run_dir.path().display();
        if !self.run_dir.path().exists() {
            return error.context("stopped");
        }
        let mut text = format!("stopped; what there is stands in {folder}");
        if !self.training.has_failed() {
            let hint = "; once this is mended, go on with: mnist-tch --resume";
            let _ = write!(text, "{hint} {folder}");
        }
        error.context(text)
    }

    /// Leaves a checkpoint, the pictures and the weights of what there is.
    fn stopped(mut self, signal: Signal) -> Result<()> {
        let state = self.training.state()?;
        self.leave(state).map_err(|error| self.failed(error))?;
        Err(Stopped {
            signal,
            step: self.training.made(),
            steps: self.training.schedule().steps(),
            folder: self.run_dir.path().into(),
        }
        .into())
    }

    fn leave(&mut self, state: State) -> Result<()> {
        let (step, weights) = (state.step(), state.weights.clone());
        self.keep(state)?;
        if step > 0 {
            results::write_scores(&self.run_dir, &self.run, self.class_names())?;
            results::write_model(&self.run_dir, &weights)?;
        }
        Ok(())
    }

    /// Leaves the results, prints them, and judges the accuracy.
    fn finish(self, start_seconds: f64) -> Result<()> {
        let summary = self.summary(start_seconds)?;
        self.complete(&summary)
            .map_err(|error| self.failed(error))?;
        if !self.quiet {
            let text = results::text(
                &self.run,
                self.class_names(),
                self.run_dir.path(),
                summary.timings,
            )?;
            super::print(&text)?;
        }
        results::check_accuracy(self.min_accuracy, summary.final_accuracy)
    }

    fn complete(&self, summary: &Summary<impl Serialize>) -> Result<()> {
        results::write_scores(&self.run_dir, &self.run, self.class_names())?;
        let weights = self.training.weights()?;
        results::write_model(&self.run_dir, &weights)?;
        let answers = prediction::answers(&weights, &self.test, self.device, self.threads)?;
        results::write_mistakes(&self.run_dir, &answers, &self.test, self.class_names())?;
        // After all others, because it says that the run is complete; from then on no checkpoint is needed.
        let json = summary.to_json()?;
        self.run_dir.write(run_dir::SUMMARY, json.as_bytes())?;
        self.run_dir.remove(run_dir::CHECKPOINT)
    }

    fn summary(&self, start_seconds: f64) -> Result<Summary<impl Serialize + use<>>> {
        let (run, schedule) = (&self.run, self.training.schedule());
        let mut config = run.config.clone();
        config.eval_every = Some(schedule.eval_every());
        let images = schedule.images_through(schedule.steps());
        let scored = run.records.len() * run.about.data.test_images;
        let seconds = run.about.training_seconds;
        #[expect(clippy::cast_precision_loss, reason = "far below 2^53")]
        let images_per_second = (images + scored) as f64 / seconds;
        let confusion = run.confusion.as_ref();
        let confusion = confusion.context("the run ended without a score")?;
        Ok(Summary {
            started: run.about.started.clone(),
            version: env!("CARGO_PKG_VERSION"),
            libtorch: libtorch_version(),
            configuration: config,
            data: run.about.data.clone(),
            device: self.device.to_string(),
            threads: if self.device.is_cpu() {
                self.threads.get()
            } else {
                1
            },
            epochs: summary::epochs(&run.records),
            final_accuracy: confusion.accuracy(),
            timings: Timings {
                start_seconds,
                training_seconds: seconds,
                images_per_second,
            },
        })
    }
}
