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

/// What the program says to a good folder in which `name` was replaced.
fn error_with(name: &str, bytes: &[u8]) -> String {
    let folder = good_folder();
    fs::write(folder.path().join(name), bytes).unwrap();
    let error = error_line(
        &mut mnist_tch(folder.path(), "--device cpu --data-dir . --batch-size 5"),
        1,
    );
    assert!(error.contains(name), "{name} is not named: {error}");
    assert!(!folder.path().join("runs").exists(), "nothing was run");
    error
}

#[test]
fn the_good_folder_is_good() {
    let folder = good_folder();
    let line = "--device cpu --data-dir . --batch-size 5 --quiet";
    mnist_tch(folder.path(), line).assert().success();
}

#[test]
fn each_malformed_idx_file_gives_one_line_with_its_name() {
    let labels: Vec<u8> = (0..20).map(|image| image % 10).collect();
    let pixels = vec![7; 784 * 20];
    let good = idx(&[20, 28, 28], &pixels);
    let (mut magic, mut floats) = (good.clone(), good.clone());
    magic[0] = 1;
    floats[2] = 0x0d;
    let trailing = [&good[..], &[0]].concat();
    for (bytes, part) in [
        (magic, "not an IDX file"),
        (floats, "element type 0x0d"),
        (good[..good.len() - 1].to_vec(), "truncated"),
        (good[..10].to_vec(), "ends within its header"),
        (trailing, "trailing bytes"),
        (Vec::new(), "empty"),
        (idx(&[u32::MAX, 28, 28], &pixels), "4294967295 x 28 x 28"),
        (idx(&[1_000_000, 28, 28], &pixels), "truncated"),
        (idx(&[20], &labels), "swapped"),
        (idx(&[5, 56, 56], &pixels), "56x56"),
        (
            b"<!DOCTYPE html><title>404</title>".to_vec(),
            "not an IDX file",
        ),
    ] {
        let error = error_with(IMAGES, &bytes);
        assert!(error.contains(part), "{part}: {error}");
    }
}

#[test]
fn labels_are_checked_against_their_range_and_the_images() {
    let mut labels: Vec<u8> = (0..20).map(|image| image % 10).collect();
    labels[13] = 10;
    let error = error_with(LABELS, &idx(&[20], &labels));
    assert!(error.contains("label 10 at position 13"), "{error}");
    assert!(error.contains("--classes 11"), "{error}");
    let error = error_with(LABELS, &idx(&[19], &labels[..19]));
    assert!(error.contains("20 images but 19 labels"), "{error}");
}

#[test]
fn broken_gzip_files_give_one_line_with_their_name() {
    let folder = good_folder();
    let whole = fs::read(folder.path().join(IMAGES)).unwrap();
    let packed = folder.path().join(format!("{IMAGES}.gz"));
    fs::write(&packed, gzip(&whole)).unwrap();
    fs::remove_file(folder.path().join(IMAGES)).unwrap();
    let line = "--device cpu --data-dir . --batch-size 5 --quiet";
    mnist_tch(folder.path(), line).assert().success();

    let packed_bytes = fs::read(&packed).unwrap();
    let half = packed_bytes[..packed_bytes.len() / 2].to_vec();
    let mut flipped = packed_bytes.clone();
    *flipped.last_mut().unwrap() ^= 1;
    for (bytes, part) in [
        (half, "within the gzip file"),
        (flipped, "within the gzip file"),
        (whole, "not a gzip file"),
        (b"<!DOCTYPE html>".to_vec(), "not a gzip file"),
        (Vec::new(), "empty"),
    ] {
        fs::write(&packed, bytes).unwrap();
        let error = error_line(&mut mnist_tch(folder.path(), line), 1);
        assert!(
            error.contains(part) && error.contains("images-idx3-ubyte.gz"),
            "{part}: {error}"
        );
    }
}

#[test]
fn a_missing_file_and_a_missing_folder_are_named() {
    let folder = good_folder();
    fs::remove_file(folder.path().join("t10k-labels-idx1-ubyte")).unwrap();
    let error = error_line(
        &mut mnist_tch(folder.path(), "--device cpu --data-dir ."),
        1,
    );
    assert!(
        error.contains("none of t10k-labels-idx1-ubyte, t10k-labels-idx1-ubyte.gz, "),
        "{error}"
    );
    let error = error_line(
        &mut mnist_tch(folder.path(), "--device cpu --data-dir nowhere"),
        1,
    );
    assert!(error.contains("nowhere: no such folder"), "{error}");
}

#[test]
fn a_folder_without_a_set_is_told_what_was_looked_for_and_a_file_is_no_folder() {
    let folder = tempdir().unwrap();
    fs::write(folder.path().join("file"), "mine").unwrap();
    for (name, parts) in [
        (".", ["looked for train-images-idx3-ubyte", "MNIST/raw"]),
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
            "--train-range 5000..",
            "--train-range train:5000.. is not within the 5000 images",
        ),
        (
            "--test-range train:0..6000 --train-range 0..100",
            "--test-range train:0..6000 is not within the 5000 images of the train file",
        ),
        (
            "--test-range 4999..18446744073709551615",
            "--test-range test:4999..18446744073709551615 is not within",
        ),
        (
            "--test-range train:4999..",
            "--test-range train:4999.. has images in common with the training images, train:0..5000",
        ),
        (
            "--train-range 100..200 --test-range train:199..300",
            "has images in common with the training images, train:100..200",
        ),
        (
            "--train-range test:0..10",
            "has images in common with the training images, test:0..10",
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
