//! The threads of a run: gradients first, scores in between, and the steps whose scores are under way.
//!
//! It knows nothing of epochs, Adam or the order of images. It is told what to do, and what to do it with. Its parts: the
//! threads (`pool`), what each of them can do (`replica`), a batch cut for them (`shards`); and, for a network that is
//! trained already, the same threads over a whole data set (`sharing`).

mod pool;
pub mod replica;
pub mod shards;
pub mod sharing;

use std::collections::VecDeque;
use std::num::NonZeroUsize;

use anyhow::{Context, Result};
use tch::Tensor;

use self::pool::Pool;
use self::replica::{Outcome, Replica, Task};
use self::shards::Shards;
use super::device::Device;
use super::images::{Placement, Rows};
use super::libtorch;
use super::pending::Pending;
use crate::data::Split;

type Work = Box<dyn FnMut(Task) -> Result<Outcome> + Send>;

/// A pool of threads with a copy of the network each.
pub struct Workers {
    pool: Pool<Task, Work, Result<Outcome>>,
    /// Of the test set.
    chunks: usize,
    /// Of the batch whose gradient is being made.
    shards: Shards,
    /// Steps that are made but not read yet, without gaps.
    pending: VecDeque<Pending>,
}

impl Workers {
    /// `threads` threads for the images of `split` in so many `classes`; a single one where `device` is no CPU, which
    /// is enough to keep it busy.
    ///
    /// # Errors
    /// When memory or threads do not suffice.
    pub fn new(
        split: &Split,
        classes: usize,
        device: Device,
        threads: NonZeroUsize,
    ) -> Result<Self> {
        let threads = if device.is_cpu() { threads.get() } else { 1 };
        let placement = Placement::on(device.tch());
        let (replicas, chunks) =
            libtorch::call(|| replica::replicas(threads, split, classes, placement))?;
        let mut work = replicas.into_iter().map(work);
        let own = work.next().context("a pool has a first thread")?;
        Ok(Self {
            pool: Pool::new(own, work.collect())?,
            chunks,
            shards: Shards::default(),
            pending: VecDeque::new(),
        })
    }

    /// Number of threads, the calling one among them.
    pub fn threads(&self) -> usize {
        self.pool.threads()
    }

    /// Whether the calling thread does everything itself.
    pub fn is_alone(&self) -> bool {
        self.pool.is_alone()
    }

    /// Whether there is work that is not done, or done and not taken in.
    pub fn is_busy(&self) -> bool {
        self.pool.outstanding() > 0
    }

    /// Number of steps that are made and not taken by [`Self::take_whole`].
    pub fn steps_ahead(&self) -> usize {
        self.pending.len()
    }

    /// Gradient (flat, f32) and loss (scalar, f32) of a batch of `batch_size` images at `weights` (flat, f32), shard by
    /// shard on all threads, summed in the order of `shards`.
    ///
    /// # Errors
    /// When there is no shard, or libtorch fails.
    pub fn gradient(
        &mut self,
        weights: &Tensor,
        shards: Vec<Rows>,
        batch_size: usize,
    ) -> Result<(Tensor, Tensor)> {
        self.shards = Shards::expect(shards.len());
        // The last one first, because an urgent task goes before all others.
        for (shard, rows) in shards.into_iter().enumerate().rev() {
            let weights = weights.shallow_clone();
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

    /// Takes a step that is made. With `weights` (flat, f32), those after it, they are scored when nothing is more urgent.
    pub fn enqueue(&mut self, mut made: Pending, weights: Option<&Tensor>) {
        if let Some(weights) = weights {
            made.expect(self.chunks);
            for chunk in 0..self.chunks {
                self.pool.push(Task::Score {
                    step: made.step(),
                    weights: weights.shallow_clone(),
                    chunk,
                });
            }
        }
        self.pending.push_back(made);
    }

    /// The steps in order up to the first whose score is not whole; none if they are fewer than `least`.
    pub fn take_whole(&mut self, least: usize) -> Vec<Pending> {
        let whole = self.pending.iter().take_while(|pending| pending.is_whole());
        let whole = whole.count();
        let taken = if whole < least { 0 } else { whole };
        self.pending.drain(..taken).collect()
    }

    /// Takes in one more result, working for it or waiting for it.
    ///
    /// # Errors
    /// When the work failed.
    pub fn absorb(&mut self) -> Result<()> {
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

    /// Drops the work that nobody has begun.
    pub fn clear(&mut self) {
        self.pool.clear();
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
