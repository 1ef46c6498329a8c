//! The same run for many seeds, several at a time, each through the one training loop.
//!
//! A run is given one thread, because whole runs share a machine's cores better than the steps of
//! a run do, and its numbers do not depend on threads. What happens is yielded in the order in
//! which it happens, which is not the order of seeds.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::time::Instant;

use anyhow::{Context, Result, anyhow, ensure};
use serde::{Deserialize, Serialize};

use super::batches::Config;
use super::checkpoint::State;
use super::device::{self, Device};
use super::metrics::{ConfusionMatrix, StepRecord, check_scores};
use super::threads::Pool;
use super::training::Training;
use crate::data::Split;

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

/// Runs in progress. Iterate over what happens; dropping them stops each after its present step.
pub struct ManySeeds {
    events: Receiver<Result<Event>>,
    /// Runs that have not ended.
    left: usize,
    stopped: Arc<AtomicBool>,
    _pool: Pool<()>,
}

impl ManySeeds {
    /// Begins runs of `config`, its seed replaced by each of `seeds` in turn, `jobs` at a time. The
    /// error is that the system refuses a thread.
    pub fn start(
        config: &Config,
        seeds: Vec<u64>,
        split: &Split,
        device: Device,
        jobs: NonZeroUsize,
    ) -> Result<Self> {
        let jobs = jobs.get().min(seeds.len());
        let pool = Pool::new(vec![(); jobs], device::one_thread_per_operation)?;
        let (sender, events) = mpsc::channel();
        let stopped = Arc::new(AtomicBool::new(false));
        let left = seeds.len();
        for seed in seeds {
            let config = Config {
                seed,
                ..config.clone()
            };
            let (split, sender, stopped) = (split.clone(), sender.clone(), Arc::clone(&stopped));
            let _job = pool.push(false, move |()| {
                let outcome = run(&config, &split, device, &stopped, &sender);
                let outcome = outcome.with_context(|| format!("seed {seed}"));
                if let Some(event) = outcome.map(|run| run.map(Event::Run)).transpose() {
                    // Nobody may be interested any more.
                    let _ = sender.send(event);
                }
                Ok(())
            });
        }
        Ok(Self {
            events,
            left,
            stopped,
            _pool: pool,
        })
    }
}

impl Iterator for ManySeeds {
    type Item = Result<Event>;

    /// The next event. After an error there is no other.
    fn next(&mut self) -> Option<Self::Item> {
        if self.left == 0 {
            return None;
        }
        // Without a sender every run has ended; one that panicked has printed why.
        let panicked = || Err(anyhow!("a run ended before its work was done"));
        let event = self.events.recv().unwrap_or_else(|_| panicked());
        match &event {
            Ok(Event::Step) => {}
            Ok(Event::Run(_)) => self.left -= 1,
            Err(_) => {
                self.left = 0;
                self.stopped.store(true, Ordering::Relaxed);
            }
        }
        Some(event)
    }
}

impl Drop for ManySeeds {
    fn drop(&mut self) {
        // Then the pool, which is dropped after this, need not wait for whole runs.
        self.stopped.store(true, Ordering::Relaxed);
    }
}

/// One run; `None` when it was stopped meanwhile.
fn run(
    config: &Config,
    split: &Split,
    device: Device,
    stopped: &AtomicBool,
    events: &Sender<Result<Event>>,
) -> Result<Option<SeedRun>> {
    let begun = Instant::now();
    let state = State::new(config, split.classes.len())?;
    let (mut records, mut confusion) = (Vec::new(), None);
    for step in Training::new(config, &state, split, device, NonZeroUsize::MIN)? {
        let step = step?;
        records.extend(step.record());
        confusion = step.confusion.or(confusion);
        if stopped.load(Ordering::Relaxed) || events.send(Ok(Event::Step)).is_err() {
            return Ok(None);
        }
    }
    Ok(Some(SeedRun {
        seed: config.seed,
        records,
        confusion: confusion.context("the run ended without a score")?,
        seconds: begun.elapsed().as_secs_f64(),
    }))
}
