//! The ONNX file: read back field by field, with every weight in its place. The web page of a run.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use std::fs;

use mnist_tch::learn::{Architecture, Init, Weights};
use tempfile::tempdir;

use common::{fails, printed, run_file, small_run};

/// The number that begins here, seven bits a byte; and it goes on behind it.
fn varint(bytes: &mut &[u8]) -> usize {
    let length = 1 + bytes.iter().position(|byte| byte & 0x80 == 0).unwrap();
    let (number, rest) = bytes.split_at(length);
    *bytes = rest;
    let bits = |number: usize, byte: &u8| number << 7 | usize::from(byte & 0x7f);
    number.iter().rev().fold(0, bits)
}

/// The fields of this number in a protocol buffer: what is inside, or numbers as their bytes.
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

/// Name and sizes of an input or output; a size that is not fixed is `None`.
fn signature(value: &[u8]) -> (&str, Vec<Option<usize>>) {
    let tensor = fields(fields(value, 2)[0], 1)[0];
    assert_eq!(fields(tensor, 1), [[1]], "32-bit floats");
    let sizes = fields(fields(tensor, 2)[0], 1).into_iter();
    let size = |size| fields(size, 1).first_mut().map(varint);
    (text(value, 1), sizes.map(size).collect())
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
        let model = fs::read(folder.path().join("model.onnx")).unwrap();
        let graph = fields(&model, 7)[0];
        let input = ("images", vec![None, Some(1), Some(28), Some(28)]);
        assert_eq!(signature(fields(graph, 11)[0]), input);
        let output = ("logits", vec![None, Some(classes)]);
        assert_eq!(signature(fields(graph, 12)[0]), output);

        let tensors = fields(graph, 5);
        assert_eq!(tensors.len(), weights.named().count());
        for (tensor, (name, shape, values)) in tensors.into_iter().zip(weights.named()) {
            let sizes = fields(tensor, 1).into_iter();
            let sizes: Vec<usize> = sizes.map(|mut size| varint(&mut size)).collect();
            assert_eq!((text(tensor, 8), sizes), (name.as_str(), shape));
            let bytes = values.iter().flat_map(|value| value.to_le_bytes());
            assert!(bytes.eq(fields(tensor, 9)[0].iter().copied()), "{name}");
        }

        // Each node takes what the one before it gives, then the next parameters.
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
fn a_run_and_export_write_the_same_page_and_other_names_are_refused() {
    let folder = tempdir().unwrap();
    small_run(&folder, "--page --channels 8,16,8");
    let page = String::from_utf8(run_file(&folder, "page.html")).unwrap();
    let about = "8-16-8 channels, 3138 parameters, trained on 300 images of mnist-10k; accuracy 0.";
    assert!(page.contains(about));
    // As many mistakes as there are places for.
    assert_eq!(page.matches(r#""pixels":"#).count(), 24);
    let line = "export --model run/model.safetensors digit.html";
    printed(folder.path(), line);
    let exported = fs::read_to_string(folder.path().join("digit.html")).unwrap();
    assert_eq!(exported, page);
    let parts = ["digit.pdf: ", "ends in .onnx, or in .html"];
    fails(folder.path(), "export --model run digit.pdf", &parts);
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
    let note = "note: a page without mistakes: ";
    assert!(said.starts_with(note), "{said}");
    let page = fs::read_to_string(folder.path().join("digit.html")).unwrap();
    // Where the set was is nobody's business.
    assert!(page.contains("60 images of set;") && !page.contains(r#""pixels":"#));
}
