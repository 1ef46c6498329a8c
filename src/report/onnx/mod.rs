//! The network as an ONNX file, for every runtime that reads them.
//!
//! It owns the graph: the same layers in the same order as the network that was trained, with the
//! weights inside the file. Input `images`: 32-bit floats, n x 1 x 28 x 28, grey values / 255 with
//! ink high. Output `logits`: 32-bit floats, n x classes. Nothing here knows libtorch or files.

pub mod proto;

use prost::Message;

use self::proto::{
    Attribute, Dimension, Graph, Model, Node, OperatorSet, Shape, Tensor, TensorType, Type, Value,
};
use crate::data::SIDE;
use crate::learn::{Layer, Operation, Weights};

/// Version of the file format: that of ONNX 1.10, of 2021, which every runtime in use reads.
const IR_VERSION: i64 = 8;
/// Version of the operators.
const OPERATORS: i64 = 13;
/// ONNX's number for 32-bit floats.
const FLOAT: i32 = 1;

/// The bytes of an ONNX file of the network with these weights. The same weights give the same
/// bytes.
#[must_use]
pub fn onnx(weights: &Weights) -> Vec<u8> {
    let side = whole(SIDE);
    let model = Model {
        ir_version: Some(IR_VERSION),
        producer_name: Some("mnist-tch".to_owned()),
        producer_version: Some(env!("CARGO_PKG_VERSION").to_owned()),
        graph: Some(Graph {
            nodes: nodes(&weights.architecture().layers()),
            name: Some("mnist-tch".to_owned()),
            initializers: tensors(weights),
            inputs: vec![value("images", &[1, side, side])],
            outputs: vec![value("logits", &[whole(weights.classes())])],
        }),
        operator_sets: vec![OperatorSet {
            domain: None,
            version: Some(OPERATORS),
        }],
    };
    model.encode_to_vec()
}

/// What the layers do, in their order.
fn nodes(layers: &[Layer]) -> Vec<Node> {
    let mut nodes = Vec::new();
    let mut input = "images".to_owned();
    let mut block = 0;
    for (place, layer) in (1..).zip(layers) {
        let name = layer.name.clone().unwrap_or_default();
        let parameters = ["weight", "bias"].map(|of| format!("{name}.{of}"));
        let parameters = [&[input.clone()], &parameters[..]].concat();
        input = match layer.operation {
            Operation::Convolution([.., kernel]) => {
                block += 1;
                let (side, pad) = (whole(kernel), whole(kernel / 2));
                let sizes = [ints("kernel_shape", &[side; 2]), ints("pads", &[pad; 4])];
                nodes.push(node("Conv", &parameters, &name, sizes.into()));
                name
            }
            Operation::MaxPoolRelu => {
                let (pool, relu) = (format!("pool{block}"), format!("relu{block}"));
                let halves = [ints("kernel_shape", &[2, 2]), ints("strides", &[2, 2])];
                nodes.push(node("MaxPool", &[input], &pool, halves.into()));
                nodes.push(node("Relu", &[pool], &relu, Vec::new()));
                relu
            }
            Operation::Flatten => {
                let features = "features".to_owned();
                nodes.push(node("Flatten", &[input], &features, vec![int("axis", 1)]));
                features
            }
            Operation::Dense(_) => {
                let is_last = place == layers.len();
                let output = if is_last { "logits".to_owned() } else { name };
                nodes.push(node("Gemm", &parameters, &output, vec![int("transB", 1)]));
                output
            }
        };
    }
    nodes
}

fn whole(size: usize) -> i64 {
    i64::try_from(size).unwrap_or(i64::MAX)
}

fn node(
    operator: &str,
    inputs: &[impl AsRef<str>],
    output: &str,
    attributes: Vec<Attribute>,
) -> Node {
    Node {
        inputs: inputs.iter().map(|input| input.as_ref().into()).collect(),
        outputs: vec![output.to_owned()],
        name: Some(output.to_owned()),
        operator: Some(operator.to_owned()),
        attributes,
    }
}

fn int(name: &str, value: i64) -> Attribute {
    Attribute {
        name: Some(name.to_owned()),
        int: Some(value),
        kind: Some(Attribute::INT),
        ..Attribute::default()
    }
}

fn ints(name: &str, values: &[i64]) -> Attribute {
    Attribute {
        name: Some(name.to_owned()),
        ints: values.to_vec(),
        kind: Some(Attribute::INTS),
        ..Attribute::default()
    }
}

/// An input or output: any number of things of this shape.
fn value(name: &str, sizes: &[i64]) -> Value {
    let any = Dimension {
        value: None,
        name: Some("batch".to_owned()),
    };
    let sizes = sizes.iter().map(|&size| Dimension {
        value: Some(size),
        name: None,
    });
    let tensor = TensorType {
        kind: Some(FLOAT),
        shape: Some(Shape {
            dimensions: std::iter::once(any).chain(sizes).collect(),
        }),
    };
    Value {
        name: Some(name.to_owned()),
        kind: Some(Type {
            tensor: Some(tensor),
        }),
    }
}

/// The parameters under their names.
fn tensors(weights: &Weights) -> Vec<Tensor> {
    let tensor = |(name, shape, values): (String, Vec<usize>, &[f32])| Tensor {
        dims: shape.into_iter().map(whole).collect(),
        kind: Some(FLOAT),
        name: Some(name),
        raw: Some(values.iter().copied().flat_map(f32::to_le_bytes).collect()),
    };
    weights.named().map(tensor).collect()
}
