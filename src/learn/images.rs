//! Images and labels on the device: the training set in u8, the test set ready for the network.
//!
//! It owns how pixels become the network's input: divided by 255, f32, on the CPU in oneDNN's memory
//! layout where there is one. Training images stay u8 until a batch needs them; test images are cut into
//! chunks once and, where they are not too many, converted once, because they are scored again and again.

use tch::{Device, Kind, TchError, Tensor};

use super::libtorch;
use crate::data::{Dataset, PIXELS, SIDE};

/// More test images than this stay u8 on a CPU until they are scored: as f32 they take 3 KB each, and this many 63 MB.
const MOST_CONVERTED: usize = 20_000;

/// Where pixels live and how they are laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Placement {
    /// The device.
    pub device: Device,
    /// oneDNN's own layout instead of plain tensors.
    pub onednn: bool,
}

impl Placement {
    /// The best layout for `device`.
    #[must_use]
    pub fn on(device: Device) -> Self {
        Self {
            device,
            onednn: device == Device::Cpu && libtorch::has_onednn_layout(),
        }
    }

    /// Images scored in one forward pass: on a GPU all of a usual test set at once; on a CPU 250, where the cost of
    /// calling an operation no longer shows (measured: below 100 it does; from 125 to 1,000 times differ by a few
    /// percent only, and small chunks share better among threads).
    #[must_use]
    pub fn chunk(self) -> usize {
        match self.device {
            Device::Cpu => 250,
            _ => 10_000,
        }
    }

    /// u8 pixels (n x 784) to the network's input (n x 1 x 28 x 28, f32, 0..=1).
    fn input(self, pixels: &Tensor) -> Result<Tensor, TchError> {
        let side = size(SIDE);
        let images = pixels
            .f_to_kind(Kind::Float)?
            .f_div_scalar_(255.0)?
            .f_view([-1, 1, side, side])?;
        if self.onednn {
            images.f_to_mkldnn(Kind::Float)
        } else {
            Ok(images)
        }
    }
}

/// Images as u8, n x 784.
#[derive(Debug)]
enum Bytes {
    /// On a CPU the data set's own memory will do.
    Host(Dataset),
    /// Elsewhere a copy on the device.
    Device(Tensor),
}

impl Bytes {
    fn new(dataset: &Dataset, placement: Placement) -> Result<Self, TchError> {
        if placement.device == Device::Cpu {
            Ok(Self::Host(dataset.clone()))
        } else {
            let pixels = pixels(dataset.pixels())?;
            Ok(Self::Device(pixels.f_to_device(placement.device)?))
        }
    }

    fn share(&self) -> Self {
        match self {
            Self::Host(dataset) => Self::Host(dataset.clone()),
            Self::Device(pixels) => Self::Device(pixels.shallow_clone()),
        }
    }

    fn rows(&self, rows: &Rows) -> Result<Tensor, TchError> {
        match (self, rows) {
            (Self::Device(all), Rows::Range(start, length)) => all.f_narrow(0, *start, *length),
            (Self::Device(all), Rows::Picked(rows)) => all.f_index_select(0, rows),
            (Self::Host(dataset), Rows::Range(start, length)) => {
                pixels(images(dataset, *start, *length)?)
            }
            (Self::Host(dataset), Rows::Picked(rows)) => {
                let rows = Vec::<i64>::try_from(rows)?;
                let mut picked = Vec::with_capacity(rows.len() * PIXELS);
                for row in rows {
                    picked.extend_from_slice(images(dataset, row, 1)?);
                }
                pixels(&picked)
            }
        }
    }
}

/// The pixels of `length` images from `start` on.
fn images(dataset: &Dataset, start: i64, length: i64) -> Result<&[u8], TchError> {
    let bounds = usize::try_from(start)
        .ok()
        .zip(usize::try_from(start + length).ok());
    let pixels = bounds.and_then(|(from, to)| dataset.pixels().get(from * PIXELS..to * PIXELS));
    pixels
        .ok_or_else(|| TchError::Shape(format!("{length} images at {start} of {}", dataset.len())))
}

/// The training images: u8 until a batch needs them.
#[derive(Debug)]
pub struct TrainingImages {
    placement: Placement,
    pixels: Bytes,
    /// n, i64, on the device.
    labels: Tensor,
}

/// Which training images a batch, or a part of one, is made of.
#[derive(Debug)]
pub enum Rows {
    /// Neighbours: first row and number.
    Range(i64, i64),
    /// Picked ones: row numbers, i64, on the device.
    Picked(Tensor),
}

impl TrainingImages {
    /// Copies `dataset` to the device, where that is not the CPU.
    ///
    /// # Errors
    /// When the device's memory is full.
    pub fn new(dataset: &Dataset, placement: Placement) -> Result<Self, TchError> {
        Ok(Self {
            placement,
            pixels: Bytes::new(dataset, placement)?,
            labels: labels(dataset)?.f_to_device(placement.device)?,
        })
    }

    /// The same images once more, for another thread; nothing is copied.
    #[must_use]
    pub fn share(&self) -> Self {
        Self {
            placement: self.placement,
            pixels: self.pixels.share(),
            labels: self.labels.shallow_clone(),
        }
    }

    /// Input (n x 1 x 28 x 28, f32) and labels (n, i64) of `rows`.
    ///
    /// # Errors
    /// When a row is not there.
    pub fn batch(&self, rows: &Rows) -> Result<(Tensor, Tensor), TchError> {
        let labels = match rows {
            Rows::Range(start, length) => self.labels.f_narrow(0, *start, *length)?,
            Rows::Picked(rows) => self.labels.f_index_select(0, rows)?,
        };
        Ok((self.placement.input(&self.pixels.rows(rows)?)?, labels))
    }
}

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

/// Bytes of whole images as n x 784 (u8) on the CPU.
fn pixels(bytes: &[u8]) -> Result<Tensor, TchError> {
    let shape = [size(bytes.len() / PIXELS), size(PIXELS)];
    Tensor::f_from_data_size(bytes, &shape, Kind::Uint8)
}

/// Labels (n, i64) on the CPU.
fn labels(dataset: &Dataset) -> Result<Tensor, TchError> {
    Tensor::f_from_slice(dataset.labels())?.f_to_kind(Kind::Int64)
}

/// libtorch counts in i64.
fn size(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{embedded, idx};

    const PLAIN: Placement = Placement {
        device: Device::Cpu,
        onednn: false,
    };

    #[test]
    fn batches_are_the_images_divided_by_255() {
        let train = embedded::mnist_10k().unwrap().train;
        let images = TrainingImages::new(&train, PLAIN).unwrap();
        let (input, labels) = images.batch(&Rows::Range(7, 3)).unwrap();
        assert_eq!(input.size(), [3, 1, 28, 28]);
        let values = Vec::<f32>::try_from(input.flatten(0, -1)).unwrap();
        let expected = train.pixels()[7 * PIXELS..10 * PIXELS].iter();
        assert!(
            expected
                .zip(&values)
                .all(|(&byte, &value)| (f32::from(byte) / 255.0 - value).abs() < 1e-7)
        );
        let expected: Vec<i64> = train.labels()[7..10]
            .iter()
            .map(|&label| label.into())
            .collect();
        assert_eq!(Vec::<i64>::try_from(labels).unwrap(), expected);
        let picked = images
            .batch(&Rows::Picked(Tensor::from_slice(&[9_i64, 7])))
            .unwrap();
        assert_eq!(
            Vec::<i64>::try_from(picked.1).unwrap(),
            [expected[2], expected[0]]
        );
        assert_eq!(picked.0.get(1), input.get(0));
        assert!(images.batch(&Rows::Range(4_998, 3)).is_err());
    }

    #[test]
    fn chunks_cover_the_set_once_in_order() {
        let test = embedded::mnist_10k()
            .unwrap()
            .resized(None, Some(610))
            .unwrap()
            .test;
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
