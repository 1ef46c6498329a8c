//! Files survive power cuts and kills, on file systems of every kind: the order of system calls,
//! observed and disturbed by strace. Without strace these tests are skipped.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
#![cfg(target_os = "linux")]

mod common;

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Output};

use common::{mnist_tch, printed};
use regex::Regex;
use tempfile::tempdir;

/// A run of two steps.
const JOB: &str = "--device cpu --epochs 1 --train-range ..200 --test-range ..100 -q";

/// Runs the program under `strace -f` with `options`, and writes the calls to `trace`. `None` if
/// strace is not installed or may not trace.
fn traced(folder: &Path, options: &str, line: &str) -> Option<Output> {
    let strace = |options: &str, program: &Path, line: &str| {
        let mut command = Command::new("strace");
        command.current_dir(folder).args(["-f", "-o", "trace"]);
        command.args(options.split_whitespace()).arg(program);
        command.args(line.split_whitespace()).output()
    };
    let probe = strace("-e trace=none", Path::new("true"), "");
    if !probe.is_ok_and(|probe| probe.status.success()) {
        let _ = writeln!(
            std::io::stderr(),
            "skipped: strace is missing or cannot trace"
        );
        return None;
    }
    let program = assert_cmd::cargo::cargo_bin("mnist-tch");
    Some(strace(options, &program, line).unwrap())
}

#[test]
fn every_whole_file_is_written_then_synced_then_renamed_and_its_folder_synced() {
    let folder = tempdir().unwrap();
    let path = folder.path();
    let calls = "-y -e trace=write,fsync,/^rename,/^link";
    for (line, files) in [
        (
            format!("{JOB} --out run"),
            "checkpoint.jsonl confusion.csv confusion.png accuracy.png model.safetensors \
             mistakes.png summary.json",
        ),
        (
            format!("reproduce {JOB} --seeds 0..2 --out seeds"),
            "protocol.json 0.json 1.json curves.csv seeds.csv timings.csv confusion.png band.png \
             verdict.json",
        ),
    ] {
        let Some(output) = traced(path, calls, &line) else {
            return;
        };
        assert!(output.status.success(), "{line}");
        let trace = fs::read_to_string(path.join("trace")).unwrap();
        for name in files.split_whitespace() {
            check_order(&trace, name);
        }
    }
}

/// Looks for the rename to `name`, and for what its thread did to the file before and to the folder
/// after it.
fn check_order(trace: &str, name: &str) {
    let name = name.replace('.', r"\.");
    let rename =
        format!(r#"(?m)^(\d+) +rename\w*\(.*/(\.mnist-tch-\w+)", .*"([^"]*/{name})".*= 0$"#);
    let rename = Regex::new(&rename).unwrap().captures(trace);
    let rename = rename.unwrap_or_else(|| panic!("{name} is not renamed: {trace}"));
    let (whole, thread, temporary) = (rename.get(0).unwrap(), &rename[1], &rename[2]);
    let (before, after) = (&trace[..whole.start()], &trace[whole.end()..]);
    let calls = Regex::new(&format!(r"(?m)^{thread} +(\w+)\(\d+<[^>]*/{temporary}>.*$")).unwrap();
    let calls: Vec<_> = calls
        .captures_iter(before)
        .map(|call| call[1].to_owned())
        .collect();
    let (last, writes) = calls.split_last().unwrap();
    assert_eq!(last, "fsync", "{name}: {calls:?}");
    assert!(
        !writes.is_empty() && writes.iter().all(|call| call == "write"),
        "{calls:?}"
    );
    let next = Regex::new(&format!(r"(?m)^{thread} +(\w+)\(\d+<([^>]*)>\) += 0$")).unwrap();
    let next = next.captures(after).unwrap();
    let parent = Path::new(&rename[3]).parent().unwrap();
    assert_eq!(&next[1], "fsync", "{name}: after its rename");
    assert!(
        Path::new(&next[2]).ends_with(parent),
        "{name}: {} is synced",
        &next[2]
    );
}

#[test]
fn file_systems_without_hard_links_and_rename_flags_are_enough() {
    let folder = tempdir().unwrap();
    let path = folder.path();
    // A question mark: some processors have no such call.
    let without = "-e trace=renameat2,?link,linkat -e inject=renameat2:error=EINVAL \
                   -e inject=?link,linkat:error=EPERM";
    for line in [
        format!("{JOB} --out run"),
        format!("reproduce {JOB} --seeds 0..2 --out seeds"),
        "export --model run page.html".to_owned(),
        "evaluate --model run --out scores".to_owned(),
    ] {
        let Some(output) = traced(path, without, &line) else {
            return;
        };
        let error = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.success(), "{line}: {error}");
    }
    // The same protocol is found, another one is refused.
    printed(path, &format!("reproduce {JOB} --seeds 0..2 --out seeds"));
    let other = format!("reproduce {JOB} --seeds 0..2 --out seeds --shuffle");
    mnist_tch(path, &other).assert().code(1);
}

#[test]
fn a_kill_between_sync_and_rename_leaves_what_the_next_run_removes() {
    let folder = tempdir().unwrap();
    let path = folder.path();
    let leftovers = || {
        let entries = ["run", "run/seeds"].map(|name| fs::read_dir(path.join(name)));
        let entries = entries.into_iter().flatten().flatten();
        let names = entries.map(|entry| entry.unwrap().file_name());
        names
            .filter(|name| name.to_string_lossy().starts_with(".mnist-tch-"))
            .count()
    };
    let line = format!("reproduce {JOB} --seeds 0..2 --jobs 1 --out run");
    // While the second seed and the first table are written; the protocol counts too.
    for rename in [3, 4] {
        let kill = format!(
            "-e trace=/^rename -e inject=?rename,?renameat,renameat2:signal=KILL:when={rename}"
        );
        let Some(output) = traced(path, &kill, &line) else {
            return;
        };
        assert!(!output.status.success());
        assert_eq!(leftovers(), 1);
        printed(path, &line);
        assert_eq!(leftovers(), 0);
        fs::remove_dir_all(path.join("run")).unwrap();
    }
}

#[test]
fn a_complete_run_that_trains_on_loses_its_summary_before_its_checkpoint_is_replaced() {
    let folder = tempdir().unwrap();
    printed(folder.path(), &format!("{JOB} --out run"));
    // Killed between the two, it would otherwise count as complete with a checkpoint of more epochs.
    let calls = "-e trace=/^unlink,/^rename";
    let line = "--resume run --epochs 2 --device cpu -q";
    let Some(output) = traced(folder.path(), calls, line) else {
        return;
    };
    assert!(output.status.success());
    let trace = fs::read_to_string(folder.path().join("trace")).unwrap();
    let first = |call: &str, name: &str| {
        let mut lines = trace.lines();
        lines.position(|line| line.contains(call) && line.contains(name) && line.ends_with("= 0"))
    };
    let removed = first("unlink", "run/summary.json").unwrap();
    assert!(
        removed < first("rename", "run/checkpoint.jsonl").unwrap(),
        "{trace}"
    );
    // What is left after the first of the two resumes, with as many epochs as before and with more.
    fs::remove_file(folder.path().join("run/summary.json")).unwrap();
    printed(folder.path(), "--resume run -q");
    assert!(folder.path().join("run/summary.json").exists());
}
