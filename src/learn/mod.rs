//! Learning: from checked images to records. The only module that uses tch.
//!
//! Read `training` first: one step, from batch to score. `network` defines what is trained,
//! `batches` on which images and in which order, `scoring` how accuracy is measured. The others
//! have small interfaces: `adam`, the optimizer; `threads`, a thread pool; `device`, CPU or CUDA,
//! and why CUDA is unavailable; `probe`, which selects a device and tests it; `weights` and
//! `checkpoint`, plain numbers and their files; `metrics`, the results; `scoring_conv`, a faster
//! convolution for scoring.

mod adam;
mod batches;
pub(crate) mod checkpoint;
pub(crate) mod device;
pub(crate) mod metrics;
pub(crate) mod network;
pub(crate) mod probe;
mod scoring;
mod scoring_conv;
mod threads;
mod training;
mod weights;

pub use self::adam::Adam;
pub(crate) use self::batches::Schedule;
pub use self::batches::{Config, KeepPolicy, images_and_labels};
pub use self::checkpoint::State;
pub use self::device::{Device, DeviceChoice, one_thread_per_operation};
pub(crate) use self::device::{cuda, libtorch, tch_errors};
pub use self::metrics::{ClassScore, ConfusionMatrix, Prediction, StepRecord};
pub use self::network::{Architecture, INPUT, Layer, Network, Operation};
pub use self::scoring::{Scores, score};
pub use self::training::{Step, Training};
pub use self::weights::{Init, Weights};
pub use crate::data::cores;
