//! A trained model is scored: the numbers of its run once more, class by class, and what is refused.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use std::fs;

use common::{error_line, mnist_tch, printed, run_file, small_run, write_set};
use mnist_tch::learn::{Architecture, Init, Weights};
use safetensors::SafeTensors;
use tempfile::{TempDir, tempdir};

fn last_accuracy(folder: &TempDir) -> String {
    let text = String::from_utf8(run_file(folder, "accuracy.csv")).unwrap();
    let last = text.lines().last().unwrap().rsplit(',').next().unwrap();
    last.to_owned()
}

#[test]
fn a_run_is_scored_on_its_own_images_with_the_numbers_it_had() {
    let folder = tempdir().unwrap();
    small_run(&folder, "");
    let accuracy = last_accuracy(&folder);
    let first = format!("accuracy {accuracy} on 200 test images of mnist-10k\n");
    for threads in ["1", "3"] {
        let line = format!("evaluate --model run --device cpu --threads {threads} --out {threads}");
        let text = printed(folder.path(), &line);
        assert!(text.starts_with(&first), "{text}");
        for name in ["confusion.csv", "confusion.png", "mistakes.png"] {
            let evaluated = fs::read(folder.path().join(threads).join(name)).unwrap();
            assert_eq!(evaluated, run_file(&folder, name), "{name}");
        }
    }
    let fifty = printed(
        folder.path(),
        "evaluate --model run --device cpu --test-range ..50",
    );
    assert!(fifty.contains("on 50 test images"), "{fifty}");
    // The file alone names no images: they are the embedded 5,000 unless said otherwise. What
    // safetensors.torch.save_file(..., metadata={"format": "pt"}) adds changes nothing.
    let bytes = run_file(&folder, "model.safetensors");
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let metadata = [("format".to_owned(), "pt".to_owned())].into();
    let saved = safetensors::serialize(file.tensors(), Some(metadata)).unwrap();
    fs::write(folder.path().join("pytorch.safetensors"), saved).unwrap();
    let line = "evaluate --model pytorch.safetensors --device cpu";
    let all = printed(folder.path(), line);
    assert!(all.contains("on 5000 test images"), "{all}");
    let same = printed(folder.path(), &format!("{line} --test-range ..200"));
    assert!(same.starts_with(&first), "{same}");
}

#[test]
fn class_scores_and_predictions_follow_from_the_matrix() {
    let folder = tempdir().unwrap();
    small_run(&folder, "");
    printed(folder.path(), "evaluate --model run --device cpu --out out");
    let read = |name: &str| fs::read_to_string(folder.path().join("out").join(name)).unwrap();
    let cells = |text: &str| -> Vec<Vec<f64>> {
        let number = |cell: &str| cell.parse().unwrap_or(f64::NAN);
        let row = |line: &str| line.split(',').map(number).collect();
        text.lines().skip(1).map(row).collect()
    };
    let [matrix, classes] = ["confusion.csv", "classes.csv"].map(|name| cells(&read(name)));
    assert!(read("classes.csv").starts_with("label,precision,recall,f1,images\n"));
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
    let predictions = cells(&read("predictions.csv"));
    assert_eq!((predictions.len(), predictions[0].len()), (200, 14));
    let right = predictions
        .iter()
        .filter(|row| (row[1] - row[2]).abs() < 0.5);
    let accuracy: f64 = last_accuracy(&folder).parse().unwrap();
    assert_eq!(
        (accuracy * 200.0).round().to_string(),
        right.count().to_string()
    );
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
    let changed = "are not those the run began with";
    assert!(error.contains(changed), "{error}");
    printed(folder.path(), &format!("{evaluate} --data-dir ."));
    for gone in ["t10k-images-idx3-ubyte", "run/summary.json"] {
        fs::remove_file(folder.path().join(gone)).unwrap();
        let error = error_line(&mut mnist_tch(folder.path(), evaluate), 1);
        assert!(error.contains("--data-dir"), "{error}");
        assert!(error.contains("summary.json"), "{error}");
    }
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
