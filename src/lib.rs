//! Trains the CNN of a published Flux note on MNIST with libtorch.
//!
//! One image goes this way: IDX bytes become a checked [`data::Dataset`]; [`learn`] puts it on the device, trains on
//! it and yields records; [`report`] turns records into CSV, JSON and PNG; [`commands`] wires the three together and
//! is what speaks to the terminal. Each module uses only those before it.
//!
//! ```no_run
//! use mnist_tch::data::mnist_10k;
//! use mnist_tch::learn::{config::Config, device::Device, training::Training, weights::Weights};
//! use std::num::NonZeroUsize;
//!
//! # fn main() -> anyhow::Result<()> {
//! let config = Config::default();
//! let split = mnist_10k()?;
//! let weights = Weights::initial(config.init, config.seed, split.classes.len());
//! for step in Training::new(&config, &weights, &split, Device::CPU, NonZeroUsize::MIN)? {
//!     let step = step?;
//!     if let Some(confusion) = &step.confusion {
//!         eprintln!("{} {:.4}", step.step, confusion.accuracy());
//!     }
//! }
//! # Ok(())
//! # }
//! ```

pub mod commands;
pub mod data;
pub mod learn;
pub mod report;
