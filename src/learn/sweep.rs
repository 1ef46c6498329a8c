//! The same run for many seeds, several at a time, each through the one training loop.
//!
//! A run is given one thread, because whole runs share a machine's cores better than the steps of a
//! run do, and its numbers do not depend on threads. It knows nothing of files or terminals: it yields
//! what happens, in the order in which it happens, which is not the order of seeds.

use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Instant;

use anyhow::{Context, Result, anyhow};

use super::config::Config;
use super::device::Device;
use super::record::SeedRun;
use super::training::Training;
use super::weights::Weights;
use crate::data::Split;

/// What happens in a sweep.
#[derive(Debug)]
pub enum Event {
    /// One of the runs made a step.
    Step,
    /// A run is complete.
    Run(SeedRun),
}

/// A sweep in progress. Iterate over it; dropping it stops the runs after their present step.
pub struct Sweep {
    events: Receiver<Result<Event>>,
    plan: Arc<Plan>,
    threads: Vec<JoinHandle<()>>,
}

struct Plan {
    config: Config,
    split: Split,
    device: Device,
    /// Seeds that nobody has begun.
    seeds: Mutex<std::vec::IntoIter<u64>>,
    stopped: AtomicBool,
}

impl Sweep {
    /// Begins runs of `config`, its seed replaced by each of `seeds` in turn, `jobs` at a time.
    ///
    /// # Errors
    /// When the system refuses a thread.
    pub fn start(
        config: &Config,
        seeds: Vec<u64>,
        split: Split,
        device: Device,
        jobs: NonZeroUsize,
    ) -> Result<Self> {
        let jobs = jobs.get().min(seeds.len());
        let (sender, events) = mpsc::channel();
        let mut sweep = Self {
            events,
            plan: Arc::new(Plan {
                config: config.clone(),
                split,
                device,
                seeds: Mutex::new(seeds.into_iter()),
                stopped: AtomicBool::new(false),
            }),
            threads: Vec::with_capacity(jobs),
        };
        for _ in 0..jobs {
            let (plan, sender) = (Arc::clone(&sweep.plan), sender.clone());
            let thread = thread::Builder::new().spawn(move || plan.work(&sender));
            let thread = thread.context("cannot start another thread: use fewer --jobs")?;
            sweep.threads.push(thread);
        }
        Ok(sweep)
    }

    fn stop(&self) {
        self.plan.stopped.store(true, Ordering::Relaxed);
    }
}

impl Iterator for Sweep {
    type Item = Result<Event>;

    /// The next event. After an error there is no other.
    fn next(&mut self) -> Option<Self::Item> {
        if self.plan.is_stopped() {
            return None;
        }
        // Every thread has ended when no sender is left.
        let event = self.events.recv().ok().or_else(|| {
            let panicked = self.threads.drain(..).any(|thread| thread.join().is_err());
            panicked.then(|| Err(anyhow!("a run ended before its work was done")))
        });
        if let Some(Err(_)) = event {
            self.stop();
        }
        event
    }
}

impl Drop for Sweep {
    fn drop(&mut self) {
        self.stop();
        for thread in self.threads.drain(..) {
            // A thread that panicked has printed why.
            let _ = thread.join();
        }
    }
}

impl Plan {
    fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::Relaxed)
    }

    fn next_seed(&self) -> Option<u64> {
        // The iterator is whole after every call, so a panic elsewhere cannot have spoilt it.
        let mut seeds = self.seeds.lock().unwrap_or_else(PoisonError::into_inner);
        seeds.next().filter(|_| !self.is_stopped())
    }

    /// Runs one seed after the other, until none is left or nobody listens.
    fn work(&self, events: &Sender<Result<Event>>) {
        while let Some(seed) = self.next_seed() {
            let outcome = self.run(seed, events);
            let event = outcome.with_context(|| format!("seed {seed}")).transpose();
            let ended = event.is_none_or(|event| events.send(event.map(Event::Run)).is_err());
            if ended {
                return;
            }
        }
    }

    /// One run; `None` when the sweep was stopped meanwhile.
    fn run(&self, seed: u64, events: &Sender<Result<Event>>) -> Result<Option<SeedRun>> {
        let begun = Instant::now();
        let config = Config {
            seed,
            ..self.config.clone()
        };
        let weights = Weights::initial(config.init, seed, self.split.classes.len());
        let one = NonZeroUsize::MIN;
        let training = Training::new(&config, &weights, &self.split, self.device, one)?;
        let (mut records, mut confusion) = (Vec::new(), None);
        for step in training {
            let step = step?;
            records.extend(step.record());
            confusion = step.confusion.or(confusion);
            if self.is_stopped() || events.send(Ok(Event::Step)).is_err() {
                return Ok(None);
            }
        }
        Ok(Some(SeedRun {
            seed,
            records,
            confusion: confusion.context("the run ended without a score")?,
            seconds: begun.elapsed().as_secs_f64(),
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::mnist_10k;

    fn sweep(seeds: &[u64], jobs: usize, change: impl FnOnce(&mut Config)) -> Sweep {
        let split = mnist_10k().unwrap();
        let split = split.resized(Some(200), Some(100)).unwrap();
        let mut config = Config {
            epochs: NonZeroUsize::MIN,
            ..Config::default()
        };
        change(&mut config);
        let jobs = NonZeroUsize::new(jobs).unwrap();
        Sweep::start(&config, seeds.to_vec(), split, Device::CPU, jobs).unwrap()
    }

    fn runs(sweep: Sweep) -> Vec<SeedRun> {
        let mut runs: Vec<SeedRun> = sweep
            .filter_map(|event| match event.unwrap() {
                Event::Step => None,
                Event::Run(run) => Some(run),
            })
            .collect();
        runs.sort_by_key(|run| run.seed);
        runs
    }

    #[test]
    fn every_seed_gives_the_same_run_however_many_go_at_once() {
        let alone = runs(sweep(&[7, 1, 4], 1, |_| {}));
        let together = runs(sweep(&[1, 4, 7], 5, |_| {}));
        let seeds: Vec<u64> = alone.iter().map(|run| run.seed).collect();
        assert_eq!(seeds, [1, 4, 7]);
        assert!(alone.iter().zip(&together).all(|(a, b)| a.agrees_with(b)));
        assert!(!alone[0].agrees_with(&alone[1]));
        assert_eq!(
            (alone[0].records.len(), alone[0].confusion.total()),
            (2, 100)
        );
    }

    #[test]
    fn every_step_is_an_event() {
        let steps = sweep(&[0, 1], 2, |_| {}).filter(|event| matches!(event, Ok(Event::Step)));
        assert_eq!(steps.count(), 4);
    }

    #[test]
    fn a_run_that_fails_ends_the_sweep_with_its_seed() {
        let spoil = |config: &mut Config| {
            config.learning_rate = 1e38;
            config.epochs = NonZeroUsize::new(10).unwrap();
        };
        let events: Vec<_> = sweep(&[3, 4, 5], 1, spoil).collect();
        let error = events.last().unwrap().as_ref().unwrap_err();
        assert!(format!("{error:#}").starts_with("seed 3: "), "{error:#}");
        assert_eq!(events.iter().filter(|event| event.is_err()).count(), 1);
    }

    #[test]
    fn dropping_a_sweep_stops_it() {
        let mut sweep = sweep(&(0..10_000).collect::<Vec<u64>>(), 2, |_| {});
        assert!(sweep.next().unwrap().is_ok());
    }
}
