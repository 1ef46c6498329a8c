//! What a network says to images: one forward pass, without training and without a score.

use std::num::NonZeroUsize;

use anyhow::{Result, ensure};
use tch::TchError;

use super::answer::Answer;
use super::device::Device;
use super::images::Chunk;
use super::network::Network;
use super::weights::Weights;
use super::workers::sharing;
use crate::data::Dataset;

/// One logit per class, in the order of classes.
pub type Logits = Vec<f32>;

/// What the network says to each image of `dataset`.
///
/// # Errors
/// As those of [`logits`].
pub fn answers(
    weights: &Weights,
    dataset: &Dataset,
    device: Device,
    threads: NonZeroUsize,
) -> Result<Vec<Answer>> {
    let logits = logits(weights, dataset, device, threads)?;
    Ok(logits.iter().map(|row| Answer::from_logits(row)).collect())
}

/// The logits of each image of `dataset`. On a CPU `threads` threads share the work, and the logits do not depend
/// on how many.
///
/// # Errors
/// When libtorch fails, for example because the device's memory is full.
pub fn logits(
    weights: &Weights,
    dataset: &Dataset,
    device: Device,
    threads: NonZeroUsize,
) -> Result<Vec<Logits>> {
    let flat = sharing::over_chunks(weights, dataset, device, threads, chunk_logits)?.concat();
    let classes = weights.classes();
    ensure!(
        flat.len() == dataset.len() * classes,
        "the network gave another number of logits"
    );
    Ok(flat.chunks_exact(classes).map(<[f32]>::to_vec).collect())
}

fn chunk_logits(network: &Network, chunk: &Chunk) -> Result<Logits, TchError> {
    let images = chunk.images()?;
    let logits = tch::no_grad(|| network.forward(&images));
    Vec::try_from(logits.f_flatten(0, -1)?)
}
