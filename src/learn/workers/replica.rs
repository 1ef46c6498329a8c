//! One thread's copy of the network, and the two kinds of work it does: gradients and scores.
//!
//! All gradients and all scores of the program come from here. Work is defined by what it is given,
//! never by the thread that does it, so results do not depend on the number of threads.

use anyhow::Result;
use tch::{TchError, Tensor};

use super::super::images::{Chunk, Placement, Rows, TrainingImages, chunks};
use super::super::libtorch;
use super::super::network::{Network, confusion_counts};
use crate::data::Split;

/// What a thread can be asked to do.
#[derive(Debug)]
pub enum Task {
    /// The gradient of one shard of a batch.
    Gradient {
        /// Which shard of the batch it is.
        shard: usize,
        /// Flat weights (f32).
        weights: Tensor,
        /// The shard's images.
        rows: Rows,
        /// Number of images in the whole batch.
        batch_size: usize,
    },
    /// The confusion counts of one chunk of the test set.
    Score {
        /// The step whose weights are scored.
        step: usize,
        /// Flat weights (f32).
        weights: Tensor,
        /// Which chunk of the test set.
        chunk: usize,
    },
}

/// What comes back; tensors stay on the device.
#[derive(Debug)]
pub enum Outcome {
    /// Of [`Task::Gradient`].
    Gradient {
        /// Which shard of the batch it was.
        shard: usize,
        /// The shard's part of the gradient (flat, f32).
        gradient: Tensor,
        /// The shard's part of the loss (scalar, f32).
        loss: Tensor,
    },
    /// Of [`Task::Score`].
    Score {
        /// The step whose weights were scored.
        step: usize,
        /// Confusion counts of the chunk (classes x classes, i64).
        counts: Tensor,
    },
}

/// A copy of the network with views of the data.
#[derive(Debug)]
pub struct Replica {
    network: Network,
    training: TrainingImages,
    test: Vec<Chunk>,
}

impl Replica {
    /// Puts network and data together.
    #[must_use]
    pub fn new(network: Network, training: TrainingImages, test: Vec<Chunk>) -> Self {
        Self {
            network,
            training,
            test,
        }
    }

    /// Does one task.
    ///
    /// # Errors
    /// When libtorch fails, for example because the device's memory is full.
    pub fn run(&mut self, task: Task) -> Result<Outcome> {
        libtorch::call(|| match task {
            Task::Gradient {
                shard,
                weights,
                rows,
                batch_size,
            } => {
                self.network.set_weights(&weights)?;
                let (images, labels) = self.training.batch(&rows)?;
                let (gradient, loss) = self.network.gradient(&images, &labels, batch_size)?;
                Ok(Outcome::Gradient {
                    shard,
                    gradient,
                    loss,
                })
            }
            Task::Score {
                step,
                weights,
                chunk,
            } => {
                self.network.set_weights(&weights)?;
                let counts = score(&self.network, &self.test[chunk])?;
                Ok(Outcome::Score { step, counts })
            }
        })
    }
}

/// The confusion counts of one chunk, on the device: every score of the program, while training or not.
///
/// # Errors
/// When libtorch fails.
pub fn score(network: &Network, chunk: &Chunk) -> Result<Tensor, TchError> {
    let images = chunk.images()?;
    tch::no_grad(|| confusion_counts(&network.forward(&images), &chunk.rows, &chunk.ones))
}

/// A copy of the network for each thread, with views of the same data, and the number of chunks of the test set.
///
/// # Errors
/// When memory does not suffice.
pub fn replicas(
    threads: usize,
    split: &Split,
    classes: usize,
    placement: Placement,
) -> Result<(Vec<Replica>, usize), TchError> {
    let training = TrainingImages::new(&split.train, placement)?;
    let chunks = chunks(&split.test, classes, placement)?;
    let replica = |_| {
        let test = chunks.iter().map(Chunk::share).collect();
        let network = Network::new(placement.device, classes)?;
        Ok(Replica::new(network, training.share(), test))
    };
    let replicas: Result<Vec<Replica>, TchError> = (0..threads).map(replica).collect();
    Ok((replicas?, chunks.len()))
}
