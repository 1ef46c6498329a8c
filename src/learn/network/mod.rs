//! The article's network, built with `nn::seq`, and the gradient of its loss.
//!
//! It owns the layers and ties their parameters to one flat tensor, so that setting weights, adding
//! gradients and Adam's update are a few kernels each and not dozens.

mod squares;

use tch::nn::{self, Module};
use tch::{Device, Kind, Reduction, TchError, Tensor};

use self::squares::{SquareConvolution, max_pool};
use super::weights::parameters;
use crate::data::SIDE;

/// One copy of the network.
#[derive(Debug)]
pub struct Network {
    layers: nn::Sequential,
    /// Parameters that are views into `flat`, in the order of [`parameters`].
    parameters: Vec<Tensor>,
    /// All weights (3,138 for ten classes), f32.
    flat: Tensor,
}

impl Network {
    /// The network for so many `classes` on `device`, all weights 0.
    ///
    /// # Errors
    /// When the device cannot hold it.
    pub fn new(device: Device, classes: usize) -> Result<Self, TchError> {
        let store = nn::VarStore::new(device);
        let layers = layers(&store.root(), size(classes))?;
        let named = store.variables();
        let parameters: Vec<Tensor> = parameters(classes)
            .iter()
            .map(|(name, _)| named[*name].shallow_clone())
            .collect();
        let flat = Tensor::f_cat(
            &parameters
                .iter()
                .map(|p| p.detach().flatten(0, -1))
                .collect::<Vec<_>>(),
            0,
        )?;
        let mut start = 0;
        for parameter in &parameters {
            let length = size(parameter.numel());
            let view = flat
                .f_narrow(0, start, length)?
                .f_view(parameter.size().as_slice())?;
            parameter.shallow_clone().f_set_data(&view)?;
            start += length;
        }
        Ok(Self {
            layers,
            parameters,
            flat,
        })
    }

    /// Copies the flat weights (f32) into the network.
    ///
    /// # Errors
    /// When `weights` has another size.
    pub fn set_weights(&mut self, weights: &Tensor) -> Result<(), TchError> {
        self.flat.f_copy_(weights)
    }

    /// Logits (n x classes, f32) of `images` (n x 1 x 28 x 28, f32, plain or in oneDNN's layout).
    pub fn forward(&self, images: &Tensor) -> Tensor {
        self.layers.forward(images)
    }

    /// Shape of each layer's output for one image, in the order of the layers.
    pub fn output_shapes(&self) -> Vec<Vec<i64>> {
        let side = i64::try_from(SIDE).unwrap_or(i64::MAX);
        let image = Tensor::zeros([1, 1, side, side], (Kind::Float, self.flat.device()));
        let outputs = tch::no_grad(|| self.layers.forward_all(&image, None));
        outputs.iter().map(Tensor::size).collect()
    }

    /// A batch's share of the loss (a scalar) and of its gradient (flat, as the weights): the cross-entropy of `images`
    /// against `labels` (n, i64), summed over them and divided by `batch_size`, the number of images of the whole batch.
    ///
    /// # Errors
    /// When libtorch fails, for example because the device's memory is full.
    #[expect(clippy::cast_precision_loss, reason = "batch sizes are far below 2^53")]
    pub fn gradient(
        &self,
        images: &Tensor,
        labels: &Tensor,
        batch_size: usize,
    ) -> Result<(Tensor, Tensor), TchError> {
        let logits = self.layers.forward(images);
        let sum = logits.f_cross_entropy_loss::<Tensor>(labels, None, Reduction::Sum, -100, 0.0)?;
        let loss = sum.f_div_scalar(batch_size as f64)?;
        let parts = Tensor::f_run_backward(&[&loss], &self.parameters, false, false)?;
        let parts: Vec<Tensor> = parts.iter().map(|part| part.flatten(0, -1)).collect();
        Ok((Tensor::f_cat(&parts, 0)?, loss.detach()))
    }
}

/// (convolution 3x3, pool 2, ReLU) x 3 with 1-8-16-8 channels on 28-14-7-3 pixels, then a dense layer for so many classes.
fn layers(root: &nn::Path, classes: i64) -> Result<nn::Sequential, TchError> {
    // Weights are set later, so drawing them here would be for nothing.
    let zero = nn::Init::Const(0.0);
    let same_size = nn::ConvConfig {
        padding: 1,
        ws_init: zero,
        ..nn::ConvConfig::default()
    };
    let linear = nn::LinearConfig {
        ws_init: zero,
        bs_init: Some(zero),
        bias: true,
    };
    let conv3 = nn::conv2d(root / "conv3", 16, 8, 3, same_size);
    Ok(nn::seq()
        .add(nn::conv2d(root / "conv1", 1, 8, 3, same_size))
        .add_fn(pool_and_relu)
        .add(nn::conv2d(root / "conv2", 8, 16, 3, same_size))
        .add_fn(pool_and_relu)
        .add(SquareConvolution::new(conv3)?)
        .add_fn(pool_and_relu)
        .add_fn(flatten)
        .add(nn::linear(root / "dense", 72, classes, linear)))
}

/// The article has ReLU first; the maximum of both orders is the same, and this one does a quarter of the work.
fn pool_and_relu(images: &Tensor) -> Tensor {
    let mut pooled = max_pool(images);
    if pooled.requires_grad() {
        pooled.relu()
    } else {
        // No backward pass needs the values before, so scoring is spared another tensor: 3 % of a run.
        pooled.relu_()
    }
}

/// Channels, rows and columns in one: n x 8 x 3 x 3 to n x 72.
fn flatten(images: &Tensor) -> Tensor {
    if images.is_mkldnn() {
        images.to_dense(None, false).flatten(1, -1)
    } else {
        images.flatten(1, -1)
    }
}

/// Counts how often each true class was taken for each class: classes x classes numbers (i64), at true class x classes +
/// predicted class. `logits` are n x classes.
///
/// `rows` is each image's true class x classes (i64), `ones` as many ones (i64). Nothing here waits for the device.
///
/// # Errors
/// When libtorch fails.
pub fn confusion_counts(logits: &Tensor, rows: &Tensor, ones: &Tensor) -> Result<Tensor, TchError> {
    let cells = logits.f_argmax(1, false)?.f_add_(rows)?;
    let (_, classes) = logits.size2()?;
    Tensor::f_zeros([classes * classes], (Kind::Int64, logits.device()))?
        .f_scatter_add_(0, &cells, ones)
}

/// libtorch counts in i64.
fn size(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests;
