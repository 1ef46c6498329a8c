//! Signals, missing threads, pinned cores, a removed working directory: what a run meets on clusters,
//! in scripts and on closed terminals.

#![cfg(target_os = "linux")]
#![allow(clippy::print_stderr, reason = "it says what is skipped")]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use std::fs;
use std::path::Path;
use std::process::Command;

use common::{mnist_tch, printed_by, start};
use tempfile::{TempDir, tempdir};

/// A run that takes minutes.
const LONG: &str = "--device cpu --threads 1 --epochs 200 --checkpoint-every 1 --test-range ..50 \
                    --out run";

/// Runs `line` in bash, with the program as `$0`.
fn bash(folder: &Path, line: &str) -> std::process::Output {
    let program = assert_cmd::cargo::cargo_bin("mnist-tch");
    let mut bash = Command::new("bash");
    bash.current_dir(folder).args(["-c", line]).arg(program);
    bash.output().unwrap()
}

fn stderr(output: &std::process::Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// True once the run in `folder` has rows.
fn has_rows(folder: &TempDir) -> bool {
    let rows = fs::read_to_string(folder.path().join("run/accuracy.csv"));
    rows.is_ok_and(|rows| rows.lines().count() > 2)
}

#[test]
fn signals_of_terminals_and_clusters_stop_a_run_with_a_checkpoint() {
    for (signal, status) in [("HUP", 129), ("USR1", 138), ("XCPU", 152), ("TERM", 143)] {
        let folder = tempdir().unwrap();
        let child = start(folder.path(), LONG, || has_rows(&folder));
        let kill = format!("kill -{signal} {}", child.id());
        assert!(bash(folder.path(), &kill).status.success());
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(status), "{}", stderr(&output));
        let line = format!("stopped by SIG{signal} after step ");
        assert!(stderr(&output).contains(&line), "{}", stderr(&output));
        assert!(folder.path().join("run/checkpoint.jsonl").exists());
        assert!(folder.path().join("run/model.safetensors").exists());
    }
}

#[test]
fn a_signal_that_the_shell_ignores_stays_ignored() {
    // Like `nohup mnist-tch ... &` in a script: Ctrl-C is for the script.
    let folder = tempdir().unwrap();
    let line = format!(
        "trap '' INT HUP; \"$0\" {LONG} & run=$!
         rows() {{ wc -l < run/accuracy.csv; }}
         reach() {{ until (($(rows) > $1)); do kill -0 $run || exit 1; sleep 0.01; done 2> /dev/null; }}
         reach 2; kill -INT $run; kill -HUP $run
         reach $(($(rows) + 20)); kill -TERM $run; wait $run"
    );
    let output = bash(folder.path(), &line);
    assert_eq!(output.status.code(), Some(143), "{}", stderr(&output));
}

#[test]
fn threads_are_not_pinned_to_one_core_where_openmps_variables_ask_for_it() {
    let folder = tempdir().unwrap();
    let threads = |variable: &str, value: &str| {
        let mut devices = mnist_tch(folder.path(), "devices");
        let text = printed_by(devices.env(variable, value));
        let line = text.lines().find(|line| line.starts_with("threads"));
        line.unwrap().to_owned()
    };
    let expected = threads("A", "1");
    for (variable, value) in [
        ("OMP_PROC_BIND", "true"),
        ("OMP_PLACES", "cores"),
        ("GOMP_CPU_AFFINITY", "0"),
    ] {
        assert_eq!(threads(variable, value), expected, "{variable}");
    }
}

#[test]
fn a_removed_working_directory_matters_only_for_paths_that_are_relative_to_it() {
    let folder = tempdir().unwrap();
    let run = |line: &str| {
        let gone = "mkdir gone && cd gone && rmdir ../gone && ";
        bash(folder.path(), &format!("{gone}{line}"))
    };
    let small = "--device cpu --epochs 1 --train-range ..100 --test-range ..50 -q";
    assert!(run("\"$0\" devices").status.success());
    let absolute = format!("\"$0\" {small} --out {}/run", folder.path().display());
    let output = run(&absolute);
    assert!(output.status.success(), "{}", stderr(&output));
    for relative in ["", "--out run", "--data-dir run"] {
        let output = run(&format!("\"$0\" {small} {relative}"));
        let line = "error: the working directory no longer exists, change to another one: ";
        assert!(stderr(&output).starts_with(line), "{}", stderr(&output));
        assert_eq!(
            (output.status.code(), stderr(&output).lines().count()),
            (Some(1), 1)
        );
    }
}

#[test]
fn one_thread_needs_no_other_and_a_refused_thread_is_one_line() {
    // Only root can become a user that has no process yet.
    let user = "setpriv --reuid=65534 --regid=65534 --clear-groups prlimit --nproc=1";
    let folder = tempdir().unwrap();
    if !bash(folder.path(), &format!("{user} true"))
        .status
        .success()
    {
        eprintln!("skipped: needs root, setpriv and prlimit");
        return;
    }
    let program = assert_cmd::cargo::cargo_bin("mnist-tch");
    let run = |threads: usize| {
        let job = "--device cpu --epochs 1 --train-range ..100 --test-range ..50 -q";
        let out = format!("/tmp/mnist-tch-{}-{threads}", std::process::id());
        let program = program.display();
        let line = format!("{user} {program} {job} --threads {threads} --out {out}");
        let output = bash(
            folder.path(),
            &format!("{line}; status=$?; rm -rf {out}; exit $status"),
        );
        (output.status.code(), stderr(&output))
    };
    assert_eq!(run(1), (Some(0), String::new()));
    let (status, text) = run(2);
    assert!(
        text.starts_with("error: cannot start another thread"),
        "{text}"
    );
    assert_eq!((status, text.lines().count()), (Some(1), 1), "{text}");
}

#[test]
fn control_characters_of_the_command_line_do_not_reach_the_terminal() {
    let folder = tempdir().unwrap();
    for line in [
        "\"$0\" --epochs $'5\\r'",
        "\"$0\" --model $'\\e[31m' evaluate",
        "\"$0\" $'\\e[2J'",
    ] {
        let output = bash(folder.path(), line);
        assert_eq!(output.status.code(), Some(2), "{line}");
        let text = stderr(&output);
        assert!(
            !text.replace('\n', "").contains(char::is_control),
            "{text:?}"
        );
    }
}
