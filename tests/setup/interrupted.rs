//! A set-up that is stopped half-way, and two at once.

use std::fs::{File, read_to_string};
use std::process::{Child, Command};

use regex::Regex;

use crate::project::{LOG, Project, check, holds, wait_until};
use crate::table::play;

/// Sends a signal to the set-up and all that it started.
fn kill_group(child: Child, signal: &str) {
    let command = format!("kill -{signal} -{}", child.id());
    let killed = Command::new("sh").args(["-c", &command]).status();
    assert!(killed.unwrap().success());
    // The wait ends when the last process that holds the pipe is gone.
    let output = child.wait_with_output().unwrap();
    assert!(!output.status.success());
}

#[test]
fn what_a_killed_setup_leaves_is_not_trusted_and_not_in_the_way() {
    let project = Project::new();
    kill_group(project.setup_stopped_half_way("", ""), "KILL");
    assert!(!project.path("libtorch").exists());
    // The remains are there, and in this play they fill the disk.
    assert!(project.path("libtorch.partial/new/torch/lib").exists());
    project.write("libtorch.partial/new/torch/remains", "");
    project.go_on();
    project.setup("fetching ; is ready");
    assert_eq!(project.installed(), Some("CPU set"));
    assert!(!project.path("libtorch/torch/remains").exists());
    assert!(!project.path("libtorch.partial").exists());
}

#[test]
fn a_setup_that_is_told_to_stop_cleans_up() {
    // What runs in the background of a script is deaf to Ctrl-C (signal 2), and so is all that it
    // starts: the second bit of the signals that are ignored is set.
    let status = read_to_string("/proc/self/status").unwrap_or_default();
    let is_deaf = Regex::new(r"SigIgn:\s+\w*[2367abef]\n").unwrap();
    let count = if is_deaf.is_match(&status) { 1 } else { 2 };
    for signal in &["TERM", "INT"][..count] {
        let project = Project::new();
        kill_group(project.setup_stopped_half_way("", ""), signal);
        assert!(!project.has_remains(), "after {signal}");
        project.go_on();
        project.setup("fetching ; is ready");
    }
}

#[test]
fn an_upgrade_that_is_killed_keeps_the_cpu_set() {
    let project = Project::new();
    project.setup("is ready");
    kill_group(project.setup_stopped_half_way("--cuda", ""), "KILL");
    assert_eq!(project.installed(), Some("CPU set"));
    project.remove("python3");
    project.setup("(CPU set) is ready");
}

/// Starts a set-up beside another one, waits until it says that it waits, and lets both end.
fn waits_for_the_other(project: &Project, settings: &str, phrases: &str) {
    let log = project.path("../elsewhere/second");
    let mut command = project.command("scripts/setup.sh", settings);
    command.stderr(File::create(&log).unwrap());
    let mut second = command.spawn().unwrap();
    let said = || read_to_string(&log).unwrap();
    let waits = || said().contains("another set-up is at work");
    wait_until(&mut second, "the second set-up waits", waits);
    assert!(!project.path("libtorch").exists());
    project.go_on();
    assert!(second.wait().unwrap().success());
    holds(&said(), "waiting for it ; !locks do not work ; is ready");
    holds(&said(), phrases);
    assert_eq!(project.installed(), Some("CPU set"));
}

fn two_at_once(project: &Project, settings: &str) {
    let first = project.setup_stopped_half_way("", settings);
    waits_for_the_other(project, settings, "");
    check(&first.wait_with_output().unwrap(), "is ready");
    assert_eq!(project.read(LOG).matches("install").count(), 1);
}

// Every Linux has flock.
#[cfg(target_os = "linux")]
#[test]
fn of_two_setups_at_once_one_waits_and_finds_all_done() {
    two_at_once(&Project::new(), "");
}

#[test]
fn python_takes_the_lock_where_there_is_no_flock() {
    // The real one, where this machine has it: on the PATH there may be a script that needs more.
    let ask = ["-c", "import fcntl, sys; print(sys.executable, end='')"];
    if let Ok(python) = Command::new("python3").args(ask).output() {
        let python = String::from_utf8(python.stdout).unwrap();
        let project = Project::new();
        project.remove("flock");
        two_at_once(&project, &format!("STUB_REAL_PYTHON={python}"));
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_pip_that_outlives_its_killed_setup_is_waited_for() {
    let project = Project::new();
    let mut first = project.setup_stopped_half_way("", "");
    first.kill().unwrap();
    first.wait().unwrap();
    waits_for_the_other(&project, "", "fetching");
    assert_eq!(project.read(LOG).matches("install").count(), 2);
}

#[test]
fn a_machine_without_working_locks_is_warned_and_goes_on() {
    play("without flock | note: locks do not work here ; is ready");
}
