//! What a network says to images: one forward pass, without training and without a score.

use anyhow::{Context, Result};

use super::answer::Answer;
use super::device::Device;
use super::images::{self, Placement};
use super::libtorch;
use super::network::Network;
use super::weights::Weights;
use crate::data::{CLASSES, Dataset};

/// One logit per class, in the order of classes.
pub type Logits = [f32; CLASSES];

/// What the network says to each image of `dataset`.
///
/// # Errors
/// As those of [`logits`].
pub fn answers(weights: &Weights, dataset: &Dataset, device: Device) -> Result<Vec<Answer>> {
    let logits = logits(weights, dataset, device)?;
    Ok(logits.iter().map(|row| Answer::from_logits(row)).collect())
}

/// The logits of each image of `dataset`.
///
/// # Errors
/// When libtorch fails, for example because the device's memory is full.
pub fn logits(weights: &Weights, dataset: &Dataset, device: Device) -> Result<Vec<Logits>> {
    libtorch::one_thread_per_operation();
    let placement = Placement::on(device.tch());
    let flat = libtorch::call(|| {
        let mut network = Network::new(placement.device)?;
        network.set_weights(&tch::Tensor::f_from_slice(weights.values())?)?;
        let mut values = Vec::with_capacity(dataset.len() * CLASSES);
        for chunk in images::chunks(dataset, placement)? {
            let logits = tch::no_grad(|| network.forward(&chunk.images));
            values.extend(Vec::<f32>::try_from(logits.f_flatten(0, -1)?)?);
        }
        Ok(values)
    })?;
    let (rows, rest) = flat.as_chunks::<CLASSES>();
    (rest.is_empty() && rows.len() == dataset.len())
        .then(|| rows.to_vec())
        .context("the network gave another number of logits")
}
