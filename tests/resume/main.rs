//! A run that was stopped, killed or cut short goes on and ends as if nothing had happened; what it cannot go on from
//! it refuses, and touches nothing.

#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[path = "../common/mod.rs"]
mod common;
mod library;
mod refused;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::thread::sleep;
use std::time::{Duration, Instant};

use common::mnist_tch;
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

/// Starts the program and waits until `folder`/run has so many `rows` more than before.
fn start(folder: &TempDir, line: &str, rows: usize) -> Child {
    let log = folder.path().join("run/accuracy.csv");
    let written = || fs::read_to_string(&log).map_or(0, |text| text.lines().count());
    let (before, begun) = (written().max(1), Instant::now());
    let mut child = Command::new(assert_cmd::cargo::cargo_bin("mnist-tch"))
        .current_dir(folder.path())
        .args(line.split_whitespace())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    while written() < before + rows {
        assert!(child.try_wait().unwrap().is_none(), "it ended by itself");
        let waited = begun.elapsed();
        assert!(waited < Duration::from_secs(120), "it makes no rows");
        sleep(Duration::from_millis(1));
    }
    child
}

/// The job, in `folder`/run, with more options.
fn job(options: &str) -> String {
    format!("{JOB} --out run {options}")
}

/// Sends a signal and gives the exit status and what was printed.
fn stop(child: Child, signal: &str) -> (i32, String) {
    let mut kill = Command::new("kill");
    kill.args([signal, &child.id().to_string()]);
    assert!(kill.status().unwrap().success());
    let output = child.wait_with_output().unwrap();
    let text = String::from_utf8(output.stderr).unwrap();
    (output.status.code().unwrap(), text)
}

/// A folder with a run that was stopped after a few steps.
fn stopped() -> TempDir {
    let folder = tempdir().unwrap();
    let (status, text) = stop(start(&folder, &job("--quiet"), 4), "-TERM");
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
        let line = job(&format!("--quiet {shuffle}"));
        mnist_tch(folder.path(), &line).assert().success();
        results(&folder.path().join("run"))
    })
}

#[test]
fn stopped_by_ctrl_c_it_says_how_to_go_on_and_ends_with_the_same_bytes() {
    let shuffled = "--shuffle --checkpoint-every 2 --quiet";
    for (shuffle, options, rows) in [(false, "--quiet", 1), (true, shuffled, 50)] {
        let folder = tempdir().unwrap();
        let run = folder.path().join("run");
        let (status, text) = stop(start(&folder, &job(options), rows), "-INT");
        assert_eq!(status, 130, "{text}");
        assert!(text.starts_with("stopped by Ctrl-C after step "), "{text}");
        let hint = "of 120; go on with: mnist-tch --resume run\n";
        assert!(text.ends_with(hint), "{text}");
        let files = contents(&run);
        let names: Vec<&str> = files.keys().map(String::as_str).collect();
        let there = "accuracy.csv accuracy.png checkpoint.jsonl confusion.csv confusion.png \
                     model.safetensors";
        assert_eq!(names.join(" "), there);
        // Stopped once more on the way, then to the end.
        let (status, text) = stop(start(&folder, "--resume run --quiet", 1), "-TERM");
        assert_eq!(status, 143, "{text}");
        assert!(
            !run.join("summary.json").exists(),
            "it was stopped too late"
        );
        let rest = resume(&folder, "--quiet").assert();
        rest.success().stdout("").stderr("");
        assert_eq!(&results(&run), uninterrupted(shuffle), "{options}");
    }
}

#[test]
fn killed_at_once_or_later_it_ends_with_the_same_bytes() {
    let folder = tempdir().unwrap();
    let run = folder.path().join("run");
    let lines = [job("--shuffle --quiet"), "--resume run".to_owned()];
    for (line, rows) in [(&lines[0], 1), (&lines[1], 20), (&lines[1], 60)] {
        let mut child = start(&folder, line, rows);
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(!run.join("summary.json").exists(), "it was killed too late");
    }
    resume(&folder, "").assert().success();
    assert_eq!(&results(&run), uninterrupted(true));
}

#[test]
fn rows_lost_or_torn_after_a_crash_come_back() {
    let torn = "epoch,batch,step,train_loss,test_accuracy\n1,1,1,2.5";
    for left in [None, Some(torn)] {
        let folder = stopped();
        let log = folder.path().join("run/accuracy.csv");
        match left {
            Some(rows) => fs::write(log, rows).unwrap(),
            None => fs::remove_file(log).unwrap(),
        }
        resume(&folder, "--quiet").assert().success();
        assert_eq!(&results(&folder.path().join("run")), uninterrupted(false));
    }
}
