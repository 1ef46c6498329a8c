//! The network's weights as plain numbers: names, shapes, seeded initial values, safetensors in and out.
//!
//! It owns the order of the parameters, which is the order of everything flat in this program
//! (weights, gradients, Adam's moments). It knows nothing of tensors, so a file's names, shapes and
//! kinds are checked before libtorch sees any of it.

use anyhow::{Context, Result, bail, ensure};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use safetensors::{Dtype, SafeTensors, tensor::TensorView};
use serde::{Deserialize, Serialize};

use crate::data::MOST_CLASSES;

/// Name and shape of every parameter of the network for so many classes, in order. PyTorch users know both:
/// convolutions are (output channels, input channels, height, width), the dense layer is (outputs, inputs).
#[must_use]
pub fn parameters(classes: usize) -> [(&'static str, Vec<usize>); 8] {
    [
        ("conv1.weight", vec![8, 1, 3, 3]),
        ("conv1.bias", vec![8]),
        ("conv2.weight", vec![16, 8, 3, 3]),
        ("conv2.bias", vec![16]),
        ("conv3.weight", vec![8, 16, 3, 3]),
        ("conv3.bias", vec![8]),
        (DENSE, vec![classes, 72]),
        ("dense.bias", vec![classes]),
    ]
}

/// The parameter whose first size is the number of classes.
const DENSE: &str = "dense.weight";

/// How initial weights are drawn: uniform in ± a bound per layer. Biases start at 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Init {
    /// 0.5·√(24 / sum of all sizes of the weight tensor): what Flux 0.7-0.9 called `glorot_uniform`. The article's.
    #[default]
    Flux,
    /// √(6 / (fan in + fan out)): Glorot and Bengio 2010.
    Glorot,
    /// √(6 / fan in): He et al. 2015, for layers before a ReLU.
    Kaiming,
}

impl Init {
    /// The bound for a weight tensor of this shape.
    #[expect(clippy::cast_precision_loss, reason = "sizes are small")]
    fn bound(self, shape: &[usize]) -> f64 {
        // Height times width of a convolution's kernel; 1 for a dense layer.
        let field: usize = shape[2..].iter().product();
        let (fan_in, fan_out) = (shape[1] * field, shape[0] * field);
        match self {
            Self::Flux => 0.5 * (24.0 / shape.iter().sum::<usize>() as f64).sqrt(),
            Self::Glorot => (6.0 / (fan_in + fan_out) as f64).sqrt(),
            Self::Kaiming => (6.0 / fan_in as f64).sqrt(),
        }
    }
}

/// All parameters of the network, one after the other in the order of [`parameters`].
#[derive(Debug, Clone, PartialEq)]
pub struct Weights {
    classes: usize,
    values: Vec<f32>,
}

impl From<Weights> for Vec<f32> {
    fn from(weights: Weights) -> Self {
        weights.values
    }
}

impl Weights {
    /// Number of parameters for so many classes: 3,138 for ten.
    #[must_use]
    pub fn count(classes: usize) -> usize {
        let shapes = parameters(classes);
        let sizes = shapes
            .iter()
            .map(|(_, shape)| shape.iter().product::<usize>());
        sizes.sum()
    }

    /// Initial weights. The same seed gives the same weights on every machine and every device.
    #[must_use]
    pub fn initial(init: Init, seed: u64, classes: usize) -> Self {
        let mut generator = ChaCha8Rng::seed_from_u64(seed);
        let mut values = Vec::with_capacity(Self::count(classes));
        for (_, shape) in parameters(classes) {
            let count: usize = shape.iter().product();
            if let [_] = shape[..] {
                values.extend(std::iter::repeat_n(0.0, count));
            } else {
                #[expect(
                    clippy::cast_possible_truncation,
                    reason = "f32 is the kind of the weights"
                )]
                let bound = init.bound(&shape) as f32;
                values.extend((0..count).map(|_| (2.0 * generator.random::<f32>() - 1.0) * bound));
            }
        }
        Self { classes, values }
    }

    /// The values, flat, in the order of [`parameters`] for so many `classes`.
    ///
    /// # Errors
    /// When `values` are not [`Self::count`] numbers.
    pub fn from_values(values: Vec<f32>, classes: usize) -> Result<Self> {
        let (found, count) = (values.len(), Self::count(classes));
        ensure!(
            found == count,
            "{found} weights where the network has {count}"
        );
        Ok(Self { classes, values })
    }

    /// Number of classes that the network tells apart.
    #[must_use]
    pub fn classes(&self) -> usize {
        self.classes
    }

    /// The values, flat, in the order of [`parameters`].
    #[must_use]
    pub fn values(&self) -> &[f32] {
        &self.values
    }

    /// The weights as a safetensors file, in 32-bit floats. The same weights give the same bytes.
    ///
    /// # Errors
    /// Only when the format's own library refuses.
    pub fn to_safetensors(&self) -> Result<Vec<u8>> {
        let bytes: Vec<u8> = self
            .values
            .iter()
            .flat_map(|value| value.to_le_bytes())
            .collect();
        let mut rest = bytes.as_slice();
        let mut views = Vec::new();
        for (name, shape) in parameters(self.classes) {
            let (data, after) = rest.split_at(4 * shape.iter().product::<usize>());
            views.push((name, TensorView::new(Dtype::F32, shape, data)?));
            rest = after;
        }
        Ok(safetensors::serialize(views, None)?)
    }

    /// Reads a safetensors file. Every parameter must be there, with its shape, in 32-bit floats, and nothing else;
    /// the number of classes is that of the dense layer.
    ///
    /// # Errors
    /// When one of these does not hold, naming the tensor, or the bytes are no safetensors file.
    pub fn from_safetensors(bytes: &[u8]) -> Result<Self> {
        let file = SafeTensors::deserialize(bytes).context("not a safetensors file")?;
        let classes = classes_of(&file)?;
        let parameters = parameters(classes);
        let known = |name: &str| parameters.iter().any(|(parameter, _)| *parameter == name);
        if let Some(name) = file.names().into_iter().find(|name| !known(name)) {
            bail!("tensor {name} is not a part of the network");
        }
        let mut values = Vec::with_capacity(Self::count(classes));
        for (name, shape) in &parameters {
            let tensor = tensor(&file, name)?;
            let found = tensor.shape();
            ensure!(
                found == shape,
                "tensor {name} has shape {found:?}, the network needs {shape:?}"
            );
            let kind = tensor.dtype();
            ensure!(
                kind == Dtype::F32,
                "tensor {name} holds {kind:?}, the network needs F32"
            );
            let floats = tensor.data().as_chunks::<4>().0;
            values.extend(floats.iter().map(|&bytes| f32::from_le_bytes(bytes)));
        }
        Ok(Self { classes, values })
    }
}

fn tensor<'a>(file: &SafeTensors<'a>, name: &str) -> Result<TensorView<'a>> {
    let tensor = file.tensor(name).ok();
    tensor.with_context(|| format!("tensor {name} is missing"))
}

/// The outputs of the dense layer.
fn classes_of(file: &SafeTensors) -> Result<usize> {
    let dense = tensor(file, DENSE)?;
    match dense.shape() {
        &[classes, 72] if (2..=MOST_CLASSES).contains(&classes) => Ok(classes),
        found => bail!(
            "tensor {DENSE} has shape {found:?}, the network needs [classes, 72] with 2 to {MOST_CLASSES} classes"
        ),
    }
}

#[cfg(test)]
mod tests;
