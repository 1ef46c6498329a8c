//! The training loop: an iterator that makes one step after the other and yields a [`Step`] for each.
//!
//! It knows nothing of files or terminals, and nothing is read from the device before it is needed.
//!
//! On a CPU scoring is over nine tenths of the work and needs only the weights of its step, a few
//! thousand numbers. So training runs ahead while all threads score chunks of the test set with copies of
//! earlier weights. A batch's gradient is cut into `shards`, so that all threads share it too and every number stays
//! the same for any number of threads. What is scored goes through the network in the form of `squares`.
//!
//! On CUDA one thread issues everything, a step of the article's job being about 75 kernels: input 2,
//! weights 1, forward 16 (convolution, bias, pool, ReLU three times; dense 1; loss 3), backward 28,
//! Adam 8, a copy of the weights, and for its score 1 + 13 + 4. None of them waits for the device. The
//! host waits when it reads losses and counts: twice for every 32 steps.

use std::collections::VecDeque;
use std::num::NonZeroUsize;

use anyhow::{Result, ensure};
use tch::Tensor;

use super::adam::Adam;
use super::config::Config;
use super::device::Device;
use super::images::Rows;
use super::libtorch;
use super::pending::{self, Pending};
use super::record::Step;
use super::schedule::{Position, Schedule};
use super::state::{self, Snapshot, State};
use super::weights::Weights;
use super::workers::{Workers, shards};
use crate::data::Split;

/// A run in progress. Iterate over it to train; each item is one step, in order.
pub struct Training {
    schedule: Schedule,
    device: Device,
    workers: Workers,
    classes: usize,
    weights: Tensor,
    adam: Adam,
    /// The current epoch's order of images, where they are shuffled.
    order: Option<Tensor>,
    /// The last step made.
    made: usize,
    /// The last step to make.
    last: usize,
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
        let workers = Workers::new(split, classes, device, threads)?;
        let (weights, adam) = libtorch::call(|| {
            let weights = Tensor::f_from_slice(state.weights.values())?;
            let weights = weights.f_to_device(device.tch())?;
            let adam = Adam::resume(&state.optimizer, config.learning_rate, device.tch())?;
            Ok((weights, adam))
        })?;
        Ok(Self {
            schedule,
            device,
            workers,
            classes,
            weights,
            adam,
            order: None,
            made,
            last,
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
        let kept = if self.schedule.is_kept(position.step) {
            let snapshot = snapshot.shallow_clone();
            let kept = libtorch::call(|| Ok(Snapshot::new(snapshot, &self.adam, self.classes)))?;
            Some(kept)
        } else {
            None
        };
        let scored = self.schedule.is_scored(position.step).then_some(&snapshot);
        self.workers
            .enqueue(Pending::new(position, loss, kept), scored);
        Ok(())
    }

    /// Gradient and loss of a batch. Its shards do not depend on the number of threads.
    fn gradient(&mut self, position: &Position) -> Result<(Tensor, Tensor)> {
        let shards = shards::cut(&position.places, self.device.is_cpu()).into_iter();
        let shards = shards.map(|places| self.rows(places.start, places.len()));
        let shards = shards.collect::<Result<Vec<Rows>>>()?;
        self.workers
            .gradient(&self.weights, shards, position.places.len())
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

    /// Does one thing that brings the next step nearer; `false` when the run is over.
    fn advance(&mut self) -> Result<bool> {
        let ended = self.made >= self.last;
        let least = if ended {
            1
        } else {
            self.device.steps_per_read()
        };
        let whole = self.workers.take_whole(least);
        if !whole.is_empty() {
            self.read.extend(pending::read(whole, self.classes)?);
        } else if self.workers.is_alone() && self.workers.is_busy() {
            // Nobody else would do it meanwhile.
            self.workers.absorb()?;
        } else if !ended && self.workers.steps_ahead() < self.most_steps_ahead() {
            self.make_step()?;
        } else if self.workers.is_busy() {
            self.workers.absorb()?;
        } else {
            return Ok(false);
        }
        Ok(true)
    }

    /// How many steps may be made before the first of them has to be read.
    fn most_steps_ahead(&self) -> usize {
        self.device.steps_per_read().max(2 * self.workers.threads())
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
                self.workers.clear();
            }
            return Some(outcome);
        }
        None
    }
}

#[cfg(test)]
mod tests;
