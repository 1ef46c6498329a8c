//! A run that was stopped, killed or cut short goes on and ends as if nothing had happened; what
//! it cannot go on from it refuses, and touches nothing.

#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use std::collections::BTreeMap;
use std::fs;
use std::num::NonZeroUsize;
use std::path::Path;
use std::process::{Child, Command};
use std::sync::OnceLock;

use common::{SMALL, fails, mnist_tch, printed, small_run, write_set};
use mnist_tch::data::mnist_10k;
use mnist_tch::learn::{Config, Device, State, Step, Training};
use predicates::prelude::PredicateBooleanExt;
use predicates::str::contains;
use tempfile::{TempDir, tempdir};

/// 120 steps of some milliseconds: long enough to be stopped on the way.
const JOB: &str = "--device cpu --epochs 40 --train-range ..300 --test-range ..200 --out run";

type Files = BTreeMap<String, Vec<u8>>;

/// Everything in the run's folder, by name.
fn contents(folder: &Path) -> Files {
    let file = |entry: Result<fs::DirEntry, _>| {
        let entry: fs::DirEntry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        (name, fs::read(entry.path()).unwrap())
    };
    let files = fs::read_dir(folder.join("run")).unwrap();
    files.map(file).collect()
}

/// What else the job that is shuffled has: all that is random, and all that a run keeps in mind.
const EVERYTHING: &str = "--shuffle --augment 2 --lr-final 0 --keep best";

/// The files of a complete run, without those that hold times.
fn results(folder: &Path) -> Files {
    let mut files = contents(folder);
    for name in ["summary.json", "checkpoint.jsonl"] {
        assert!(files.remove(name).is_some());
    }
    assert!(files.len() >= 6, "{:?}", files.keys());
    files
}

/// Starts the program and waits until `folder`/run has so many `rows` more than before.
fn start(folder: &Path, line: &str, rows: usize) -> Child {
    let log = folder.join("run/accuracy.csv");
    let written = || fs::read_to_string(&log).map_or(0, |text| text.lines().count());
    let least = written().max(1) + rows;
    common::start(folder, line, || written() >= least)
}

/// Starts the program, sends a signal after some rows and gives what was printed. It has to come
/// before the end.
fn stopped(folder: &Path, line: &str, rows: usize, signal: &str, status: i32) -> String {
    let child = start(folder, line, rows);
    let mut kill = Command::new("kill");
    kill.args([signal, &child.id().to_string()]);
    assert!(kill.status().unwrap().success());
    let output = child.wait_with_output().unwrap();
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(status), "{text}");
    assert!(!folder.join("run/summary.json").exists(), "it was too late");
    text
}

/// A folder with a run that was stopped after a few steps.
fn with_stopped_run() -> TempDir {
    let folder = tempdir().unwrap();
    stopped(folder.path(), &format!("{JOB} -q"), 4, "-TERM", 143);
    folder
}

/// Goes on to the end, which has to be that of the job that nobody stopped, with the images in
/// order or with [`EVERYTHING`].
fn ends_as_if_uninterrupted(folder: &Path, options: &str, everything: bool) {
    static RESULTS: [OnceLock<Files>; 2] = [const { OnceLock::new() }; 2];
    printed(folder, &format!("--resume run {options}"));
    let expected = RESULTS[usize::from(everything)].get_or_init(|| {
        let folder = tempdir().unwrap();
        let more = if everything { EVERYTHING } else { "" };
        printed(folder.path(), &format!("{JOB} -q {more}"));
        results(folder.path())
    });
    assert!(results(folder) == *expected, "{options}");
}

#[test]
fn stopped_by_ctrl_c_it_says_how_to_go_on_and_ends_with_the_same_bytes() {
    let often = format!("{EVERYTHING} --checkpoint-every 2 -q");
    for (everything, options, rows) in [(false, "-q", 1), (true, &*often, 50)] {
        let folder = tempdir().unwrap();
        let path = folder.path();
        let text = stopped(path, &format!("{JOB} {options}"), rows, "-INT", 130);
        assert!(text.starts_with("stopped by Ctrl-C after step "), "{text}");
        let hint = "of 120; resume with: mnist-tch --resume run\n";
        assert!(text.ends_with(hint), "{text}");
        let names: Vec<String> = contents(path).into_keys().collect();
        let there = "accuracy.csv accuracy.png checkpoint.jsonl confusion.csv confusion.png \
                     model.safetensors";
        let best = if everything { "best.safetensors " } else { "" };
        let there = there.replace("checkpoint", &format!("{best}checkpoint"));
        assert_eq!(names.join(" "), there);
        // Stopped once more on the way, then to the end.
        stopped(path, "--resume run -q", 1, "-TERM", 143);
        ends_as_if_uninterrupted(path, "-q", everything);
    }
}

#[test]
fn killed_at_once_or_later_it_ends_with_the_same_bytes() {
    let folder = tempdir().unwrap();
    let begin = format!("{JOB} {EVERYTHING} -q");
    for (line, rows) in [(&*begin, 1), ("--resume run", 20), ("--resume run", 60)] {
        let mut child = start(folder.path(), line, rows);
        child.kill().unwrap();
        child.wait().unwrap();
        let end = folder.path().join("run/summary.json");
        assert!(!end.exists(), "it was killed too late");
    }
    ends_as_if_uninterrupted(folder.path(), "", true);
}

#[test]
fn rows_torn_in_a_crash_come_back() {
    let folder = with_stopped_run();
    let torn = "epoch,batch,step,train_loss,test_accuracy\n1,1,1,2.5";
    fs::write(folder.path().join("run/accuracy.csv"), torn).unwrap();
    ends_as_if_uninterrupted(folder.path(), "-q", false);
}

#[test]
fn stopped_after_any_step_training_goes_on_with_the_same_numbers() {
    let config = Config {
        shuffle: true,
        ..Config::default()
    };
    let split = mnist_10k().unwrap().resized(Some(250), Some(300)).unwrap();
    let training = |state: &State, threads: usize| {
        let threads = NonZeroUsize::new(threads).unwrap();
        Training::new(&config, state, &split, Device::CPU, threads).unwrap()
    };
    let steps = |training: &mut Training| -> Vec<Step> { training.map(Result::unwrap).collect() };
    let initial = State::new(&config, 10).unwrap();
    let mut whole = training(&initial, 3);
    let expected = steps(&mut whole);
    assert_eq!(expected.len(), 15);
    for after in 0..15 {
        let mut first = training(&initial, 1 + after % 3);
        let mut made: Vec<Step> = first.by_ref().take(after).map(Result::unwrap).collect();
        first.stop();
        made.extend(steps(&mut first));
        let state = first.state().unwrap();
        assert_eq!(state.step(), made.len(), "what is made is yielded");
        let mut second = training(&state, 2);
        made.extend(steps(&mut second));
        assert_eq!(made, expected, "stopped after step {after}");
        assert_eq!(second.state().unwrap(), whole.state().unwrap());
    }
}

// What else a checkpoint may hold is tested where it is read: src/train/tests.rs.
#[test]
fn what_is_no_run_that_can_go_on_is_refused_and_one_that_can_is_not_replaced() {
    let empty = tempdir().unwrap();
    fails(empty.path(), "--resume run", &["run: no such folder"]);
    fs::create_dir(empty.path().join("run")).unwrap();
    let parts = ["run has no checkpoint.jsonl"];
    fails(empty.path(), "--resume run", &parts);
    assert!(contents(empty.path()).is_empty());

    let folder = with_stopped_run();
    let before = contents(folder.path());
    let line = format!("{SMALL} -q --out run");
    fails(folder.path(), &line, &["--resume run", "--force"]);
    assert!(contents(folder.path()) == before);
    let checkpoint = folder.path().join("run/checkpoint.jsonl");
    let mut flipped = fs::read(&checkpoint).unwrap();
    flipped[20_000] ^= 4;
    fs::write(&checkpoint, flipped).unwrap();
    let before = contents(folder.path());
    let parts = [
        "run/checkpoint.jsonl",
        "damaged: the content does not match",
    ];
    fails(folder.path(), "--resume run", &parts);
    assert!(contents(folder.path()) == before);
    printed(folder.path(), &format!("{line} --force"));
    results(folder.path());
}

#[test]
fn a_complete_run_has_nothing_to_resume() {
    let folder = tempdir().unwrap();
    small_run(&folder, "-q");
    let before = contents(folder.path());
    let output = mnist_tch(folder.path(), "--resume run").assert().success();
    let complete = "is complete (accuracy 0.";
    output
        .stdout("")
        .stderr(contains(complete).and(contains("nothing to resume")));
    let again = mnist_tch(folder.path(), "--resume run -q").assert();
    again.success().stderr("");
    let line = "--resume run -q --min-accuracy 0.99";
    fails(folder.path(), line, &["below --min-accuracy 0.99"]);
    assert!(contents(folder.path()) == before);
}

#[test]
fn with_more_epochs_a_run_ends_as_if_it_had_been_planned_so() {
    let [whole, folder] = [4, 2].map(|epochs| {
        let folder = tempdir().unwrap();
        let job = SMALL.replace("epochs 2", &format!("epochs {epochs}"));
        let line = format!("{job} -q --out run --keep best --shuffle");
        printed(folder.path(), &line);
        folder
    });
    let path = folder.path();
    // As many as there are change nothing, so that a script can say it again.
    let before = contents(path);
    printed(path, "--resume run -q --epochs 2");
    let parts = ["--epochs 1: the run was started with 2"];
    fails(path, "--resume run --epochs 1", &parts);
    assert!(contents(path) == before);
    printed(path, "--resume run -q --epochs 4");
    assert!(results(path) == results(whole.path()));

    printed(path, &format!("{SMALL} -q --out run --force --lr-final 0"));
    let parts = ["--epochs 9", "learning rate was to reach", "--from"];
    fails(path, "--resume run --epochs 9", &parts);
}

#[test]
fn two_processes_never_work_in_one_folder() {
    let folder = tempdir().unwrap();
    let mut child = start(folder.path(), &format!("{JOB} -q"), 1);
    for line in ["--resume run", &format!("{JOB} --force")] {
        fails(folder.path(), line, &["another process is using"]);
    }
    child.kill().unwrap();
    child.wait().unwrap();
    ends_as_if_uninterrupted(folder.path(), "-q", false);
}

#[test]
fn images_that_moved_are_found_with_data_dir_and_other_images_are_refused() {
    let folder = tempdir().unwrap();
    let path = folder.path();
    let split = mnist_10k().unwrap().resized(Some(300), Some(200)).unwrap();
    let [images, moved] = ["images", "moved"].map(|name| path.join(name));
    fs::create_dir(&images).unwrap();
    for (prefix, set) in [("train", &split.train), ("t10k", &split.test)] {
        write_set(&images, prefix, set.pixels(), set.labels());
    }
    let line = format!("{JOB} -q --data-dir images");
    stopped(path, &line, 4, "-TERM", 143);
    let before = contents(path);
    fs::rename(&images, &moved).unwrap();
    let parts = ["images: no such folder", "--data-dir"];
    fails(path, "--resume run", &parts);
    // One pixel of one image is another.
    let file = moved.join("t10k-images-idx3-ubyte");
    let good = fs::read(&file).unwrap();
    let mut other = good.clone();
    other[10_000] ^= 1;
    fs::write(&file, other).unwrap();
    let parts = ["have changed since the run started"];
    fails(path, "--resume run --data-dir moved", &parts);
    fs::write(&file, good).unwrap();
    assert!(contents(path) == before);
    ends_as_if_uninterrupted(path, "--data-dir moved -q", false);
}
