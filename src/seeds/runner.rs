//! Trains the same configuration with many seeds, several at a time.
//!
//! Each run gets one thread: whole runs share a machine's cores better than the steps of one run
//! do, and the number of threads does not affect results. Events are reported as they happen, not
//! in the order of seeds.

use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};

use crate::data::{Split, in_parallel};
use crate::learn::metrics::check_scores;
use crate::learn::{Config, ConfusionMatrix, Device, State, StepRecord, Training, tch_errors};

/// The complete run of one seed.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct SeedRun {
    pub seed: u64,
    /// The scored steps, in order; at least one.
    pub records: Vec<StepRecord>,
    /// Confusion matrix of the test images after the last step.
    pub confusion: ConfusionMatrix,
    /// Duration of the run on its thread.
    pub seconds: f64,
}

impl SeedRun {
    /// Checks that values read from a file are possible results of a run.
    pub(crate) fn check(&self) -> Result<()> {
        check_scores(&self.records, Some(&self.confusion))?;
        ensure!(self.seconds >= 0.0, "invalid duration {}", self.seconds);
        Ok(())
    }
}

/// Progress of the runs.
#[derive(Debug)]
pub(crate) enum Event {
    /// One of the runs completed a step.
    Step,
    /// A run is complete.
    Run(SeedRun),
}

/// Runs `config` with each of `seeds`, `jobs` at a time, and calls `report` on any thread. The
/// first error, one from `report` too, ends all runs after their current step.
pub(crate) fn run_seeds(
    config: &Config,
    seeds: Vec<u64>,
    split: &Split,
    device: Device,
    jobs: NonZeroUsize,
    report: impl Fn(Event) -> Result<()> + Sync,
) -> Result<()> {
    let stopped = AtomicBool::new(false);
    let one = |seed| {
        let config = Config {
            seed,
            ..config.clone()
        };
        let outcome = tch_errors::catch(|| run_seed(&config, split, device, &stopped, &report));
        let outcome = outcome.inspect_err(|_| stopped.store(true, Ordering::Relaxed));
        outcome.with_context(|| format!("seed {seed}"))
    };
    in_parallel(seeds, jobs, one)?;
    Ok(())
}

/// One run; it ends early once `stopped` is set.
fn run_seed(
    config: &Config,
    split: &Split,
    device: Device,
    stopped: &AtomicBool,
    report: impl Fn(Event) -> Result<()>,
) -> Result<()> {
    let start = Instant::now();
    let state = State::new(config, split.classes.len())?;
    let (mut records, mut confusion) = (Vec::new(), None);
    for step in Training::new(config, &state, split, device, NonZeroUsize::MIN)? {
        let step = step?;
        records.extend(step.record());
        confusion = step.confusion.or(confusion);
        report(Event::Step)?;
        if stopped.load(Ordering::Relaxed) {
            return Ok(());
        }
    }
    report(Event::Run(SeedRun {
        seed: config.seed,
        records,
        confusion: confusion.context("the run ended without a score")?,
        seconds: start.elapsed().as_secs_f64(),
    }))
}
