//! The network, described once: [`Architecture::layers`] lists its layers, and everything else
//! follows from that list: the modules and tensors of [`Network`], the names and shapes of weights,
//! files and ONNX, the figure and the table of layers.
//!
//! To change the network, change `layers` (which blocks, in which order) or [`ARTICLE`] (their
//! width). For a new [`Operation`], the compiler names every place that has to handle it.

use anyhow::{Result, ensure};
use serde::{Deserialize, Serialize};
use tch::nn::{self, Module};
use tch::{Kind, Tensor};

use super::device::Device;
use super::scoring_conv::{ScoringConvolution, max_pool};
use super::tch_errors;
use crate::data::{MAX_CLASSES, SIDE};

/// The shape of one input: channels, height and width.
pub const INPUT: [usize; 3] = [1, SIDE, SIDE];

/// Channels of the article's three blocks, the default.
pub const ARTICLE: [usize; 3] = [8, 16, 8];

/// What a layer does. Weights have PyTorch's shapes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Operation {
    /// A convolution with square kernels and "same" padding. Weights: output channels x input
    /// channels x kernel height x kernel width.
    Convolution([usize; 4]),
    /// 2x2 max-pooling, then ReLU.
    MaxPoolRelu,
    /// Flattens channels, rows and columns into one dimension.
    Flatten,
    /// A fully connected layer. Weights: outputs x inputs.
    Dense([usize; 2]),
}

impl Operation {
    /// Output shape for one image with an input of shape `input`.
    fn output(&self, input: &[usize]) -> Vec<usize> {
        match self {
            Self::Convolution([outputs, ..]) => vec![*outputs, input[1], input[2]],
            Self::MaxPoolRelu => vec![input[0], input[1] / 2, input[2] / 2],
            Self::Flatten => vec![input.iter().product()],
            Self::Dense([outputs, _]) => vec![*outputs],
        }
    }

    /// Shape of the weights; empty if the layer has none. There is one bias per output, which is the
    /// first dimension.
    pub fn weight(&self) -> &[usize] {
        match self {
            Self::Convolution(shape) => shape,
            Self::Dense(shape) => shape,
            Self::MaxPoolRelu | Self::Flatten => &[],
        }
    }
}

/// One layer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layer {
    /// Prefix of its parameters' names; `None` if it has no parameters.
    pub name: Option<String>,
    /// What it does.
    pub operation: Operation,
    /// Output shape for one image: channels x height x width, or a number of values.
    pub output: Vec<usize>,
    /// Number of weights and biases.
    pub parameters: usize,
    /// Multiply-adds for one image.
    pub multiply_adds: usize,
}

impl Layer {
    fn new(name: Option<String>, operation: Operation, input: &[usize]) -> Self {
        let (weight, output) = (operation.weight(), operation.output(input));
        let biases = weight.first().copied().unwrap_or(0);
        let weights = biases * weight.iter().skip(1).product::<usize>();
        Self {
            parameters: weights + biases,
            // Every weight is used once per output pixel; a bias is only added.
            multiply_adds: weights * output.iter().skip(1).product::<usize>(),
            name,
            operation,
            output,
        }
    }
}

/// The hyperparameters of the network: channels per block, number of classes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Architecture {
    channels: Vec<usize>,
    classes: usize,
}

impl Architecture {
    /// The article's network; 3,138 parameters for ten classes.
    ///
    /// # Errors
    /// See [`Self::new`].
    pub fn article(classes: usize) -> Result<Self> {
        Self::new(ARTICLE.to_vec(), classes)
    }

    /// One block of convolution and pooling per entry of `channels`, then a dense layer.
    ///
    /// # Errors
    /// Unless there are 1 to 4 blocks, 1 to 512 channels per block and 2 to 256 classes.
    pub fn new(channels: Vec<usize>, classes: usize) -> Result<Self> {
        // Four poolings reduce 28x28 to a single pixel.
        let blocks = channels.len();
        ensure!(
            (1..=4).contains(&blocks),
            "a network has 1 to 4 blocks, not {blocks}"
        );
        ensure!(
            channels.iter().all(|channels| (1..=512).contains(channels)),
            "a block has 1 to 512 channels, not {channels:?}"
        );
        ensure!(
            (2..=MAX_CLASSES).contains(&classes),
            "a network has 2 to {MAX_CLASSES} classes, not {classes}"
        );
        Ok(Self { channels, classes })
    }

    /// Channels of each convolution.
    pub fn channels(&self) -> &[usize] {
        &self.channels
    }

    /// Number of classes.
    pub fn classes(&self) -> usize {
        self.classes
    }

    /// The layers in order: per block convolution 3x3, max-pool 2x2, ReLU; then flatten and dense.
    pub fn layers(&self) -> Vec<Layer> {
        let mut layers: Vec<Layer> = Vec::new();
        let mut shape = INPUT.to_vec();
        let mut add = |name, operation| {
            let layer = Layer::new(name, operation, &shape);
            shape.clone_from(&layer.output);
            layers.push(layer);
            shape[0]
        };
        let mut inputs = INPUT[0];
        for (block, &outputs) in (1..).zip(&self.channels) {
            let convolution = Operation::Convolution([outputs, inputs, 3, 3]);
            inputs = add(Some(format!("conv{block}")), convolution);
            add(None, Operation::MaxPoolRelu);
        }
        let inputs = add(None, Operation::Flatten);
        let dense = Operation::Dense([self.classes, inputs]);
        add(Some("dense".to_owned()), dense);
        layers
    }

    /// Name and shape of every parameter, in order, as `PyTorch` has them for the same layers.
    pub fn parameters(&self) -> Vec<(String, Vec<usize>)> {
        let mut parameters = Vec::new();
        for layer in self.layers() {
            if let Some(name) = layer.name {
                let weight = layer.operation.weight();
                parameters.push((format!("{name}.weight"), weight.to_vec()));
                parameters.push((format!("{name}.bias"), vec![weight[0]]));
            }
        }
        parameters
    }

    /// Bytes of the largest layer's output for one image, as f32.
    pub(super) fn largest_layer_bytes(&self) -> usize {
        let layers = self.layers();
        let values = layers.iter().map(|layer| layer.output.iter().product());
        values.max().unwrap_or(1) * size_of::<f32>()
    }

    /// Number of parameters.
    pub fn count(&self) -> usize {
        self.layers().iter().map(|layer| layer.parameters).sum()
    }
}

/// The network on a device. All parameters are views into one flat tensor, so that setting weights
/// and Adam's update take a few kernels each instead of dozens.
#[derive(Debug)]
pub struct Network {
    layers: nn::Sequential,
    /// Views into `flat`, in the order of [`Architecture::parameters`].
    parameters: Vec<Tensor>,
    /// All weights, f32.
    flat: Tensor,
}

impl Network {
    /// A network of this `architecture` on `device`, with all weights 0.
    ///
    /// # Errors
    /// When the device runs out of memory.
    pub fn new(architecture: &Architecture, device: Device) -> Result<Self> {
        tch_errors::catch(|| {
            let store = nn::VarStore::new(device.tch());
            let layers = build(&store.root(), &architecture.layers())?;
            let variables = store.variables();
            let names = architecture.parameters().into_iter();
            let own = names.map(|(name, _)| variables[&name].shallow_clone());
            let parameters: Vec<Tensor> = own.collect();
            let size = i64::try_from(architecture.count())?;
            let flat = Tensor::f_zeros([size], (Kind::Float, device.tch()))?;
            let mut start = 0;
            for parameter in &parameters {
                let length = i64::try_from(parameter.numel())?;
                let part = flat.f_narrow(0, start, length)?;
                let view = part.f_view(&*parameter.size())?;
                parameter.shallow_clone().f_set_data(&view)?;
                start += length;
            }
            Ok(Self {
                layers,
                parameters,
                flat,
            })
        })
    }

    /// Copies `weights` (flat, f32, in the order of [`Architecture::parameters`]) into the network.
    ///
    /// # Errors
    /// When their number differs.
    pub fn set_weights(&mut self, weights: &Tensor) -> Result<()> {
        Ok(self.flat.f_copy_(weights)?)
    }

    /// Logits (n x classes, f32) of `images` (n x 1 x 28 x 28, f32, 0..=1, plain or in oneDNN's
    /// layout).
    ///
    /// # Panics
    /// When libtorch fails, for example because it runs out of memory.
    pub fn forward(&self, images: &Tensor) -> Tensor {
        self.layers.forward(images)
    }

    /// Gradient of `loss` (a scalar) for all weights, flat.
    ///
    /// # Errors
    /// When `loss` was not computed by this network with gradients enabled, or memory runs out.
    pub fn gradient(&self, loss: &Tensor) -> Result<Tensor> {
        let parts = Tensor::f_run_backward(&[loss], &self.parameters, false, false)?;
        let parts: Vec<Tensor> = parts.iter().map(|part| part.flatten(0, -1)).collect();
        Ok(Tensor::f_cat(&parts, 0)?)
    }
}

/// Builds `layers` with tch's modules, all weights 0.
fn build(root: &nn::Path, layers: &[Layer]) -> Result<nn::Sequential> {
    let zero = nn::Init::Const(0.0);
    let mut seq = nn::seq();
    for layer in layers {
        let path = layer.name.as_ref().map_or(root.clone(), |name| root / name);
        let sizes = layer.operation.weight().iter().copied().map(i64::try_from);
        let sizes: Vec<i64> = sizes.collect::<Result<_, _>>()?;
        seq = match layer.operation {
            Operation::Convolution(weight) => {
                let config = nn::ConvConfig {
                    padding: sizes[2] / 2,
                    ws_init: zero,
                    ..nn::ConvConfig::default()
                };
                let convolution = nn::conv2d(path, sizes[1], sizes[0], sizes[2], config);
                if ScoringConvolution::is_faster(weight) {
                    seq.add(ScoringConvolution::new(convolution)?)
                } else {
                    seq.add(convolution)
                }
            }
            Operation::MaxPoolRelu => seq.add_fn(max_pool_relu),
            Operation::Flatten => seq.add_fn(flatten),
            Operation::Dense(_) => {
                let config = nn::LinearConfig {
                    ws_init: zero,
                    bs_init: Some(zero),
                    bias: true,
                };
                seq.add(nn::linear(path, sizes[1], sizes[0], config))
            }
        };
    }
    Ok(seq)
}

/// The article applies ReLU first. Both orders give the same result; this one does a quarter of the
/// work.
fn max_pool_relu(images: &Tensor) -> Tensor {
    let mut pooled = max_pool(images);
    if pooled.requires_grad() {
        pooled.relu()
    } else {
        // No backward pass needs the input, so ReLU works in place, which saves 3 % of a run.
        pooled.relu_()
    }
}

/// Flattens to n x values, in the plain layout.
fn flatten(images: &Tensor) -> Tensor {
    if images.is_mkldnn() {
        images.to_dense(None, false).flatten(1, -1)
    } else {
        images.flatten(1, -1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::learn::weights::{Init, Weights};

    fn network(channels: &[usize], seed: u64) -> (Architecture, Network) {
        let architecture = Architecture::new(channels.to_vec(), 10).unwrap();
        let weights = Weights::initial(Init::Kaiming, seed, &architecture);
        let mut network = Network::new(&architecture, Device::CPU).unwrap();
        network
            .set_weights(&Tensor::from_slice(weights.values()))
            .unwrap();
        (architecture, network)
    }

    fn random_images(count: i64) -> Tensor {
        tch::manual_seed(1);
        Tensor::rand([count, 1, 28, 28], (Kind::Float, tch::Device::Cpu))
    }

    #[test]
    fn every_layer_has_the_output_shape_that_is_described() {
        for channels in [&[5][..], &[8, 16, 8], &[2, 9, 8, 3]] {
            let (architecture, network) = network(channels, 0);
            let outputs = network.layers.forward_all(&random_images(1), None);
            for (layer, output) in architecture.layers().iter().zip(&outputs) {
                let shape = output.size().into_iter().skip(1).map(usize::try_from);
                let shape: Vec<usize> = shape.map(Result::unwrap).collect();
                assert_eq!(shape, layer.output, "{channels:?}: {:?}", layer.operation);
            }
            assert_eq!(outputs.len(), architecture.layers().len());
        }
    }

    #[cfg(target_arch = "x86_64")]
    #[test]
    fn both_layouts_give_the_same_logits_and_gradients() {
        for channels in [&[5][..], &[8, 16, 8], &[16, 32, 64], &[2, 9, 8, 3]] {
            let (_, network) = network(channels, 2);
            let plain = random_images(8);
            let labels = Tensor::randint(10, [8], (Kind::Int64, tch::Device::Cpu));
            let [one, other] = [plain.to_mkldnn(), plain].map(|images| {
                let logits = network.forward(&images);
                let loss = logits.cross_entropy_for_logits(&labels);
                let gradient = network.gradient(&loss).unwrap();
                (tch::no_grad(|| network.forward(&images)), gradient)
            });
            assert!(one.1.abs().max().double_value(&[]) > 0.0);
            let close = |a: &Tensor, b: &Tensor| a.allclose(b, 1e-4, 1e-5, false);
            assert!(close(&one.0, &other.0), "{channels:?}");
            assert!(close(&one.1, &other.1), "{channels:?}");
        }
    }
}
