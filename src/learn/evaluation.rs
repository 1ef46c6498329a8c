//! The score of a trained network on labelled images: the same network, chunks and counting as while training.
//!
//! It owns only who counts which chunk. What is counted, and how, is `replica`'s and `network`'s.

use std::num::NonZeroUsize;

use anyhow::{Context, Result};
use tch::{TchError, Tensor};

use super::device::Device;
use super::images::{self, Chunk, Placement};
use super::libtorch;
use super::network::Network;
use super::pending;
use super::pool::Pool;
use super::record::ConfusionMatrix;
use super::replica;
use super::weights::Weights;
use crate::data::Dataset;

type Work = Box<dyn FnMut(usize) -> Result<Tensor> + Send>;

/// Scores `weights` on every image of `dataset`: exactly what training counts after a step with these weights.
/// On a CPU `threads` threads share the work, and the counts do not depend on how many.
///
/// # Errors
/// When libtorch fails, for example because the device's memory is full.
pub fn evaluate(
    weights: &Weights,
    dataset: &Dataset,
    device: Device,
    threads: NonZeroUsize,
) -> Result<ConfusionMatrix> {
    libtorch::one_thread_per_operation();
    let placement = Placement::on(device.tch());
    let chunks = libtorch::call(|| images::chunks(dataset, weights.classes(), placement))?;
    let threads = if device.is_cpu() { threads.get() } else { 1 };
    let workers = (0..threads.min(chunks.len())).map(|_| work(weights, &chunks, placement));
    let mut workers = workers.collect::<Result<Vec<Work>>>()?.into_iter();
    let own = workers.next().context("there is no image to score")?;
    let mut pool = Pool::new(own, workers.collect())?;
    (0..chunks.len()).for_each(|chunk| pool.push(chunk));
    let mut counts = Vec::with_capacity(chunks.len());
    while pool.outstanding() > 0 {
        let count = pool.next();
        counts.push(count.context("a thread ended before its work was done")??);
    }
    // Whole numbers: their sum is the same in any order.
    let sum = libtorch::call(|| {
        let sum = Tensor::f_stack(&counts, 0)?.f_sum_dim_intlist(0, false, None)?;
        Vec::<i64>::try_from(sum.flatten(0, -1))
    })?;
    Ok(pending::confusion(&sum, weights.classes()))
}

/// A thread's copy of the network, which counts any of the chunks.
fn work(weights: &Weights, chunks: &[Chunk], placement: Placement) -> Result<Work> {
    let network = libtorch::call(|| -> Result<Network, TchError> {
        let mut network = Network::new(placement.device, weights.classes())?;
        network.set_weights(&Tensor::f_from_slice(weights.values())?)?;
        Ok(network)
    })?;
    let chunks: Vec<Chunk> = chunks.iter().map(Chunk::share).collect();
    Ok(Box::new(move |chunk| {
        // libtorch keeps the setting per thread.
        libtorch::one_thread_per_operation();
        libtorch::call(|| replica::score(&network, &chunks[chunk]))
    }))
}
