//! The score of a trained network on labelled images: the same network, chunks and counting as while training.

use std::num::NonZeroUsize;

use anyhow::{Result, ensure};
use tch::Tensor;

use super::device::Device;
use super::libtorch;
use super::pending;
use super::record::ConfusionMatrix;
use super::weights::Weights;
use super::workers::{replica, sharing};
use crate::data::Dataset;

/// Scores `weights` on every image of `dataset`: exactly what training counts after a step with these weights.
/// On a CPU `threads` threads share the work, and the counts do not depend on how many.
///
/// # Errors
/// When there is no image, or libtorch fails, for example because the device's memory is full.
pub fn evaluate(
    weights: &Weights,
    dataset: &Dataset,
    device: Device,
    threads: NonZeroUsize,
) -> Result<ConfusionMatrix> {
    ensure!(!dataset.is_empty(), "there is no image to score");
    let counts = sharing::over_chunks(weights, dataset, device, threads, replica::score)?;
    let sum = libtorch::call(|| {
        let sum = Tensor::f_stack(&counts, 0)?.f_sum_dim_intlist(0, false, None)?;
        Vec::<i64>::try_from(sum.flatten(0, -1))
    })?;
    Ok(pending::confusion(&sum, weights.classes()))
}
