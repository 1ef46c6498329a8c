//! A trained model is scored: the numbers of its run once more, class by class, and what is refused.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use std::fs;
use std::path::Path;

use common::{SMALL, error_line, mnist_tch, run_file, small_run, write_set};
use mnist_tch::learn::{Architecture, Init, Weights};
use safetensors::SafeTensors;
use serde_json::Value;
use tempfile::{TempDir, tempdir};

/// What a successful command prints.
fn printed(folder: &Path, line: &str) -> String {
    let output = mnist_tch(folder, line).assert().success();
    String::from_utf8(output.get_output().stdout.clone()).unwrap()
}

fn last_accuracy(folder: &TempDir) -> String {
    let text = String::from_utf8(run_file(folder, "accuracy.csv")).unwrap();
    let last = text.lines().last().unwrap().rsplit(',').next().unwrap();
    last.to_owned()
}

#[test]
fn a_run_is_scored_on_its_own_images_with_the_numbers_it_had() {
    let folder = tempdir().unwrap();
    small_run(&folder, "");
    for threads in [1, 3] {
        let line =
            format!("evaluate --model run --device cpu --threads {threads} --out out{threads}");
        let text = printed(folder.path(), &line);
        let first = format!(
            "accuracy {} on 200 test images of mnist-10k\n",
            last_accuracy(&folder)
        );
        assert!(text.starts_with(&first), "{text}");
        for name in ["confusion.csv", "confusion.png", "mistakes.png"] {
            let evaluated =
                fs::read(folder.path().join(format!("out{threads}")).join(name)).unwrap();
            assert_eq!(evaluated, run_file(&folder, name), "{name}");
        }
    }
    // The file alone names no images: they are the embedded 5,000 unless said otherwise.
    let line = "evaluate --model run/model.safetensors --device cpu";
    let all = printed(folder.path(), line);
    assert!(all.contains("on 5000 test images"), "{all}");
    let same = printed(folder.path(), &format!("{line} --test-range ..200"));
    assert!(same.starts_with(&format!("accuracy {} on 200", last_accuracy(&folder))));
}

#[test]
fn class_scores_and_predictions_follow_from_the_matrix() {
    let folder = tempdir().unwrap();
    small_run(&folder, "");
    printed(folder.path(), "evaluate --model run --device cpu --out out");
    let read = |name: &str| fs::read_to_string(folder.path().join("out").join(name)).unwrap();
    let cells = |text: &str| -> Vec<Vec<f64>> {
        let number = |cell: &str| cell.parse().unwrap_or(f64::NAN);
        text.lines()
            .skip(1)
            .map(|line| line.split(',').map(number).collect())
            .collect()
    };
    let (matrix, classes) = (cells(&read("confusion.csv")), cells(&read("classes.csv")));
    assert!(read("classes.csv").starts_with("label,precision,recall,f1,images\n"));
    for (class, row) in classes.iter().enumerate() {
        let right = matrix[class][class + 1];
        let support: f64 = matrix[class][1..].iter().sum();
        let predicted: f64 = matrix.iter().map(|row| row[class + 1]).sum();
        let same = |found: f64, expected: f64| {
            (found - expected).abs() < 1e-12 || (found.is_nan() && expected.is_nan())
        };
        assert!(
            same(row[1], right / predicted) && same(row[2], right / support),
            "{row:?}"
        );
        assert!(same(row[4], support) && same(row[3], 2.0 * right / (support + predicted)));
    }
    let predictions = cells(&read("predictions.csv"));
    assert_eq!((predictions.len(), predictions[0].len()), (200, 14));
    let right = predictions
        .iter()
        .filter(|row| (row[1] - row[2]).abs() < 0.5)
        .count();
    let accuracy: f64 = last_accuracy(&folder).parse().unwrap();
    assert!((f64::from(u32::try_from(right).unwrap()) / 200.0 - accuracy).abs() < 1e-12);
}

#[test]
fn results_are_never_replaced_unasked() {
    let folder = tempdir().unwrap();
    small_run(&folder, "");
    let line = "evaluate --model run --device cpu --out run";
    let error = error_line(&mut mnist_tch(folder.path(), line), 1);
    assert!(
        error.contains("confusion.csv") && error.contains("--force"),
        "{error}"
    );
    mnist_tch(folder.path(), &format!("{line} --force"))
        .assert()
        .success();
    assert!(
        folder.path().join("run/model.safetensors").exists(),
        "the model stays"
    );
    mnist_tch(folder.path(), "evaluate --model run --force")
        .assert()
        .code(2);
}

#[test]
fn images_that_are_gone_or_changed_are_told() {
    let folder = tempdir().unwrap();
    let labels: Vec<u8> = (0..20).map(|image| image % 10).collect();
    for prefix in ["train", "t10k"] {
        write_set(folder.path(), prefix, &[9; 784 * 20], &labels);
    }
    let line = "--device cpu --data-dir . --batch-size 5 --epochs 1 --out run -q";
    mnist_tch(folder.path(), line).assert().success();
    let evaluate = "evaluate --model run --device cpu";
    printed(folder.path(), evaluate);
    write_set(folder.path(), "t10k", &[8; 784 * 20], &labels);
    let error = error_line(&mut mnist_tch(folder.path(), evaluate), 1);
    assert!(
        error.contains("not the images of the run any more"),
        "{error}"
    );
    printed(folder.path(), &format!("{evaluate} --data-dir ."));
    fs::remove_file(folder.path().join("t10k-images-idx3-ubyte")).unwrap();
    let error = error_line(&mut mnist_tch(folder.path(), evaluate), 1);
    assert!(
        error.contains("--data-dir") && error.contains("summary.json"),
        "{error}"
    );
    fs::remove_file(folder.path().join("run/summary.json")).unwrap();
    let error = error_line(&mut mnist_tch(folder.path(), evaluate), 1);
    assert!(
        error.contains("--data-dir") && error.contains("summary.json"),
        "{error}"
    );
}

#[test]
fn files_that_are_no_models_of_this_network_are_named_with_the_tensor() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("model.safetensors");
    let error = |bytes: &[u8]| {
        fs::write(&path, bytes).unwrap();
        let line = "evaluate --device cpu --model model.safetensors";
        let error = error_line(&mut mnist_tch(folder.path(), line), 1);
        assert!(error.contains("model.safetensors: "), "{error}");
        error
    };
    assert!(error(b"").contains("not a safetensors file"));
    assert!(error(b"PK\x03\x04").contains("torch.save"));
    let good = Weights::initial(Init::Flux, 0, &Architecture::article(10).unwrap())
        .to_safetensors()
        .unwrap();
    assert!(error(&good[..good.len() - 1]).contains("not a safetensors file"));
    let file = SafeTensors::deserialize(&good).unwrap();
    let without = |name: &str| {
        let rest = file
            .tensors()
            .into_iter()
            .filter(|(tensor, _)| tensor != name);
        safetensors::serialize(rest, None).unwrap()
    };
    assert!(error(&without("conv2.bias")).contains("tensor conv2.bias is missing"));
    let mut nan = good.clone();
    let last = nan.len() - 4;
    nan[last..].copy_from_slice(&f32::NAN.to_le_bytes());
    assert!(error(&nan).contains("no finite number"));
    let missing = error_line(&mut mnist_tch(folder.path(), "evaluate --model none"), 1);
    assert!(missing.contains("none: cannot be read"), "{missing}");
}

#[test]
fn weights_as_pytorch_saves_them_are_taken() {
    let folder = tempdir().unwrap();
    small_run(&folder, "");
    let bytes = run_file(&folder, "model.safetensors");
    let file = SafeTensors::deserialize(&bytes).unwrap();
    // What safetensors.torch.save_file(..., metadata={"format": "pt"}) adds.
    let metadata = [("format".to_owned(), "pt".to_owned())].into();
    let saved = safetensors::serialize(file.tensors(), Some(metadata)).unwrap();
    fs::write(folder.path().join("pytorch.safetensors"), saved).unwrap();
    let score = |model: &str| {
        printed(
            folder.path(),
            &format!("evaluate --device cpu --test-range ..200 --model {model}"),
        )
    };
    assert_eq!(score("pytorch.safetensors"), score("run/model.safetensors"));
}

#[test]
fn describe_draws_the_network_and_keeps_what_is_there() {
    let folder = tempdir().unwrap();
    let text = printed(folder.path(), "describe --png network.png");
    assert!(
        text.contains("conv2  convolution 3x3     16x14x14       1168         225792"),
        "{text}"
    );
    let png = fs::read(folder.path().join("network.png")).unwrap();
    assert!(png.starts_with(b"\x89PNG"));
    let error = error_line(
        &mut mnist_tch(folder.path(), "describe --png network.png"),
        1,
    );
    assert!(
        error.contains("network.png") && error.contains("--force"),
        "{error}"
    );
}

#[test]
fn a_runs_own_summary_names_the_images() {
    let folder = tempdir().unwrap();
    mnist_tch(folder.path(), &format!("{SMALL} --out run -q"))
        .assert()
        .success();
    let summary: Value = serde_json::from_slice(&run_file(&folder, "summary.json")).unwrap();
    assert_eq!(summary["data"]["name"], "mnist-10k");
    let text = printed(
        folder.path(),
        "evaluate --model run --device cpu --test-range ..50",
    );
    assert!(text.contains("on 50 test images"), "{text}");
}
