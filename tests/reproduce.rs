//! `mnist-tch reproduce` as a whole: what it writes, stopped and started again, shared among machines.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use common::{error_line, mnist_tch};
use predicates::prelude::*;
use predicates::str::contains;
use tempfile::{TempDir, tempdir};

/// Runs of four steps that take a tenth of a second each.
const SMALL: &str = "reproduce --device cpu --epochs 2 --train-range ..200 --test-range ..100";

/// The files that must be the same whenever the same seeds are run.
const SAME: [&str; 5] = [
    "verdict.json",
    "band.png",
    "confusion.png",
    "curves.csv",
    "seeds.csv",
];

/// A folder with the curve of a run of the small job, to compare with.
fn with_curve() -> TempDir {
    let folder = tempdir().unwrap();
    let rows = "step,test_accuracy\n1,0.1\n2,0.15\n3,0.2\n4,0.3\n";
    fs::write(folder.path().join("curve.csv"), rows).unwrap();
    folder
}

fn small(folder: &Path, more: &str) -> assert_cmd::Command {
    mnist_tch(folder, &format!("{SMALL} --compare curve.csv {more}"))
}

fn same_files(folder: &Path, one: &str, other: &str) {
    for name in SAME {
        let [one, other] = [one, other].map(|run| fs::read(folder.join(run).join(name)).unwrap());
        assert!(one == other, "{name} differs");
    }
}

#[test]
fn the_files_hold_every_seed_and_the_verdict_is_printed() {
    let folder = with_curve();
    let expected = contains("curve.csv against 3 runs (init flux, 4 scored steps)")
        .and(contains("epoch   step  compared"))
        .and(contains("band.png"));
    small(folder.path(), "--seeds 5..8 --out r")
        .assert()
        .success()
        .stdout(expected);
    let text = |name: &str| fs::read_to_string(folder.path().join("r").join(name)).unwrap();
    let lines: Vec<String> = text("curves.csv").lines().map(str::to_owned).collect();
    assert_eq!(
        (lines.len(), lines[0].as_str()),
        (1 + 3 * 4, "seed,step,test_accuracy")
    );
    assert!(
        lines[1].starts_with("5,1,0.") && lines[12].starts_with("7,4,0."),
        "{lines:?}"
    );
    assert!(text("seeds.csv").starts_with("seed,epoch_1,epoch_2\n5,0."));
    assert_eq!(text("timings.csv").lines().count(), 4);
    let verdict: serde_json::Value = serde_json::from_str(&text("verdict.json")).unwrap();
    assert_eq!(
        (&verdict["runs"], &verdict["steps"]),
        (&3.into(), &4.into())
    );
    let rank = verdict["rank"].as_f64().unwrap();
    assert_eq!(verdict["reproduced"], rank <= 0.95);
}

#[test]
fn a_seeds_curve_is_that_of_a_run_of_its_own() {
    let folder = with_curve();
    small(folder.path(), "--seeds 3..5 --out r -q")
        .assert()
        .success();
    let line =
        "--device cpu --epochs 2 --train-range ..200 --test-range ..100 --seed 4 --out own -q";
    mnist_tch(folder.path(), line).assert().success();
    let column = |file: &str, seed: Option<&str>| -> Vec<String> {
        let text = fs::read_to_string(folder.path().join(file)).unwrap();
        let rows = text
            .lines()
            .skip(1)
            .map(|row| row.split(',').collect::<Vec<_>>());
        let rows = rows.filter(|row| seed.is_none_or(|seed| row[0] == seed));
        rows.map(|row| row[row.len() - 1].to_owned()).collect()
    };
    let own = column("own/accuracy.csv", None);
    assert_eq!((own.len(), column("r/curves.csv", Some("4"))), (4, own));
}

#[test]
fn the_curve_of_one_of_the_runs_is_reproduced() {
    let folder = with_curve();
    let line =
        "--device cpu --epochs 2 --train-range ..200 --test-range ..100 --seed 1 --out own -q";
    mnist_tch(folder.path(), line).assert().success();
    let compared = format!("{SMALL} --seeds 0..5 --compare own/accuracy.csv --out r");
    mnist_tch(folder.path(), &compared)
        .assert()
        .success()
        .stdout(contains("reproduced: own/accuracy.csv"));
}

#[test]
fn killed_at_any_moment_it_goes_on_and_ends_with_the_same_files() {
    let folder = with_curve();
    small(folder.path(), "--seeds 0..12 --jobs 1 --out whole -q")
        .assert()
        .success();
    for moment in [100, 250, 400] {
        let words = format!("{SMALL} --compare curve.csv --seeds 0..12 --jobs 2 --out killed");
        let mut process = Command::new(assert_cmd::cargo::cargo_bin("mnist-tch"))
            .current_dir(folder.path())
            .args(words.split_whitespace())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        thread::sleep(Duration::from_millis(moment));
        process.kill().unwrap();
        process.wait().unwrap();
    }
    small(folder.path(), "--seeds 0..12 --jobs 2 --out killed -q")
        .assert()
        .success();
    same_files(folder.path(), "whole", "killed");
}

#[test]
fn seeds_that_are_there_are_not_run_again() {
    let folder = with_curve();
    small(folder.path(), "--seeds 0..3 --out r -q")
        .assert()
        .success();
    let kept = folder.path().join("r/seeds/1.json");
    let before = fs::metadata(&kept).unwrap().modified().unwrap();
    let note = contains("3 of 5 seeds are there already").and(contains("seed 4"));
    small(folder.path(), "--seeds 0..5 --out r")
        .assert()
        .success()
        .stderr(note);
    assert_eq!(fs::metadata(&kept).unwrap().modified().unwrap(), before);
    small(folder.path(), "--seeds 0..5 --out fresh -q")
        .assert()
        .success();
    same_files(folder.path(), "r", "fresh");
}

#[test]
fn parts_of_several_machines_merge_into_the_files_of_one() {
    let folder = with_curve();
    let path = folder.path();
    small(path, "--seeds 0..7 --out whole -q")
        .assert()
        .success();
    small(path, "--seeds 0..7 --shard 1/2 --out a")
        .assert()
        .success()
        .stdout(contains("4 seeds"));
    assert!(
        !path.join("a/verdict.json").exists(),
        "a part is not the whole"
    );
    let merge = "reproduce --compare curve.csv --merge a b --seeds 0..7 --out merged";
    let error = error_line(&mut mnist_tch(path, merge), 1);
    assert!(
        error.contains("b is no folder of mnist-tch reproduce"),
        "{error}"
    );
    let alone = merge.replace("a b", "a");
    let error = error_line(&mut mnist_tch(path, &alone), 1);
    assert!(
        error.contains("3 of 7 seeds are missing (1, 3, 5)"),
        "{error}"
    );
    small(path, "--seeds 0..7 --shard 2/2 --out b -q")
        .assert()
        .success();
    mnist_tch(path, merge).assert().success();
    same_files(path, "whole", "merged");
}

#[test]
fn a_folder_of_another_job_is_refused() {
    let folder = with_curve();
    small(folder.path(), "--seeds 0..2 --out r -q")
        .assert()
        .success();
    let error = error_line(
        &mut small(folder.path(), "--seeds 0..2 --init glorot --out r"),
        1,
    );
    assert!(
        error.contains(r#"configuration.init: "flux" there, "glorot" here"#),
        "{error}"
    );
    let error = error_line(&mut small(folder.path(), "--seeds 0..2 --out curve.csv"), 1);
    assert!(error.contains("curve.csv is a file"), "{error}");
}

#[test]
fn a_curve_of_other_steps_is_refused_before_the_work() {
    let folder = with_curve();
    let line = format!("{SMALL} --seeds 0..2 --out r");
    let error = error_line(&mut mnist_tch(folder.path(), &line), 1);
    assert!(
        error.contains("the article has 250 scored steps"),
        "{error}"
    );
    assert!(!folder.path().join("r").exists());
    let line = format!("{SMALL} --compare absent.csv");
    let error = error_line(&mut mnist_tch(folder.path(), &line), 1);
    assert!(error.contains("cannot open absent.csv"), "{error}");
}
