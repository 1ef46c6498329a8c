//! The same run for many seeds, several at a time, each through the one training loop.
//!
//! A run is given one thread, because whole runs share a machine's cores better than the steps of
//! a run do, and its numbers do not depend on threads. What happens is told in the order in which
//! it happens, which is not the order of seeds.

use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};

use crate::data::{Split, in_parallel};
use crate::learn::metrics::check_scores;
use crate::learn::{Config, ConfusionMatrix, Device, State, StepRecord, Training, tch_errors};

/// A whole run of one seed.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SeedRun {
    /// Of everything random in the run.
    pub seed: u64,
    /// The scored steps, in order; at least one.
    pub records: Vec<StepRecord>,
    /// The test set's confusion matrix after the last step.
    pub confusion: ConfusionMatrix,
    /// How long the run took on its thread.
    pub seconds: f64,
}

impl SeedRun {
    /// Makes sure that its numbers, which come out of a file, can be those of a run.
    pub(crate) fn check(&self) -> Result<()> {
        check_scores(&self.records, Some(&self.confusion))?;
        ensure!(self.seconds >= 0.0, "it took {} seconds", self.seconds);
        Ok(())
    }

    /// Whether both runs gave the same numbers, however long they took.
    pub fn agrees_with(&self, other: &Self) -> bool {
        (self.seed, &self.records, &self.confusion)
            == (other.seed, &other.records, &other.confusion)
    }
}

/// What happens in the runs.
#[derive(Debug)]
pub enum Event {
    /// One of the runs made a step.
    Step,
    /// A run is complete.
    Run(SeedRun),
}

/// Runs `config` with each of `seeds` in the place of its own, `jobs` at a time, and tells `report`
/// what happens as it happens, on any thread. An error ends all, each run after its present step.
pub fn many_seeds(
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
        let outcome = tch_errors::catch(|| run(&config, split, device, &stopped, &report));
        let outcome = outcome.inspect_err(|_| stopped.store(true, Ordering::Relaxed));
        outcome.with_context(|| format!("seed {seed}"))
    };
    in_parallel(seeds, jobs, one)?;
    Ok(())
}

/// One run, unless all are stopped meanwhile.
fn run(
    config: &Config,
    split: &Split,
    device: Device,
    stopped: &AtomicBool,
    report: impl Fn(Event) -> Result<()>,
) -> Result<()> {
    let begun = Instant::now();
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
        seconds: begun.elapsed().as_secs_f64(),
    }))
}
