//! What is trained and how: the protocol as numbers.

use std::num::NonZeroUsize;

use serde::{Deserialize, Serialize};

use super::weights::Init;

/// The protocol of a run; the default is the article's.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
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
    /// The state of training is kept after every so many steps, and at each epoch's end; 0: at each epoch's end only.
    /// Changes no other number.
    pub checkpoint_every: usize,
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
            checkpoint_every: 0,
        }
    }
}
