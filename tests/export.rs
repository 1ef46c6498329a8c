//! The ONNX file, read back field by field; the web page, and the arithmetic of its script.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use std::fs;
use std::io::{self, Write};
use std::process::Command;

use mnist_tch::data::mnist_10k;
use mnist_tch::learn::{Architecture, Init, Weights};
use tempfile::tempdir;

use common::{fails, printed, small_run};

/// Reads the integer at the start of `bytes`, seven bits per byte, and moves on behind it.
fn varint(bytes: &mut &[u8]) -> usize {
    let length = 1 + bytes.iter().position(|byte| byte & 0x80 == 0).unwrap();
    let (number, rest) = bytes.split_at(length);
    *bytes = rest;
    let bits = |number: usize, byte: &u8| number << 7 | usize::from(byte & 0x7f);
    number.iter().rev().fold(0, bits)
}

/// The contents of all fields with this number in a protocol buffer message; integers as their
/// bytes.
fn fields(mut message: &[u8], wanted: usize) -> Vec<&[u8]> {
    let mut found = Vec::new();
    while !message.is_empty() {
        let key = varint(&mut message);
        let start = message;
        let number = varint(&mut message);
        let mut value = &start[..start.len() - message.len()];
        if key & 7 == 2 {
            (value, message) = message.split_at(number);
        }
        if key >> 3 == wanted {
            found.push(value);
        }
    }
    found
}

fn text(message: &[u8], field: usize) -> &str {
    str::from_utf8(fields(message, field)[0]).unwrap()
}

/// Name and shape of an input or output; `None` for a dimension of any size.
fn signature(value: &[u8]) -> (&str, Vec<Option<usize>>) {
    let tensor = fields(fields(value, 2)[0], 1)[0];
    assert_eq!(fields(tensor, 1), [[1]], "float32");
    let dims = fields(fields(tensor, 2)[0], 1).into_iter();
    let dim = |dim| fields(dim, 1).first_mut().map(varint);
    (text(value, 1), dims.map(dim).collect())
}

#[test]
fn the_onnx_file_holds_every_node_and_weight_of_networks_with_one_three_and_four_blocks() {
    let folder = tempdir().unwrap();
    for (channels, classes) in [(vec![4], 10), (vec![8, 16, 8], 7), (vec![2, 3, 4, 5], 10)] {
        let architecture = Architecture::new(channels.clone(), classes).unwrap();
        let weights = Weights::initial(Init::Kaiming, 4, &architecture);
        let file = folder.path().join("model.safetensors");
        fs::write(&file, weights.to_safetensors().unwrap()).unwrap();
        let line = "export --model model.safetensors model.onnx --force";
        printed(folder.path(), line);
        let model = fs::read(folder.path().join("model.onnx")).unwrap();
        let graph = fields(&model, 7)[0];
        let input = ("images", vec![None, Some(1), Some(28), Some(28)]);
        assert_eq!(signature(fields(graph, 11)[0]), input);
        let output = ("logits", vec![None, Some(classes)]);
        assert_eq!(signature(fields(graph, 12)[0]), output);

        let tensors = fields(graph, 5);
        assert_eq!(tensors.len(), weights.named().count());
        for (tensor, (name, shape, values)) in tensors.into_iter().zip(weights.named()) {
            let dims = fields(tensor, 1).into_iter();
            let dims: Vec<usize> = dims.map(|mut dim| varint(&mut dim)).collect();
            assert_eq!((text(tensor, 8), dims), (name.as_str(), shape));
            let bytes = values.iter().flat_map(|value| value.to_le_bytes());
            assert!(bytes.eq(fields(tensor, 9)[0].iter().copied()), "{name}");
        }

        // Each node's inputs are the previous node's output and the next parameters.
        let mut names = weights.named().map(|(name, ..)| name.into_bytes());
        let (mut last, mut operators) = (&b"images"[..], Vec::new());
        for node in fields(graph, 1) {
            let inputs = fields(node, 1);
            assert_eq!(inputs[0], last);
            let own = names.by_ref().take(inputs.len() - 1);
            assert!(own.eq(inputs[1..].iter().map(|name| name.to_vec())));
            last = fields(node, 2)[0];
            operators.push(text(node, 4));
        }
        assert_eq!((last, names.next()), (&b"logits"[..], None));
        let expected = "Conv MaxPool Relu ".repeat(channels.len()) + "Flatten Gemm";
        assert_eq!(operators.join(" "), expected);
    }
}

#[test]
fn the_page_names_its_run_and_shows_its_mistakes_and_unknown_file_types_are_refused() {
    let folder = tempdir().unwrap();
    small_run(&folder, "--channels 8,16,8");
    let read = |name: &str| fs::read_to_string(folder.path().join(name)).unwrap();
    printed(folder.path(), "export --model run digit.html");
    let page = read("digit.html");
    let about = "8-16-8 channels, 3138 parameters, trained on 300 images of mnist-10k on 20";
    assert!(page.contains(about));
    assert_eq!(page.matches(r#""pixels":"#).count(), 24);
    // The weights' file stands for its run.
    printed(
        folder.path(),
        "export --model run/model.safetensors same.html",
    );
    assert_eq!(read("same.html"), page);
    let parts = ["digit.pdf: unknown file type", ".html or .onnx"];
    fails(folder.path(), "export --model run digit.pdf", &parts);
    // With another data set's name: its preparation and classes, and no run.
    let line = "export --model run --dataset fashion-mnist clothes.html";
    printed(folder.path(), line);
    let clothes = read("clothes.html");
    assert!(clothes.contains(r#""preparation":"article""#) && clothes.contains("Ankle boot"));
    assert!(!clothes.contains("trained on 300"));
}

#[test]
fn a_page_can_be_written_when_the_images_of_its_run_are_gone() {
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
    let stderr = String::from_utf8_lossy(&output.get_output().stderr).into_owned();
    let note = "note: the page shows no mistakes: ";
    assert!(stderr.starts_with(note), "{stderr}");
    let page = fs::read_to_string(folder.path().join("digit.html")).unwrap();
    // The name of the folder, but not the path to it.
    assert!(page.contains("60 images of set on 20") && !page.contains(r#""pixels":"#));
}

/// The part of the page's script that computes the network.
const NETWORK_JS: &str = include_str!("../src/export/page/network.js");

/// Prints a line of logits for each image in `pixels`, computed with the model in `page.html`.
const PRINT_LOGITS_JS: &str = r#"
const fs = require("node:fs");
const page = fs.readFileSync("page.html", "utf8");
const [, json] = page.match(/<script id="model" type="application\/json">(.*?)<\/script>/s);
const model = JSON.parse(json);
const network = loadNetwork(model.channels, model.classes.length, model.weights);
const pixels = fs.readFileSync("pixels");
for (let start = 0; start < pixels.length; start += SIDE * SIDE) {
  console.log(forward(network, pixels.subarray(start, start + SIDE * SIDE)).logits.join(","));
}
"#;

fn rows_of_numbers(csv: &str) -> Vec<Vec<f64>> {
    let row = |line: &str| line.split(',').map(|cell| cell.parse().unwrap()).collect();
    csv.lines().map(row).collect()
}

#[test]
fn the_script_of_the_page_computes_the_logits_of_the_program() {
    let folder = tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    if Command::new("node").arg("--version").output().is_err() {
        // Unlike println!, this is shown even though the test passes.
        writeln!(io::stderr(), "skipped: Node.js is not installed").unwrap();
        return;
    }
    let images = mnist_10k().unwrap().test.slice(0..50).unwrap();
    fs::write(path("pixels"), images.pixels()).unwrap();
    fs::write(path("logits.js"), NETWORK_JS.to_owned() + PRINT_LOGITS_JS).unwrap();
    for channels in [vec![5], vec![8, 16, 8], vec![3, 4, 6, 5]] {
        // Initial biases are 0, so all parameters are moved to see their places.
        let architecture = Architecture::new(channels.clone(), 10).unwrap();
        let initial = Weights::initial(Init::Kaiming, 7, &architecture);
        let values = initial.values().iter().zip(0_u16..);
        let values = values.map(|(value, index)| value + 0.1 * f32::from(index).sin());
        let weights = Weights::from_values(values.collect(), &architecture).unwrap();
        fs::write(path("model.safetensors"), weights.to_safetensors().unwrap()).unwrap();
        printed(
            folder.path(),
            "evaluate --device cpu --model model.safetensors --test-range 0..50 --out out --force",
        );
        printed(
            folder.path(),
            "export --model model.safetensors page.html --force",
        );
        let page = fs::read_to_string(path("page.html")).unwrap();
        assert!(page.contains(NETWORK_JS));

        let mut node = Command::new("node");
        let output = node.arg("logits.js").current_dir(folder.path()).output();
        let output = output.unwrap();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{errors}");
        let theirs = rows_of_numbers(&String::from_utf8(output.stdout).unwrap());
        let ours = fs::read_to_string(path("out/predictions.csv")).unwrap();
        let (_, ours) = ours.split_once('\n').unwrap();
        let ours = rows_of_numbers(ours);
        assert_eq!((ours.len(), theirs.len()), (50, 50));
        for (image, (ours, theirs)) in ours.iter().zip(&theirs).enumerate() {
            // The columns before: image, true label, predicted label, probability.
            assert_eq!(ours[4..].len(), theirs.len());
            for (one, other) in ours[4..].iter().zip(theirs) {
                let is_close = (one - other).abs() <= 1e-4;
                assert!(is_close, "{channels:?}, image {image}: {one}, {other}");
            }
        }
    }
}
