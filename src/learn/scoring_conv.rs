//! A 3x3 convolution and the 2x2 max-pool behind it, in the form in which a CPU scores them
//! fastest.
//!
//! oneDNN computes output channels eight (AVX2) or sixteen (AVX-512) at a time, and where there
//! are no more than eight it mostly waits for its own last sum. So the four pixels of each square
//! that the pool looks at become channels: one 4x4 convolution of stride 2 gives four times as
//! many, its weights the 3x3 ones, shifted, among zeros. That is 1.3 times as many multiply-adds
//! in half the time; and pixels that no square covers, the last row and column of 7x7, are left
//! out. Every sum has the same terms, and zeros. oneDNN's AVX2 kernel adds them in the same order
//! too: the same bits.

use anyhow::Result;
use tch::nn::{Conv2D, Module};
use tch::{Kind, Tensor};

/// A convolution whose output goes to [`max_pool`].
#[derive(Debug)]
pub(super) struct ScoringConvolution {
    convolution: Conv2D,
    /// For each pixel of a square the matrix that puts 3x3 weights among the zeros of 4x4; 4 x 9 x
    /// 16.
    shifts: Tensor,
}

impl ScoringConvolution {
    /// Whether this form is the faster one for weights of this shape: few sums to wait for, each
    /// of many terms.
    pub(super) fn pays([outputs, inputs, ..]: [usize; 4]) -> bool {
        inputs >= 8 && outputs <= 8
    }

    /// `convolution` has kernels of 3x3, padding 1 and a bias.
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

    /// n x 4 x channels x rows x columns of squares, plain, from `images` in oneDNN's layout.
    fn squares(&self, images: &Tensor) -> Tensor {
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
    /// Squares of pixels where `images` are in oneDNN's layout and nothing is to be learnt from
    /// them; elsewhere what the convolution itself gives.
    fn forward(&self, images: &Tensor) -> Tensor {
        if images.is_mkldnn() && !images.requires_grad() {
            self.squares(images)
        } else {
            self.convolution.forward(images)
        }
    }
}

/// The largest of each 2x2 pixels, in oneDNN's layout, plain, or as the squares of a
/// [`ScoringConvolution`].
pub(super) fn max_pool(images: &Tensor) -> Tensor {
    if images.dim() == 5 {
        images.amax([1], false)
    } else {
        // The stride is spelled out because the backward pass in oneDNN's layout does not know the
        // default.
        images.max_pool2d(2, 2, 0, 1, false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tch::nn;

    #[test]
    fn squares_give_what_convolution_and_pool_give() {
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
                (max_pool(&scoring.squares(&images)), expected)
            });
            let same =
                ours.size() == expected.size() && ours.allclose(&expected, 1e-5, 1e-5, false);
            assert!(same, "{channels:?}, {side}x{side}");
        }
    }
}
