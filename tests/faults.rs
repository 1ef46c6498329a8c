//! Bad input and bad surroundings: one line that says what and where, status 1, nothing lost, never a panic.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use std::fs;

use common::{SMALL, error_line, gzip, idx, mnist_tch, write_set};
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
    mnist_tch(folder.path(), HERE).assert().success();
    for (name, bytes, part) in [
        (IMAGES, b"<!DOCTYPE html>", "not an IDX file"),
        (
            IMAGES,
            &idx(&[u32::MAX, 28, 28], &[]),
            "4294967295 x 28 x 28",
        ),
        (IMAGES, &idx(&[20, 56, 56], &vec![0; 20 * 56 * 56]), "56x56"),
        (LABELS, &idx(&[20], &labels), "label 10 at position 13"),
        (LABELS, &idx(&[20], &labels), "--classes 11"),
        (LABELS, &few, "20 images but 19 labels"),
        (
            &in_gzip,
            &packed[..packed.len() / 2],
            "within the gzip file",
        ),
        (&in_gzip, b"<!DOCTYPE html>", "not a gzip file"),
    ] as [(&str, &[u8], &str); 8]
    {
        let folder = good_folder();
        if name == in_gzip {
            fs::remove_file(folder.path().join(IMAGES)).unwrap();
        }
        fs::write(folder.path().join(name), bytes).unwrap();
        let error = error_line(&mut mnist_tch(folder.path(), HERE), 1);
        assert!(error.contains(part), "{part}: {error}");
        assert!(error.contains(name), "{name} is not named: {error}");
        assert!(!folder.path().join("runs").exists(), "something was run");
    }
}

#[test]
fn a_set_that_is_not_there_is_told_with_what_was_looked_for() {
    let folder = good_folder();
    fs::remove_file(folder.path().join("t10k-labels-idx1-ubyte")).unwrap();
    fs::write(folder.path().join("file"), "mine").unwrap();
    fs::create_dir(folder.path().join("empty")).unwrap();
    let names = "none of t10k-labels-idx1-ubyte, t10k-labels-idx1-ubyte.gz, ";
    for (name, parts) in [
        (".", [names, ""]),
        ("nowhere", ["nowhere: no such folder", ""]),
        ("empty", ["looked for train-images-idx3-ubyte", "MNIST/raw"]),
        ("file", ["file is a file", "--data-dir takes the folder"]),
    ] {
        let line = format!("--device cpu --data-dir {name}");
        let error = error_line(&mut mnist_tch(folder.path(), &line), 1);
        assert!(parts.iter().all(|part| error.contains(part)), "{error}");
    }
}

#[test]
fn images_that_are_not_there_or_in_both_sets_are_errors_that_name_the_option() {
    let folder = tempdir().unwrap();
    for (line, part) in [
        (
            "--train-range 0..5001",
            "--train-range train:0..5001 is not within the 5000 images of the train file",
        ),
        (
            "--test-range 4999..18446744073709551615",
            "--test-range test:4999..18446744073709551615 is not within",
        ),
        (
            "--train-range test:0..10",
            "--test-range test:0.. has images in common with the training images, test:0..10",
        ),
        (
            "--train-range 0..50",
            "--batch-size 100 is more than the 50 training images",
        ),
        ("--classes 9", "--classes 10"),
    ] {
        let line = format!("--device cpu {line}");
        let error = error_line(&mut mnist_tch(folder.path(), &line), 1);
        assert!(error.contains(part), "{line}: {error}");
    }
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn a_run_directory_that_cannot_be_is_an_error_before_training() {
    let folder = tempdir().unwrap();
    fs::write(folder.path().join("file"), "mine").unwrap();
    for (out, part) in [
        ("file", "is a file"),
        ("file/run", "cannot make the folder"),
    ] {
        let error = error_line(
            &mut mnist_tch(folder.path(), &format!("{SMALL} --out {out}")),
            1,
        );
        assert!(error.contains(part) && error.contains(out), "{error}");
    }
    assert_eq!(
        fs::read_to_string(folder.path().join("file")).unwrap(),
        "mine"
    );
}

#[test]
fn a_loss_that_is_no_number_stops_the_run_and_keeps_its_rows() {
    let folder = tempdir().unwrap();
    for rate in ["1e9", "1e38"] {
        let line = format!("{SMALL} --quiet --out {rate} --lr {rate}");
        let error = error_line(&mut mnist_tch(folder.path(), &line), 1);
        assert!(
            error.contains("the loss is") && error.contains("step "),
            "{error}"
        );
        let run = folder.path().join(rate);
        let rows = fs::read_to_string(run.join("accuracy.csv")).unwrap();
        assert!(rows.lines().count() >= 2, "{rows}");
        for name in ["accuracy.png", "confusion.csv", "confusion.png"] {
            assert!(run.join(name).exists(), "{name}");
        }
        assert!(!run.join("summary.json").exists());
        // The last state of which every number is one: it fails again at the same step, with the same words.
        let line = format!("--resume {rate} --quiet");
        let again = error_line(&mut mnist_tch(folder.path(), &line), 1);
        assert_eq!(again, error);
    }
}
