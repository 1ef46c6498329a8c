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

#[test]
fn each_malformed_idx_file_gives_one_line_with_its_name() {
    let labels: Vec<u8> = (0..20).map(|image| image % 10).collect();
    let pixels = vec![7; 784 * 20];
    let good = idx(&[20, 28, 28], &pixels);
    let changed = |at: usize, byte| {
        let mut bytes = good.clone();
        bytes[at] = byte;
        bytes
    };
    let mut eleven = labels.clone();
    eleven[13] = 10;
    let folder = good_folder();
    mnist_tch(folder.path(), HERE).assert().success();
    fs::remove_dir_all(folder.path().join("runs")).unwrap();
    for (name, bytes, part) in [
        (IMAGES, changed(0, 1), "not an IDX file"),
        (IMAGES, changed(2, 0x0d), "element type 0x0d"),
        (IMAGES, good[..good.len() - 1].to_vec(), "truncated"),
        (IMAGES, good[..10].to_vec(), "ends within its header"),
        (IMAGES, [&good[..], &[0]].concat(), "trailing bytes"),
        (IMAGES, Vec::new(), "empty"),
        (IMAGES, idx(&[u32::MAX, 28, 28], &pixels), "4294967295 x 28"),
        (IMAGES, idx(&[1_000_000, 28, 28], &pixels), "truncated"),
        (IMAGES, idx(&[20], &labels), "swapped"),
        (IMAGES, idx(&[5, 56, 56], &pixels), "56x56"),
        (IMAGES, b"<!DOCTYPE html>".to_vec(), "not an IDX file"),
        (LABELS, idx(&[20], &eleven), "label 10 at position 13"),
        (LABELS, idx(&[20], &eleven), "--classes 11"),
        (LABELS, idx(&[19], &labels[..19]), "20 images but 19 labels"),
    ] {
        let path = folder.path().join(name);
        let whole = fs::read(&path).unwrap();
        fs::write(&path, bytes).unwrap();
        let error = error_line(&mut mnist_tch(folder.path(), HERE), 1);
        assert!(error.contains(part), "{part}: {error}");
        assert!(error.contains(name), "{name} is not named: {error}");
        assert!(!folder.path().join("runs").exists(), "nothing was run");
        fs::write(&path, whole).unwrap();
    }
}

#[test]
fn broken_gzip_files_give_one_line_with_their_name() {
    let folder = good_folder();
    let plain = folder.path().join(IMAGES);
    let whole = fs::read(&plain).unwrap();
    fs::remove_file(plain).unwrap();
    let packed = folder.path().join(format!("{IMAGES}.gz"));
    let good = gzip(&whole);
    fs::write(&packed, &good).unwrap();
    mnist_tch(folder.path(), HERE).assert().success();
    let mut flipped = good.clone();
    *flipped.last_mut().unwrap() ^= 1;
    for (bytes, part) in [
        (&good[..good.len() / 2], "within the gzip file"),
        (&flipped, "within the gzip file"),
        (&whole, "not a gzip file"),
        (b"<!DOCTYPE html>", "not a gzip file"),
        (b"", "empty"),
    ] {
        fs::write(&packed, bytes).unwrap();
        let error = error_line(&mut mnist_tch(folder.path(), HERE), 1);
        assert!(error.contains(part), "{part}: {error}");
        assert!(error.contains("images-idx3-ubyte.gz"), "{error}");
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
    let common = "images in common with the training images";
    for (line, part) in [
        (
            "--train-range 0..5001",
            "--train-range train:0..5001 is not within the 5000 images of the train file",
        ),
        (
            "--train-range 5000..",
            "train:5000.. is not within the 5000",
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
            &format!("--test-range train:4999.. has {common}, train:0..5000"),
        ),
        (
            "--train-range 100..200 --test-range train:199..300",
            &format!("has {common}, train:100..200"),
        ),
        (
            "--train-range test:0..10",
            &format!("has {common}, test:0..10"),
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
