//! The ONNX file: read back field by field, with every weight in its place.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use std::fs;

use common::{error_line, mnist_tch};
use mnist_tch::learn::{Architecture, Init, Weights};
use mnist_tch::report::onnx::proto::{Model, Value};
use prost::Message;
use tempfile::tempdir;

/// Name and sizes of an input or output; a size that is not fixed is `None`.
fn signature(value: &Value) -> (String, Vec<Option<i64>>) {
    let tensor = value.kind.clone().unwrap().tensor.unwrap();
    assert_eq!(tensor.kind, Some(1), "32-bit floats");
    let dimensions = tensor.shape.unwrap().dimensions;
    let sizes = dimensions.iter().map(|dimension| dimension.value).collect();
    (value.name.clone().unwrap(), sizes)
}

#[test]
fn the_file_holds_the_network_with_its_weights() {
    let folder = tempdir().unwrap();
    let weights = Weights::initial(Init::Kaiming, 4, &Architecture::article(7).unwrap());
    let file = folder.path().join("model.safetensors");
    fs::write(&file, weights.to_safetensors().unwrap()).unwrap();
    let line = "export --model model.safetensors model.onnx";
    mnist_tch(folder.path(), line).assert().success();
    let bytes = fs::read(folder.path().join("model.onnx")).unwrap();
    let model = Model::decode(bytes.as_slice()).unwrap();
    assert_eq!(model.encode_to_vec(), bytes, "nothing was lost in reading");
    let version = model.operator_sets.first().unwrap().version;
    assert_eq!((model.ir_version, version), (Some(8), Some(13)));

    let graph = model.graph.unwrap();
    let input = ("images".to_owned(), vec![None, Some(1), Some(28), Some(28)]);
    assert_eq!(signature(&graph.inputs[0]), input);
    assert_eq!(
        signature(&graph.outputs[0]),
        ("logits".to_owned(), vec![None, Some(7)])
    );
    let mut values = Vec::new();
    for (tensor, (name, shape)) in graph
        .initializers
        .iter()
        .zip(weights.architecture().parameters())
    {
        let shape: Vec<i64> = shape
            .iter()
            .map(|&size| i64::try_from(size).unwrap())
            .collect();
        assert_eq!(
            (tensor.name.as_deref(), &tensor.dims),
            (Some(name.as_str()), &shape)
        );
        let raw = tensor.raw.as_ref().unwrap().chunks(4);
        values.extend(raw.map(|bytes| f32::from_le_bytes(bytes.try_into().unwrap())));
    }
    assert_eq!(values, weights.values());
}

#[test]
fn every_node_takes_what_is_there_before_it() {
    let weights = Weights::initial(Init::Flux, 0, &Architecture::article(10).unwrap());
    let bytes = mnist_tch::report::onnx::onnx(&weights);
    let graph = Model::decode(bytes.as_slice()).unwrap().graph.unwrap();
    let names = graph
        .initializers
        .iter()
        .map(|tensor| tensor.name.clone().unwrap());
    let mut known: Vec<String> = names.chain(["images".to_owned()]).collect();
    for node in &graph.nodes {
        assert!(
            node.inputs.iter().all(|input| known.contains(input)),
            "{node:?}"
        );
        known.extend(node.outputs.clone());
    }
    assert_eq!(known.last().map(String::as_str), Some("logits"));
    let operators = graph
        .nodes
        .iter()
        .map(|node| node.operator.clone().unwrap());
    let block = ["Conv", "MaxPool", "Relu"];
    let expected: Vec<&str> = [block, block, block]
        .concat()
        .into_iter()
        .chain(["Flatten", "Gemm"])
        .collect();
    assert_eq!(operators.collect::<Vec<_>>(), expected);
}

#[test]
fn a_file_that_is_there_is_kept_without_force() {
    let folder = tempdir().unwrap();
    let weights = Weights::initial(Init::Flux, 0, &Architecture::article(10).unwrap())
        .to_safetensors()
        .unwrap();
    fs::write(folder.path().join("m.safetensors"), weights).unwrap();
    fs::write(folder.path().join("model.onnx"), "mine").unwrap();
    let line = "export --model m.safetensors model.onnx";
    let error = error_line(&mut mnist_tch(folder.path(), line), 1);
    assert!(error.contains("model.onnx is there already"), "{error}");
    assert_eq!(fs::read(folder.path().join("model.onnx")).unwrap(), b"mine");
    mnist_tch(folder.path(), &format!("{line} --force"))
        .assert()
        .success();
    let error = error_line(
        &mut mnist_tch(folder.path(), "export --model m.safetensors no/model.onnx"),
        1,
    );
    assert!(error.contains("cannot write no/model.onnx"), "{error}");
}
