//! A set-up that is stopped half-way, and two at once.

use std::fs::{File, read_to_string};
use std::process::{Child, Command, Stdio};

use crate::project::{Project, Said, real_python, wait_until};

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
    kill_group(project.setup_stopped_half_way("", &[]), "KILL");
    assert!(!project.path("libtorch").exists());
    // The remains are there, and in this play they fill the disk.
    let remains = project.path("libtorch.partial/new/torch/lib");
    assert!(remains.exists());
    project.write("libtorch.partial/new/torch/remains", "");
    project.go_on();
    project.setup("", &[]).succeeded(&["fetching", "is ready"]);
    assert_eq!(project.installed().unwrap(), "cpu set");
    assert!(!project.path("libtorch/torch/remains").exists());
    assert!(!project.path("libtorch.partial").exists());
}

/// Whether this process, and so its children, ignore SIGINT; no, where the system does not tell.
fn ignores_interrupts() -> bool {
    let status = read_to_string("/proc/self/status").unwrap_or_default();
    let mut masks = status
        .lines()
        .filter_map(|line| line.strip_prefix("SigIgn:"));
    let mask = masks
        .next()
        .and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    // SIGINT is signal 2, the second bit.
    mask.unwrap_or(0) & 0b10 != 0
}

#[test]
fn a_setup_that_is_told_to_stop_cleans_up() {
    // What runs in the background of a script is deaf to Ctrl-C, and so is all that it starts.
    let count = if ignores_interrupts() { 1 } else { 2 };
    for signal in &["TERM", "INT"][..count] {
        let project = Project::new();
        kill_group(project.setup_stopped_half_way("", &[]), signal);
        assert!(!project.path("libtorch").exists());
        assert!(!project.path("libtorch.partial").exists(), "after {signal}");
        project.go_on();
        project.setup("", &[]).succeeded(&["fetching", "is ready"]);
    }
}

#[test]
fn an_upgrade_that_is_killed_keeps_the_cpu_set() {
    let project = Project::new();
    project.setup("", &[]).succeeded(&[]);
    kill_group(project.setup_stopped_half_way("--cuda", &[]), "KILL");
    assert_eq!(project.installed().unwrap(), "cpu set");
    let project = project.without("python3");
    project.setup("", &[]).succeeded(&["(CPU set) is ready"]);
}

/// Starts a set-up beside another one, waits until it says that it waits, and lets both end.
fn waits_for_the_other(project: &Project, settings: &[(&str, &str)]) -> Said {
    let log = project.elsewhere().join("second");
    let mut command = project.command("scripts/setup.sh", "");
    command.envs(settings.iter().copied());
    command
        .stdout(Stdio::piped())
        .stderr(File::create(&log).unwrap());
    let mut second = command.spawn().unwrap();
    let said = || read_to_string(&log).unwrap();
    let waits = || said().contains("another set-up is at work");
    wait_until(&mut second, "the second set-up waits", waits);
    assert!(!project.path("libtorch").exists());
    project.go_on();
    let mut second = Said::new(&second.wait_with_output().unwrap());
    second.err = said();
    assert!(!second.err.contains("locks do not work"), "{second:?}");
    second
}

fn two_at_once(project: &Project, settings: &[(&str, &str)]) {
    let first = project.setup_stopped_half_way("", settings);
    waits_for_the_other(project, settings).succeeded(&["waiting for it", "is ready"]);
    Said::new(&first.wait_with_output().unwrap()).succeeded(&["is ready"]);
    assert_eq!(project.calls("pip").len(), 1);
    assert_eq!(project.installed().unwrap(), "cpu set");
}

// Every Linux has flock.
#[cfg(target_os = "linux")]
#[test]
fn of_two_setups_at_once_one_waits_and_finds_all_done() {
    two_at_once(&Project::new(), &[]);
}

#[test]
fn python_takes_the_lock_where_there_is_no_flock() {
    let project = Project::new().without("flock");
    // Without one, uv has set this machine up.
    if let Some(python) = real_python() {
        two_at_once(&project, &[("STUB_REAL_PYTHON", &python)]);
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_pip_that_outlives_its_killed_setup_is_waited_for() {
    let project = Project::new();
    let mut first = project.setup_stopped_half_way("", &[]);
    first.kill().unwrap();
    first.wait().unwrap();
    waits_for_the_other(&project, &[]).succeeded(&["fetching", "is ready"]);
    assert_eq!(project.calls("pip").len(), 2);
    assert_eq!(project.installed().unwrap(), "cpu set");
}

#[test]
fn a_machine_without_working_locks_is_warned_and_goes_on() {
    let project = Project::new().without("flock");
    let said = project.setup("", &[("STUB_REAL_PYTHON", "false")]);
    said.succeeded(&["note: locks do not work here", "is ready"]);
}
