//! The test images in chunks, each scored in one forward pass.

use tch::{Device, TchError, Tensor};

use super::{Placement, labels, pixels, size};
use crate::data::Dataset;

/// More test images than this stay u8 on a CPU until they are scored: as f32 they take 3 KB each, and this many 63 MB.
const MOST_CONVERTED: usize = 20_000;

/// A part of the test set, ready to be scored.
#[derive(Debug)]
pub struct Chunk {
    pixels: Pixels,
    /// Each image's true class times the number of classes: where its row of the confusion matrix starts; n, i64.
    pub rows: Tensor,
    /// As many ones; n, i64.
    pub ones: Tensor,
}

#[derive(Debug)]
enum Pixels {
    /// The network's input, n x 1 x 28 x 28, f32.
    Ready(Tensor),
    /// A chunk of the data set.
    Bytes(Dataset, Placement),
}

impl Chunk {
    /// The network's input, n x 1 x 28 x 28, f32.
    ///
    /// # Errors
    /// When memory is full.
    pub fn images(&self) -> Result<Tensor, TchError> {
        match &self.pixels {
            Pixels::Ready(images) => Ok(images.shallow_clone()),
            Pixels::Bytes(images, placement) => placement.input(&pixels(images.pixels())?),
        }
    }

    /// The same chunk once more, for another thread; nothing is copied.
    #[must_use]
    pub fn share(&self) -> Self {
        Self {
            pixels: match &self.pixels {
                Pixels::Ready(images) => Pixels::Ready(images.shallow_clone()),
                Pixels::Bytes(images, placement) => Pixels::Bytes(images.clone(), *placement),
            },
            rows: self.rows.shallow_clone(),
            ones: self.ones.shallow_clone(),
        }
    }
}

/// Cuts `dataset`, which has labels of so many `classes`, into chunks on the device.
///
/// # Errors
/// When the device's memory is full.
pub fn chunks(
    dataset: &Dataset,
    classes: usize,
    placement: Placement,
) -> Result<Vec<Chunk>, TchError> {
    let stays_bytes = placement.device == Device::Cpu && dataset.len() > MOST_CONVERTED;
    let chunk = |start: usize| {
        let end = dataset.len().min(start + placement.chunk());
        let part = dataset.slice(start..end);
        let part = part.map_err(|error| TchError::Shape(error.to_string()))?;
        let labels = labels(&part)?.f_to_device(placement.device)?;
        let rows = labels.f_mul_scalar(size(classes))?;
        let ones = labels.f_ones_like()?;
        let pixels = if stays_bytes {
            Pixels::Bytes(part, placement)
        } else {
            let bytes = pixels(part.pixels())?.f_to_device(placement.device)?;
            Pixels::Ready(placement.input(&bytes)?)
        };
        Ok(Chunk { pixels, rows, ones })
    };
    (0..dataset.len())
        .step_by(placement.chunk())
        .map(chunk)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::PLAIN;
    use super::*;
    use crate::data::{PIXELS, SIDE, idx, mnist_10k};

    #[test]
    fn chunks_cover_the_set_once_in_order() {
        let test = mnist_10k().unwrap().resized(None, Some(610)).unwrap().test;
        let chunks = chunks(&test, 10, PLAIN).unwrap();
        let sizes: Vec<i64> = chunks
            .iter()
            .map(|chunk| chunk.images().unwrap().size()[0])
            .collect();
        assert_eq!(sizes, [250, 250, 110]);
        let rows: Vec<Tensor> = chunks
            .iter()
            .map(|chunk| chunk.rows.shallow_clone())
            .collect();
        let expected: Vec<i64> = test
            .labels()
            .iter()
            .map(|&label| 10 * i64::from(label))
            .collect();
        assert_eq!(
            Vec::<i64>::try_from(Tensor::cat(&rows, 0)).unwrap(),
            expected
        );
    }

    #[test]
    fn large_sets_stay_bytes_and_give_the_same_input() {
        let images = idx::Images {
            rows: SIDE,
            columns: SIDE,
            pixels: (0..=255).cycle().take(20_001 * PIXELS).collect(),
        };
        let large = Dataset::new(images, vec![1; 20_001]).unwrap();
        let small = large.slice(0..250).unwrap();
        let first = |set: &Dataset| {
            chunks(set, 10, Placement::on(Device::Cpu))
                .unwrap()
                .remove(0)
        };
        let (from_large, from_small) = (first(&large), first(&small));
        assert!(matches!(from_large.pixels, Pixels::Bytes(..)));
        assert!(matches!(from_small.share().pixels, Pixels::Ready(_)));
        let input = |chunk: &Chunk| {
            let images = chunk.images().unwrap();
            if images.is_mkldnn() {
                images.to_dense(None, false)
            } else {
                images
            }
        };
        assert_eq!(input(&from_large.share()), input(&from_small));
    }
}
