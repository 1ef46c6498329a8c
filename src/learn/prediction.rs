//! What a network says to images: one forward pass, without training and without a score.

use anyhow::{Result, ensure};

use super::answer::Answer;
use super::device::Device;
use super::images::{self, Placement};
use super::libtorch;
use super::network::Network;
use super::weights::Weights;
use crate::data::Dataset;

/// One logit per class, in the order of classes.
pub type Logits = Vec<f32>;

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
    let (placement, classes) = (Placement::on(device.tch()), weights.classes());
    let flat = libtorch::call(|| {
        let mut network = Network::new(placement.device, classes)?;
        network.set_weights(&tch::Tensor::f_from_slice(weights.values())?)?;
        let mut values = Vec::with_capacity(dataset.len() * classes);
        for chunk in images::chunks(dataset, classes, placement)? {
            let images = chunk.images()?;
            let logits = tch::no_grad(|| network.forward(&images));
            values.extend(Vec::<f32>::try_from(logits.f_flatten(0, -1)?)?);
        }
        Ok(values)
    })?;
    ensure!(
        flat.len() == dataset.len() * classes,
        "the network gave another number of logits"
    );
    Ok(flat.chunks_exact(classes).map(<[f32]>::to_vec).collect())
}
