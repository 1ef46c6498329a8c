//! Learning: from checked images to records. The only part of the program that knows tch.
//!
//! Read `training` first: one step, from a batch to a score. `network` says what is trained,
//! `batches` on what and in which order, `scoring` how well it does. The rest is behind small
//! interfaces: `adam`; `threads`, which share the work; `device`, CPU or CUDA, and why not;
//! `probe`, which finds the device and tries it; `weights` and `checkpoint`, plain numbers and
//! their files; `metrics`, what comes out; `scoring_conv`, one convolution in the form that scores
//! fastest.

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
pub use self::batches::{Config, Keep, images_and_labels};
pub use self::checkpoint::State;
pub use self::device::{Device, DeviceChoice, one_thread_per_operation};
pub(crate) use self::device::{cuda, libtorch, tch_errors};
pub use self::metrics::{ClassScore, ConfusionMatrix, Prediction, StepRecord};
pub use self::network::{Architecture, INPUT, Layer, Network, Operation, Pass};
pub use self::scoring::{Scores, score};
pub use self::training::{Step, Training};
pub use self::weights::{Init, Weights};
pub use crate::data::cores;
