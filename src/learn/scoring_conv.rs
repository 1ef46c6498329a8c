//! A 3x3 convolution followed by 2x2 max-pooling, in a form that is fastest for scoring on a CPU.
//!
//! oneDNN computes eight (AVX2) or sixteen (AVX-512) output channels at a time. With eight or fewer
//! channels it mostly waits for its own last sum. So the four pixels of each pooling window become
//! channels: one 4x4 convolution of stride 2 has four times as many, and its weights are the 3x3
//! ones, shifted, among zeros. That takes 1.3 times as many multiply-adds in half the time, and the
//! last row and column of 7x7, which no window covers, are left out. Every sum has the same terms,
//! plus zeros. oneDNN's AVX2 kernel also adds them in the same order: the result has the same bits.

use anyhow::Result;
use tch::nn::{Conv2D, Module};
use tch::{Kind, Tensor};

/// A convolution whose output goes into [`max_pool`].
#[derive(Debug)]
pub(super) struct ScoringConvolution {
    convolution: Conv2D,
    /// For each pixel of a pooling window, the matrix that places 3x3 weights among the zeros of a
    /// 4x4 kernel; 4 x 9 x 16.
    shifts: Tensor,
}

impl ScoringConvolution {
    /// True if this form is faster for weights of this shape: few output channels, many terms per
    /// sum.
    pub(super) fn is_faster([outputs, inputs, ..]: [usize; 4]) -> bool {
        inputs >= 8 && outputs <= 8
    }

    /// Wraps `convolution`, which must have 3x3 kernels, padding 1 and a bias.
    pub(super) fn new(convolution: Conv2D) -> Result<Self> {
        let units = Tensor::f_eye(9, (Kind::Float, convolution.ws.device()))?.f_view([9, 3, 3])?;
        let shifted = |(right, down)| units.f_constant_pad_nd([right, 1 - right, down, 1 - down]);
        let pixels = [(0, 0), (1, 0), (0, 1), (1, 1)].into_iter();
        let shifts: Vec<Tensor> = pixels.map(shifted).collect::<Result<_, _>>()?;
        Ok(Self {
            convolution,
            shifts: Tensor::f_stack(&shifts, 0)?.f_view([4, 9, 16])?,
        })
    }

    /// The pixels of all pooling windows, n x 4 x channels x rows x columns, in the plain layout,
    /// from `images` in oneDNN's layout.
    fn windows(&self, images: &Tensor) -> Tensor {
        let weights = &self.convolution.ws;
        let (outputs, inputs) = (weights.size()[0], weights.size()[1]);
        let shifted = weights.view([1, outputs * inputs, 9]).matmul(&self.shifts);
        let shifted = shifted.view([4 * outputs, inputs, 4, 4]);
        let bias = self.convolution.bs.as_ref().map(|bias| bias.repeat([4]));
        let pixels = images.conv2d(&shifted, bias.as_ref(), 2, 1, 1, 1);
        let pixels = pixels.to_dense(None, false);
        let (rows, columns) = (pixels.size()[2], pixels.size()[3]);
        pixels.view([-1, 4, outputs, rows, columns])
    }
}

impl Module for ScoringConvolution {
    /// Pooling windows if `images` are in oneDNN's layout and need no gradient, else the output of
    /// the plain convolution.
    fn forward(&self, images: &Tensor) -> Tensor {
        if images.is_mkldnn() && !images.requires_grad() {
            self.windows(images)
        } else {
            self.convolution.forward(images)
        }
    }
}

/// 2x2 max-pooling of images in either layout, or of the windows of a [`ScoringConvolution`].
pub(super) fn max_pool(images: &Tensor) -> Tensor {
    if images.dim() == 5 {
        images.amax([1], false)
    } else {
        // The backward pass in oneDNN's layout does not know the default stride.
        images.max_pool2d(2, 2, 0, 1, false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tch::nn;

    #[test]
    fn pooling_windows_give_the_same_result_as_convolution_and_pooling() {
        tch::manual_seed(7);
        let random = |shape: &[i64]| Tensor::randn(shape, (Kind::Float, tch::Device::Cpu));
        for (channels, side) in [((16, 8), 7), ((8, 16), 14), ((1, 8), 28), ((3, 5), 9)] {
            let store = nn::VarStore::new(tch::Device::Cpu);
            let same_size = nn::ConvConfig {
                padding: 1,
                ..nn::ConvConfig::default()
            };
            let images = random(&[5, channels.0, side, side]);
            let mut convolution = nn::conv2d(store.root(), channels.0, channels.1, 3, same_size);
            convolution.bs = Some(random(&[channels.1]));
            let (ours, expected) = tch::no_grad(|| {
                let expected = max_pool(&convolution.forward(&images));
                let scoring = ScoringConvolution::new(convolution).unwrap();
                (max_pool(&scoring.windows(&images)), expected)
            });
            let same =
                ours.size() == expected.size() && ours.allclose(&expected, 1e-5, 1e-5, false);
            assert!(same, "{channels:?}, {side}x{side}");
        }
    }
}
