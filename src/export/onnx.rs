//! The network as an ONNX file, for every runtime that reads them.
//!
//! The same layers in the same order as the network that was trained, with the weights inside the
//! file. Input `images`: 32-bit floats, n x 1 x 28 x 28, grey values / 255 with ink high. Output
//! `logits`: 32-bit floats, n x classes. The file is a message of a protocol buffer; numbers of
//! fields and of kinds are those of `onnx.proto`.

use crate::data::SIDE;
use crate::learn::{Layer, Operation, Weights};

/// Version of the file format: that of ONNX 1.10, of 2021, which every runtime in use reads.
const IR_VERSION: usize = 8;
/// Version of the operators.
const OPERATORS: usize = 13;
/// The kind of a tensor of 32-bit floats.
const FLOAT: usize = 1;
/// The kinds of an attribute that is a whole number, and of one that is a list of them.
const INT: usize = 2;
const INTS: usize = 7;

/// The bytes of an ONNX file of the network with these weights. The same weights give the same
/// bytes.
pub fn onnx(weights: &Weights) -> Vec<u8> {
    let nodes = nodes(&weights.architecture().layers());
    let graph = nodes
        .into_iter()
        .fold(Message::default(), |graph, node| graph.inner(1, node));
    let graph = tensors(weights)
        .fold(graph.text(2, "mnist-tch"), |graph, tensor| {
            graph.inner(5, tensor)
        })
        .inner(11, value("images", &[1, SIDE, SIDE]))
        .inner(12, value("logits", &[weights.classes()]));
    let model = Message::default()
        .number(1, IR_VERSION)
        .text(2, "mnist-tch")
        .text(3, env!("CARGO_PKG_VERSION"))
        .inner(7, graph)
        .inner(8, Message::default().number(2, OPERATORS));
    model.0
}

/// What the layers do, in their order.
fn nodes(layers: &[Layer]) -> Vec<Message> {
    let mut nodes = Vec::new();
    let mut input = "images".to_owned();
    let mut block = 0;
    for (place, layer) in (1..).zip(layers) {
        let name = layer.name.clone().unwrap_or_default();
        let [weight, bias] = ["weight", "bias"].map(|of| format!("{name}.{of}"));
        let parameters = [&input, &weight, &bias];
        input = match layer.operation {
            Operation::Convolution([.., kernel]) => {
                block += 1;
                let sizes = [
                    ints("kernel_shape", &[kernel; 2]),
                    ints("pads", &[kernel / 2; 4]),
                ];
                nodes.push(node("Conv", &parameters, &name, sizes));
                name
            }
            Operation::MaxPoolRelu => {
                let (pool, relu) = (format!("pool{block}"), format!("relu{block}"));
                let halves = [ints("kernel_shape", &[2, 2]), ints("strides", &[2, 2])];
                nodes.push(node("MaxPool", &[&input], &pool, halves));
                nodes.push(node("Relu", &[&pool], &relu, []));
                relu
            }
            Operation::Flatten => {
                nodes.push(node("Flatten", &[&input], "features", [int("axis", 1)]));
                "features".to_owned()
            }
            Operation::Dense(_) => {
                let output = if place == layers.len() {
                    "logits"
                } else {
                    &name
                };
                nodes.push(node("Gemm", &parameters, output, [int("transB", 1)]));
                output.to_owned()
            }
        };
    }
    nodes
}

/// `NodeProto`: an operation.
fn node<const N: usize>(
    operator: &str,
    inputs: &[&String],
    output: &str,
    attributes: [Message; N],
) -> Message {
    let inputs = inputs
        .iter()
        .fold(Message::default(), |node, input| node.text(1, input));
    let node = inputs.text(2, output).text(3, output).text(4, operator);
    attributes
        .into_iter()
        .fold(node, |node, attribute| node.inner(5, attribute))
}

/// `AttributeProto`: a setting of an operation.
fn int(name: &str, value: usize) -> Message {
    Message::default()
        .text(1, name)
        .number(3, value)
        .number(20, INT)
}

fn ints(name: &str, values: &[usize]) -> Message {
    Message::default()
        .text(1, name)
        .numbers(8, values)
        .number(20, INTS)
}

/// `ValueInfoProto`: an input or output, any number of things of this shape.
fn value(name: &str, sizes: &[usize]) -> Message {
    let any = Message::default().inner(1, Message::default().text(2, "batch"));
    let shape = sizes.iter().fold(any, |shape, &size| {
        shape.inner(1, Message::default().number(1, size))
    });
    let tensor = Message::default().number(1, FLOAT).inner(2, shape);
    Message::default()
        .text(1, name)
        .inner(2, Message::default().inner(1, tensor))
}

/// `TensorProto`: the parameters under their names.
fn tensors(weights: &Weights) -> impl Iterator<Item = Message> {
    weights.named().map(|(name, shape, values)| {
        let bytes = values.iter().flat_map(|value| value.to_le_bytes());
        let tensor = Message::default().numbers(1, &shape).number(2, FLOAT);
        tensor.text(8, &name).bytes(9, bytes)
    })
}

/// A message in the making: its fields one after the other, in the order of their numbers.
#[derive(Default)]
struct Message(Vec<u8>);

impl Message {
    /// Seven bits in each byte, the least first; all but the last have their eighth bit set.
    fn varint(mut self, mut value: usize) -> Self {
        while value > 0x7f {
            self.0.push(value.to_le_bytes()[0] | 0x80);
            value >>= 7;
        }
        self.0.push(value.to_le_bytes()[0]);
        self
    }

    fn number(self, field: usize, value: usize) -> Self {
        self.varint(field << 3).varint(value)
    }

    fn numbers(self, field: usize, values: &[usize]) -> Self {
        values
            .iter()
            .fold(self, |message, &value| message.number(field, value))
    }

    fn text(self, field: usize, text: &str) -> Self {
        self.bytes(field, text.bytes())
    }

    fn inner(self, field: usize, inner: Self) -> Self {
        self.bytes(field, inner.0)
    }

    fn bytes(self, field: usize, bytes: impl IntoIterator<Item = u8>) -> Self {
        let inner: Vec<u8> = bytes.into_iter().collect();
        let mut message = self.varint(field << 3 | 2).varint(inner.len());
        message.0.extend(inner);
        message
    }
}
