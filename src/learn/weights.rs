//! The network's weights as plain numbers: seeded initial values, and safetensors files.
//!
//! Values are in the order of [`Architecture::parameters`], as is everything flat in this program
//! (weights, gradients, Adam's moments). Tensors of a file are checked here, before libtorch sees
//! them.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use anyhow::{Context, Result, bail, ensure};
use clap::ValueEnum;
use half::{bf16, f16};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use safetensors::{Dtype, SafeTensors, tensor::TensorView};
use serde::{Deserialize, Serialize};

use super::network::{Architecture, INPUT};

/// Maximum number of tensors in an error message.
const MAX_LISTED: usize = 12;

/// Distribution of the initial weights: uniform within ± a bound per layer. Biases start at 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Init {
    /// The article's, which Flux 0.7-0.9 called `glorot_uniform`
    ///
    /// The bound is 0.5·√(24 / sum of all dimensions of the weight tensor).
    #[default]
    Flux,
    /// Glorot and Bengio 2010
    ///
    /// The bound is √(6 / (fan in + fan out)).
    Glorot,
    /// He et al. 2015, for layers followed by ReLU
    ///
    /// The bound is √(6 / fan in).
    Kaiming,
}

impl Init {
    /// The bound for a weight tensor of this shape.
    fn bound(self, shape: &[usize]) -> f64 {
        // Height times width of a convolution's kernel; 1 for a dense layer.
        let kernel_size: usize = shape[2..].iter().product();
        let (fan_in, fan_out) = (shape[1] * kernel_size, shape[0] * kernel_size);
        match self {
            Self::Flux => 0.5 * (24.0 / shape.iter().sum::<usize>() as f64).sqrt(),
            Self::Glorot => (6.0 / (fan_in + fan_out) as f64).sqrt(),
            Self::Kaiming => (6.0 / fan_in as f64).sqrt(),
        }
    }
}

/// All parameters of a network.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Weights {
    architecture: Architecture,
    values: Vec<f32>,
}

impl Weights {
    /// Initial weights. The same seed gives the same weights on every machine and every device.
    pub fn initial(init: Init, seed: u64, architecture: &Architecture) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut values = Vec::with_capacity(architecture.count());
        for (_, shape) in architecture.parameters() {
            let count: usize = shape.iter().product();
            if let [_] = shape[..] {
                values.extend(std::iter::repeat_n(0.0, count));
            } else {
                #[expect(clippy::cast_possible_truncation, reason = "weights are f32")]
                let bound = init.bound(&shape) as f32;
                values.extend((0..count).map(|_| (2.0 * rng.random::<f32>() - 1.0) * bound));
            }
        }
        Self {
            architecture: architecture.clone(),
            values,
        }
    }

    /// Weights from flat values in the order of [`Architecture::parameters`].
    ///
    /// # Errors
    /// When the number of `values` differs from the network's.
    pub fn from_values(values: Vec<f32>, architecture: &Architecture) -> Result<Self> {
        let (found, count) = (values.len(), architecture.count());
        ensure!(found == count, "{found} weights, the network has {count}");
        Ok(Self {
            architecture: architecture.clone(),
            values,
        })
    }

    /// The network that these weights belong to.
    pub fn architecture(&self) -> &Architecture {
        &self.architecture
    }

    /// Number of classes.
    pub fn classes(&self) -> usize {
        self.architecture.classes()
    }

    /// The values, flat, in the order of [`Architecture::parameters`].
    pub fn values(&self) -> &[f32] {
        &self.values
    }

    /// Name, shape and values of each parameter, in order.
    pub fn named(&self) -> impl Iterator<Item = (String, Vec<usize>, &[f32])> {
        let mut rest = self.values();
        let parameters = self.architecture.parameters().into_iter();
        parameters.map(move |(name, shape)| {
            let (values, after) = rest.split_at(shape.iter().product());
            rest = after;
            (name, shape, values)
        })
    }

    /// The weights as a safetensors file of 32-bit floats. The same weights give the same bytes.
    ///
    /// # Errors
    /// Only when the safetensors library refuses.
    pub fn to_safetensors(&self) -> Result<Vec<u8>> {
        let bytes: Vec<u8> = self.values.iter().flat_map(|v| v.to_le_bytes()).collect();
        let mut rest = &bytes[..];
        let mut tensors = Vec::new();
        for (name, shape, values) in self.named() {
            let (data, after) = rest.split_at(size_of_val(values));
            rest = after;
            tensors.push((name, TensorView::new(Dtype::F32, shape, data)?));
        }
        Ok(safetensors::serialize(tensors, None)?)
    }

    /// Reads a safetensors file: convolutions and a dense layer, each a weight and a bias in
    /// PyTorch's shapes, and nothing else. Number and width of the layers follow from the shapes,
    /// so their names may differ from this program's. Returns the weights, and notes for the user:
    /// what was converted, and which layer was read as which.
    ///
    /// # Errors
    /// When the bytes are not a safetensors file, the tensors are not those of such a network, or a
    /// weight is not finite. The message names the tensor.
    pub fn from_safetensors(bytes: &[u8]) -> Result<(Self, Vec<String>)> {
        let file =
            SafeTensors::deserialize(bytes).context("not a safetensors file, or a damaged one")?;
        let layers = FileLayer::find(&file)?;
        let layers = sort_layers(&layers)?;
        let outputs: Vec<usize> = layers.iter().map(|layer| layer.outputs()).collect();
        let (classes, channels) = outputs.split_last().context("the file holds no tensors")?;
        let architecture = Architecture::new(channels.to_vec(), *classes)?;
        let parameters = architecture.parameters();
        let tensors = layers.iter().flat_map(|layer| &layer.tensors);
        let (mut values, mut notes) = (Vec::with_capacity(architecture.count()), Vec::new());
        for ((name, tensor), (_, shape)) in tensors.zip(&parameters) {
            check_shape(name, tensor.shape(), shape)?;
            let dtype = tensor.dtype();
            let floats = to_f32(tensor)
                .with_context(|| format!("tensor {name:.60} holds {dtype}, expected F32"))?;
            ensure!(
                floats.iter().all(|value| value.is_finite()),
                "tensor {name:.60} holds NaN or infinity: the training run that wrote it diverged"
            );
            values.extend(floats);
            let note = format!("{dtype} weights are converted to F32");
            if dtype != Dtype::F32 && !notes.contains(&note) {
                notes.push(note);
            }
        }
        let own = parameters.iter().step_by(2).map(|(name, _)| stem(name));
        let (found, own): (Vec<&str>, Vec<&str>) =
            layers.iter().map(|layer| layer.stem).zip(own).unzip();
        if found != own {
            let [found, own] = [found, own].map(|names| names.join(", "));
            notes.push(format!("layers {found:.200} are read as {own}"));
        }
        Ok((Self::from_values(values, &architecture)?, notes))
    }
}

/// The values of a tensor of floats; `None` for other types.
#[expect(clippy::cast_possible_truncation, reason = "weights are f32")]
fn to_f32(tensor: &TensorView) -> Option<Vec<f32>> {
    let bytes = tensor.data();
    let (twos, fours) = (bytes.as_chunks().0.iter(), bytes.as_chunks().0.iter());
    let eights = bytes.as_chunks().0.iter();
    Some(match tensor.dtype() {
        Dtype::F16 => twos.map(|&two| f16::from_le_bytes(two).to_f32()).collect(),
        Dtype::BF16 => twos.map(|&two| bf16::from_le_bytes(two).to_f32()).collect(),
        Dtype::F32 => fours.map(|&four| f32::from_le_bytes(four)).collect(),
        Dtype::F64 => eights.map(|&it| f64::from_le_bytes(it) as f32).collect(),
        _ => return None,
    })
}

type NamedTensor<'a> = (&'a str, TensorView<'a>);

/// A layer in a file: a weight and a bias whose names differ only in their last part.
struct FileLayer<'a> {
    /// What both names have in common, such as `features.0`.
    stem: &'a str,
    /// Weight and bias.
    tensors: [NamedTensor<'a>; 2],
}

impl<'a> FileLayer<'a> {
    /// All layers of a file, sorted by the numbers in their names. A tensor that belongs to none is
    /// an error.
    fn find(file: &'a SafeTensors) -> Result<Vec<Self>> {
        let mut groups: BTreeMap<&str, Vec<NamedTensor>> = BTreeMap::new();
        for (name, tensor) in file.iter() {
            groups.entry(stem(name)).or_default().push((name, tensor));
        }
        let mut layers = Vec::new();
        for (stem, mut tensors) in groups {
            tensors.sort_by_key(|(name, tensor)| (Reverse(tensor.shape().len()), *name));
            let ranks: Vec<usize> = tensors.iter().map(|(_, it)| it.shape().len()).collect();
            let (listed, is_layer) = (list(&tensors), matches!(ranks[..], [2 | 4, 1]));
            ensure!(
                ranks != [2] && ranks != [4],
                "tensor {listed} has no bias: add one of zeros"
            );
            let tensors = tensors.try_into().ok().filter(|_| is_layer);
            let tensors = tensors.with_context(|| {
                format!(
                    "{listed}: not the weight and bias of a layer; the network has 1 to 4 \
                     convolutions and a dense layer, nothing else"
                )
            })?;
            layers.push(Self { stem, tensors });
        }
        layers.sort_by_key(|layer| numbers(layer.stem));
        Ok(layers)
    }

    fn weight(&self) -> &[usize] {
        self.tensors[0].1.shape()
    }

    /// Number of outputs. Taken from the bias, because weights may be transposed.
    fn outputs(&self) -> usize {
        self.tensors[1].1.shape()[0]
    }
}

/// The layers as an image passes through them: convolutions, then the dense layer.
fn sort_layers<'a>(layers: &'a [FileLayer]) -> Result<Vec<&'a FileLayer<'a>>> {
    let (convolutions, dense): (Vec<_>, Vec<_>) =
        layers.iter().partition(|layer| layer.weight().len() == 4);
    let listed = || list(layers.iter().map(|layer| &layer.tensors[0]));
    let (1..=4, [dense]) = (convolutions.len(), &dense[..]) else {
        bail!(
            "expected 1 to 4 convolutions (weights of 4 dimensions) and one dense layer (2 \
             dimensions), found {}",
            listed()
        )
    };
    let orders = orders(&convolutions, INPUT[0]);
    let stems = |order: &[&'a FileLayer]| order.iter().map(|it| it.stem).collect::<Vec<_>>();
    let digits = |letter: char| letter.is_ascii_digit();
    let differ_in_numbers_only = convolutions
        .windows(2)
        .all(|pair| pair[0].stem.replace(digits, "") == pair[1].stem.replace(digits, ""));
    let is_by_number = |order: &&Vec<_>| stems(order) == stems(&convolutions);
    let mut sorted = match &orders[..] {
        // The check of the shapes names the tensor that does not fit.
        [] => convolutions,
        [only] => only.clone(),
        all if differ_in_numbers_only && all.iter().any(|it| is_by_number(&it)) => convolutions,
        _ => bail!(
            "the shapes fit several orders of the layers: rename them to conv1, conv2, ...; found \
             {}",
            listed()
        ),
    };
    sorted.push(dense);
    Ok(sorted)
}

/// Every order in which each convolution takes as many channels as the one before it gives.
fn orders<'a>(layers: &[&'a FileLayer<'a>], channels: usize) -> Vec<Vec<&'a FileLayer<'a>>> {
    if layers.is_empty() {
        return vec![Vec::new()];
    }
    let mut found = Vec::new();
    for (index, &first) in layers.iter().enumerate() {
        if first.weight()[1] == channels {
            let mut rest = layers.to_vec();
            rest.remove(index);
            let rests = orders(&rest, first.outputs()).into_iter();
            found.extend(rests.map(|rest| [vec![first], rest].concat()));
        }
    }
    found
}

fn check_shape(name: &str, found: &[usize], needed: &[usize]) -> Result<()> {
    let sorted = |shape: &[usize]| {
        let mut shape = shape.to_vec();
        shape.sort_unstable();
        shape
    };
    let hint = if sorted(found) == sorted(needed) {
        ": it is transposed; PyTorch's order is outputs, inputs, height, width, and the inputs of \
         the dense layer are channel by channel"
    } else {
        ""
    };
    ensure!(
        found == needed,
        "tensor {name:.60} has shape {found:?}, the network needs {needed:?}{hint}"
    );
    Ok(())
}

/// A tensor's name without its last part: `conv1` of `conv1.weight`, `dense/kernel`, `fc_bias`.
fn stem(name: &str) -> &str {
    let end = ['.', '/', '_'].iter().find_map(|&sign| name.rfind(sign));
    &name[..end.unwrap_or(name.len())]
}

/// The numbers in a name: 1 and 10 in `block1.10`.
fn numbers(name: &str) -> Vec<u64> {
    let digits = name.split(|letter: char| !letter.is_ascii_digit());
    let digits = digits.filter(|digits| !digits.is_empty());
    digits
        .map(|digits| digits.parse().unwrap_or(u64::MAX))
        .collect()
}

/// Names and shapes, for an error message.
fn list<'a>(tensors: impl IntoIterator<Item = &'a NamedTensor<'a>>) -> String {
    let mut tensors = tensors.into_iter();
    let shown = tensors.by_ref().take(MAX_LISTED);
    let mut shown: Vec<String> = shown
        .map(|(name, tensor)| format!("{name:.30} {:?}", tensor.shape()))
        .collect();
    if tensors.next().is_some() {
        shown.push("...".to_owned());
    }
    shown.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Name, type and shape.
    type Tensor = (String, Dtype, Vec<usize>);

    fn article(classes: usize) -> Architecture {
        Architecture::new(vec![8, 16, 8], classes).unwrap()
    }

    /// The weights as a file, with the stems of their names replaced by `stems`.
    fn renamed(weights: &Weights, stems: &[&str]) -> Vec<u8> {
        let encode = |values: &[f32]| values.iter().flat_map(|v| v.to_le_bytes()).collect();
        let data: Vec<Vec<u8>> = weights
            .named()
            .map(|(_, _, values)| encode(values))
            .collect();
        let views = weights.named().zip(&data).enumerate();
        let views = views.map(|(index, ((name, shape, _), data))| {
            let (_, last) = name.split_once('.').unwrap();
            let view = TensorView::new(Dtype::F32, shape, data).unwrap();
            (format!("{}.{last}", stems[index / 2]), view)
        });
        safetensors::serialize(views, None).unwrap()
    }

    fn random(channels: &[usize], classes: usize) -> Weights {
        let architecture = Architecture::new(channels.to_vec(), classes).unwrap();
        Weights::initial(Init::Kaiming, 5, &architecture)
    }

    #[test]
    fn bounds_are_those_of_their_definitions() {
        for (init, convolution, dense) in [
            // 8 + 1 + 3 + 3 = 15 and 10 + 72 = 82: sums of all dimensions.
            (Init::Flux, 0.6325, 0.2705),
            // Fans of 9 and 72; of 72 and 10.
            (Init::Glorot, 0.2722, 0.2705),
            (Init::Kaiming, 0.8165, 0.2887),
        ] {
            let is = |shape: &[usize], bound: f64| (init.bound(shape) - bound).abs() < 1e-4;
            assert!(
                is(&[8, 1, 3, 3], convolution) && is(&[10, 72], dense),
                "{init:?}"
            );
        }
    }

    #[test]
    fn initial_weights_fill_their_range_and_biases_are_zero() {
        let weights = Weights::initial(Init::Flux, 0, &article(10));
        let dense = weights.values()[2_408..3_128].iter().copied();
        let (min, max) = (dense.clone().fold(0.0, f32::min), dense.fold(0.0, f32::max));
        assert!((-0.2706..-0.25).contains(&min) && (0.25..0.2706).contains(&max));
        assert!(weights.values()[3_128..].iter().all(|&value| value == 0.0));
    }

    #[test]
    fn weights_survive_a_file_at_any_width() {
        for channels in [&[1][..], &[8, 16, 8], &[16, 32, 64, 3]] {
            for classes in [2, 10, 256] {
                let weights = random(channels, classes);
                let bytes = weights.to_safetensors().unwrap();
                assert_eq!(bytes, weights.to_safetensors().unwrap());
                let expected = (weights, Vec::new());
                assert_eq!(Weights::from_safetensors(&bytes).unwrap(), expected);
            }
        }
    }

    type Encode = fn(f32) -> Vec<u8>;

    #[test]
    fn other_float_types_are_converted() {
        let weights = Weights::initial(Init::Flux, 0, &article(10));
        // Values that every type holds exactly.
        let values = weights.values.iter().map(|value| (value * 8.0).round());
        let weights = Weights::from_values(values.collect(), &article(10)).unwrap();
        let types: [(Dtype, Encode); 3] = [
            (Dtype::F16, |it| f16::from_f32(it).to_le_bytes().to_vec()),
            (Dtype::BF16, |it| bf16::from_f32(it).to_le_bytes().to_vec()),
            (Dtype::F64, |it| f64::from(it).to_le_bytes().to_vec()),
        ];
        for (dtype, encode) in types {
            let encode = |values: &[f32]| values.iter().flat_map(|&it| encode(it)).collect();
            let data: Vec<Vec<u8>> = weights.named().map(|(_, _, it)| encode(it)).collect();
            let views = weights.named().zip(&data).map(|((name, shape, _), data)| {
                (name, TensorView::new(dtype, shape, data).unwrap())
            });
            let file = safetensors::serialize(views, None).unwrap();
            let note = format!("{dtype} weights are converted to F32");
            let expected = (weights.clone(), vec![note]);
            assert_eq!(Weights::from_safetensors(&file).unwrap(), expected);
        }
    }

    #[test]
    fn layers_of_any_name_are_matched_by_shape_and_order() {
        let cases: [(&[usize], &[&str]); 8] = [
            (
                &[8, 16, 8],
                &[
                    "module.conv1",
                    "module.conv2",
                    "module.conv3",
                    "module.dense",
                ],
            ),
            (&[8, 16, 8], &["net.0", "net.3", "net.6", "net.10"]),
            (
                &[8, 16, 8],
                &["features.0", "features.3", "features.6", "classifier"],
            ),
            // The names are in another order than the layers, but only one order fits.
            (&[8, 16, 4], &["stem", "body", "a", "head"]),
            (&[8, 16, 4], &["conv3", "conv1", "conv2", "fc"]),
            // All orders fit; the numbers decide, 10 after 9.
            (
                &[1, 1, 1, 1],
                &["net.8", "net.9", "net.10", "net.11", "net.7"],
            ),
            (&[6], &["网.卷积", "全连接"]),
            (&[2, 3], &["a", "b", "c"]),
        ];
        for (channels, stems) in cases {
            let weights = random(channels, 10);
            let file = renamed(&weights, stems);
            let (read, notes) = Weights::from_safetensors(&file).unwrap();
            assert_eq!(read, weights, "{stems:?}");
            let own = ["conv1", "conv2", "conv3", "conv4"];
            let own = [&own[..channels.len()], &["dense"]].concat().join(", ");
            assert_eq!(
                notes,
                [format!("layers {} are read as {own}", stems.join(", "))]
            );
        }
    }

    #[test]
    fn an_order_that_would_be_a_guess_is_refused() {
        let weights = random(&[1, 1], 10);
        let file = renamed(&weights, &["first", "second", "fc"]);
        let error = Weights::from_safetensors(&file).unwrap_err().to_string();
        assert!(
            error.contains("several orders") && error.contains("second.weight"),
            "{error}"
        );
    }

    #[test]
    fn files_of_other_networks_are_refused() {
        /// A change to a good file, and what the error says.
        type Case = (fn(&mut Vec<Tensor>), &'static str);
        let cases: [Case; 13] = [
            (
                |all| all[6].2 = vec![72, 10],
                "dense.weight has shape [72, 10], the network needs [10, 72]: it is transposed",
            ),
            (
                |all| all[0].2 = vec![3, 3, 1, 8],
                "conv1.weight has shape [3, 3, 1, 8], the network needs [8, 1, 3, 3]: it is trans",
            ),
            (
                |all| all[6].2 = vec![10, 71],
                "dense.weight has shape [10, 71], the network needs [10, 72]",
            ),
            (
                |all| all[2].2 = vec![16, 9, 3, 3],
                "conv2.weight has shape [16, 9, 3, 3], the network needs [16, 8, 3, 3]",
            ),
            (
                |all| all[0].2 = vec![8, 1, 5, 5],
                "conv1.weight has shape [8, 1, 5, 5], the network needs [8, 1, 3, 3]",
            ),
            (
                |all| all[7].2 = vec![11],
                "dense.weight has shape [10, 72], the network needs [11, 72]",
            ),
            (
                |all| all[1].1 = Dtype::I32,
                "conv1.bias holds I32, expected F32",
            ),
            (
                |all| all[6].2 = vec![],
                "dense.bias [10], dense.weight []: not the weight and bias of a layer",
            ),
            (
                |all| drop(all.remove(1)),
                "conv1.weight [8, 1, 3, 3] has no bias",
            ),
            (
                |all| all.truncate(6),
                "one dense layer (2 dimensions), found conv1.weight [8, 1, 3, 3], conv2.weight",
            ),
            (
                |all| all.push(("bn.running_mean".into(), Dtype::F32, vec![8])),
                "bn.running_mean [8]: not the weight and bias of a layer",
            ),
            (
                |all| all.push(("conv1.scale".into(), Dtype::F32, vec![8])),
                "conv1.weight [8, 1, 3, 3], conv1.bias [8], conv1.scale [8]: not the weight",
            ),
            (Vec::clear, "one dense layer (2 dimensions), found "),
        ];
        for (change, expected) in cases {
            let parameters = article(10).parameters().into_iter();
            let tensors = parameters.map(|(name, shape)| (name, Dtype::F32, shape));
            let mut tensors: Vec<Tensor> = tensors.collect();
            change(&mut tensors);
            let data = vec![0; 50_000];
            let views = tensors.into_iter().map(|(name, dtype, shape)| {
                let length = 4 * shape.iter().product::<usize>();
                (
                    name,
                    TensorView::new(dtype, shape, &data[..length]).unwrap(),
                )
            });
            let bytes = safetensors::serialize(views, None).unwrap();
            let error = format!("{:#}", Weights::from_safetensors(&bytes).unwrap_err());
            assert!(error.contains(expected), "{error}");
        }
        let error = Weights::from_safetensors(b"hello").unwrap_err();
        assert!(format!("{error:#}").starts_with("not a safetensors file"));
    }

    #[test]
    fn weights_that_are_not_finite_are_refused() {
        for value in [f32::NAN, f32::INFINITY] {
            let mut weights = random(&[2], 3);
            weights.values[19] = value;
            let file = weights.to_safetensors().unwrap();
            let error = Weights::from_safetensors(&file).unwrap_err().to_string();
            assert!(
                error.starts_with("tensor conv1.bias holds NaN or infinity"),
                "{error}"
            );
        }
    }
}
