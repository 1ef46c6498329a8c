//! Writes a trained network as an ONNX file.
//!
//! The graph has the network's layers in their order, with the weights as initializers. Input
//! `images`: float32, n x 1 x 28 x 28, gray values / 255, white ink on black. Output `logits`:
//! float32, n x classes. The file is a protocol buffer; the field numbers below are those of
//! `onnx.proto`.

use crate::data::SIDE;
use crate::learn::{Layer, Operation, Weights};

/// Version of the file format: that of ONNX 1.10 (2021), which all current runtimes read.
const IR_VERSION: usize = 8;
/// Version of the operator set.
const OPSET_VERSION: usize = 13;
/// `TensorProto.DataType.FLOAT`.
const FLOAT: usize = 1;
/// `AttributeProto.AttributeType.INT` and `INTS`.
const INT: usize = 2;
const INTS: usize = 7;

/// Encodes the network with these weights as an ONNX file. The same weights give the same bytes.
pub(crate) fn encode(weights: &Weights) -> Vec<u8> {
    let mut graph = Message::default();
    for node in nodes(&weights.architecture().layers()) {
        graph = graph.message(1, node);
    }
    graph = graph.text(2, "mnist-tch");
    for tensor in initializers(weights) {
        graph = graph.message(5, tensor);
    }
    graph = graph
        .message(11, value_info("images", &[1, SIDE, SIDE]))
        .message(12, value_info("logits", &[weights.classes()]));
    let model = Message::default()
        .int(1, IR_VERSION)
        .text(2, "mnist-tch")
        .text(3, env!("CARGO_PKG_VERSION"))
        .message(7, graph)
        .message(8, Message::default().int(2, OPSET_VERSION));
    model.0
}

/// The nodes of the graph, each with its output as the next one's input.
fn nodes(layers: &[Layer]) -> Vec<Message> {
    let mut nodes = Vec::new();
    let mut input = "images".to_owned();
    let mut block = 0;
    for (index, layer) in layers.iter().enumerate() {
        let name = layer.name.clone().unwrap_or_default();
        let [weight, bias] = ["weight", "bias"].map(|parameter| format!("{name}.{parameter}"));
        let inputs = [&input, &weight, &bias];
        input = match layer.operation {
            Operation::Convolution([.., kernel]) => {
                block += 1;
                let attributes = [
                    ints_attribute("kernel_shape", &[kernel; 2]),
                    ints_attribute("pads", &[kernel / 2; 4]),
                ];
                nodes.push(node("Conv", &inputs, &name, attributes));
                name
            }
            Operation::MaxPoolRelu => {
                let (pool, relu) = (format!("pool{block}"), format!("relu{block}"));
                let attributes = [
                    ints_attribute("kernel_shape", &[2, 2]),
                    ints_attribute("strides", &[2, 2]),
                ];
                nodes.push(node("MaxPool", &[&input], &pool, attributes));
                nodes.push(node("Relu", &[&pool], &relu, []));
                relu
            }
            Operation::Flatten => {
                let axis = int_attribute("axis", 1);
                nodes.push(node("Flatten", &[&input], "features", [axis]));
                "features".to_owned()
            }
            Operation::Dense(_) => {
                let is_last = index + 1 == layers.len();
                let output = if is_last { "logits" } else { &name };
                let transposed = int_attribute("transB", 1);
                nodes.push(node("Gemm", &inputs, output, [transposed]));
                output.to_owned()
            }
        };
    }
    nodes
}

/// `NodeProto`: one operation, named for its output.
fn node<const N: usize>(
    operator: &str,
    inputs: &[&String],
    output: &str,
    attributes: [Message; N],
) -> Message {
    let mut node = Message::default();
    for input in inputs {
        node = node.text(1, input);
    }
    node = node.text(2, output).text(3, output).text(4, operator);
    for attribute in attributes {
        node = node.message(5, attribute);
    }
    node
}

/// `AttributeProto` with one integer.
fn int_attribute(name: &str, value: usize) -> Message {
    Message::default().text(1, name).int(3, value).int(20, INT)
}

/// `AttributeProto` with a list of integers.
fn ints_attribute(name: &str, values: &[usize]) -> Message {
    Message::default()
        .text(1, name)
        .ints(8, values)
        .int(20, INTS)
}

/// `ValueInfoProto`: an input or output, a batch of any size of tensors with this shape.
fn value_info(name: &str, dims: &[usize]) -> Message {
    let batch = Message::default().text(2, "batch");
    let mut shape = Message::default().message(1, batch);
    for &dim in dims {
        shape = shape.message(1, Message::default().int(1, dim));
    }
    let tensor_type = Message::default().int(1, FLOAT).message(2, shape);
    Message::default()
        .text(1, name)
        .message(2, Message::default().message(1, tensor_type))
}

/// `TensorProto`: the parameters with their names.
fn initializers(weights: &Weights) -> impl Iterator<Item = Message> {
    weights.named().map(|(name, dims, values)| {
        let bytes = values.iter().flat_map(|value| value.to_le_bytes());
        Message::default()
            .ints(1, &dims)
            .int(2, FLOAT)
            .text(8, &name)
            .bytes(9, bytes)
    })
}

/// A protocol buffer message, built field by field in the order of their numbers.
#[derive(Default)]
struct Message(Vec<u8>);

impl Message {
    /// Appends an integer: seven bits per byte, least significant first; the eighth bit of each
    /// byte says whether another one follows.
    fn varint(mut self, mut value: usize) -> Self {
        while value > 0x7f {
            self.0.push(value.to_le_bytes()[0] | 0x80);
            value >>= 7;
        }
        self.0.push(value.to_le_bytes()[0]);
        self
    }

    fn int(self, field: usize, value: usize) -> Self {
        self.varint(field << 3).varint(value)
    }

    fn ints(self, field: usize, values: &[usize]) -> Self {
        values
            .iter()
            .fold(self, |message, &value| message.int(field, value))
    }

    fn text(self, field: usize, text: &str) -> Self {
        self.bytes(field, text.bytes())
    }

    fn message(self, field: usize, message: Self) -> Self {
        self.bytes(field, message.0)
    }

    fn bytes(self, field: usize, bytes: impl IntoIterator<Item = u8>) -> Self {
        let bytes: Vec<u8> = bytes.into_iter().collect();
        let mut message = self.varint(field << 3 | 2).varint(bytes.len());
        message.0.extend(bytes);
        message
    }
}
