//! What the network is made of, layer by layer: taken from the network itself, not from a table about it.

use anyhow::{Result, ensure};

use super::device::Device;
use super::libtorch;
use super::network::Network;
use super::weights::{Weights, parameters};
use crate::data::SIDE;

/// What a layer does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Operation {
    /// A convolution with square kernels of this side, which keeps height and width.
    Convolution {
        /// Height and width of a kernel.
        kernel: usize,
    },
    /// The largest of each 2x2 pixels, then ReLU.
    Pooling,
    /// Channels, rows and columns put into one row.
    Flatten,
    /// Every output is a weighted sum of all inputs.
    Dense,
}

/// One layer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layer {
    /// The name that its parameters begin with; `None` where it has none.
    pub name: Option<&'static str>,
    /// What it does.
    pub operation: Operation,
    /// Shape of its output for one image: channels, height and width, or a number of values.
    pub output: Vec<usize>,
    /// Number of its weights and biases.
    pub parameters: usize,
    /// Multiplications with an addition, for one image.
    pub multiply_adds: usize,
}

/// The shape of one input: channels, height and width.
pub const INPUT: [usize; 3] = [1, SIDE, SIDE];

/// The operations in the order of the network's layers, with the names of their parameters.
const OPERATIONS: [(Option<&str>, Operation); 8] = [
    (Some("conv1"), Operation::Convolution { kernel: 3 }),
    (None, Operation::Pooling),
    (Some("conv2"), Operation::Convolution { kernel: 3 }),
    (None, Operation::Pooling),
    (Some("conv3"), Operation::Convolution { kernel: 3 }),
    (None, Operation::Pooling),
    (None, Operation::Flatten),
    (Some("dense"), Operation::Dense),
];

/// The layers of the network that `weights` fit. Shapes are those that a real image meets on its way through it.
///
/// # Errors
/// When libtorch fails.
pub fn layers(weights: &Weights) -> Result<Vec<Layer>> {
    let shapes = libtorch::call(|| {
        let mut network = Network::new(Device::CPU.tch(), weights.classes())?;
        network.set_weights(&tch::Tensor::f_from_slice(weights.values())?)?;
        Ok(network.output_shapes())
    })?;
    let (found, expected) = (shapes.len(), OPERATIONS.len());
    ensure!(
        found == expected,
        "the network has {found} layers, {expected} are known"
    );
    let shapes = OPERATIONS.into_iter().zip(shapes);
    let parameters = parameters(weights.classes());
    let layer =
        |((name, operation), shape): (_, Vec<i64>)| layer(name, operation, &parameters, &shape);
    Ok(shapes.map(layer).collect())
}

fn layer(
    name: Option<&'static str>,
    operation: Operation,
    parameters: &[(&str, Vec<usize>)],
    shape: &[i64],
) -> Layer {
    let size = |&size: &i64| usize::try_from(size).unwrap_or_default();
    // Without the number of images.
    let output: Vec<usize> = shape.iter().skip(1).map(size).collect();
    let places: usize = output.iter().skip(1).product();
    let own = parameters.iter().filter(|(parameter, _)| {
        let layer = parameter.split_once('.').map(|(layer, _)| layer);
        layer == name
    });
    let (mut parameters, mut multiply_adds) = (0, 0);
    for (_, shape) in own {
        let count = shape.iter().product::<usize>();
        parameters += count;
        // A bias is added only; every weight is used once for each place of the output.
        if shape.len() > 1 {
            multiply_adds += count * places;
        }
    }
    Layer {
        name,
        operation,
        output,
        parameters,
        multiply_adds,
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::learn::weights::Init;

    /// A network of four layers.
    pub fn small() -> Vec<Layer> {
        let layer = |name, operation, output: &[usize], parameters, multiply_adds| Layer {
            name,
            operation,
            output: output.to_vec(),
            parameters,
            multiply_adds,
        };
        let convolution = Operation::Convolution { kernel: 3 };
        vec![
            layer(Some("conv1"), convolution, &[4, 28, 28], 40, 28_224),
            layer(None, Operation::Pooling, &[4, 14, 14], 0, 0),
            layer(None, Operation::Flatten, &[784], 0, 0),
            layer(Some("dense"), Operation::Dense, &[10], 7_850, 7_840),
        ]
    }

    #[test]
    fn the_layers_are_the_articles() {
        let layers = layers(&Weights::initial(Init::Flux, 0, 10)).unwrap();
        let shapes: Vec<&[usize]> = layers.iter().map(|layer| &layer.output[..]).collect();
        let expected: [&[usize]; 8] = [
            &[8, 28, 28],
            &[8, 14, 14],
            &[16, 14, 14],
            &[16, 7, 7],
            &[8, 7, 7],
            &[8, 3, 3],
            &[72],
            &[10],
        ];
        assert_eq!(shapes, expected);
        let parameters: Vec<usize> = layers.iter().map(|layer| layer.parameters).collect();
        assert_eq!(parameters, [80, 0, 1_168, 0, 1_160, 0, 0, 730]);
        // 72·784, 1152·196, 1152·49, 720.
        let work: Vec<usize> = layers.iter().map(|layer| layer.multiply_adds).collect();
        assert_eq!(work, [56_448, 0, 225_792, 0, 56_448, 0, 0, 720]);
    }
}
