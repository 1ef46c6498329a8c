//! `mnist-tch reproduce` as a whole: what it writes, stopped, started again, shared by machines.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use std::fs;
use std::path::Path;
use std::time::Duration;

use common::{fails, mnist_tch, printed, start};
use predicates::str::contains;
use tempfile::{TempDir, tempdir};

/// A run of four steps that takes a tenth of a second.
const JOB: &str = "--device cpu --epochs 2 --train-range ..200 --test-range ..100";

/// The files that must be the same whenever the same seeds are run.
const SAME: &str = "verdict.json band.png confusion.png curves.csv seeds.csv";

/// A folder with a curve of the job's steps, to compare with.
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

/// Makes the runs of these seeds in this folder, and prints nothing.
fn make(folder: &Path, more: &str) {
    let made = reproduce(folder, &format!("{more} -q")).assert();
    made.success().stdout("").stderr("");
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
    printed(folder.path(), &format!("{JOB} --seed 6 --out own -q"));
    let line = format!("reproduce {JOB} --seeds 5..8 --compare own/accuracy.csv --out r");
    let shown = printed(folder.path(), &line);
    let first = "reproduced: own/accuracy.csv against 3 runs (init flux, 4 scored steps)";
    for part in [first, "epoch   step  compared", "band.png"] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    let text = |name: &str| fs::read_to_string(folder.path().join(name)).unwrap();
    let curves = text("r/curves.csv");
    let lines: Vec<&str> = curves.lines().collect();
    assert_eq!(lines.len(), 1 + 3 * 4);
    assert_eq!(lines[0], "seed,step,test_accuracy");
    assert!(lines[1].starts_with("5,1,0."), "{lines:?}");
    assert!(lines[12].starts_with("7,4,0."), "{lines:?}");
    let last = |line: &str| line.rsplit(',').next().unwrap().to_owned();
    let of_seed_6: Vec<String> = lines[5..9].iter().map(|line| last(line)).collect();
    let own: Vec<String> = text("own/accuracy.csv").lines().skip(1).map(last).collect();
    assert_eq!(of_seed_6, own);
    assert!(text("r/seeds.csv").starts_with("seed,epoch_1,epoch_2\n5,0."));
    let timings = text("r/timings.csv");
    assert!(timings.starts_with("seed,seconds\n5,0.") && timings.lines().count() == 4);
    let verdict: serde_json::Value = serde_json::from_str(&text("r/verdict.json")).unwrap();
    assert_eq!(verdict["runs"], 3);
    assert_eq!(verdict["steps"], 4);
    assert_eq!(verdict["reproduced"], true);
}

#[test]
fn a_curve_that_is_longer_or_shorter_than_the_runs_is_compared_as_far_as_both_go() {
    let folder = tempdir().unwrap();
    let path = folder.path();
    let begin = "step,test_accuracy\n1,0.1\n2,0.15\n";
    fs::write(path.join("short.csv"), begin).unwrap();
    let job = format!("reproduce {JOB} --seeds 0..2 --out r");
    let merge = "reproduce --merge r --out r --compare short.csv";
    for (line, steps, scope) in [
        (&*job, 4, "the article has 250, the runs have 4"),
        (merge, 2, "short.csv has 2, the runs have 4"),
    ] {
        let shown = printed(path, line);
        let scope = format!("(init flux, the first {steps} scored steps: {scope})");
        assert!(shown.contains(&scope), "{shown}");
        let verdict = fs::read_to_string(path.join("r/verdict.json")).unwrap();
        let verdict: serde_json::Value = serde_json::from_str(&verdict).unwrap();
        assert_eq!(verdict["steps"], steps);
        let last = verdict["epochs"].as_array().unwrap().last().unwrap();
        assert_eq!(last["step"], steps);
    }
}

#[test]
fn killed_on_its_way_it_goes_on_and_ends_with_the_same_files() {
    let folder = with_curve();
    let path = folder.path();
    make(path, "--seeds 0..24 --jobs 1 --out whole");
    let there = || {
        let seeds = fs::read_dir(path.join("killed/seeds"))
            .into_iter()
            .flatten();
        let names = seeds.map(|seed| seed.unwrap().file_name());
        let is_complete = |name: &std::ffi::OsString| !name.to_string_lossy().starts_with('.');
        names.filter(is_complete).count()
    };
    let seeds = "--seeds 0..24 --jobs 2 --out killed";
    for at_least in [1, 4] {
        let line = format!("reproduce {JOB} --compare curve.csv {seeds}");
        let mut process = start(path, &line, || there() >= at_least);
        process.kill().unwrap();
        process.wait().unwrap();
        assert!(there() < 24, "it was killed too late");
    }
    let rest = 24 - there();
    let made = reproduce(path, seeds).assert();
    let output = made.success().get_output().stderr.clone();
    let lines = String::from_utf8(output).unwrap();
    assert!(lines.contains("of 24 seeds are there already"), "{lines}");
    assert_eq!(lines.lines().count(), 1 + rest, "{lines}");
    same_files(path, "whole", "killed");
}

#[test]
fn parts_of_several_machines_merge_into_the_files_of_one() {
    let folder = with_curve();
    let path = folder.path();
    make(path, "--seeds 0..7 --out whole");
    let part = reproduce(path, "--seeds 0..7 --shard 1/2 --out a").assert();
    part.success().stdout(contains("4 seeds"));
    let verdict = path.join("a/verdict.json");
    assert!(!verdict.exists(), "a part is not the whole");
    let merge = "reproduce --compare curve.csv --merge a b --seeds 0..7 --out merged";
    fails(path, merge, &["b is no folder of mnist-tch reproduce"]);
    let alone = merge.replace("a b", "a");
    fails(path, &alone, &["3 of 7 seeds are missing (1, 3, 5)"]);
    make(path, "--seeds 0..7 --shard 2/2 --out b");
    printed(path, merge);
    same_files(path, "whole", "merged");
    let seed = path.join("a/seeds/2.json");
    let run = fs::read_to_string(&seed).unwrap();
    fs::write(&seed, run.replacen(r#"loss":2."#, r#"loss":1."#, 1)).unwrap();
    let parts = ["seed 2 in a has other numbers than in merged"];
    fails(path, merge, &parts);
    // On a GPU the same seed may well give other numbers.
    for folder in ["a", "b", "merged"] {
        let file = path.join(folder).join("protocol.json");
        let text = fs::read_to_string(&file).unwrap();
        fs::write(file, text.replace("\"cpu\"", "\"gpu\"")).unwrap();
    }
    printed(path, merge);
    fs::write(&seed, run.replace(r#""seed":2"#, r#""seed":4"#)).unwrap();
    let parts = ["cannot use a/seeds/2.json: remove it", "it is seed 4"];
    fails(path, merge, &parts);
}

#[test]
fn a_folder_of_another_job_and_a_curve_of_other_steps_are_refused_before_the_work() {
    let folder = with_curve();
    let path = folder.path();
    let rows = "step,test_accuracy\n2,0.1\n4,0.3\n";
    fs::write(path.join("every-second.csv"), rows).unwrap();
    make(path, "--seeds 0..2 --out r");
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
    // All of them would take an hour.
    let ended = many.timeout(Duration::from_secs(120)).assert().code(1);
    ended.stderr(contains("seed 7: step 1 (epoch 1, batch 1): the weights"));
}
