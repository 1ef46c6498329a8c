//! The network's weights as plain numbers: seeded initial values, safetensors in and out.
//!
//! They are in the order of [`Architecture::parameters`], which is the order of everything flat in
//! this program (weights, gradients, Adam's moments). A file's names, shapes and kinds are checked
//! here, before libtorch sees any of it.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result, bail, ensure};
use clap::ValueEnum;
use half::{bf16, f16};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use safetensors::{Dtype, SafeTensors, tensor::TensorView};
use serde::{Deserialize, Serialize};

use super::network::Architecture;

/// So many tensors of a file that is another network's are named.
const MOST_SHOWN: usize = 12;

/// Distribution of the initial weights: uniform within ± a bound per layer. Biases start at 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Init {
    /// The article's: 0.5·√(24 / sum of all dimensions of the weight tensor), the `glorot_uniform`
    /// of Flux 0.7-0.9
    #[default]
    Flux,
    /// √(6 / (fan in + fan out)), Glorot and Bengio 2010
    Glorot,
    /// √(6 / fan in), He et al. 2015, for layers followed by ReLU
    Kaiming,
}

impl Init {
    /// The bound for a weight tensor of this shape.
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

/// All parameters of a network, one after the other.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Weights {
    architecture: Architecture,
    values: Vec<f32>,
}

impl Weights {
    /// Initial weights. The same seed gives the same weights on every machine and every device.
    pub fn initial(init: Init, seed: u64, architecture: &Architecture) -> Self {
        let mut generator = ChaCha8Rng::seed_from_u64(seed);
        let mut values = Vec::with_capacity(architecture.count());
        for (_, shape) in architecture.parameters() {
            let count: usize = shape.iter().product();
            if let [_] = shape[..] {
                values.extend(std::iter::repeat_n(0.0, count));
            } else {
                #[expect(clippy::cast_possible_truncation, reason = "weights are f32")]
                let bound = init.bound(&shape) as f32;
                values.extend((0..count).map(|_| (2.0 * generator.random::<f32>() - 1.0) * bound));
            }
        }
        Self {
            architecture: architecture.clone(),
            values,
        }
    }

    /// The values, flat, in the order of [`Architecture::parameters`].
    ///
    /// # Errors
    /// When there are more or fewer `values` than the network has.
    pub fn from_values(values: Vec<f32>, architecture: &Architecture) -> Result<Self> {
        let (found, count) = (values.len(), architecture.count());
        ensure!(
            found == count,
            "{found} weights where the network has {count}"
        );
        Ok(Self {
            architecture: architecture.clone(),
            values,
        })
    }

    /// The network that they are for.
    pub fn architecture(&self) -> &Architecture {
        &self.architecture
    }

    /// Number of classes that the network tells apart.
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
        self.architecture
            .parameters()
            .into_iter()
            .map(move |(name, shape)| {
                let (values, after) = rest.split_at(shape.iter().product());
                rest = after;
                (name, shape, values)
            })
    }

    /// The weights as a safetensors file, in 32-bit floats. The same weights give the same bytes.
    ///
    /// # Errors
    /// Only when the format's own library refuses.
    pub fn to_safetensors(&self) -> Result<Vec<u8>> {
        let bytes = |values: &[f32]| values.iter().flat_map(|v| v.to_le_bytes()).collect();
        let tensors = self.named();
        let tensors: Vec<(_, _, Vec<u8>)> = tensors
            .map(|(name, shape, values)| (name, shape, bytes(values)))
            .collect();
        let views = tensors.iter().map(|(name, shape, bytes)| {
            Ok((name, TensorView::new(Dtype::F32, shape.clone(), bytes)?))
        });
        Ok(safetensors::serialize(
            views.collect::<Result<Vec<_>>>()?,
            None,
        )?)
    }

    /// Reads a safetensors file. Every parameter must be there, with its shape, and nothing else.
    /// How wide the network is and how many classes it has follows from the file. Names may have a
    /// prefix in common (`module.`), and be those of numbered layers (`0.weight`, as in `PyTorch`'s
    /// `nn.Sequential`). Floats of 16 and 64 bits become such of 32; their kind is given, too.
    ///
    /// # Errors
    /// When one of these does not hold, naming the tensor, or the bytes are no safetensors file.
    pub fn from_safetensors(bytes: &[u8]) -> Result<(Self, Option<String>)> {
        let file = SafeTensors::deserialize(bytes).context("not a safetensors file")?;
        let tensors = Tensors::new(&file);
        let architecture = tensors.architecture()?;
        let parameters = architecture.parameters();
        let known = |name: &str| parameters.iter().any(|(parameter, _)| *parameter == name);
        if let Some(name) = tensors.0.keys().find(|name| !known(name)) {
            bail!("tensor {name} is not a part of the network");
        }
        let (mut values, mut converted) = (Vec::with_capacity(architecture.count()), None);
        for (name, shape) in &parameters {
            let tensor = tensors.get(name)?;
            let (found, kind) = (tensor.shape(), tensor.dtype());
            ensure!(
                found == shape,
                "tensor {name} has shape {found:?}, the network needs {shape:?}"
            );
            let floats = floats(tensor);
            let floats = floats
                .with_context(|| format!("tensor {name} holds {kind:?}, the network needs F32"))?;
            values.extend(floats);
            if kind != Dtype::F32 {
                converted = Some(kind.to_string());
            }
        }
        Ok((Self::from_values(values, &architecture)?, converted))
    }
}

/// The numbers of a tensor, if they are floats of a usual width.
#[expect(clippy::cast_possible_truncation, reason = "weights are f32")]
fn floats(tensor: &TensorView) -> Option<Vec<f32>> {
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

/// The tensors of a file by the names that they have in the network.
struct Tensors<'a>(BTreeMap<String, TensorView<'a>>);

impl<'a> Tensors<'a> {
    fn new(file: &SafeTensors<'a>) -> Self {
        let names = file.names();
        // What all begin with, up to a dot.
        let common = names.iter().copied().reduce(|one, other| {
            let same = one.bytes().zip(other.bytes()).take_while(|(a, b)| a == b);
            &one[..same.count()]
        });
        let prefix = common.and_then(|common| common.rfind('.'));
        let start = prefix.map_or(0, |dot| dot + 1);
        let layer = |name: &str| name[start..].split_once('.')?.0.parse::<usize>().ok();
        // Where every layer is a number, they are the layers in that order.
        let numbers: Option<BTreeSet<usize>> = names.iter().map(|name| layer(name)).collect();
        let numbers: Vec<usize> = numbers.into_iter().flatten().collect();
        let own = |name: &str| {
            let name = &name[start..];
            let Some((number, rest)) = name.split_once('.').filter(|_| !numbers.is_empty()) else {
                return name.to_owned();
            };
            match numbers
                .iter()
                .position(|other| number.parse() == Ok(*other))
            {
                Some(place) if place + 1 < numbers.len() => format!("conv{}.{rest}", place + 1),
                _ => format!("dense.{rest}"),
            }
        };
        let tensors = file.iter();
        Self(tensors.map(|(name, tensor)| (own(name), tensor)).collect())
    }

    fn get(&self, name: &str) -> Result<&TensorView<'a>> {
        self.0.get(name).with_context(|| {
            let held = self.0.iter().take(MOST_SHOWN);
            let held = held.map(|(name, tensor)| format!("{name} {:?}", tensor.shape()));
            let held: Vec<String> = held.collect();
            let more = if self.0.len() > MOST_SHOWN {
                ", ..."
            } else {
                ""
            };
            format!(
                "tensor {name} is missing; needed are conv1, conv2 and so on, and dense, a weight \
                 and a bias each; there are {}{more}",
                held.join(", ")
            )
        })
    }

    /// The network whose layers have as many outputs as the file's.
    fn architecture(&self) -> Result<Architecture> {
        let outputs = |name: &str| {
            let outputs = self.get(name)?.shape().first().copied();
            outputs.with_context(|| format!("tensor {name} has no sizes"))
        };
        let mut channels = vec![outputs("conv1.weight")?];
        let others = (2..).map(|block| format!("conv{block}.weight"));
        for name in others.take_while(|name| self.0.contains_key(name)) {
            channels.push(outputs(&name)?);
        }
        Architecture::new(channels, outputs("dense.weight")?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Tensor = (String, Dtype, Vec<usize>);
    /// A kind, what makes a number of it, and the names of layers.
    type Floats = (Dtype, fn(f32) -> Vec<u8>, &'static str, [&'static str; 4]);
    /// A change of a good file, and what is said of it.
    type Case = (fn(&mut Vec<Tensor>), &'static str);

    fn article(classes: usize) -> Architecture {
        Architecture::new(vec![8, 16, 8], classes).unwrap()
    }

    #[test]
    fn bounds_are_those_of_their_definitions() {
        for (init, convolution, dense) in [
            // 8 + 1 + 3 + 3 = 15 and 10 + 72 = 82: sums of all sizes.
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
        let (least, most) = (dense.clone().fold(0.0, f32::min), dense.fold(0.0, f32::max));
        assert!((-0.2706..-0.25).contains(&least) && (0.25..0.2706).contains(&most));
        assert!(weights.values()[3_128..].iter().all(|&value| value == 0.0));
    }

    #[test]
    fn safetensors_there_and_back_at_any_width() {
        for channels in [&[1][..], &[8, 16, 8], &[16, 32, 64, 3]] {
            for classes in [2, 10, 256] {
                let architecture = Architecture::new(channels.to_vec(), classes).unwrap();
                let weights = Weights::initial(Init::Kaiming, 5, &architecture);
                let bytes = weights.to_safetensors().unwrap();
                assert_eq!(bytes, weights.to_safetensors().unwrap());
                assert_eq!(Weights::from_safetensors(&bytes).unwrap(), (weights, None));
            }
        }
    }

    #[test]
    fn other_kinds_of_floats_prefixes_and_numbered_layers_are_taken() {
        let weights = Weights::initial(Init::Flux, 0, &article(10));
        // What no kind of floats rounds.
        let values = weights.values.iter().map(|value| (value * 8.0).round());
        let weights = Weights::from_values(values.collect(), &article(10)).unwrap();
        let half = |value: f32| f16::from_f32(value).to_le_bytes().to_vec();
        let brain = |value: f32| bf16::from_f32(value).to_le_bytes().to_vec();
        let double = |value: f32| f64::from(value).to_le_bytes().to_vec();
        let single = |value: f32| value.to_le_bytes().to_vec();
        let plain = ["conv1", "conv2", "conv3", "dense"];
        let kinds: [Floats; 5] = [
            (Dtype::F16, half, "", plain),
            (Dtype::BF16, brain, "", plain),
            (Dtype::F64, double, "module.", plain),
            (Dtype::F32, single, "_orig_mod.module.", plain),
            (Dtype::F32, single, "net.", ["0", "3", "6", "10"]),
        ];
        for (kind, bytes, prefix, layers) in kinds {
            let data: Vec<Vec<u8>> = weights
                .named()
                .map(|(_, _, values)| values.iter().flat_map(|&value| bytes(value)).collect())
                .collect();
            let views = weights.named().zip(&data).map(|((name, shape, _), data)| {
                let (layer, rest) = name.split_once('.').unwrap();
                let layer = layers[plain.iter().position(|own| *own == layer).unwrap()];
                let view = TensorView::new(kind, shape, data).unwrap();
                (format!("{prefix}{layer}.{rest}"), view)
            });
            let file = safetensors::serialize(views, None).unwrap();
            let (read, converted) = Weights::from_safetensors(&file).unwrap();
            assert_eq!(read, weights, "{kind:?} {prefix}");
            assert_eq!(converted.is_some(), kind != Dtype::F32);
        }
    }

    #[test]
    fn files_of_other_networks_are_refused() {
        let error = |tensors: Vec<Tensor>| {
            let data = vec![0; 50_000];
            let views = tensors.into_iter().map(|(name, kind, shape)| {
                let length = 4 * shape.iter().product::<usize>();
                (name, TensorView::new(kind, shape, &data[..length]).unwrap())
            });
            let bytes = safetensors::serialize(views, None).unwrap();
            format!("{:#}", Weights::from_safetensors(&bytes).unwrap_err())
        };
        let cases: [Case; 6] = [
            (
                |all| all[6].2 = vec![72, 10],
                "[72, 10], the network needs [72, 72]",
            ),
            (
                |all| all[7].2 = vec![11],
                "dense.bias has shape [11], the network needs [10]",
            ),
            (
                |all| all[1].1 = Dtype::I32,
                "conv1.bias holds I32, the network needs F32",
            ),
            (|all| all[6].2 = vec![], "tensor dense.weight has no sizes"),
            (
                |all| drop(all.remove(0)),
                "tensor conv1.weight is missing; needed are conv1, conv2 and so on, and dense, a \
                 weight and a bias each; there are conv1.bias [8], conv2.bias [16], conv2.weight",
            ),
            (
                |all| all[7].0 = "fc.bias".into(),
                "fc.bias is not a part of the network",
            ),
        ];
        for (change, expected) in cases {
            let parameters = article(10).parameters().into_iter();
            let tensors = parameters.map(|(name, shape)| (name, Dtype::F32, shape));
            let mut tensors: Vec<Tensor> = tensors.collect();
            change(&mut tensors);
            let found = error(tensors);
            assert!(found.contains(expected), "{found}");
        }
        let error = Weights::from_safetensors(b"hello").unwrap_err();
        assert!(format!("{error:#}").starts_with("not a safetensors file"));
    }
}
