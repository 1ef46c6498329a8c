//! The training loop: an iterator that makes one step after the other and yields a [`Step`] for each.
//!
//! It knows nothing of files or terminals, and nothing is read from the device before it is needed.
//!
//! On a CPU scoring is over nine tenths of the work and needs only the weights of its step, a few
//! thousand numbers. So training runs ahead while all threads score chunks of the test set with copies of
//! earlier weights. A batch's gradient is cut into `shards`,
//! so that all threads share it too and every number stays the same for any number of threads.
//!
//! On CUDA one thread issues everything, a step of the article's job being about 75 kernels: input 2,
//! weights 1, forward 16 (convolution, bias, pool, ReLU three times; dense 1; loss 3), backward 28,
//! Adam 8, a copy of the weights, and for its score 1 + 13 + 4. None of them waits for the device. The
//! host waits when it reads losses and counts: twice for every 32 steps.

use std::collections::VecDeque;
use std::num::NonZeroUsize;

use anyhow::{Context, Result, ensure};
use tch::Tensor;

use super::adam::Adam;
use super::config::Config;
use super::device::Device;
use super::images::{Placement, Rows};
use super::libtorch;
use super::pending::{self, Pending};
use super::pool::Pool;
use super::record::Step;
use super::replica::{self, Outcome, Replica, Task};
use super::schedule::{Position, Schedule};
use super::shards::{self, Shards};
use super::state::{self, Snapshot, State};
use super::weights::Weights;
use crate::data::Split;

type Work = Box<dyn FnMut(Task) -> Result<Outcome> + Send>;

/// A run in progress. Iterate over it to train; each item is one step, in order.
pub struct Training {
    schedule: Schedule,
    device: Device,
    pool: Pool<Task, Work, Result<Outcome>>,
    classes: usize,
    weights: Tensor,
    adam: Adam,
    chunks: usize,
    /// The current epoch's order of images, where they are shuffled.
    order: Option<Tensor>,
    /// The last step made.
    made: usize,
    /// The last step to make.
    last: usize,
    /// Of the step being made.
    shards: Shards,
    /// Steps that are made but not read yet, without gaps.
    pending: VecDeque<Pending>,
    /// Steps that are read but not yielded yet.
    read: VecDeque<Result<Step>>,
    failed: bool,
}

impl Training {
    /// Prepares a run from `weights` on the training images of `split`, scored on its test images. On a CPU, `threads`
    /// threads share the work and the numbers do not depend on how many; elsewhere one thread is enough.
    ///
    /// # Errors
    /// When a set is empty, classes do not fit, or memory or threads do not suffice.
    pub fn new(
        config: &Config,
        weights: &Weights,
        split: &Split,
        device: Device,
        threads: NonZeroUsize,
    ) -> Result<Self> {
        let state = State::initial(weights.clone());
        Self::resume(config, &state, split, device, threads)
    }

    /// Prepares a run that goes on after `state`, which an earlier one of the same configuration and images left. On a
    /// CPU of the same kind its numbers are those of a run that never stopped.
    ///
    /// # Errors
    /// As those of [`Self::new`], and when the state is past the run's last step.
    pub fn resume(
        config: &Config,
        state: &State,
        split: &Split,
        device: Device,
        threads: NonZeroUsize,
    ) -> Result<Self> {
        ensure!(
            !split.train.is_empty() && !split.test.is_empty(),
            "there is no image to use"
        );
        let schedule = Schedule::new(config, split.train.len());
        let (made, last) = (state.step(), schedule.steps());
        ensure!(
            made <= last,
            "the state is that after step {made}, the run has {last}"
        );
        let classes = state.weights.classes();
        split.train.check_labels(classes)?;
        split.test.check_labels(classes)?;
        libtorch::one_thread_per_operation();
        device.prepare();
        // Elsewhere a single thread is enough to keep the device busy.
        let threads = if device.is_cpu() { threads.get() } else { 1 };
        let placement = Placement::on(device.tch());
        let (replicas, chunks) =
            libtorch::call(|| replica::replicas(threads, split, classes, placement))?;
        let mut work = replicas.into_iter().map(work);
        let own = work.next().context("a pool has a first thread")?;
        let (weights, adam) = libtorch::call(|| {
            let weights = Tensor::f_from_slice(state.weights.values())?;
            let weights = weights.f_to_device(placement.device)?;
            let adam = Adam::resume(&state.optimizer, config.learning_rate, placement.device)?;
            Ok((weights, adam))
        })?;
        Ok(Self {
            schedule,
            device,
            pool: Pool::new(own, work.collect())?,
            classes,
            weights,
            adam,
            chunks,
            order: None,
            made,
            last,
            shards: Shards::default(),
            pending: VecDeque::new(),
            read: VecDeque::new(),
            failed: false,
        })
    }

    /// The plan of the run.
    #[must_use]
    pub fn schedule(&self) -> &Schedule {
        &self.schedule
    }

    /// The last step made.
    #[must_use]
    pub fn made(&self) -> usize {
        self.made
    }

    /// Whether training itself has failed, so that going on from an earlier state would fail in the same way.
    #[must_use]
    pub fn has_failed(&self) -> bool {
        self.failed
    }

    /// The weights after the last step made, which is the last step yielded once the iterator has ended.
    ///
    /// # Errors
    /// When the device fails.
    pub fn weights(&self) -> Result<Weights> {
        let values = libtorch::call(|| Vec::<f32>::try_from(&self.weights))?;
        Weights::from_values(values, self.classes)
    }

    /// The state after the last step made, which is the last step yielded once the iterator has ended.
    ///
    /// # Errors
    /// When the device fails.
    pub fn state(&self) -> Result<State> {
        state::read(&self.weights, &self.adam, self.classes)
    }

    /// Makes no other step. Those that are made, a few that ran ahead, are still yielded; then the iterator ends.
    pub fn stop(&mut self) {
        self.last = self.made;
    }

    /// Makes one step: gradient, Adam, and the scoring of the new weights put into the queue.
    fn make_step(&mut self) -> Result<()> {
        let position = self.schedule.position(self.made + 1);
        // In the middle of an epoch only after a resume.
        if position.batch == 1 || self.order.is_none() {
            let order = self.schedule.order(position.epoch);
            let to_device =
                |order: Vec<i64>| Tensor::f_from_slice(&order)?.f_to_device(self.device.tch());
            self.order = libtorch::call(|| order.map(to_device).transpose())?;
        }
        let (gradient, loss) = self.gradient(&position)?;
        let snapshot = libtorch::call(|| {
            self.adam.step(&mut self.weights, &gradient)?;
            Ok(self.weights.copy())
        })?;
        self.made = position.step;
        let is_scored = self.schedule.is_scored(position.step);
        let chunks = if is_scored { self.chunks } else { 0 };
        for chunk in 0..chunks {
            let weights = snapshot.shallow_clone();
            self.pool.push(Task::Score {
                step: position.step,
                weights,
                chunk,
            });
        }
        let is_kept = self.schedule.is_kept(position.step);
        let kept = is_kept
            .then(|| libtorch::call(|| Ok(Snapshot::new(snapshot, &self.adam, self.classes))));
        let kept = kept.transpose()?;
        self.pending
            .push_back(Pending::new(position, loss, chunks, kept));
        Ok(())
    }

    /// Gradient and loss of a batch, shard by shard on all threads, summed in the order of shards.
    fn gradient(&mut self, position: &Position) -> Result<(Tensor, Tensor)> {
        let batch_size = position.places.len();
        let cuts = shards::cut(&position.places, self.device.is_cpu());
        self.shards = Shards::expect(cuts.len());
        // The last one first, because an urgent task goes before all others.
        for (shard, places) in cuts.into_iter().enumerate().rev() {
            let rows = self.rows(places.start, places.len())?;
            let weights = self.weights.shallow_clone();
            self.pool.push_urgent(Task::Gradient {
                shard,
                weights,
                rows,
                batch_size,
            });
        }
        while !self.shards.is_complete() {
            self.absorb()?;
        }
        std::mem::take(&mut self.shards).sum()
    }

    fn rows(&self, start: usize, length: usize) -> Result<Rows> {
        let (start, length) = (i64::try_from(start)?, i64::try_from(length)?);
        match &self.order {
            None => Ok(Rows::Range(start, length)),
            Some(order) => Ok(Rows::Picked(libtorch::call(|| {
                order.f_narrow(0, start, length)
            })?)),
        }
    }

    /// Takes one more result from the pool and puts it where it belongs.
    fn absorb(&mut self) -> Result<()> {
        let outcome = self.pool.next();
        match outcome.context("a thread ended before its work was done")?? {
            Outcome::Gradient {
                shard,
                gradient,
                loss,
            } => {
                self.shards.put(shard, gradient, loss);
                Ok(())
            }
            Outcome::Score { step, counts } => {
                let mut pending = self.pending.iter_mut();
                let scored = pending.find(|pending| pending.step() == step);
                scored.context("a score without its step")?.add(counts)
            }
        }
    }

    /// Does one thing that brings the next step nearer; `false` when the run is over.
    fn advance(&mut self) -> Result<bool> {
        let whole = self.pending.iter().take_while(|pending| pending.is_whole());
        let whole = whole.count();
        let ended = self.made >= self.last;
        if whole > 0 && (whole >= self.device.steps_per_read() || ended) {
            let steps = self.pending.drain(..whole).collect();
            self.read.extend(pending::read(steps, self.classes)?);
        } else if self.pool.is_alone() && self.pool.outstanding() > 0 {
            // Nobody else would do it meanwhile.
            self.absorb()?;
        } else if !ended && self.pending.len() < self.steps_ahead() {
            self.make_step()?;
        } else if self.pool.outstanding() > 0 {
            self.absorb()?;
        } else {
            return Ok(false);
        }
        Ok(true)
    }

    /// How many steps may be made before the first of them has to be read.
    fn steps_ahead(&self) -> usize {
        self.device.steps_per_read().max(2 * self.pool.threads())
    }
}

impl Iterator for Training {
    type Item = Result<Step>;

    /// The next step. After an error there is no other.
    fn next(&mut self) -> Option<Self::Item> {
        while !self.failed {
            let outcome = match self.read.pop_front() {
                Some(step) => step,
                None => match self.advance() {
                    Ok(true) => continue,
                    Ok(false) => return None,
                    Err(error) => Err(error.context(format!("step {}", self.made + 1))),
                },
            };
            if outcome.is_err() {
                self.failed = true;
                self.pool.clear();
            }
            return Some(outcome);
        }
        None
    }
}

fn work(mut replica: Replica) -> Work {
    let mut first = true;
    Box::new(move |task| {
        // libtorch keeps the setting per thread, and this closure moves to its thread before its first task.
        if std::mem::take(&mut first) {
            libtorch::one_thread_per_operation();
        }
        replica.run(task)
    })
}

#[cfg(test)]
mod tests;
