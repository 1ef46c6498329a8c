//! Scoring: the logits of a network for a set of images, and how many it gets right. Training,
//! `evaluate`, `predict` and the figure of mistakes all use [`score_chunk`].

use std::num::NonZeroUsize;

use anyhow::{Context, Result, ensure};
use tch::{Kind, Tensor};

use super::batches::{input, labels, pixels};
use super::device::{self, Device};
use super::metrics::{ConfusionMatrix, Prediction};
use super::network::{Architecture, Network};
use super::tch_errors;
use super::threads::{Job, Pool};
use super::weights::Weights;
use crate::data::Dataset;

/// On a CPU, larger sets stay u8 until they are scored: as f32 an image takes 3 KB, and this many
/// take 63 MB.
const MAX_CONVERTED: usize = 20_000;

/// A network's logits for the images of a data set.
#[derive(Debug, Clone, PartialEq)]
pub struct Scores {
    /// Counts of true and predicted classes; meaningless for unlabeled images.
    pub confusion: ConfusionMatrix,
    /// One row per image with one logit per class.
    pub logits: Vec<Vec<f32>>,
}

impl Scores {
    /// Class probabilities of every image.
    pub fn predictions(&self) -> Vec<Prediction> {
        let rows = self.logits.iter();
        rows.map(|logits| Prediction::from_logits(logits)).collect()
    }
}

/// Scores `weights` on every image of `dataset`, exactly as training does after a step. On a CPU,
/// `threads` threads share the work; the results do not depend on their number.
///
/// # Errors
/// When there are no images, the network has no class for a label, or libtorch fails, for example
/// because the device runs out of memory.
pub fn score(
    weights: &Weights,
    dataset: &Dataset,
    device: Device,
    threads: NonZeroUsize,
) -> Result<Scores> {
    ensure!(!dataset.is_empty(), "there are no images to score");
    let architecture = weights.architecture();
    dataset.check_labels(architecture.classes())?;
    device.prepare();
    let (flat, chunks) = tch_errors::catch(|| {
        let flat = Tensor::f_from_slice(weights.values())?.f_to_device(device.tch())?;
        Ok((flat, chunks(dataset, architecture, device)?))
    })?;
    let threads = device.threads(threads).min(chunks.len());
    let (pool, mut own) = workers(architecture, device, threads)?;
    score_chunks(&flat, &chunks, &pool, &mut own, architecture)
}

/// Like [`score`], for prepared chunks and `flat` weights on the device.
pub(super) fn score_chunks(
    flat: &Tensor,
    chunks: &[Chunk],
    pool: &Pool<Network>,
    own: &mut Network,
    architecture: &Architecture,
) -> Result<Scores> {
    let jobs = chunks.iter().map(|chunk| {
        let (flat, chunk) = (flat.shallow_clone(), chunk.share());
        pool.push(false, move |network| {
            tch_errors::catch(|| {
                let (logits, counts) = score_chunk(network, &flat, &chunk)?;
                let logits = Vec::<f32>::try_from(logits.f_flatten(0, -1)?)?;
                Ok((logits, Vec::<i64>::try_from(counts)?))
            })
        })
    });
    let jobs: Vec<Job<_>> = jobs.collect();
    let mut scores = Scores {
        confusion: ConfusionMatrix::new(architecture.classes()),
        logits: Vec::new(),
    };
    for job in &jobs {
        let (logits, counts) = pool.wait(job, own)?;
        let rows = logits.chunks_exact(architecture.classes());
        scores.logits.extend(rows.map(<[f32]>::to_vec));
        let images = logits.len() / architecture.classes();
        scores
            .confusion
            .add_all(&confusion(&counts, images, architecture)?)?;
    }
    Ok(scores)
}

/// The confusion matrix of counts that a device computed for this number of images.
///
/// # Errors
/// When they do not add up to it: the device computes wrong results.
pub(super) fn confusion(
    counts: &[i64],
    images: usize,
    architecture: &Architecture,
) -> Result<ConfusionMatrix> {
    let counts = counts.iter().map(|&count| u64::try_from(count).ok());
    let counts: Option<Vec<u64>> = counts.collect();
    let sum = |counts: &Vec<u64>| counts.iter().copied().reduce(u64::saturating_add);
    let counts = counts.filter(|counts| sum(counts) == Some(images as u64));
    let counts = counts.with_context(|| {
        format!(
            "the device computes wrong results: its counts do not add up to {images} test images; \
             compare with --device cpu"
        )
    })?;
    let mut confusion = ConfusionMatrix::new(architecture.classes());
    confusion.add_counts(counts);
    Ok(confusion)
}

/// `threads` networks with all weights 0: a pool of workers, and one for the calling thread.
pub(super) fn workers(
    architecture: &Architecture,
    device: Device,
    threads: usize,
) -> Result<(Pool<Network>, Network)> {
    let network = |_| Network::new(architecture, device);
    let others = (1..threads).map(network).collect::<Result<_>>()?;
    let pool = Pool::new(others, device::one_thread_per_operation)?;
    Ok((pool, network(0)?))
}

/// Logits (n x classes, f32) and confusion counts (classes², i64, row by row: true class, then
/// predicted class) of one chunk, on the device. Every score of the program comes from here.
pub(super) fn score_chunk(
    network: &mut Network,
    weights: &Tensor,
    chunk: &Chunk,
) -> Result<(Tensor, Tensor)> {
    network.set_weights(weights)?;
    let images = chunk.images()?;
    let logits = tch::no_grad(|| network.forward(&images));
    let cells = logits.f_argmax(1, false)?.f_add_(&chunk.rows)?;
    let (_, classes) = logits.size2()?;
    let counts = Tensor::f_zeros([classes * classes], (Kind::Int64, logits.device()))?
        .f_scatter_add_(0, &cells, &chunk.ones)?;
    Ok((logits, counts))
}

/// A part of a data set, scored in one forward pass.
pub(super) struct Chunk {
    pixels: Pixels,
    /// Start of each image's row in the confusion counts, true class x classes; n, i64.
    rows: Tensor,
    /// n ones, i64.
    ones: Tensor,
}

enum Pixels {
    /// The network's input, n x 1 x 28 x 28, f32.
    Ready(Tensor),
    /// u8, on the CPU.
    Bytes(Dataset),
}

impl Chunk {
    /// The network's input, n x 1 x 28 x 28, f32.
    fn images(&self) -> Result<Tensor> {
        match &self.pixels {
            Pixels::Ready(images) => Ok(images.shallow_clone()),
            Pixels::Bytes(images) => input(&pixels(images.pixels())?, Device::CPU),
        }
    }

    /// Another handle of the same chunk, for a task; the tensors are shared.
    pub(super) fn share(&self) -> Self {
        Self {
            pixels: match &self.pixels {
                Pixels::Ready(images) => Pixels::Ready(images.shallow_clone()),
                Pixels::Bytes(images) => Pixels::Bytes(images.clone()),
            },
            rows: self.rows.shallow_clone(),
            ones: self.ones.shallow_clone(),
        }
    }
}

/// Splits `dataset` into chunks on the device for a network of this `architecture`.
pub(super) fn chunks(
    dataset: &Dataset,
    architecture: &Architecture,
    device: Device,
) -> Result<Vec<Chunk>> {
    let size = device.chunk(architecture.largest_layer_bytes());
    let stays_bytes = device.is_cpu() && dataset.len() > MAX_CONVERTED;
    // For all images at once: small tensors between the chunks would fragment the heap.
    let labels = labels(dataset.labels())?.f_to_device(device.tch())?;
    let rows = labels.f_mul_scalar(i64::try_from(architecture.classes())?)?;
    let ones = labels.f_ones_like()?;
    let chunk = |start: usize| {
        let part = dataset.slice(start..dataset.len().min(start + size))?;
        let (start, length) = (i64::try_from(start)?, i64::try_from(part.len())?);
        let pixels = if stays_bytes {
            Pixels::Bytes(part)
        } else {
            let bytes = pixels(part.pixels())?.f_to_device(device.tch())?;
            Pixels::Ready(input(&bytes, device)?)
        };
        Ok(Chunk {
            pixels,
            rows: rows.f_narrow(0, start, length)?,
            ones: ones.f_narrow(0, start, length)?,
        })
    };
    let starts = (0..dataset.len()).step_by(size);
    starts.map(chunk).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{PIXELS, SIDE, mnist_10k};
    use crate::learn::weights::Init;

    fn weights() -> Weights {
        Weights::initial(Init::Kaiming, 3, &Architecture::article(10).unwrap())
    }

    #[test]
    fn answers_and_counts_agree_and_do_not_depend_on_threads() {
        let test = mnist_10k().unwrap().test.slice(0..610).unwrap();
        let [one, three] = [1, 3].map(|threads| {
            let threads = NonZeroUsize::new(threads).unwrap();
            score(&weights(), &test, Device::CPU, threads).unwrap()
        });
        assert_eq!(one, three);
        let mut counted = ConfusionMatrix::new(10);
        for (prediction, &label) in one.predictions().iter().zip(test.labels()) {
            counted.add(label.into(), prediction.best().0, 1);
        }
        assert_eq!((one.logits.len(), one.confusion), (610, counted));
    }

    #[test]
    fn large_sets_stay_bytes_and_are_scored_alike() {
        let pixels = (0..=255).cycle().take(20_001 * PIXELS).collect();
        let large = Dataset::new([SIDE, SIDE], pixels, vec![1; 20_001]).unwrap();
        let small = large.slice(0..250).unwrap();
        let architecture = Architecture::article(10).unwrap();
        let first = |set: &Dataset| chunks(set, &architecture, Device::CPU).unwrap().remove(0);
        let (from_large, from_small) = (first(&large), first(&small));
        assert!(matches!(from_large.pixels, Pixels::Bytes(_)));
        assert!(matches!(from_small.share().pixels, Pixels::Ready(_)));
        let mut network = Network::new(weights().architecture(), Device::CPU).unwrap();
        let flat = Tensor::from_slice(weights().values());
        let mut logits = |chunk: &Chunk| score_chunk(&mut network, &flat, chunk).unwrap().0;
        assert_eq!(logits(&from_large.share()), logits(&from_small));
    }

    #[test]
    fn counts_that_are_not_those_of_the_images_are_refused() {
        let architecture = Architecture::article(2).unwrap();
        let check = |counts: [i64; 4]| confusion(&counts, 10, &architecture);
        assert_eq!(check([4, 1, 2, 3]).unwrap().count(1, 0), 2);
        for counts in [[0; 4], [4, 1, 2, 4], [5, -1, 3, 3], [i64::MAX; 4]] {
            let error = check(counts).unwrap_err().to_string();
            assert!(error.contains("do not add up to 10 test images"), "{error}");
        }
    }

    #[test]
    fn nothing_to_score_and_labels_of_another_network_are_refused() {
        let error = |set: &Dataset| {
            let scores = score(&weights(), set, Device::CPU, NonZeroUsize::MIN);
            scores.unwrap_err().to_string()
        };
        let test = mnist_10k().unwrap().test;
        assert!(error(&test.slice(0..0).unwrap()).contains("no images to score"));
        let other = Dataset::new([SIDE, SIDE], vec![0; PIXELS], vec![10]).unwrap();
        assert!(error(&other).contains("10"));
    }
}
