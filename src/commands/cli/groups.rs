//! Options that several commands share.

use std::num::NonZeroUsize;

use clap::{Args, ValueEnum};

use super::values::{count, rate, threads};
use crate::learn::config::Config;
use crate::learn::device::{self, Choice};
use crate::learn::weights::Init;

// Wherever a number is expected, clap takes a negative one too, so that the error names the option.

/// The device and the threads.
#[derive(Debug, Args)]
pub struct Machine {
    /// Device to use: auto (a GPU if CUDA is usable, else the CPU), cpu, cuda, cuda:N or mps
    #[arg(long, value_name = "DEVICE", default_value = "auto")]
    pub device: Choice,
    /// Threads on the CPU; the numbers do not depend on it [default: the cores this process may use]
    #[arg(long, value_name = "N", value_parser = threads, allow_negative_numbers = true)]
    pub threads: Option<NonZeroUsize>,
}

impl Machine {
    /// The threads asked for, else one for each core that this process may use.
    pub fn threads(&self) -> NonZeroUsize {
        self.threads.unwrap_or_else(device::cores)
    }
}

/// What is trained and how, but for the seed.
#[derive(Debug, Args)]
pub struct Protocol {
    /// Times to go through the training images
    #[arg(long, value_name = "N", value_parser = count, allow_negative_numbers = true)]
    #[arg(default_value = "5")]
    epochs: NonZeroUsize,
    /// Images per step
    #[arg(long, value_name = "N", value_parser = count, allow_negative_numbers = true)]
    #[arg(default_value = "100")]
    batch_size: NonZeroUsize,
    /// Adam's learning rate
    #[arg(long, value_name = "X", value_parser = rate, allow_negative_numbers = true)]
    #[arg(default_value = "0.005")]
    lr: f64,
    /// How the initial weights are drawn
    #[arg(long, value_enum, default_value = "flux")]
    init: InitName,
    /// Go through the images in another order in each epoch
    #[arg(long)]
    shuffle: bool,
    /// Score the test images after every N steps and at each epoch's end; 0: at the very end only
    /// [default: 50 times an epoch, or after every step where there are fewer]
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    eval_every: Option<usize>,
}

impl Protocol {
    /// The same as a configuration.
    pub fn config(self, seed: u64) -> Config {
        Config {
            epochs: self.epochs,
            batch_size: self.batch_size,
            learning_rate: self.lr,
            seed,
            init: self.init.into(),
            eval_every: self.eval_every,
            shuffle: self.shuffle,
            checkpoint_every: 0,
        }
    }
}

/// How the initial weights are drawn, by name.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum InitName {
    /// The article's: ±0.5·√(24 / sum of all sizes of the weight tensor)
    Flux,
    /// ±√(6 / (fan in + fan out))
    Glorot,
    /// ±√(6 / fan in)
    Kaiming,
}

impl From<InitName> for Init {
    fn from(name: InitName) -> Self {
        match name {
            InitName::Flux => Self::Flux,
            InitName::Glorot => Self::Glorot,
            InitName::Kaiming => Self::Kaiming,
        }
    }
}
