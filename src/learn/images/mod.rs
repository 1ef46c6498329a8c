//! Images and labels on the device: the training set in u8, the test set ready for the network.
//!
//! It owns how pixels become the network's input: divided by 255, f32, on the CPU in oneDNN's memory
//! layout where there is one. Training images stay u8 until a batch needs them; test images are cut into
//! chunks once and, where they are not too many, converted once, because they are scored again and again.

mod chunk;
mod training;

use tch::{Device, Kind, TchError, Tensor};

pub use self::chunk::{Chunk, chunks};
pub use self::training::{Rows, TrainingImages};

use super::libtorch;
use crate::data::{Dataset, PIXELS, SIDE};

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

/// What the tests compare with.
#[cfg(test)]
const PLAIN: Placement = Placement {
    device: Device::Cpu,
    onednn: false,
};
