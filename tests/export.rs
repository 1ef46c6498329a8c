//! The ONNX file: read back field by field, with every weight in its place.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use std::fs;

use mnist_tch::learn::{Architecture, Init, Weights};
use mnist_tch::report::onnx::proto::{Model, Value};
use prost::Message;
use tempfile::tempdir;

/// Name and sizes of an input or output; a size that is not fixed is `None`.
fn signature(value: &Value) -> (&str, Vec<Option<i64>>) {
    let tensor = value.kind.as_ref().unwrap().tensor.as_ref().unwrap();
    assert_eq!(tensor.kind, Some(1), "32-bit floats");
    let dimensions = &tensor.shape.as_ref().unwrap().dimensions;
    let sizes = dimensions.iter().map(|dimension| dimension.value);
    (value.name.as_deref().unwrap(), sizes.collect())
}

#[test]
fn the_file_holds_the_network_with_its_weights() {
    let folder = tempdir().unwrap();
    let weights = Weights::initial(Init::Kaiming, 4, &Architecture::article(7).unwrap());
    let file = folder.path().join("model.safetensors");
    fs::write(&file, weights.to_safetensors().unwrap()).unwrap();
    let line = "export --model model.safetensors model.onnx";
    common::printed(folder.path(), line);
    let bytes = fs::read(folder.path().join("model.onnx")).unwrap();
    let model = Model::decode(bytes.as_slice()).unwrap();
    assert_eq!(model.encode_to_vec(), bytes, "nothing was lost in reading");
    let version = model.operator_sets.first().unwrap().version;
    assert_eq!((model.ir_version, version), (Some(8), Some(13)));

    let graph = model.graph.unwrap();
    let input = ("images", vec![None, Some(1), Some(28), Some(28)]);
    assert_eq!(signature(&graph.inputs[0]), input);
    let output = ("logits", vec![None, Some(7)]);
    assert_eq!(signature(&graph.outputs[0]), output);

    let parameters = weights.architecture().parameters();
    assert_eq!(graph.initializers.len(), parameters.len());
    let (mut known, mut values) = (vec!["images".to_owned()], Vec::new());
    for (tensor, (name, shape)) in graph.initializers.iter().zip(parameters) {
        let sizes = tensor
            .dims
            .iter()
            .map(|&size| usize::try_from(size).unwrap());
        assert_eq!(sizes.collect::<Vec<_>>(), shape, "{name}");
        assert_eq!(tensor.name.as_ref(), Some(&name));
        known.push(name);
        let raw = tensor.raw.as_ref().unwrap().chunks(4);
        values.extend(raw.map(|bytes| f32::from_le_bytes(bytes.try_into().unwrap())));
    }
    assert_eq!(values, weights.values());

    // Every node takes what is there before it.
    let mut operators = Vec::new();
    for node in &graph.nodes {
        let is_known = |input| known.contains(input);
        assert!(node.inputs.iter().all(is_known), "{node:?}");
        known.extend(node.outputs.clone());
        operators.push(node.operator.as_deref().unwrap());
    }
    assert_eq!(known.last().map(String::as_str), Some("logits"));
    let expected = "Conv MaxPool Relu ".repeat(3) + "Flatten Gemm";
    assert_eq!(operators.join(" "), expected);
}

#[test]
fn networks_of_any_number_of_blocks_go_node_by_node_from_images_to_logits() {
    for channels in [vec![4], vec![6, 5], vec![2, 3, 4, 5]] {
        let architecture = Architecture::new(channels.clone(), 10).unwrap();
        let weights = Weights::initial(Init::Flux, 0, &architecture);
        let bytes = mnist_tch::report::onnx::onnx(&weights);
        let graph = Model::decode(bytes.as_slice()).unwrap().graph.unwrap();
        let names = graph.initializers.iter();
        let names: Vec<_> = names.map(|tensor| tensor.name.clone().unwrap()).collect();
        let convolutions = (1..=channels.len()).map(|block| format!("conv{block}"));
        let layers = convolutions.chain(["dense".to_owned()]);
        let expected =
            layers.flat_map(|layer| ["weight", "bias"].map(|of| format!("{layer}.{of}")));
        assert_eq!(names, expected.collect::<Vec<_>>());
        // Each node takes what the one before it gives, and weights that are there.
        let mut last = "images".to_owned();
        for node in &graph.nodes {
            assert_eq!(node.inputs[0], last);
            let parameters = &node.inputs[1..];
            assert!(
                parameters.iter().all(|input| names.contains(input)),
                "{node:?}"
            );
            last.clone_from(&node.outputs[0]);
        }
        assert_eq!(last, "logits");
        let operators: Vec<_> = graph
            .nodes
            .iter()
            .map(|node| node.operator.clone().unwrap())
            .collect();
        let expected = "Conv MaxPool Relu ".repeat(channels.len()) + "Flatten Gemm";
        assert_eq!(operators.join(" "), expected);
    }
}
