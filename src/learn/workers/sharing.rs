//! One forward pass per chunk of a data set, the chunks shared among threads: what scoring a trained network and
//! asking it for its answers have in common.
//!
//! It owns who does which chunk. What is read from a forward pass is the caller's.

use std::num::NonZeroUsize;

use anyhow::{Context, Result};
use tch::{TchError, Tensor};

use super::super::device::Device;
use super::super::images::{self, Chunk, Placement};
use super::super::libtorch;
use super::super::network::Network;
use super::super::weights::Weights;
use super::pool::Pool;
use crate::data::Dataset;

type Work<T> = Box<dyn FnMut(usize) -> Result<(usize, T)> + Send>;

/// What `read` gives for every chunk of `dataset`, in the order of chunks. On a CPU `threads` threads share the
/// work, and the results do not depend on how many.
///
/// # Errors
/// When libtorch fails, for example because the device's memory is full, or the system refuses a thread.
pub fn over_chunks<T: Send + 'static>(
    weights: &Weights,
    dataset: &Dataset,
    device: Device,
    threads: NonZeroUsize,
    read: fn(&Network, &Chunk) -> Result<T, TchError>,
) -> Result<Vec<T>> {
    libtorch::one_thread_per_operation();
    let placement = Placement::on(device.tch());
    let chunks = libtorch::call(|| images::chunks(dataset, weights.classes(), placement))?;
    let threads = if device.is_cpu() { threads.get() } else { 1 };
    // Without a chunk the calling thread still needs its work.
    let threads = threads.min(chunks.len()).max(1);
    let workers = (0..threads).map(|_| work(weights, &chunks, placement, read));
    let mut workers = workers.collect::<Result<Vec<Work<T>>>>()?.into_iter();
    let own = workers.next().context("a pool has a first thread")?;
    let mut pool = Pool::new(own, workers.collect())?;
    (0..chunks.len()).for_each(|chunk| pool.push(chunk));
    let mut results = Vec::with_capacity(chunks.len());
    while pool.outstanding() > 0 {
        let result = pool.next();
        results.push(result.context("a thread ended before its work was done")??);
    }
    results.sort_by_key(|&(chunk, _)| chunk);
    Ok(results.into_iter().map(|(_, result)| result).collect())
}

/// A thread's copy of the network, which does any of the chunks.
fn work<T: 'static>(
    weights: &Weights,
    chunks: &[Chunk],
    placement: Placement,
    read: fn(&Network, &Chunk) -> Result<T, TchError>,
) -> Result<Work<T>> {
    let network = libtorch::call(|| {
        let mut network = Network::new(placement.device, weights.classes())?;
        network.set_weights(&Tensor::f_from_slice(weights.values())?)?;
        Ok(network)
    })?;
    let chunks: Vec<Chunk> = chunks.iter().map(Chunk::share).collect();
    Ok(Box::new(move |chunk| {
        // libtorch keeps the setting per thread.
        libtorch::one_thread_per_operation();
        let result = libtorch::call(|| read(&network, &chunks[chunk]))?;
        Ok((chunk, result))
    }))
}
