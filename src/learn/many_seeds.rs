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

use anyhow::{Context, Result, anyhow};
use serde::{Deserialize, Serialize};

use super::batches::Config;
use super::checkpoint::State;
use super::device::{self, Device};
use super::metrics::{ConfusionMatrix, StepRecord};
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::mnist_10k;

    fn start(seeds: &[u64], jobs: usize, change: impl FnOnce(&mut Config)) -> ManySeeds {
        let split = mnist_10k().unwrap();
        let split = split.resized(Some(200), Some(100)).unwrap();
        let mut config = Config {
            epochs: NonZeroUsize::MIN,
            ..Config::default()
        };
        change(&mut config);
        let jobs = NonZeroUsize::new(jobs).unwrap();
        ManySeeds::start(&config, seeds.to_vec(), &split, Device::CPU, jobs).unwrap()
    }

    /// The runs in the order of seeds, and the number of steps that were told of.
    fn all(events: ManySeeds) -> (Vec<SeedRun>, usize) {
        let (mut runs, mut steps) = (Vec::new(), 0);
        for event in events {
            match event.unwrap() {
                Event::Step => steps += 1,
                Event::Run(run) => runs.push(run),
            }
        }
        runs.sort_by_key(|run: &SeedRun| run.seed);
        (runs, steps)
    }

    #[test]
    fn every_seed_gives_the_same_run_however_many_go_at_once() {
        let (alone, steps) = all(start(&[7, 1, 4], 1, |_| {}));
        let (together, _) = all(start(&[1, 4, 7], 5, |_| {}));
        let seeds: Vec<u64> = alone.iter().map(|run| run.seed).collect();
        assert_eq!((seeds, steps), (vec![1, 4, 7], 6));
        assert!(alone.iter().zip(&together).all(|(a, b)| a.agrees_with(b)));
        assert!(!alone[0].agrees_with(&alone[1]));
        let first = (alone[0].records.len(), alone[0].confusion.total());
        assert_eq!(first, (2, 100));
    }

    #[test]
    fn a_run_that_fails_ends_all_of_them_with_its_seed() {
        let events: Vec<_> = start(&[3, 4, 5], 1, |it| it.learning_rate = 1e39).collect();
        let error = events.last().unwrap().as_ref().unwrap_err();
        assert!(
            format!("{error:#}").starts_with("seed 3: step 1 "),
            "{error:#}"
        );
        assert_eq!(events.len(), 1);
    }

    #[test]
    fn dropping_the_runs_stops_them() {
        let mut runs = start(&(0..10_000).collect::<Vec<u64>>(), 2, |_| {});
        assert!(runs.next().unwrap().is_ok());
    }
}
