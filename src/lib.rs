//! Trains the CNN of a published Flux note on MNIST with libtorch.
//!
//! The core of the program, in the order in which an image passes through it: [`data`] reads bytes
//! into a checked [`data::Dataset`]; [`learn`] puts it on the device, trains on it and yields
//! records; [`report`] turns records into CSV, JSON and PNG; the modules `train` and `evaluate`
//! connect the three. Everything else is an extra, one module and one Cargo feature each.
//!
//! ```no_run
//! use std::num::NonZeroUsize;
//!
//! use mnist_tch::data::mnist_10k;
//! use mnist_tch::learn::{Config, Device, State, Training};
//!
//! # fn main() -> anyhow::Result<()> {
//! let config = Config::default();
//! let split = mnist_10k()?;
//! let state = State::new(&config, split.classes.len())?;
//! for step in Training::new(&config, &state, &split, Device::CPU, NonZeroUsize::MIN)? {
//!     let step = step?;
//!     if let Some(confusion) = &step.confusion {
//!         eprintln!("{} {:.4}", step.step, confusion.accuracy());
//!     }
//! }
//! # Ok(())
//! # }
//! ```
//!
//! A loop of your own takes the same parts one by one: a forward pass, a loss, a gradient, Adam.
//!
//! ```no_run
//! use mnist_tch::data::mnist_10k;
//! use mnist_tch::learn::{
//!     Adam, Architecture, DeviceChoice, Init, Network, Weights, images_and_labels,
//! };
//! use tch::Tensor;
//!
//! # fn main() -> anyhow::Result<()> {
//! let (device, _) = DeviceChoice::Auto.find()?;
//! let split = mnist_10k()?;
//! let architecture = Architecture::new(vec![16, 32, 32], split.classes.len())?;
//! let initial = Weights::initial(Init::Flux, 0, &architecture);
//! let mut weights = Tensor::from_slice(initial.values()).to_device(device.tch());
//! let mut network = Network::new(&architecture, device)?;
//! let mut adam = Adam::new(&weights)?;
//! for start in (0..split.train.len()).step_by(100) {
//!     let batch = split.train.slice(start..start + 100)?;
//!     let (images, labels) = images_and_labels(&batch, device)?;
//!     network.set_weights(&weights)?;
//!     let logits = network.forward(&images);
//!     let loss = logits.cross_entropy_for_logits(&labels);
//!     adam.step(&mut weights, &network.gradient(&loss)?, 0.005)?;
//! }
//! let trained = Weights::from_values(Vec::try_from(&weights)?, &architecture)?;
//! std::fs::write("model.safetensors", trained.to_safetensors()?)?;
//! # Ok(())
//! # }
//! ```

#![cfg_attr(
    not(all(
        feature = "export",
        feature = "fetch",
        feature = "formats",
        feature = "predict",
        feature = "reproduce"
    )),
    allow(
        dead_code,
        unused_imports,
        reason = "some parts of the core are for the extras"
    )
)]

// The core.
pub mod data;
mod describe;
mod devices;
mod evaluate;
pub mod learn;
#[doc(hidden)]
pub mod report;
mod terminal;
mod train;

// The extras.
#[cfg(feature = "export")]
mod export;
#[cfg(feature = "fetch")]
mod fetch;
#[cfg(feature = "formats")]
pub mod formats;
#[cfg(any(feature = "formats", feature = "predict"))]
mod photos;
#[cfg(feature = "reproduce")]
mod seeds;
mod show;

#[doc(hidden)]
pub mod cli;

#[doc(hidden)]
pub use terminal::{exit, report_error};
