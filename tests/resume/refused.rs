//! What the program does not go on from, and what it does not touch.

use std::fs;

use mnist_tch::data::mnist_10k;
use predicates::prelude::*;
use tempfile::tempdir;

use crate::common::{self, error_line, mnist_tch, write_set};
use crate::{contents, job, results, resume, start, stop, stopped, uninterrupted};

#[test]
fn damaged_and_foreign_checkpoints_are_refused_and_nothing_is_touched() {
    let folder = stopped();
    let run = folder.path().join("run");
    let path = run.join("checkpoint.jsonl");
    let good = fs::read(&path).unwrap();
    let model = fs::read(run.join("model.safetensors")).unwrap();
    let mut flipped = good.clone();
    flipped[20_000] ^= 4;
    let mut newer = good.clone();
    let format = b"mnist-tch checkpoint 2";
    let place = good.windows(format.len()).position(|part| part == format);
    newer[place.unwrap() + format.len() - 1] = b'9';
    for (bytes, part) in [
        (good[..good.len() / 2].to_vec(), "damaged: its content"),
        (flipped, "damaged: its content does not have the SHA-256"),
        (model, "damaged, or not a checkpoint"),
        (b"<!DOCTYPE html>".to_vec(), "damaged, or not a checkpoint"),
        (newer, "\"mnist-tch checkpoint 9\""),
        (Vec::new(), "damaged, or not a checkpoint"),
    ] {
        fs::write(&path, &bytes).unwrap();
        let before = contents(&run);
        let error = error_line(&mut resume(&folder, ""), 1);
        assert!(
            error.contains(part) && error.contains("run/checkpoint.jsonl"),
            "{error}"
        );
        assert_eq!(contents(&run), before);
    }
}

#[test]
fn folders_without_a_run_are_refused() {
    let folder = tempdir().unwrap();
    let error = error_line(&mut resume(&folder, ""), 1);
    assert!(error.contains("run: no such folder"), "{error}");
    fs::create_dir(folder.path().join("run")).unwrap();
    let error = error_line(&mut resume(&folder, ""), 1);
    assert!(error.contains("run holds no checkpoint.jsonl"), "{error}");
    assert_eq!(fs::read_dir(folder.path().join("run")).unwrap().count(), 0);
}

#[test]
fn a_complete_run_has_nothing_to_resume() {
    let folder = tempdir().unwrap();
    common::small_run(&folder, "--quiet");
    let run = folder.path().join("run");
    let before = contents(&run);
    let output = resume(&folder, "").assert().success().stdout("");
    output.stderr(
        predicate::str::contains("complete").and(predicate::str::contains("nothing to resume")),
    );
    resume(&folder, "--quiet").assert().success().stderr("");
    let error = error_line(&mut resume(&folder, "--quiet --min-accuracy 0.99"), 1);
    assert!(error.contains("below --min-accuracy 0.99"), "{error}");
    assert_eq!(contents(&run), before);
}

#[test]
fn a_run_that_can_go_on_is_replaced_only_with_force() {
    let folder = stopped();
    let before = contents(&folder.path().join("run"));
    let line = format!("{} --quiet --out run", common::SMALL);
    let error = error_line(&mut mnist_tch(folder.path(), &line), 1);
    assert!(
        error.contains("--resume run") && error.contains("--force"),
        "{error}"
    );
    assert_eq!(contents(&folder.path().join("run")), before);
    mnist_tch(folder.path(), &format!("{line} --force"))
        .assert()
        .success();
    assert_eq!(results(&folder.path().join("run")).len(), 6);
}

#[test]
fn two_processes_never_work_in_one_folder() {
    let folder = tempdir().unwrap();
    let child = start(&folder, &job("--quiet"), 1);
    for line in ["--resume run", &job("--force")] {
        let error = error_line(&mut mnist_tch(folder.path(), line), 1);
        assert!(error.contains("another process is at work"), "{error}");
    }
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    assert_eq!(&results(&folder.path().join("run")), uninterrupted(false));
}

#[test]
fn images_that_moved_are_found_with_data_dir_and_other_images_are_refused() {
    let folder = tempdir().unwrap();
    let split = mnist_10k().unwrap().resized(Some(300), Some(200)).unwrap();
    let images = folder.path().join("images");
    fs::create_dir(&images).unwrap();
    for (prefix, set) in [("train", &split.train), ("t10k", &split.test)] {
        write_set(&images, prefix, set.pixels(), set.labels());
    }
    let (status, text) = stop(
        start(&folder, &job("--quiet --data-dir images"), 4),
        "-TERM",
    );
    assert_eq!(status, 143, "{text}");
    let run = folder.path().join("run");
    let before = contents(&run);
    let moved = folder.path().join("moved");
    fs::rename(&images, &moved).unwrap();
    let error = error_line(&mut resume(&folder, ""), 1);
    assert!(
        error.contains("images: no such folder") && error.contains("--data-dir"),
        "{error}"
    );
    // One pixel of one image is another.
    let file = moved.join("t10k-images-idx3-ubyte");
    let good = fs::read(&file).unwrap();
    let mut other = good.clone();
    other[10_000] ^= 1;
    fs::write(&file, other).unwrap();
    let error = error_line(&mut resume(&folder, "--data-dir moved"), 1);
    assert!(
        error.contains("are not those the run began with"),
        "{error}"
    );
    fs::write(&file, good).unwrap();
    assert_eq!(contents(&run), before);
    resume(&folder, "--data-dir moved --quiet")
        .assert()
        .success();
    assert_eq!(&results(&run), uninterrupted(false));
}
