//! `--resume`: restores an interrupted run from its folder.

use std::num::NonZeroUsize;

use anyhow::{Context, Result, ensure};

use super::run::RunMetadata;
use super::{Job, Options};
use crate::learn::checkpoint::Checkpoint;
use crate::learn::{Config, Device, libtorch};
use crate::report::run_dir::{self, RunDir};
use crate::report::summary::Recorded;
use crate::terminal::images::{Sources, reload};
use crate::terminal::note;

impl Options {
    /// The run in `folder`, or `None` if it is complete. Nothing is written before everything has
    /// been checked.
    pub(super) fn resume(&self, folder: &RunDir, sources: &Sources) -> Result<Option<Job>> {
        if let Some(summary) = folder.read(run_dir::SUMMARY)?
            && !self.adds_epochs(folder)?
        {
            self.report_complete(folder, &summary)?;
            return Ok(None);
        }
        let mut history = read_checkpoint(folder)?;
        history.config.epochs = self.total_epochs(&history.config)?;
        let file = folder.path().join(run_dir::CHECKPOINT);
        let cannot = || format!("--resume: cannot resume from {}", file.display());
        let started_on = history.about.device.parse().with_context(cannot)?;
        let (device, threads) = self.machine.select(started_on, self.quiet)?;
        let data = &mut history.about.data;
        if let Some(path) = &self.images.set.data_dir {
            data.location = data.location.clone().moved(path.clone());
            data.reading.split = self.images.set.read_options().split;
            data.name = data.location.name();
        }
        let mirrors = &self.images.set.mirrors;
        let (split, data) = reload(data, sources, mirrors, self.quiet).context("--resume")?;
        history.about.data = data;
        Ok(Some(Job {
            history,
            split,
            device,
            threads,
        }))
    }

    /// True if `--epochs` asks for more epochs than a complete run has.
    fn adds_epochs(&self, folder: &RunDir) -> Result<bool> {
        if self.length.epochs.is_none() {
            return Ok(false);
        }
        let config = read_checkpoint(folder)?.config;
        Ok(self.total_epochs(&config)? > config.epochs)
    }

    /// Number of epochs of the resumed run, including those of its earlier sessions.
    fn total_epochs(&self, config: &Config) -> Result<NonZeroUsize> {
        let planned = config.epochs;
        let epochs = self.length.epochs.unwrap_or(planned);
        ensure!(
            epochs >= planned,
            "--epochs {epochs}: the run was started with {planned} epochs; --resume can only add \
             to them"
        );
        ensure!(
            epochs == planned || config.final_learning_rate.is_none(),
            "--epochs {epochs}: the run's learning rate was to reach --lr-final after {planned} \
             epochs; start a new run from its weights with --from"
        );
        Ok(epochs)
    }

    /// Reports a run that is complete. This is success, so that a script may call --resume until
    /// the exit status is 0.
    pub(super) fn report_complete(&self, folder: &RunDir, summary: &[u8]) -> Result<()> {
        let file = folder.path().join(run_dir::SUMMARY);
        let summary = Recorded::from_bytes(summary).with_context(|| file.display().to_string())?;
        let accuracy = summary.final_accuracy;
        if !self.quiet {
            note(&format!(
                "the run in {} is complete (accuracy {accuracy:.4}): there is nothing to resume; \
                 to train longer, give a larger --epochs",
                folder.path().display()
            ));
        }
        self.check_accuracy(accuracy)
    }
}

fn read_checkpoint(folder: &RunDir) -> Result<Checkpoint<RunMetadata>> {
    let (path, name) = (folder.path(), run_dir::CHECKPOINT);
    let bytes = folder.read(name)?.with_context(|| {
        let path = path.display();
        format!(
            "--resume: {path} has no {name}, so there is no run to resume: start one with \
             --out {path}"
        )
    })?;
    Checkpoint::from_bytes(&bytes).with_context(|| {
        let file = path.join(name);
        format!("--resume: cannot resume from {}", file.display())
    })
}

/// Prints the step at which the run resumes, and notes about anything that may change the last
/// digits of its results.
pub(super) fn announce(history: &Checkpoint<RunMetadata>, device: Device, steps: usize) {
    let step = history.state.step();
    note(&format!("resuming after step {step} of {steps}"));
    let kind = |device: &str| device.split(':').next().map(str::to_owned);
    let may_differ = "the last digits may differ from those of an uninterrupted run";
    let (started_on, now) = (&history.about.device, device.to_string());
    if kind(started_on) != kind(&now) {
        note(&format!(
            "note: the run started on {started_on} and resumes on {now}: {may_differ}"
        ));
    }
    let (started_with, now) = (&history.about.libtorch, libtorch::version());
    if *started_with != now {
        note(&format!(
            "note: the run started with libtorch {started_with}, this is {now}: {may_differ}"
        ));
    }
}
