//! A run that was stopped, killed or cut short goes on and ends as if nothing had happened; what it cannot go on from
//! it refuses, and touches nothing.

#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use std::collections::BTreeMap;
use std::fs;
use std::num::NonZeroUsize;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::thread::sleep;
use std::time::{Duration, Instant};

use common::{error_line, mnist_tch, write_set};
use mnist_tch::data::mnist_10k;
use mnist_tch::learn::config::Config;
use mnist_tch::learn::device::Device;
use mnist_tch::learn::record::Step;
use mnist_tch::learn::state::State;
use mnist_tch::learn::training::Training;
use mnist_tch::learn::weights::Weights;
use predicates::prelude::*;
use tempfile::{TempDir, tempdir};

/// 120 steps of some milliseconds: long enough to be stopped on the way.
const JOB: &str = "--device cpu --epochs 40 --train-range ..300 --test-range ..200";

/// Everything in a folder, by name.
fn contents(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let file = |entry: Result<fs::DirEntry, _>| {
        let entry: fs::DirEntry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        (name, fs::read(entry.path()).unwrap())
    };
    fs::read_dir(folder).unwrap().map(file).collect()
}

/// The files of a complete run, without the summary, which holds times.
fn results(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut files = contents(folder);
    assert!(files.remove("summary.json").is_some());
    assert_eq!(files.len(), 6, "{:?}", files.keys());
    files
}

/// Starts the job in `folder`/run and waits until it has written `rows` rows.
fn start(folder: &TempDir, options: &str, rows: usize) -> Child {
    let line = format!("{JOB} --out run {options}");
    let mut child = Command::new(assert_cmd::cargo::cargo_bin("mnist-tch"))
        .current_dir(folder.path())
        .args(line.split_whitespace())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let (log, begun) = (folder.path().join("run/accuracy.csv"), Instant::now());
    let written = || fs::read_to_string(&log).map_or(0, |text| text.lines().count());
    while written() <= rows {
        assert!(child.try_wait().unwrap().is_none(), "it ended by itself");
        assert!(
            begun.elapsed() < Duration::from_secs(120),
            "it makes no rows"
        );
        sleep(Duration::from_millis(1));
    }
    child
}

/// Sends a signal and gives the exit status and what was printed.
fn stop(child: Child, signal: &str) -> (i32, String) {
    let kill = Command::new("kill")
        .args([signal, &child.id().to_string()])
        .status();
    assert!(kill.unwrap().success());
    let output = child.wait_with_output().unwrap();
    let text = String::from_utf8(output.stderr).unwrap();
    (output.status.code().unwrap(), text)
}

/// A folder with a run that was stopped after a few steps.
fn stopped() -> TempDir {
    let folder = tempdir().unwrap();
    let (status, text) = stop(start(&folder, "--quiet", 4), "-TERM");
    assert_eq!(status, 143, "{text}");
    folder
}

fn resume(folder: &TempDir, options: &str) -> assert_cmd::Command {
    mnist_tch(folder.path(), &format!("--resume run {options}"))
}

/// The results of the job that nobody stopped, with the images in order or shuffled.
fn uninterrupted(shuffle: bool) -> &'static BTreeMap<String, Vec<u8>> {
    static RESULTS: [OnceLock<BTreeMap<String, Vec<u8>>>; 2] = [const { OnceLock::new() }; 2];
    RESULTS[usize::from(shuffle)].get_or_init(|| {
        let folder = tempdir().unwrap();
        let shuffle = if shuffle { "--shuffle" } else { "" };
        let line = format!("{JOB} --quiet --out run {shuffle}");
        mnist_tch(folder.path(), &line).assert().success();
        results(&folder.path().join("run"))
    })
}

#[test]
fn stopped_by_sigterm_and_ctrl_c_it_says_how_to_go_on_and_ends_with_the_same_bytes() {
    let shuffled = "--shuffle --checkpoint-every 2";
    for (shuffle, options, rows) in [(false, "", 1), (true, shuffled, 50)] {
        let folder = tempdir().unwrap();
        let run = folder.path().join("run");
        let (status, text) = stop(start(&folder, &format!("{options} --quiet"), rows), "-INT");
        assert_eq!(status, 130, "{text}");
        assert!(text.starts_with("stopped by Ctrl-C after step "), "{text}");
        assert!(
            text.ends_with("of 120; go on with: mnist-tch --resume run\n"),
            "{text}"
        );
        let files = contents(&run);
        let names: Vec<&str> = files.keys().map(String::as_str).collect();
        let there = "accuracy.csv accuracy.png checkpoint.safetensors confusion.csv confusion.png model.safetensors";
        assert_eq!(names.join(" "), there);
        // Stopped once more on the way, then to the end.
        let mut command = resume(&folder, "--quiet");
        let child = command.timeout(Duration::from_millis(700)).ok();
        assert!(child.is_err() || run.join("summary.json").exists());
        resume(&folder, "--quiet")
            .assert()
            .success()
            .stdout("")
            .stderr("");
        assert_eq!(&results(&run), uninterrupted(shuffle), "{options}");
    }
}

#[test]
fn killed_at_once_or_later_it_ends_with_the_same_bytes() {
    let expected = uninterrupted(true);
    for rows in [1, 20, 90] {
        let folder = tempdir().unwrap();
        let mut child = start(&folder, "--shuffle --quiet", rows);
        child.kill().unwrap();
        child.wait().unwrap();
        resume(&folder, "").assert().success();
        assert_eq!(
            &results(&folder.path().join("run")),
            expected,
            "{rows} rows"
        );
    }
}

#[test]
fn rows_lost_or_torn_after_a_crash_come_back() {
    let expected = uninterrupted(false);
    for torn in [
        None,
        Some("epoch,batch,step,train_loss,test_accuracy\n1,1,1,2.5"),
    ] {
        let folder = stopped();
        let log = folder.path().join("run/accuracy.csv");
        match torn {
            Some(rows) => fs::write(log, rows).unwrap(),
            None => fs::remove_file(log).unwrap(),
        }
        resume(&folder, "--quiet").assert().success();
        assert_eq!(&results(&folder.path().join("run")), expected);
    }
}

#[test]
fn damaged_and_foreign_checkpoints_are_refused_and_nothing_is_touched() {
    let folder = stopped();
    let run = folder.path().join("run");
    let path = run.join("checkpoint.safetensors");
    let good = fs::read(&path).unwrap();
    let model = fs::read(run.join("model.safetensors")).unwrap();
    let mut flipped = good.clone();
    flipped[20_000] ^= 4;
    let mut newer = good.clone();
    let format = b"mnist-tch checkpoint 1";
    let place = good.windows(format.len()).position(|part| part == format);
    newer[place.unwrap() + format.len() - 1] = b'9';
    for (bytes, part) in [
        (
            good[..good.len() / 2].to_vec(),
            "damaged, or not a checkpoint",
        ),
        (flipped, "damaged: its content does not have the SHA-256"),
        (model, "not a checkpoint of mnist-tch"),
        (b"<!DOCTYPE html>".to_vec(), "damaged, or not a checkpoint"),
        (newer, "\"mnist-tch checkpoint 9\""),
        (Vec::new(), "damaged, or not a checkpoint"),
    ] {
        fs::write(&path, &bytes).unwrap();
        let before = contents(&run);
        let error = error_line(&mut resume(&folder, ""), 1);
        assert!(
            error.contains(part) && error.contains("run/checkpoint.safetensors"),
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
    assert!(
        error.contains("run holds no checkpoint.safetensors"),
        "{error}"
    );
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
    let child = start(&folder, "--quiet", 1);
    for line in [
        "--resume run".to_owned(),
        format!("{JOB} --out run --force"),
    ] {
        let error = error_line(&mut mnist_tch(folder.path(), &line), 1);
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
    let (status, text) = stop(start(&folder, "--quiet --data-dir images", 4), "-TERM");
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

/// The small job: three steps an epoch, the last one smaller, on the library itself.
fn training(config: &Config, state: &State, threads: usize) -> Training {
    let split = mnist_10k().unwrap().resized(Some(250), Some(300)).unwrap();
    let threads = NonZeroUsize::new(threads).unwrap();
    Training::resume(config, state, &split, Device::CPU, threads).unwrap()
}

fn steps(training: &mut Training) -> Vec<Step> {
    training.map(Result::unwrap).collect()
}

#[test]
fn stopped_after_any_step_training_goes_on_with_the_same_numbers() {
    for shuffle in [false, true] {
        let config = Config {
            shuffle,
            ..Config::default()
        };
        let initial = State::initial(Weights::initial(config.init, 0, 10));
        let mut whole = training(&config, &initial, 2);
        let expected = steps(&mut whole);
        assert_eq!(expected.len(), 15);
        for (after, threads) in (0..15).zip([1, 2, 3].into_iter().cycle()) {
            let mut first = training(&config, &initial, threads);
            let mut made: Vec<Step> = first.by_ref().take(after).map(Result::unwrap).collect();
            first.stop();
            made.extend(steps(&mut first));
            let state = first.state().unwrap();
            assert_eq!(state.step(), made.len(), "what is made is yielded");
            let mut second = training(&config, &state, 2);
            made.extend(steps(&mut second));
            assert_eq!(made, expected, "stopped after step {after}");
            assert_eq!(second.state().unwrap(), whole.state().unwrap());
        }
    }
}

#[test]
fn a_state_that_is_kept_on_the_way_is_that_of_its_step() {
    let config = Config {
        checkpoint_every: 2,
        shuffle: true,
        ..Config::default()
    };
    let initial = State::initial(Weights::initial(config.init, 0, 10));
    let expected = steps(&mut training(&config, &initial, 3));
    let kept: Vec<&Step> = expected
        .iter()
        .filter(|step| step.state.is_some())
        .collect();
    let places: Vec<usize> = kept.iter().map(|step| step.step).collect();
    assert_eq!(places, [2, 3, 4, 6, 8, 9, 10, 12, 14, 15]);
    for step in kept {
        let state = step.state.as_ref().unwrap();
        assert_eq!(state.step(), step.step);
        assert_eq!(
            steps(&mut training(&config, state, 1)),
            expected[step.step..]
        );
    }
}
