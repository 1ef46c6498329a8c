//! A trained model is scored: the numbers of its run once more, by class, and what is refused.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use std::fs;

use common::{fails, printed, run_file, small_run, write_set};
use mnist_tch::learn::{Architecture, Init, Weights};
use safetensors::SafeTensors;
use tempfile::tempdir;

const EVALUATE: &str = "evaluate --device cpu --model";

#[test]
fn a_run_is_scored_on_its_own_images_with_the_numbers_it_had() {
    let folder = tempdir().unwrap();
    small_run(&folder, "");
    let rows = String::from_utf8(run_file(&folder, "accuracy.csv")).unwrap();
    let (_, accuracy) = rows.trim_end().rsplit_once(',').unwrap();
    let first = format!("accuracy {accuracy} on 200 test images of mnist-10k\n");
    let line = format!("{EVALUATE} run --threads 3 --out out");
    let text = printed(folder.path(), &line);
    assert!(text.starts_with(&first), "{text}");
    let file = |name: &str| fs::read(folder.path().join("out").join(name)).unwrap();
    for name in ["confusion.csv", "confusion.png", "mistakes.png"] {
        assert_eq!(file(name), run_file(&folder, name), "{name}");
    }

    let table = |name: &str, header: &str| -> Vec<Vec<f64>> {
        let text = String::from_utf8(file(name)).unwrap();
        assert!(text.starts_with(header), "{text}");
        let number = |cell: &str| cell.parse().unwrap_or(f64::NAN);
        let row = |line: &str| line.split(',').map(number).collect();
        text.lines().skip(1).map(row).collect()
    };
    let matrix = table("confusion.csv", "true_label,");
    let classes = table("classes.csv", "label,precision,recall,f1,images\n");
    assert_eq!(classes.len(), 10);
    for (class, row) in classes.iter().enumerate() {
        let right = matrix[class][class + 1];
        let support: f64 = matrix[class][1..].iter().sum();
        let predicted: f64 = matrix.iter().map(|row| row[class + 1]).sum();
        let f1 = 2.0 * right / (support + predicted);
        let expected = [right / predicted, right / support, f1, support];
        for (found, expected) in row[1..].iter().zip(expected) {
            let both = found.is_nan() && expected.is_nan();
            assert!(both || (found - expected).abs() < 1e-12, "{row:?}");
        }
    }
    let header = "image,true_label,predicted_label,probability,logit_0,logit_1,";
    let predictions = table("predictions.csv", header);
    assert_eq!((predictions.len(), predictions[0].len()), (200, 14));
    let right = |row: &&Vec<f64>| (row[1] - row[2]).abs() < 0.5;
    let right = predictions.iter().filter(right).count();
    let share: f64 = accuracy.parse().unwrap();
    assert_eq!((share * 200.0).round().to_string(), right.to_string());

    // The file alone names no images: they are the embedded 5,000 unless said otherwise. What
    // safetensors.torch.save_file(..., metadata={"format": "pt"}) adds changes nothing.
    let bytes = run_file(&folder, "model.safetensors");
    let metadata = [("format".to_owned(), "pt".to_owned())].into();
    let tensors = SafeTensors::deserialize(&bytes).unwrap().tensors();
    let saved = safetensors::serialize(tensors, Some(metadata)).unwrap();
    fs::write(folder.path().join("pytorch.safetensors"), saved).unwrap();
    for (line, part) in [
        ("run --test-range ..50", "on 50 test images"),
        ("pytorch.safetensors", "on 5000 test images"),
        ("pytorch.safetensors --test-range ..200", &first),
    ] {
        let text = printed(folder.path(), &format!("{EVALUATE} {line}"));
        assert!(text.contains(part), "{line}: {text}");
    }
}

#[test]
fn images_that_are_gone_or_changed_are_told() {
    let folder = tempdir().unwrap();
    let labels: Vec<u8> = (0..20).map(|image| image % 10).collect();
    for prefix in ["train", "t10k"] {
        write_set(folder.path(), prefix, &[9; 784 * 20], &labels);
    }
    let line = "--device cpu --data-dir . --batch-size 5 --epochs 1 --out run -q";
    printed(folder.path(), line);
    let evaluate = format!("{EVALUATE} run");
    printed(folder.path(), &evaluate);
    write_set(folder.path(), "t10k", &[8; 784 * 20], &labels);
    fails(folder.path(), &evaluate, &["are not those the run"]);
    printed(folder.path(), &format!("{evaluate} --data-dir ."));
    // Words out of a file stay in the line and do nothing to a terminal.
    let summary = String::from_utf8(run_file(&folder, "summary.json")).unwrap();
    let other = summary.replace(r#""folder": "#, r#""\n\u001b[31m": "#);
    fs::write(folder.path().join("run/summary.json"), other).unwrap();
    let parts = ["summary.json: ", "damaged, or not"];
    let error = fails(folder.path(), &evaluate, &parts);
    assert!(error.contains("variant `  [31m`"), "{error:?}");
    fs::write(folder.path().join("run/summary.json"), summary).unwrap();
    for gone in ["t10k-images-idx3-ubyte", "run/summary.json"] {
        fs::remove_file(folder.path().join(gone)).unwrap();
        fails(folder.path(), &evaluate, &["--data-dir", "summary.json"]);
    }
}

// Tensors of another network are tested where they are read: src/learn/weights.rs.
#[test]
fn files_that_are_no_models_are_named() {
    let folder = tempdir().unwrap();
    let weights = Weights::initial(Init::Flux, 0, &Architecture::article(10).unwrap());
    let mut nan = weights.to_safetensors().unwrap();
    let last = nan.len() - 4;
    nan[last..].copy_from_slice(&f32::NAN.to_le_bytes());
    // The first file of an archive, whose name stands behind what else is said of it.
    let zip = |name: &str| {
        let length = [u8::try_from(name.len()).unwrap(), 0, 0, 0];
        [b"PK\x03\x04", &[0; 22][..], &length, name.as_bytes()].concat()
    };
    for (name, bytes, part) in [
        ("model", Vec::new(), "not a safetensors file"),
        ("model", zip("archive/data.pkl"), "torch.save"),
        ("old.pt", b"\x80\x02\x8a".to_vec(), "torch.save"),
        ("model.npz", zip("conv1.npy"), "safetensors.numpy.save_file"),
        ("model.keras", zip("config.json"), "Keras"),
        ("model.h5", b"\x89HDF\r\n".to_vec(), "Keras"),
        ("model.onnx", b"\x08\x08".to_vec(), "ONNX"),
        ("model.mpk", b"\x83".to_vec(), "burn"),
        ("model", nan, "no finite number"),
    ] {
        fs::write(folder.path().join(name), bytes).unwrap();
        let line = format!("{EVALUATE} {name}");
        fails(folder.path(), &line, &[&format!("{name}: "), part]);
    }
    let line = format!("{EVALUATE} none");
    fails(folder.path(), &line, &["none: cannot be read"]);
}
