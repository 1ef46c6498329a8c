//! The training loop: an iterator that makes one step after the other and yields a [`Step`] for each.
//!
//! It knows nothing of files or terminals, and nothing is read from the device before it is needed.
//!
//! On a CPU scoring is over nine tenths of the work and needs only the weights of its step, 3,138
//! numbers. So training runs ahead while all threads score chunks of the test set with copies of
//! earlier weights. A batch's gradient is cut into shards of a size that follows from the batch alone;
//! they are summed in order, so every number is the same for any number of threads.
//!
//! On CUDA one thread issues everything, a step of the article's job being about 75 kernels: input 2,
//! weights 1, forward 16 (convolution, bias, pool, ReLU three times; dense 1; loss 3), backward 28,
//! Adam 8, a copy of the weights, and for its score 1 + 13 + 4. None of them waits for the device. The
//! host waits when it reads losses and counts: twice for every 32 steps.

use std::collections::VecDeque;
use std::num::NonZeroUsize;

use anyhow::{Context, Result, anyhow};
use serde::Serialize;
use tch::Tensor;

use super::adam::Adam;
use super::device::Device;
use super::images::{self, Placement, Rows, TrainingImages};
use super::libtorch;
use super::network::Network;
use super::pool::Pool;
use super::record::{ConfusionMatrix, Step};
use super::replica::{Outcome, Replica, Task};
use super::schedule::{Position, Schedule};
use super::weights::{Init, Weights};
use crate::data::{CLASSES, Split};

/// What is trained and how; the default is the article's protocol.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Config {
    /// Times the training set is gone through.
    pub epochs: NonZeroUsize,
    /// Images of one step.
    pub batch_size: NonZeroUsize,
    /// Adam's learning rate, above 0.
    pub learning_rate: f64,
    /// Of the initial weights and of shuffling.
    pub seed: u64,
    /// How the initial weights are drawn.
    pub init: Init,
    /// The test set is scored after every so many steps and at each epoch's end; 0: after the last step only;
    /// `None`: 50 times an epoch, or after every step where there are fewer.
    pub eval_every: Option<usize>,
    /// Whether each epoch goes through the images in another order.
    pub shuffle: bool,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            epochs: const { NonZeroUsize::new(5).unwrap() },
            batch_size: const { NonZeroUsize::new(100).unwrap() },
            learning_rate: 0.005,
            seed: 0,
            init: Init::Flux,
            eval_every: None,
            shuffle: false,
        }
    }
}

/// Adam's state, in the order of the weights.
#[derive(Debug, Clone, PartialEq)]
pub struct OptimizerState {
    /// Running mean of the gradient.
    pub first_moment: Vec<f32>,
    /// Running mean of the squared gradient.
    pub second_moment: Vec<f32>,
    /// Steps made.
    pub steps: u64,
}

type Work = Box<dyn FnMut(Task) -> Result<Outcome> + Send>;

/// A run in progress. Iterate over it to train; each item is one step, in order.
pub struct Training {
    schedule: Schedule,
    device: Device,
    pool: Pool<Task, Work, Result<Outcome>>,
    weights: Tensor,
    adam: Adam,
    chunks: usize,
    /// The current epoch's order of images, where they are shuffled.
    order: Option<Tensor>,
    /// The last step made.
    made: usize,
    /// Gradient and loss of each shard of the step being made.
    shards: Vec<Option<(Tensor, Tensor)>>,
    /// Steps that are made but not read yet, without gaps.
    pending: VecDeque<Pending>,
    read: VecDeque<Result<Step>>,
}

/// A step whose numbers are still on the device.
struct Pending {
    position: Position,
    loss: Tensor,
    /// The confusion counts so far, where the step is scored.
    counts: Option<Tensor>,
    /// Chunks that are not scored yet.
    missing: usize,
}

impl Training {
    /// Prepares a run from `weights` on the training images of `split`, scored on its test images. On a CPU, `threads`
    /// threads share the work and the numbers do not depend on how many; elsewhere one thread is enough.
    ///
    /// # Errors
    /// When a set is empty, or memory or threads do not suffice.
    pub fn new(
        config: &Config,
        weights: &Weights,
        split: &Split,
        device: Device,
        threads: NonZeroUsize,
    ) -> Result<Self> {
        anyhow::ensure!(
            !split.train.is_empty() && !split.test.is_empty(),
            "there is no image to use"
        );
        libtorch::one_thread_per_operation();
        device.prepare();
        let placement = Placement::on(device.tch());
        let others = if device.is_cpu() {
            threads.get() - 1
        } else {
            0
        };
        let (chunks, replicas, weights, adam) = libtorch::call(|| {
            let training = TrainingImages::new(&split.train, placement)?;
            let chunks = images::chunks(&split.test, placement)?;
            let replica = || {
                let test = chunks.iter().map(images::Chunk::share).collect();
                Ok(Replica::new(
                    Network::new(placement.device)?,
                    training.share(),
                    test,
                ))
            };
            let replicas = (0..=others)
                .map(|_| replica())
                .collect::<Result<Vec<_>, tch::TchError>>()?;
            let weights = Tensor::f_from_slice(weights.values())?.f_to_device(placement.device)?;
            let adam = Adam::new(&weights, config.learning_rate)?;
            Ok((chunks.len(), replicas, weights, adam))
        })?;
        let mut work = replicas.into_iter().map(work);
        let own = work.next().context("a pool has a first thread")?;
        Ok(Self {
            schedule: Schedule::new(config, split.train.len()),
            device,
            pool: Pool::new(own, work.collect())?,
            weights,
            adam,
            chunks,
            order: None,
            made: 0,
            shards: Vec::new(),
            pending: VecDeque::new(),
            read: VecDeque::new(),
        })
    }

    /// The plan of the run.
    #[must_use]
    pub fn schedule(&self) -> &Schedule {
        &self.schedule
    }

    /// The weights after the last step made, which is the last step yielded once the iterator has ended.
    ///
    /// # Errors
    /// When the device fails.
    pub fn weights(&self) -> Result<Weights> {
        Weights::from_values(libtorch::call(|| Vec::<f32>::try_from(&self.weights))?)
    }

    /// What Adam has gathered after the last step made: with the weights, all that going on later needs.
    ///
    /// # Errors
    /// When the device fails.
    pub fn optimizer_state(&self) -> Result<OptimizerState> {
        let (first, second, steps) = self.adam.state();
        libtorch::call(|| {
            Ok(OptimizerState {
                first_moment: Vec::try_from(first)?,
                second_moment: Vec::try_from(second)?,
                steps: steps.unsigned_abs().into(),
            })
        })
    }

    /// Makes one step: gradient, Adam, and the scoring of the new weights put into the queue.
    fn make_step(&mut self) -> Result<()> {
        let position = self.schedule.position(self.made + 1);
        if position.batch == 1 {
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
        let missing = if self.schedule.is_scored(position.step) {
            self.chunks
        } else {
            0
        };
        for chunk in 0..missing {
            let weights = snapshot.shallow_clone();
            self.pool.push(Task::Score {
                step: position.step,
                weights,
                chunk,
            });
        }
        self.pending.push_back(Pending {
            position,
            loss,
            counts: None,
            missing,
        });
        Ok(())
    }

    /// Gradient and loss of a batch, shard by shard on all threads, summed in the order of shards.
    fn gradient(&mut self, position: &Position) -> Result<(Tensor, Tensor)> {
        let batch_size = position.places.len();
        let length = if self.device.is_cpu() {
            shard_length(batch_size)
        } else {
            batch_size
        };
        let starts: Vec<usize> = position.places.clone().step_by(length).collect();
        self.shards = starts.iter().map(|_| None).collect();
        // The last one first, because an urgent task goes before all others.
        for (shard, &start) in starts.iter().enumerate().rev() {
            let rows = self.rows(start, length.min(position.places.end - start))?;
            let weights = self.weights.shallow_clone();
            self.pool.push_urgent(Task::Gradient {
                shard,
                weights,
                rows,
                batch_size,
            });
        }
        while self.shards.iter().any(Option::is_none) {
            self.absorb()?;
        }
        let mut shards = self.shards.drain(..).flatten();
        let (mut gradient, mut loss) = shards.next().context("a batch has a shard")?;
        libtorch::call(|| {
            for (more, more_loss) in shards {
                gradient = gradient.f_add_(&more)?;
                loss = loss.f_add_(&more_loss)?;
            }
            Ok((gradient, loss))
        })
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
        match self
            .pool
            .next()
            .context("a thread ended before its work was done")??
        {
            Outcome::Gradient {
                shard,
                gradient,
                loss,
            } => self.shards[shard] = Some((gradient, loss)),
            Outcome::Score { step, counts } => {
                let scored = self
                    .pending
                    .iter_mut()
                    .find(|pending| pending.position.step == step);
                let pending = scored.context("a score without its step")?;
                pending.missing -= 1;
                pending.counts = Some(match pending.counts.take() {
                    None => counts,
                    Some(mut sum) => libtorch::call(|| sum.f_add_(&counts))?,
                });
            }
        }
        Ok(())
    }

    /// Reads losses and counts of the first `number` pending steps from the device, in two transfers.
    fn read(&mut self, number: usize) -> Result<()> {
        let steps: Vec<Pending> = self.pending.drain(..number).collect();
        let (losses, counts) = libtorch::call(|| {
            let losses: Vec<&Tensor> = steps.iter().map(|pending| &pending.loss).collect();
            let counts: Vec<&Tensor> = steps
                .iter()
                .filter_map(|pending| pending.counts.as_ref())
                .collect();
            let losses = Vec::<f32>::try_from(Tensor::f_stack(&losses, 0)?)?;
            let counts = if counts.is_empty() {
                vec![]
            } else {
                Vec::<i64>::try_from(Tensor::f_cat(&counts, 0)?)?
            };
            Ok((losses, counts))
        })?;
        let mut matrices = counts.chunks_exact(CLASSES * CLASSES).map(confusion);
        for (
            Pending {
                position, counts, ..
            },
            train_loss,
        ) in steps.into_iter().zip(losses)
        {
            let confusion = if counts.is_some() {
                matrices.next()
            } else {
                None
            };
            self.read.push_back(step(&position, train_loss, confusion));
        }
        Ok(())
    }

    /// Does one thing that brings the next step nearer; `false` when the run is over.
    fn advance(&mut self) -> Result<bool> {
        let whole = self
            .pending
            .iter()
            .take_while(|pending| pending.missing == 0)
            .count();
        let ended = self.made == self.schedule.steps();
        if whole > 0 && (whole >= self.device.steps_per_read() || ended) {
            self.read(whole)?;
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
        loop {
            let outcome = match self.read.pop_front() {
                Some(step) => step,
                None => match self.advance() {
                    Ok(true) => continue,
                    Ok(false) => return None,
                    Err(error) => Err(error.context(format!("step {}", self.made + 1))),
                },
            };
            if outcome.is_err() {
                self.read.clear();
                self.pending.clear();
                self.pool.clear();
                self.made = self.schedule.steps();
            }
            return Some(outcome);
        }
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

/// Images of a shard: 50 to 125 (measured to cost least an image), about eight shards in between; all nearly equal.
fn shard_length(batch_size: usize) -> usize {
    let shards = batch_size.div_ceil(batch_size.div_ceil(8).clamp(50, 125));
    batch_size.div_ceil(shards)
}

fn step(position: &Position, train_loss: f32, confusion: Option<ConfusionMatrix>) -> Result<Step> {
    let &Position {
        epoch,
        batch,
        step,
        ref places,
    } = position;
    if !train_loss.is_finite() {
        return Err(anyhow!(
            "step {step} (epoch {epoch}, batch {batch}): the loss is {train_loss}, training has failed; try a smaller --lr"
        ));
    }
    Ok(Step {
        epoch,
        batch,
        step,
        images: places.len(),
        train_loss,
        confusion,
    })
}

fn confusion(counts: &[i64]) -> ConfusionMatrix {
    let mut matrix = ConfusionMatrix::new(CLASSES);
    for (cell, &count) in counts.iter().enumerate() {
        matrix.add(cell / CLASSES, cell % CLASSES, count.unsigned_abs());
    }
    matrix
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shards_follow_from_the_batch_alone() {
        let lengths = [1, 30, 50, 51, 100, 120, 500, 1_000, 1_001, 5_000].map(shard_length);
        assert_eq!(lengths, [1, 30, 50, 26, 50, 40, 63, 125, 112, 125]);
    }
}
