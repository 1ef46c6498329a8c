//! `mnist-tch reproduce` as a whole: what it writes, interrupted, resumed, shared by processes.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use std::fs;
use std::path::Path;
use std::time::Duration;

use common::{fails, mnist_tch, printed, start};
use predicates::prelude::PredicateBooleanExt;
use predicates::str::{contains, starts_with};
use serde_json::Value;
use tempfile::{TempDir, tempdir};

/// A run of four steps that takes a tenth of a second.
const JOB: &str = "--device cpu --epochs 2 --train-range ..200 --test-range ..100";

/// The files that must have the same bytes for the same seeds.
const SAME: &str = "verdict.json band.png confusion.png curves.csv seeds.csv";

/// A folder with a curve of the job's steps to compare with.
fn with_curve() -> TempDir {
    let folder = tempdir().unwrap();
    let rows = "step,test_accuracy\n1,0.1\n2,0.15\n3,0.2\n4,0.3\n";
    fs::write(folder.path().join("curve.csv"), rows).unwrap();
    folder
}

fn reproduce(folder: &Path, more: &str) -> assert_cmd::Command {
    let line = format!("reproduce {JOB} --compare curve.csv {more}");
    mnist_tch(folder, &line)
}

/// Runs the job, which must succeed and print nothing.
fn run_quietly(folder: &Path, more: &str) {
    let run = reproduce(folder, &format!("{more} -q")).assert();
    run.success().stdout("").stderr("");
}

fn verdict(folder: &Path) -> Value {
    let file = fs::read(folder.join("verdict.json")).unwrap();
    serde_json::from_slice(&file).unwrap()
}

fn same_files(folder: &Path, one: &str, other: &str) {
    for name in SAME.split(' ') {
        let [one, other] = [one, other].map(|run| fs::read(folder.join(run).join(name)).unwrap());
        assert!(one == other, "{name} differs");
    }
}

#[test]
fn the_files_hold_every_seed_whose_curve_is_that_of_a_run_of_its_own() {
    let folder = tempdir().unwrap();
    let path = folder.path();
    printed(path, &format!("{JOB} --seed 6 --out own -q"));
    let line = format!("reproduce {JOB} --seeds 5..9 --compare own/accuracy.csv --out r");
    let shown = printed(path, &line);
    for part in [
        "reproduced: own/accuracy.csv against 3 runs (init flux, 4 scored steps)",
        "It is the curve of seed 6, which is left out of the runs.",
        "epoch   step  compared",
        "band.png",
    ] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    let text = |name: &str| fs::read_to_string(path.join(name)).unwrap();
    let curves = text("r/curves.csv");
    let lines: Vec<&str> = curves.lines().collect();
    assert_eq!(lines.len(), 1 + 4 * 4);
    assert_eq!(lines[0], "seed,step,test_accuracy");
    assert!(lines[1].starts_with("5,1,0."), "{lines:?}");
    assert!(lines[16].starts_with("8,4,0."), "{lines:?}");
    let last = |line: &str| line.rsplit(',').next().unwrap().to_owned();
    let of_seed_6: Vec<String> = lines[5..9].iter().map(|line| last(line)).collect();
    let own: Vec<String> = text("own/accuracy.csv").lines().skip(1).map(last).collect();
    assert_eq!(of_seed_6, own);
    assert!(text("r/seeds.csv").starts_with("seed,epoch_1,epoch_2\n5,0."));
    let timings = text("r/timings.csv");
    assert!(timings.starts_with("seed,seconds\n5,0.") && timings.lines().count() == 5);
    let verdict = verdict(&path.join("r"));
    assert_eq!(verdict["runs"], 3);
    assert_eq!(verdict["left_out"], 6);
    assert_eq!(verdict["steps"], 4);
    assert_eq!(verdict["reproduced"], true);
    let run = |deviation: &Value| deviation["seed"].as_u64();
    let runs = verdict["run_deviations"].as_array().unwrap().iter();
    assert_eq!(runs.map(run).collect::<Vec<_>>(), [5, 7, 8].map(Some));
}

#[test]
fn a_curve_far_from_the_runs_is_not_reproduced() {
    let folder = tempdir().unwrap();
    let path = folder.path();
    let rows = "step,test_accuracy\n1,0.9\n2,0.95\n3,0.97\n4,0.99\n";
    fs::write(path.join("better.csv"), rows).unwrap();
    let line = format!("reproduce {JOB} --seeds 0..3 --compare better.csv --out r");
    let shown = printed(path, &line);
    for part in [
        "not reproduced: better.csv against 3 runs",
        "at 0.0 % of the steps",
        "100 % lie closer",
        "(rank 1.00;",
        "  outside\n",
    ] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    let verdict = verdict(&path.join("r"));
    assert_eq!(verdict["rank"], 1.0);
    assert_eq!(verdict["share_inside_band"], 0.0);
    assert_eq!(verdict["reproduced"], false);
}

#[test]
fn a_curve_that_is_longer_or_shorter_than_the_runs_is_compared_as_far_as_both_go() {
    let folder = tempdir().unwrap();
    let path = folder.path();
    let begin = "step,test_accuracy\n1,0.1\n2,0.15\n";
    fs::write(path.join("short.csv"), begin).unwrap();
    for (compare, steps, scope) in [
        ("", 4, "the article has 250, the runs have 4"),
        ("--compare short.csv", 2, "short.csv has 2, the runs have 4"),
    ] {
        let line = format!("reproduce {JOB} --seeds 0..2 --out r {compare}");
        let shown = printed(path, &line);
        let scope = format!("(init flux, the first {steps} scored steps: {scope})");
        assert!(shown.contains(&scope), "{shown}");
        let verdict = verdict(&path.join("r"));
        assert_eq!(verdict["steps"], steps);
        let last = verdict["epochs"].as_array().unwrap().last().unwrap();
        assert_eq!(last["step"], steps);
    }
}

#[test]
fn one_seed_is_kept_without_a_verdict_for_a_later_run_of_more() {
    let folder = with_curve();
    let path = folder.path();
    let one = reproduce(path, "--seeds 3..4 --out r").assert().success();
    let no_verdict = "no verdict, which needs at least two seeds\n";
    let one = one.stdout(contains(no_verdict).and(contains("curves.csv")));
    let beforehand = "note: one seed gives no verdict, which needs at least two; its run is kept\n";
    one.stderr(starts_with(beforehand));
    let curve = fs::read_to_string(path.join("r/curves.csv")).unwrap();
    assert!(
        curve.lines().count() == 5 && curve.contains("\n3,4,0."),
        "{curve}"
    );

    // The run is there for others, and results of others go.
    let two = reproduce(path, "--seeds 2..4 --out r").assert().success();
    two.stderr(contains("1 of 2 seeds are complete"))
        .stdout(contains("band.png"));
    assert_eq!(verdict(&path.join("r"))["runs"], 2);
    run_quietly(path, "--seeds 2..3 --out r");
    for name in ["verdict.json", "band.png"] {
        assert!(!path.join("r").join(name).exists(), "{name}");
    }
    // Of two runs one may be the compared curve.
    printed(path, &format!("{JOB} --seed 3 --out own -q"));
    let line = format!("reproduce {JOB} --seeds 2..4 --out r --compare own/accuracy.csv");
    let shown = printed(path, &line);
    let reason = "needs at least two seeds: own/accuracy.csv is the curve of seed 3";
    assert!(shown.contains(reason), "{shown}");
}

#[test]
fn killed_on_its_way_it_goes_on_and_ends_with_the_same_files() {
    let folder = with_curve();
    let path = folder.path();
    run_quietly(path, "--seeds 0..24 --jobs 1 --out whole");
    let there = || {
        let seeds = fs::read_dir(path.join("killed/seeds"))
            .into_iter()
            .flatten();
        let names = seeds.map(|seed| seed.unwrap().file_name());
        let is_complete = |name: &std::ffi::OsString| !name.to_string_lossy().starts_with('.');
        names.filter(is_complete).count()
    };
    fs::create_dir_all(path.join("killed/seeds")).unwrap();
    let leftover = path.join("killed/seeds/.mnist-tch-killed");
    fs::write(&leftover, "half").unwrap();
    let seeds = "--seeds 0..24 --jobs 2 --out killed";
    for at_least in [1, 4] {
        let line = format!("reproduce {JOB} --compare curve.csv {seeds}");
        let mut process = start(path, &line, || there() >= at_least);
        process.kill().unwrap();
        process.wait().unwrap();
        assert!(there() < 24, "it was killed too late");
    }
    let rest = 24 - there();
    let resumed = reproduce(path, seeds).assert();
    let output = resumed.success().get_output().stderr.clone();
    let lines = String::from_utf8(output).unwrap();
    assert!(lines.contains("of 24 seeds are complete"), "{lines}");
    assert!(!leftover.exists());
    assert_eq!(lines.lines().count(), 1 + rest, "{lines}");
    same_files(path, "whole", "killed");
}

#[test]
fn two_processes_share_a_folder_and_the_whole_range_gives_the_files_of_one() {
    let folder = with_curve();
    let path = folder.path();
    run_quietly(path, "--seeds 0..7 --out whole");
    let halves = ["0..4", "4..7"].map(|seeds| {
        let line = format!("reproduce {JOB} --compare curve.csv --seeds {seeds} --out shared");
        start(path, &line, || true)
    });
    for mut half in halves {
        assert!(half.wait().unwrap().success());
    }
    let all = reproduce(path, "--seeds 0..7 --out shared").assert();
    all.success().stderr("7 of 7 seeds are complete\n");
    same_files(path, "whole", "shared");
    let seed = path.join("shared/seeds/2.json");
    let run = fs::read_to_string(&seed).unwrap();
    fs::write(&seed, run.replace(r#""seed":2"#, r#""seed":4"#)).unwrap();
    let line = format!("reproduce {JOB} --seeds 0..7 --out shared -q");
    let parts = [
        "cannot use shared/seeds/2.json: remove it",
        "it holds seed 4",
    ];
    fails(path, &line, &parts);
}

#[test]
fn of_two_jobs_that_start_into_one_new_folder_one_is_refused() {
    let folder = with_curve();
    let path = folder.path();
    let jobs = ["flux", "glorot"].map(|init| {
        let line =
            format!("reproduce {JOB} --compare curve.csv --seeds 0..2 --init {init} --out r");
        start(path, &line, || true)
    });
    let outputs = jobs.map(|job| job.wait_with_output().unwrap());
    let [winner, loser] = match outputs {
        [one, other] if one.status.success() => [one, other],
        [one, other] => [other, one],
    };
    assert!(winner.status.success() && loser.status.code() == Some(1));
    let error = String::from_utf8(loser.stderr).unwrap();
    assert!(
        error.starts_with("error: r holds runs of another job (config"),
        "{error}"
    );
}

#[test]
fn plans_that_no_memory_holds_are_refused_before_the_work() {
    let folder = tempdir().unwrap();
    let path = folder.path();
    let huge = "--device cpu --epochs 1000000 --batch-size 1";
    let parts = ["1000000 epochs of 5000 batches", "choose fewer --epochs"];
    fails(path, huge, &parts);
    fails(path, &format!("reproduce {huge}"), &parts);
    let many = "reproduce --device cpu --epochs 1000 --seeds 0..1000000";
    fails(
        path,
        many,
        &[
            "1000000 seeds with 50000 scored steps",
            "choose fewer --seeds",
        ],
    );
    assert_eq!(fs::read_dir(path).unwrap().count(), 0);
}

#[test]
fn a_folder_of_another_job_and_a_curve_of_other_steps_are_refused_before_the_work() {
    let folder = with_curve();
    let path = folder.path();
    let rows = "step,test_accuracy\n2,0.1\n4,0.3\n";
    fs::write(path.join("every-second.csv"), rows).unwrap();
    run_quietly(path, "--seeds 0..2 --out r");
    for (line, part) in [
        (
            "--compare curve.csv --out r --init glorot",
            r#"configuration.init: "flux" there, "glorot" here"#,
        ),
        ("--compare curve.csv --out curve.csv", "curve.csv is a file"),
        (
            "--out new --compare every-second.csv",
            "every-second.csv was scored after steps 2, 4, the runs after 1, 2, 3, ... 4",
        ),
        ("--out new --compare no.csv", "cannot open no.csv"),
    ] {
        fails(path, &format!("reproduce {JOB} {line}"), &[part]);
    }
    assert!(!path.join("new").exists());
}

#[test]
fn a_run_that_fails_ends_all_of_them_with_its_seed() {
    let folder = with_curve();
    let mut many = reproduce(folder.path(), "--seeds 7..90000 --jobs 1 --lr 1e39");
    // All runs together would take an hour.
    let ended = many.timeout(Duration::from_secs(120)).assert().code(1);
    ended.stderr(contains("seed 7: step 1 (epoch 1, batch 1): the weights"));
}
