//! Bad input and bad surroundings: one line that says what and where, nothing lost, no panic.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use std::fs;

use common::{SMALL, fails, gzip, idx, printed, run_file, write_set};
use tempfile::{TempDir, tempdir};

const IMAGES: &str = "train-images-idx3-ubyte";
const LABELS: &str = "train-labels-idx1-ubyte";

/// A folder with a good data set: 20 training and 10 test images.
fn good_folder() -> TempDir {
    let folder = tempdir().unwrap();
    for (prefix, count) in [("train", 20), ("t10k", 10)] {
        let labels: Vec<u8> = (0..count).map(|image| image % 10).collect();
        let images = vec![7; 784 * usize::from(count)];
        write_set(folder.path(), prefix, &images, &labels);
    }
    folder
}

/// Options of a run on the set in the folder where it runs.
const HERE: &str = "--device cpu --data-dir . --batch-size 5 --quiet";

// What else may be wrong within a file is tested where it is read: src/data.
#[test]
fn each_malformed_file_gives_one_line_with_its_name_and_nothing_is_run() {
    let mut labels: Vec<u8> = (0..20).map(|image| image % 10).collect();
    let few = idx(&[19], &labels[..19]);
    labels[13] = 10;
    let folder = good_folder();
    let packed = gzip(&fs::read(folder.path().join(IMAGES)).unwrap());
    let in_gzip = format!("{IMAGES}.gz");
    printed(folder.path(), HERE);
    for (name, bytes, part) in [
        (IMAGES, b"<!DOCTYPE html>".as_slice(), "a web page"),
        (IMAGES, &idx(&[20, 56, 56], &vec![0; 20 * 56 * 56]), "56x56"),
        (
            LABELS,
            &idx(&[20], &labels),
            "label 10 at position 13, expected 0 to 9: use --classes 11",
        ),
        (LABELS, &few, "20 images but 19 labels"),
        (&in_gzip, &packed[..packed.len() / 2], "within the gzip"),
        (&in_gzip, b"<!DOCTYPE html>", "a web page"),
    ] {
        let folder = good_folder();
        if name == in_gzip {
            fs::remove_file(folder.path().join(IMAGES)).unwrap();
        }
        fs::write(folder.path().join(name), bytes).unwrap();
        fails(folder.path(), HERE, &[name, part]);
        assert!(!folder.path().join("runs").exists(), "something was run");
    }
}

#[test]
fn a_set_that_is_not_there_is_told_with_what_was_looked_for() {
    let folder = good_folder();
    fs::remove_file(folder.path().join("t10k-labels-idx1-ubyte")).unwrap();
    fs::write(folder.path().join("file"), "mine").unwrap();
    fs::create_dir(folder.path().join("empty")).unwrap();
    let names = "no t10k-labels-idx1-ubyte found for it";
    for (name, parts) in [
        (".", [names, ""]),
        ("nowhere", ["nowhere: no such folder", ""]),
        (
            "empty",
            ["5 folders deep for train-images-idx3-ubyte", "CSV files"],
        ),
        ("file", ["file: no data set", "found file"]),
    ] {
        let line = format!("--device cpu --data-dir {name}");
        fails(folder.path(), &line, &parts);
    }
}

#[test]
fn images_and_folders_that_cannot_be_are_errors_that_name_the_option_before_training() {
    let folder = tempdir().unwrap();
    fs::write(folder.path().join("file"), "mine").unwrap();
    for (line, part) in [
        ("--train-range 0..5001", "--train-range train:0..5001"),
        (
            "--test-range 4999..18446744073709551615",
            "--test-range test:4999..18446744073709551615 is not within",
        ),
        ("--train-range test:0..10", "--test-range test:0.. has"),
        ("--train-range 0..50", "--batch-size 100 is more than the"),
        ("--classes 9", "--classes 10"),
        ("--out file", "file is a file"),
        ("--resume file", "file is a file"),
        ("--out file/run", "cannot create the folder file/run"),
    ] {
        fails(folder.path(), &format!("--device cpu {line}"), &[part]);
    }
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    assert_eq!(fs::read(folder.path().join("file")).unwrap(), b"mine");
}

#[test]
fn numbers_that_are_none_stop_the_run_at_their_step_and_its_rows_stay() {
    let folder = tempdir().unwrap();
    // The weights after the last step are looked at, too.
    let last = "--device cpu --epochs 1 --train-range ..100 --test-range ..50 -q --out last";
    let part = "step 1 (epoch 1, batch 1): the weights are no longer finite";
    fails(folder.path(), &format!("{last} --lr 1e39"), &[part]);
    assert!(!folder.path().join("last/model.safetensors").exists());
    let line = format!("{SMALL} --quiet --out run --lr 1e9");
    let parts = ["the loss is", "step ", "smaller --lr"];
    let error = fails(folder.path(), &line, &parts);
    let rows = String::from_utf8(run_file(&folder, "accuracy.csv")).unwrap();
    assert!(rows.lines().count() >= 2, "{rows}");
    let run = folder.path().join("run");
    for name in ["accuracy.png", "confusion.csv", "confusion.png"] {
        assert!(run.join(name).exists(), "{name}");
    }
    assert!(!run.join("summary.json").exists());
    // From the last state of which every number is one it fails at the same step in the same words.
    assert_eq!(fails(folder.path(), "--resume run --quiet", &[]), error);
}
