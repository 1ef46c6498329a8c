//! `evaluate`: the scores of a run again, by class; which images a model is scored on; what is
//! refused.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use std::fs;
use std::path::Path;
use std::process::Command;

use common::{SMALL, bars, fails, mnist_tch, printed, run_file, small_run, write_set};
use mnist_tch::data::mnist_10k;
use mnist_tch::learn::{Architecture, Init, Weights};
use safetensors::SafeTensors;
use tempfile::tempdir;

const EVALUATE: &str = "evaluate --device cpu --model";

/// Stdout and stderr of the program with the words of `line`, which must succeed.
fn outputs(folder: &Path, line: &str) -> [String; 2] {
    let output = mnist_tch(folder, line).assert().success();
    let output = output.get_output().clone();
    [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap())
}

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
        assert_eq!(row.len(), 1 + expected.len());
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

    // A file without its run is scored on the default set. The metadata that PyTorch writes,
    // {"format": "pt"}, changes nothing.
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
    fails(
        folder.path(),
        &evaluate,
        &["have changed since the run started"],
    );
    printed(folder.path(), &format!("{evaluate} --data-dir ."));
    // Text from a file cannot break the line or reach the terminal as an escape sequence.
    let summary = String::from_utf8(run_file(&folder, "summary.json")).unwrap();
    let other = summary.replace(r#""folder": "#, r#""\n\u001b[31m": "#);
    fs::write(folder.path().join("run/summary.json"), other).unwrap();
    let parts = ["summary.json: ", "damaged, or not"];
    let error = fails(folder.path(), &evaluate, &parts);
    assert!(error.contains("variant `  [31m`"), "{error:?}");
    fs::write(folder.path().join("run/summary.json"), summary).unwrap();
    fs::remove_file(folder.path().join("t10k-images-idx3-ubyte")).unwrap();
    let parts = [
        "model.safetensors: the images of its run cannot be used",
        "--data-dir",
    ];
    fails(folder.path(), &evaluate, &parts);
    for gone in ["run/summary.json", "run/checkpoint.jsonl"] {
        fs::remove_file(folder.path().join(gone)).unwrap();
    }
    fails(
        folder.path(),
        &evaluate,
        &["run is not the folder of a run"],
    );
}

#[test]
fn a_weights_file_in_the_folder_of_a_run_is_scored_on_the_images_of_that_run() {
    let folder = tempdir().unwrap();
    let path = folder.path();
    // Of so large a rate, the last score is not the best one.
    small_run(&folder, "--keep best --lr 0.2 --channels 4,8");
    let [of_run, notes] = outputs(path, &format!("{EVALUATE} run"));
    assert!(
        of_run.contains("on 200 test images of mnist-10k"),
        "{of_run}"
    );
    assert_eq!(notes, "");
    let same = [of_run.clone(), notes];
    assert_eq!(
        outputs(path, &format!("{EVALUATE} run/model.safetensors")),
        same
    );
    let inside = path.join("run");
    assert_eq!(
        outputs(&inside, &format!("{EVALUATE} model.safetensors")),
        same
    );
    #[cfg(unix)]
    {
        let link = path.join("link.safetensors");
        std::os::unix::fs::symlink(inside.join("model.safetensors"), link).unwrap();
        assert_eq!(outputs(path, &format!("{EVALUATE} link.safetensors")), same);
    }
    let summary: serde_json::Value =
        serde_json::from_slice(&run_file(&folder, "summary.json")).unwrap();
    let best = &summary["best"]["test_accuracy"];
    let [text, _] = outputs(path, &format!("{EVALUATE} run/best.safetensors"));
    assert!(
        text.starts_with(&format!("accuracy {best} on 200 test images")),
        "{text}"
    );

    // Weights with another number of classes cannot be those of the run.
    let other = Weights::initial(Init::Flux, 0, &Architecture::article(7).unwrap());
    fs::write(
        inside.join("other.safetensors"),
        other.to_safetensors().unwrap(),
    )
    .unwrap();
    let parts = [
        "other.safetensors has 7 classes, but ",
        "names 10: move the model",
    ];
    fails(path, &format!("{EVALUATE} run/other.safetensors"), &parts);
}

#[cfg(unix)]
#[test]
fn the_weights_of_an_interrupted_run_belong_to_it_as_well() {
    let folder = tempdir().unwrap();
    let path = folder.path();
    let (images, labels) = bars(200, 3, 0);
    for prefix in ["train", "t10k"] {
        write_set(path, prefix, &images, &labels);
    }
    let line = "--device cpu --data-dir . --classes 3 --batch-size 1 --epochs 400 --keep best \
                --checkpoint-every 1 --out run -q";
    let run = path.join("run");
    let log = run.join("accuracy.csv");
    let rows = || fs::read_to_string(&log).map_or(0, |text| text.lines().count());
    let child = common::start(path, line, || rows() > 4);
    // Killed, it has left no weights yet.
    let killed = tempdir().unwrap();
    fs::create_dir(killed.path().join("run")).unwrap();
    let copy = killed.path().join("run/checkpoint.jsonl");
    fs::copy(run.join("checkpoint.jsonl"), copy).unwrap();
    let parts = [
        "run: the run was killed before it wrote model.safetensors",
        "--resume run",
    ];
    fails(killed.path(), &format!("{EVALUATE} run"), &parts);

    let interrupt = ["-INT".to_owned(), child.id().to_string()];
    assert!(
        Command::new("kill")
            .args(interrupt)
            .status()
            .unwrap()
            .success()
    );
    assert_eq!(child.wait_with_output().unwrap().status.code(), Some(130));
    assert!(
        !run.join("summary.json").exists(),
        "it was interrupted too late"
    );
    for model in ["run", "run/model.safetensors", "run/best.safetensors"] {
        let [text, _] = outputs(path, &format!("{EVALUATE} {model}"));
        let set = fs::canonicalize(path).unwrap();
        let part = format!("on 200 test images of {}\n", set.display());
        assert!(text.contains(&part), "{part}: {text}");
    }
}

#[test]
fn images_that_the_model_was_trained_on_are_warned_of() {
    let folder = tempdir().unwrap();
    let path = folder.path();
    small_run(&folder, "");
    let warning = |count: usize, of: usize| {
        format!("warning: the model was trained on {count} of the {of} test images")
    };
    for (range, expected) in [
        ("train:0..50", warning(50, 50)),
        ("train:290..310", warning(10, 20)),
        ("train:300..350", String::new()),
        ("0..50", String::new()),
    ] {
        let [_, notes] = outputs(path, &format!("{EVALUATE} run --test-range {range}"));
        assert!(notes.starts_with(&expected), "{range}: {notes}");
        assert_eq!(notes.is_empty(), expected.is_empty(), "{range}: {notes}");
    }
    // The same images from elsewhere: found by their content.
    let training = mnist_10k().unwrap().train;
    let some = training.slice(100..130).unwrap();
    write_set(path, "t10k", some.pixels(), some.labels());
    let [_, notes] = outputs(path, &format!("{EVALUATE} run --data-dir ."));
    assert!(notes.starts_with(&warning(30, 30)), "{notes}");

    // A run that starts from these weights, and the runs after it.
    let ranges = "--train-range test:0..200 --test-range train:280..400 -q";
    let job = "--device cpu --epochs 1 --eval-every 0";
    let [_, notes] = outputs(path, &format!("{job} --from run {ranges} --out second"));
    assert!(notes.starts_with(&warning(20, 120)), "{notes}");
    fs::remove_dir_all(path.join("run")).unwrap();
    let [_, notes] = outputs(path, &format!("{EVALUATE} second"));
    assert!(notes.starts_with(&warning(20, 120)), "{notes}");
    let [_, notes] = outputs(path, &format!("{SMALL} --from second -q --out third"));
    assert!(notes.starts_with(&warning(200, 200)), "{notes}");
    let [_, notes] = outputs(path, &format!("{EVALUATE} third --test-range train:..400"));
    assert!(notes.starts_with(&warning(300, 400)), "{notes}");
}

#[test]
fn a_file_without_a_run_is_said_to_get_plain_pixels_and_renamed_layers_are_named() {
    let folder = tempdir().unwrap();
    let path = folder.path();
    let weights = Weights::initial(Init::Kaiming, 0, &Architecture::article(10).unwrap());
    let bytes = weights.to_safetensors().unwrap();
    fs::write(path.join("own.safetensors"), &bytes).unwrap();
    let tensors = SafeTensors::deserialize(&bytes).unwrap().tensors();
    let renamed = tensors.into_iter().map(|(name, tensor)| {
        let name = name
            .replace("conv", "features.")
            .replace("dense", "fc\u{1b}");
        (name, tensor)
    });
    let renamed = safetensors::serialize(renamed, None).unwrap();
    fs::write(path.join("theirs.safetensors"), renamed).unwrap();
    let [text, notes] = outputs(path, &format!("{EVALUATE} own.safetensors"));
    let input = "is not in the folder of a run: its input is pixels / 255, without normalization";
    assert!(
        notes.starts_with(&format!("note: own.safetensors {input}")),
        "{notes}"
    );
    assert_eq!(notes.lines().count(), 1, "{notes}");
    let [same, notes] = outputs(path, &format!("{EVALUATE} theirs.safetensors"));
    assert_eq!(same, text);
    let lines: Vec<&str> = notes.lines().collect();
    assert_eq!(lines.len(), 2, "{notes}");
    assert_eq!(
        lines[0],
        "note: theirs.safetensors: layers features.1, features.2, features.3, fc  are read as \
         conv1, conv2, conv3, dense"
    );
    assert!(lines[1].contains(input), "{notes}");
}

// Tensors of other networks are tested where they are read: src/learn/weights.rs.
#[test]
fn files_that_are_not_weights_are_named_for_what_they_are() {
    let folder = tempdir().unwrap();
    let weights = Weights::initial(Init::Flux, 0, &Architecture::article(10).unwrap());
    let good = weights.to_safetensors().unwrap();
    let mut nan = good.clone();
    let last = nan.len() - 4;
    nan[last..].copy_from_slice(&f32::NAN.to_le_bytes());
    // The name of the first file in a zip archive comes after 26 bytes and its length.
    let zip = |name: &str| {
        let length = [u8::try_from(name.len()).unwrap(), 0, 0, 0];
        [b"PK\x03\x04", &[0; 22][..], &length, name.as_bytes()].concat()
    };
    for (name, bytes, part) in [
        ("model", Vec::new(), "the file is empty"),
        ("model", b"hello".to_vec(), "not a safetensors file"),
        ("model", good[..9_000].to_vec(), "or a damaged one"),
        ("model.bin", zip("archive/data.pkl"), "torch.save"),
        (
            "old.pt",
            b"\x80\x02\x8a".to_vec(),
            "a pickle, which can run code",
        ),
        ("model.npz", zip("conv1.npy"), "safetensors.numpy.save_file"),
        ("model.keras", zip("config.json"), "Keras"),
        ("model.h5", b"\x89HDF\r\n\x1a\n".to_vec(), "HDF5"),
        ("model.onnx", b"\x08\x08\x12\x07pytorch".to_vec(), "ONNX"),
        ("model.mpk", b"\x82\xa8metadata".to_vec(), "burn"),
        (
            "pointer",
            b"version https://git-lfs.github.com/spec/v1".to_vec(),
            "git lfs pull",
        ),
        ("page", b"<!DOCTYPE html>".to_vec(), "a web page"),
        (
            "index.json",
            b"{\"weight_map\":{}}".to_vec(),
            "an index of safetensors files",
        ),
        (
            "checkpoint",
            b"{\"format\":\"mnist-tch checkpoint 3".to_vec(),
            "the folder of its run",
        ),
        ("model", nan, "dense.weight holds NaN or infinity"),
    ] {
        fs::write(folder.path().join(name), bytes).unwrap();
        let line = format!("{EVALUATE} {name}");
        fails(folder.path(), &line, &[&format!("{name}: "), part]);
    }
    let line = format!("{EVALUATE} none");
    fails(folder.path(), &line, &["none: cannot read the file"]);
}
