//! The ONNX file: read back field by field, with every weight in its place. The web page of a run.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use std::fs;

use mnist_tch::learn::{Architecture, Init, Weights};
use mnist_tch::report::onnx::proto::{Model, Value};
use prost::Message;
use tempfile::tempdir;

use common::{fails, printed, run_file, small_run};

/// Name and sizes of an input or output; a size that is not fixed is `None`.
fn signature(value: &Value) -> (&str, Vec<Option<i64>>) {
    let tensor = value.kind.as_ref().unwrap().tensor.as_ref().unwrap();
    assert_eq!(tensor.kind, Some(1), "32-bit floats");
    let dimensions = &tensor.shape.as_ref().unwrap().dimensions;
    let sizes = dimensions.iter().map(|dimension| dimension.value);
    (value.name.as_deref().unwrap(), sizes.collect())
}

#[test]
fn the_file_holds_a_network_of_any_number_of_blocks_node_by_node_with_its_weights() {
    let folder = tempdir().unwrap();
    for (channels, classes) in [(vec![4], 10), (vec![8, 16, 8], 7), (vec![2, 3, 4, 5], 10)] {
        let architecture = Architecture::new(channels.clone(), classes).unwrap();
        let weights = Weights::initial(Init::Kaiming, 4, &architecture);
        let file = folder.path().join("model.safetensors");
        fs::write(&file, weights.to_safetensors().unwrap()).unwrap();
        let line = "export --model model.safetensors model.onnx --force";
        printed(folder.path(), line);
        let bytes = fs::read(folder.path().join("model.onnx")).unwrap();
        let model = Model::decode(bytes.as_slice()).unwrap();
        assert_eq!(model.encode_to_vec(), bytes, "nothing was lost in reading");

        let graph = model.graph.unwrap();
        let input = ("images", vec![None, Some(1), Some(28), Some(28)]);
        assert_eq!(signature(&graph.inputs[0]), input);
        let output = ("logits", vec![None, Some(i64::try_from(classes).unwrap())]);
        assert_eq!(signature(&graph.outputs[0]), output);

        let parameters = architecture.parameters();
        assert_eq!(graph.initializers.len(), parameters.len());
        let mut values = Vec::new();
        for (tensor, (name, shape)) in graph.initializers.iter().zip(&parameters) {
            let sizes = tensor
                .dims
                .iter()
                .map(|&size| usize::try_from(size).unwrap());
            assert_eq!(sizes.collect::<Vec<_>>(), *shape, "{name}");
            assert_eq!(tensor.name.as_ref(), Some(name));
            let raw = tensor.raw.as_ref().unwrap().chunks(4);
            values.extend(raw.map(|bytes| f32::from_le_bytes(bytes.try_into().unwrap())));
        }
        assert_eq!(values, weights.values());

        // Each node takes what the one before it gives, then the next parameters.
        let mut names = parameters.iter().map(|(name, _)| name);
        let (mut last, mut operators) = ("images", Vec::new());
        for node in &graph.nodes {
            assert_eq!(node.inputs[0], last);
            assert!(
                node.inputs[1..]
                    .iter()
                    .eq(names.by_ref().take(node.inputs.len() - 1))
            );
            last = &node.outputs[0];
            operators.push(node.operator.as_deref().unwrap());
        }
        assert_eq!((last, names.next()), ("logits", None));
        let expected = "Conv MaxPool Relu ".repeat(channels.len()) + "Flatten Gemm";
        assert_eq!(operators.join(" "), expected);
    }
}

#[test]
fn a_run_and_export_write_the_same_page_and_other_names_are_refused() {
    let folder = tempdir().unwrap();
    small_run(&folder, "--page");
    let page = String::from_utf8(run_file(&folder, "page.html")).unwrap();
    let about = "8-16-8 channels, 3138 parameters, trained on 300 images of mnist-10k; accuracy 0.";
    assert!(page.contains(about));
    // As many mistakes as there are places for.
    assert_eq!(page.matches(r#""pixels":"#).count(), 24);
    printed(
        folder.path(),
        "export --model run/model.safetensors digit.html",
    );
    let exported = fs::read_to_string(folder.path().join("digit.html")).unwrap();
    assert_eq!(exported, page);
    let hint = "ends in .onnx, or in .html";
    fails(
        folder.path(),
        "export --model run digit.pdf",
        &["digit.pdf: ", hint],
    );
    // By its file and with another set's name: that set's pictures and classes, and no run.
    let line = "export --model run --dataset fashion-mnist clothes.html";
    printed(folder.path(), line);
    let clothes = fs::read_to_string(folder.path().join("clothes.html")).unwrap();
    assert!(clothes.contains(r#""preparation":"article""#) && clothes.contains("Ankle boot"));
    assert!(!clothes.contains("trained on 300"));
}

#[test]
fn a_page_needs_no_images_of_its_run() {
    let folder = tempdir().unwrap();
    let (images, labels) = common::bars(60, 10, 0);
    let set = folder.path().join("set");
    fs::create_dir(&set).unwrap();
    common::write_set(&set, "train", &images, &labels);
    common::write_set(&set, "t10k", &images, &labels);
    let line = "--device cpu --epochs 1 --batch-size 30 --data-dir set --out run -q";
    printed(folder.path(), line);
    fs::remove_dir_all(&set).unwrap();
    let mut export = common::mnist_tch(folder.path(), "export --model run digit.html");
    let output = export.assert().success();
    let said = String::from_utf8_lossy(&output.get_output().stderr).into_owned();
    assert!(
        said.starts_with("note: a page without mistakes: "),
        "{said}"
    );
    let page = fs::read_to_string(folder.path().join("digit.html")).unwrap();
    // Where the set was is nobody's business.
    assert!(page.contains("60 images of set;") && !page.contains(r#""pixels":"#));
}
