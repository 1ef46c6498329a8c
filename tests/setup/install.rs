//! What gets installed, how, and when not.

use std::fs;
use std::os::unix::fs::symlink;
use std::process::Command;

use crate::project::{Project, pinned};

/// The arguments without the options.
pub fn requirements(call: &[String]) -> Vec<&str> {
    let options = call.iter().position(|word| word == "install").unwrap();
    let words = call[options + 1..].iter().map(String::as_str);
    words.filter(|word| !word.starts_with('-')).collect()
}

pub fn cpu_set() -> Vec<String> {
    vec![
        format!("torch=={}", pinned("LIBTORCH_VERSION")),
        format!("nvidia-cuda-runtime=={}", pinned("CUDA_RUNTIME_VERSION")),
        format!("nvidia-cuda-cupti=={}", pinned("CUDA_CUPTI_VERSION")),
    ]
}

pub fn assert_has(call: &[String], options: &[&str]) {
    for option in options {
        assert!(
            call.iter().any(|word| word == option),
            "no {option} in {call:?}"
        );
    }
}

#[test]
fn a_fresh_clone_gets_the_cpu_set_through_pip() {
    let project = Project::new();
    project
        .setup("", &[])
        .succeeded(&["CPU set", "with pip", "is ready in libtorch/"]);
    assert_eq!(project.installed().unwrap(), "cpu set");
    assert!(!project.path("libtorch.partial").exists());

    let [call] = &project.calls("pip")[..] else {
        panic!("pip ran more than once")
    };
    assert_eq!(requirements(call), cpu_set());
    let target = format!(
        "--target={}",
        project.path("libtorch.partial/new").display()
    );
    let options = [
        "--no-deps",
        "--only-binary=:all:",
        "--python-version=3.12",
        "--implementation=cp",
    ];
    assert_has(call, &options);
    // pip does not take manylinux_2_28 to mean any older tag, and wheels are not all tagged alike.
    let tags = [
        "manylinux_2_28",
        "manylinux_2_17",
        "manylinux_2_5",
        "manylinux2014",
    ];
    for tag in tags {
        assert_has(call, &[&format!("--platform={tag}_x86_64")]);
    }
    assert_has(call, &[&target]);
}

#[test]
fn pip_works_in_the_project_and_user_settings_cannot_stop_it() {
    let project = Project::new();
    let settings = [
        ("PIP_USER", "1"),
        ("PIP_REQUIRE_VIRTUALENV", "1"),
        ("TMPDIR", "/nowhere"),
    ];
    project.setup("", &settings).succeeded(&[]);
    let folder = project.path("libtorch.partial/tmp").display().to_string();
    assert_eq!(
        project.calls("settings"),
        [[folder.as_str(), "user=0", "virtualenv=0"]]
    );
}

#[test]
fn a_second_call_installs_nothing_and_needs_neither_pip_nor_room() {
    let project = Project::new();
    project.setup("", &[]).succeeded(&[]);
    let project = project
        .without("python3")
        .without("flock")
        .without("getconf");
    let second = project.setup("", &[("STUB_FREE_MB", "0"), ("STUB_DRIVER", "580.65.06")]);
    second.succeeded(&["is ready in libtorch/"]);
    assert_eq!(second.err.lines().count(), 1, "{second:?}");
    assert_eq!(project.calls("pip").len(), 1);
}

#[test]
fn uv_installs_where_there_is_no_pip() {
    for machine in [Project::new().without("python3"), Project::new()] {
        let project = machine.with("uv");
        project
            .setup("", &[("STUB_PIP", "")])
            .succeeded(&["with uv"]);
        assert_eq!(project.installed().unwrap(), "cpu set");
        let [call] = &project.calls("uv")[..] else {
            panic!("uv ran more than once")
        };
        assert_eq!(requirements(call), cpu_set());
        let options = ["--no-deps", "--only-binary=:all:", "--python-version=3.12"];
        assert_has(call, &options);
        assert_has(call, &["--python-platform=x86_64-manylinux_2_28"]);
    }
}

#[test]
fn uv_steps_in_for_a_pip_that_is_too_old() {
    let project = Project::new().with("uv");
    project
        .setup("", &[("STUB_PIP", "20.2.4")])
        .succeeded(&["with uv"]);
    assert!(project.calls("pip").is_empty());
}

#[test]
fn pip_comes_before_uv_and_a_pre_release_of_it_will_do() {
    let project = Project::new().with("uv");
    let said = project.setup("", &[("STUB_PIP", "20.3b1")]);
    said.succeeded(&["with pip"]);
    assert!(!said.err.contains("value too great"), "{said:?}");
}

#[test]
fn a_set_of_another_version_or_machine_is_replaced() {
    for (now, before) in [
        (pinned("LIBTORCH_VERSION"), "1.0.0"),
        ("x86_64".into(), "s390x"),
    ] {
        let project = Project::new();
        project.setup("", &[]).succeeded(&[]);
        let marker = "libtorch/made-by-setup";
        project.write(marker, &project.read(marker).replace(&now, before));
        project.write("libtorch/torch/from-the-old-set", "");
        project.setup("", &[]).succeeded(&["fetching", "is ready"]);
        assert!(!project.path("libtorch/torch/from-the-old-set").exists());
        assert_eq!(project.installed().unwrap(), "cpu set");
    }
}

#[test]
fn a_set_that_lost_its_libraries_is_put_back() {
    let project = Project::new();
    project.setup("", &[]).succeeded(&[]);
    fs::remove_dir_all(project.path("libtorch/torch/lib")).unwrap();
    project.setup("", &[]).succeeded(&["fetching"]);
    assert_eq!(project.installed().unwrap(), "cpu set");
}

#[test]
fn a_libtorch_that_is_not_from_here_is_never_overwritten() {
    let project = Project::new();
    project.write("libtorch/torch/lib/mine", "");
    project
        .setup("--cuda", &[])
        .failed(&["not made by this script", "move it away"]);
    assert!(project.path("libtorch/torch/lib/mine").exists());

    let project = Project::new();
    symlink("/a disk that is not plugged in", project.path("libtorch")).unwrap();
    project.setup("", &[]).failed(&["not made by this script"]);
    assert!(project.path("libtorch").is_symlink());
    assert!(project.calls("pip").is_empty());
}

#[test]
fn downloads_stay_out_of_a_cache_that_has_no_room_for_them() {
    let full = [("STUB_HOME_FREE_MB", "2000")];
    let project = Project::new();
    project.setup("", &full).succeeded(&[]);
    assert_has(&project.calls("pip")[0], &["--no-cache-dir"]);

    let project = Project::new().without("python3").with("uv");
    project.setup("", &full).succeeded(&[]);
    assert_has(&project.calls("uv")[0], &["--no-cache"]);

    let project = Project::new();
    project.setup("", &[]).succeeded(&[]);
    assert!(
        !project.calls("pip")[0]
            .iter()
            .any(|word| word.contains("cache"))
    );
}

#[test]
fn the_set_is_on_the_disk_before_it_is_called_ready() {
    let project = Project::new();
    project.setup("", &[]).succeeded(&[]);
    assert!(!project.calls("sync").is_empty());
}

#[test]
fn a_cdpath_does_not_lead_the_scripts_astray() {
    let project = Project::new();
    let root = project.path("").display().to_string();
    // `cd scripts/..` looks in the CDPATH first, and prints where it ends up.
    let mut command = project.command("scripts/setup.sh", "");
    let command = command.current_dir(project.path("")).env("CDPATH", &root);
    let mut relative = Command::new("scripts/setup.sh");
    relative.current_dir(&root).env_clear();
    let output = relative
        .envs(
            command
                .get_envs()
                .filter_map(|(name, value)| Some((name, value?))),
        )
        .output()
        .unwrap();
    crate::project::Said::new(&output).succeeded(&[]);
    assert_eq!(project.installed().unwrap(), "cpu set");
}

#[test]
fn help_is_printed_and_options_that_make_no_sense_are_refused() {
    let project = Project::new();
    let help = project.setup("--help", &[]);
    assert_eq!((help.code, help.err.as_str()), (Some(0), ""));
    assert!(help.out.starts_with("usage: scripts/setup.sh"), "{help:?}");
    for words in ["--gpu", "--cpu --cuda"] {
        let said = project.setup(words, &[]);
        assert_eq!(said.code, Some(2), "{said:?}");
        assert!(said.err.starts_with("error: "), "{said:?}");
    }
    assert!(project.calls("pip").is_empty());
}

#[test]
fn a_shell_can_read_the_versions_as_build_rs_does() {
    let project = Project::new();
    for name in [
        "LIBTORCH_VERSION",
        "CUDA_RUNTIME_VERSION",
        "CUDA_CUPTI_VERSION",
        "CUDA_MINIMUM_DRIVER",
    ] {
        let script = format!("set -eu; . scripts/libtorch.versions; printf %s \"${name}\"");
        let shell = Command::new("sh")
            .args(["-c", &script])
            .current_dir(project.path(""))
            .output()
            .unwrap();
        assert_eq!(String::from_utf8(shell.stdout).unwrap(), pinned(name));
        assert!(pinned(name).starts_with(|first: char| first.is_ascii_digit()));
    }
}
