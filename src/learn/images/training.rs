//! The training images: u8 until a batch needs them.

use tch::{Device, TchError, Tensor};

use super::{Placement, labels, pixels};
use crate::data::{Dataset, PIXELS};

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

#[cfg(test)]
mod tests {
    use super::super::PLAIN;
    use super::*;
    use crate::data::mnist_10k;

    #[test]
    fn batches_are_the_images_divided_by_255() {
        let train = mnist_10k().unwrap().train;
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
}
