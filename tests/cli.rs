//! The program as people and scripts meet it: help, exit statuses, stdout and stderr, devices.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use std::fs;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use common::{SMALL, error_line, mnist_tch};
use predicates::prelude::*;
use tempfile::tempdir;

#[test]
fn help_shows_examples_and_every_option() {
    let folder = tempdir().unwrap();
    let output = mnist_tch(folder.path(), "--help").assert().success();
    let text = String::from_utf8(output.get_output().stdout.clone()).unwrap();
    for option in [
        "--device",
        "--epochs",
        "--batch-size",
        "--lr",
        "--seed",
        "--init",
        "--eval-every",
        "--checkpoint-every",
        "--resume",
        "--dataset",
        "--data-dir",
        "--mirror",
        "--train-range",
        "--test-range",
        "--classes",
        "--shuffle",
        "--threads",
        "--out",
        "--force",
        "--quiet",
        "--min-accuracy",
        "Examples:",
        "devices",
        "fetch",
    ] {
        assert!(text.contains(option), "{option}");
    }
}

#[test]
fn wrong_usage_is_status_2_and_names_the_option() {
    let folder = tempdir().unwrap();
    for line in [
        "--epochs 0",
        "--lr -1",
        "--device gpu",
        "--min-accuracy 90",
        "--force",
        "--unknown",
        "train",
    ] {
        let word = line.split(' ').next().unwrap();
        let output = mnist_tch(folder.path(), line).assert().code(2);
        output.stderr(predicate::str::contains(word)).stdout("");
    }
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn results_go_to_stdout_and_progress_to_stderr() {
    let folder = tempdir().unwrap();
    let output = mnist_tch(folder.path(), SMALL).assert().success();
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    let (stdout, stderr) = (
        text(&output.get_output().stdout),
        text(&output.get_output().stderr),
    );
    for part in [
        "start",
        "epoch 1",
        "epoch 2",
        "true \\ predicted",
        "files in runs",
        "model.safetensors",
    ] {
        assert!(stdout.contains(part), "{part}: {stdout}");
    }
    let lines: Vec<&str> = stderr.lines().collect();
    assert_eq!(lines.len(), 2, "{stderr}");
    assert!(lines[0].starts_with("epoch 1/2  step 3  loss "), "{stderr}");
    assert!(
        lines[1].contains("accuracy 0.") && lines[1].ends_with("images/s trained on"),
        "{stderr}"
    );
    assert!(
        !stderr.contains('\u{1b}') && !stderr.contains('\r'),
        "{stderr:?}"
    );
    // Without --out a run gets a folder of its own.
    assert_eq!(fs::read_dir(folder.path().join("runs")).unwrap().count(), 1);
}

#[test]
fn quiet_prints_nothing() {
    let folder = tempdir().unwrap();
    let output = mnist_tch(folder.path(), &format!("{SMALL} --quiet --out run")).assert();
    output.success().stdout("").stderr("");
    assert!(folder.path().join("run/summary.json").exists());
}

#[test]
fn an_accuracy_below_the_minimum_is_status_1_with_all_files_written() {
    let folder = tempdir().unwrap();
    let mut command = mnist_tch(
        folder.path(),
        &format!("{SMALL} --quiet --out run --min-accuracy 0.99"),
    );
    let line = error_line(&mut command, 1);
    assert!(line.contains("is below --min-accuracy 0.99"), "{line}");
    assert!(folder.path().join("run/summary.json").exists());
    let line = format!("{SMALL} --quiet --out other --min-accuracy 0.05");
    mnist_tch(folder.path(), &line).assert().success();
}

#[test]
fn results_are_replaced_only_with_force() {
    let folder = tempdir().unwrap();
    let line = format!("{SMALL} --quiet --out run");
    mnist_tch(folder.path(), &line).assert().success();
    let before = fs::read(folder.path().join("run/model.safetensors")).unwrap();
    let other = format!("{line} --seed 1");
    let error = error_line(&mut mnist_tch(folder.path(), &other), 1);
    assert!(error.contains("--force"), "{error}");
    assert_eq!(
        fs::read(folder.path().join("run/model.safetensors")).unwrap(),
        before
    );
    mnist_tch(folder.path(), &format!("{other} --force"))
        .assert()
        .success();
    assert_ne!(
        fs::read(folder.path().join("run/model.safetensors")).unwrap(),
        before
    );
}

#[test]
fn a_reader_that_leaves_early_is_no_error() {
    let folder = tempdir().unwrap();
    let mut child = Command::new(assert_cmd::cargo::cargo_bin("mnist-tch"))
        .current_dir(folder.path())
        .args(format!("{SMALL} --out run").split(' '))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(
        output.status.success() && !stderr.contains("error"),
        "{stderr}"
    );
    assert!(folder.path().join("run/summary.json").exists());
}

#[test]
fn devices_tells_what_is_there() {
    let folder = tempdir().unwrap();
    let output = mnist_tch(folder.path(), "devices").assert().success();
    let text = String::from_utf8(output.get_output().stdout.clone()).unwrap();
    for name in [
        "libtorch",
        "CUDA build",
        "driver",
        "GPU",
        "threads",
        "usable      cpu",
    ] {
        assert!(text.contains(name), "{name}: {text}");
    }
}

#[test]
fn cuda_is_used_or_refused_at_once_but_never_replaced() {
    let folder = tempdir().unwrap();
    let devices = mnist_tch(folder.path(), "devices").assert().success();
    let has_gpu = String::from_utf8_lossy(&devices.get_output().stdout).contains("cuda:0");
    let begun = Instant::now();
    let mut command = mnist_tch(folder.path(), &SMALL.replace("cpu", "cuda"));
    if has_gpu {
        command.assert().success();
        return;
    }
    let error = error_line(&mut command, 1);
    assert!(error.contains("--device cuda: "), "{error}");
    assert!(error.contains("Devices here: cpu"), "{error}");
    assert!(
        begun.elapsed() < Duration::from_secs(20),
        "a refusal takes no training"
    );
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}

/// A folder with an `nvidia-smi` that answers with this driver version.
#[cfg(target_os = "linux")]
fn driver_of(version: &str) -> tempfile::TempDir {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempdir().unwrap();
    let path = folder.path().join("nvidia-smi");
    fs::write(&path, format!("#!/bin/sh\necho {version}\n")).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    folder
}

#[cfg(target_os = "linux")]
#[test]
fn with_a_driver_but_no_gpu_the_cause_is_named_without_a_panic() {
    if std::path::Path::new("/proc/driver/nvidia/version").exists() {
        return;
    }
    // A driver's word without a GPU: the CPU set lacks libraries, the CUDA set loads and finds nothing.
    for (version, causes) in [
        ("580.95.05", ["CUDA libraries are missing", "shows no GPU"]),
        ("470.1", ["driver 470.1 is too old: install driver 580"; 2]),
    ] {
        let driver = driver_of(version);
        let folder = tempdir().unwrap();
        let mut command = mnist_tch(folder.path(), "--device cuda");
        command.env("PATH", driver.path());
        let error = error_line(&mut command, 1);
        assert!(causes.iter().any(|cause| error.contains(cause)), "{error}");
        assert!(error.contains("Devices here: cpu"), "{error}");
    }
}

#[test]
fn a_gpu_that_is_not_there_is_refused() {
    let folder = tempdir().unwrap();
    let error = error_line(&mut mnist_tch(folder.path(), "--device cuda:99"), 1);
    assert!(error.contains("--device cuda: "), "{error}");
}

#[cfg(not(target_os = "macos"))]
#[test]
fn mps_is_for_apple_silicon() {
    let folder = tempdir().unwrap();
    let error = error_line(&mut mnist_tch(folder.path(), "--device mps"), 1);
    assert!(error.contains("Apple silicon"), "{error}");
}
