//! The program as people and scripts meet it: exit statuses, stdout and stderr, devices.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use std::fs;
use std::process::{Command, Stdio};

use common::{SMALL, error_line, mnist_tch, printed};
use predicates::str::contains;
use tempfile::tempdir;

#[test]
fn wrong_usage_is_status_2_and_names_the_option() {
    let folder = tempdir().unwrap();
    for line in ["--epochs 0", "--force", "--unknown", "train"] {
        let word = line.split(' ').next().unwrap();
        let output = mnist_tch(folder.path(), line).assert().code(2);
        output.stderr(contains(word)).stdout("");
    }
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn results_go_to_stdout_and_progress_to_stderr() {
    let folder = tempdir().unwrap();
    let output = mnist_tch(folder.path(), SMALL).output().unwrap();
    let [stdout, stderr] =
        [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap());
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
    assert!(lines[1].contains("accuracy 0."), "{stderr}");
    assert!(lines[1].ends_with("images/s trained on"), "{stderr}");
    assert!(!stderr.contains(['\u{1b}', '\r']), "{stderr:?}");
    // Without --out a run gets a folder of its own.
    assert_eq!(fs::read_dir(folder.path().join("runs")).unwrap().count(), 1);
}

#[test]
fn an_accuracy_below_the_minimum_is_status_1_with_all_files_written() {
    let folder = tempdir().unwrap();
    let line = |least| format!("{SMALL} --quiet --out {least} --min-accuracy {least}");
    let error = error_line(&mut mnist_tch(folder.path(), &line("0.99")), 1);
    assert!(error.contains("is below --min-accuracy 0.99"), "{error}");
    assert!(folder.path().join("0.99/summary.json").exists());
    let enough = mnist_tch(folder.path(), &line("0.05")).assert();
    enough.success().stdout("").stderr("");
}

#[test]
fn results_are_replaced_only_with_force() {
    let folder = tempdir().unwrap();
    let model = || fs::read(folder.path().join("run/model.safetensors")).unwrap();
    let line = |more| format!("{SMALL} --quiet --out run {more}");
    printed(folder.path(), &line(""));
    let before = model();
    let error = error_line(&mut mnist_tch(folder.path(), &line("--seed 1")), 1);
    assert!(error.contains("--force"), "{error}");
    assert_eq!(model(), before);
    printed(folder.path(), &line("--seed 1 --force"));
    assert_ne!(model(), before);
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
    assert!(output.status.success(), "{stderr}");
    assert!(!stderr.contains("error"), "{stderr}");
    assert!(folder.path().join("run/summary.json").exists());
}

#[test]
fn devices_tells_what_is_there() {
    let folder = tempdir().unwrap();
    let text = printed(folder.path(), "devices");
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
fn cuda_is_used_or_refused_but_never_replaced() {
    let folder = tempdir().unwrap();
    let has_gpu = printed(folder.path(), "devices").contains("cuda:0");
    let cuda = |device| SMALL.replace("cpu", device);
    if has_gpu {
        printed(folder.path(), &cuda("cuda"));
    }
    let absent = if has_gpu { "cuda:99" } else { "cuda" };
    let error = error_line(&mut mnist_tch(folder.path(), &cuda(absent)), 1);
    assert!(error.contains("--device cuda: "), "{error}");
    assert!(error.contains("Devices here: cpu"), "{error}");
    if !has_gpu {
        let left = fs::read_dir(folder.path()).unwrap().count();
        assert_eq!(left, 0, "a refusal takes no training");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn with_a_driver_but_no_gpu_the_cause_is_named_without_a_panic() {
    use std::os::unix::fs::PermissionsExt;
    if std::path::Path::new("/proc/driver/nvidia/version").exists() {
        return;
    }
    // A driver's word without a GPU: the CPU set lacks libraries, the CUDA set finds nothing.
    for (version, causes) in [
        ("580.95.05", ["CUDA libraries are missing", "shows no GPU"]),
        ("470.1", ["driver 470.1 is too old: install driver 580"; 2]),
    ] {
        let folder = tempdir().unwrap();
        let tool = folder.path().join("nvidia-smi");
        fs::write(&tool, format!("#!/bin/sh\necho {version}\n")).unwrap();
        fs::set_permissions(&tool, fs::Permissions::from_mode(0o755)).unwrap();
        let mut command = mnist_tch(folder.path(), "--device cuda");
        let error = error_line(command.env("PATH", folder.path()), 1);
        assert!(causes.iter().any(|cause| error.contains(cause)), "{error}");
        assert!(error.contains("Devices here: cpu"), "{error}");
    }
}

#[cfg(not(target_os = "macos"))]
#[test]
fn mps_is_for_apple_silicon() {
    let folder = tempdir().unwrap();
    let error = error_line(&mut mnist_tch(folder.path(), "--device mps"), 1);
    assert!(error.contains("Apple silicon"), "{error}");
}
