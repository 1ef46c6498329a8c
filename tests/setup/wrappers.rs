//! `train.sh`, `test.sh`, `check.sh` and `.ci/run`: first the set-up, then cargo, then the program.

use std::os::unix::fs::symlink;
use std::path::Path;

use crate::project::{Project, Said};

const DRIVER: (&str, &str) = ("STUB_DRIVER", "580.65.06");
const CHECKS: [&str; 3] = [
    "fmt --all --check",
    "clippy --release --locked --all-targets -- -D warnings",
    "doc --release --locked --no-deps --document-private-items",
];

/// What cargo was called with each time, without the folder and LIBTORCH.
fn cargo_calls(project: &Project) -> Vec<String> {
    let calls = project.calls("cargo");
    calls.iter().map(|call| call[2..].join(" ")).collect()
}

/// A path as the shell prints it: on macOS the temporary folder is behind a link.
fn real(path: &Path) -> String {
    path.canonicalize().unwrap().display().to_string()
}

#[test]
fn train_hands_options_and_folder_to_the_program_and_test_its_options_to_cargo() {
    let project = Project::new();
    let mut command = project.command("scripts/train.sh", "--epochs 2 --out");
    command
        .args(["my runs/1", ""])
        .env("STUB_PROGRAM_EXIT", "7");
    let said = Said::new(&command.output().unwrap());
    assert_eq!(said.code, Some(7), "{said:?}");
    assert_eq!(said.out, "a result\n", "{said:?}");
    let folder = real(&project.elsewhere());
    assert_eq!(
        project.calls("program"),
        [[folder.as_str(), "--epochs", "2", "--out", "my runs/1", ""]]
    );
    assert_eq!(project.installed().unwrap(), "cpu set");
    let calls = cargo_calls(&project);
    assert!(calls.len() == 1 && calls[0].starts_with("build --release --locked --bin"));
    let said = project.run("scripts/test.sh", "--test setup", &[]);
    said.succeeded(&["is ready"]);
    let test = "test --release --locked --test setup";
    assert_eq!(cargo_calls(&project)[1..], [test]);
    for call in project.calls("cargo") {
        assert_eq!(call[0], real(&project.path("")));
    }
}

#[test]
fn nothing_is_run_when_setup_or_what_comes_before_it_fails() {
    for (script, first) in [("train.sh", "build"), ("test.sh", "test")] {
        let script = format!("scripts/{script}");
        let project = Project::new();
        let said = project.run(&script, "", &[("STUB_PIP", "")]);
        said.failed(&["pip is missing"]);
        assert!(project.calls("cargo").is_empty());
        let said = project.run(&script, "", &[("STUB_CARGO_FAILS", first)]);
        assert_eq!((said.code, said.out.as_str()), (Some(101), ""), "{said:?}");
        assert_eq!(project.calls("cargo").len(), 1);
        assert!(project.calls("program").is_empty());
    }
}

#[test]
fn train_on_cuda_upgrades_a_cpu_set_only_where_a_driver_answers() {
    let on_cuda = "--device cuda | --device=cuda | --epochs 1 --device cuda:0 | --device=cuda:1 -q";
    let not_there = "--device cpu --out cuda | --device=cpu | --out --device-cuda";
    for (lines, settings, set) in [
        (on_cuda, &[DRIVER][..], "cuda set"),
        (on_cuda, &[], "cpu set"),
        (not_there, &[DRIVER], "cpu set"),
    ] {
        for words in lines.split('|') {
            let project = Project::new();
            project.setup("--cpu", &[]).succeeded(&[]);
            let said = project.run("scripts/train.sh", words, settings);
            assert_eq!(said.code, Some(0), "{said:?}");
            assert_eq!(project.installed().unwrap(), set, "{words}");
        }
    }
}

#[test]
fn cargo_sees_a_libtorch_of_the_users_but_not_another_name_for_the_projects() {
    for (script, compiles) in [("train.sh", 1), ("test.sh", 1), ("check.sh", 2)] {
        let project = Project::new();
        project.write("../own/lib/x", "");
        let own = project.path("libtorch/torch").display().to_string();
        let other = project.path("../own").display().to_string();
        for (libtorch, seen) in [(&own, "unset"), (&other, &other)] {
            let before = project.calls("cargo").len();
            let settings = [("LIBTORCH", libtorch.as_str())];
            let said = project.run(&format!("scripts/{script}"), "", &settings);
            assert_eq!(said.code, Some(0), "{said:?}");
            let mut calls = project.calls("cargo").split_off(before);
            calls.retain(|call| call[2] != "fmt");
            let all = calls
                .iter()
                .all(|call| call[1] == format!("LIBTORCH={seen}"));
            assert!(all && calls.len() == compiles, "{calls:?}");
        }
    }
}

#[test]
fn the_ci_checks_then_tests_and_stops_at_the_first_thing_that_is_wrong() {
    let project = Project::new();
    // From anywhere: a link to the folder stands for another name of it.
    symlink(project.path(""), project.elsewhere().join("link")).unwrap();
    let said = project.run("../elsewhere/link/.ci/run", "", &[]);
    said.succeeded(&["note: shellcheck is not installed"]);
    let calls = cargo_calls(&project);
    assert_eq!(calls[..3], CHECKS);
    assert_eq!(calls[3..], ["test --release --locked"]);

    for (step, command) in ["fmt", "clippy", "doc"].into_iter().enumerate() {
        let project = Project::new();
        let said = project.run(".ci/run", "", &[("STUB_CARGO_FAILS", command)]);
        assert_eq!(said.code, Some(101), "{said:?}");
        assert_eq!(cargo_calls(&project), CHECKS[..=step]);
    }
    let project = Project::new().without("cargo");
    let said = project.run("scripts/check.sh", "", &[]);
    said.failed(&["cargo is missing"]);
}

#[test]
fn check_reads_every_script() {
    let project = Project::new();
    project.write("scripts/broken.sh", "if true; then\n");
    assert_ne!(project.run("scripts/check.sh", "", &[]).code, Some(0));
    assert!(project.calls("cargo").is_empty());

    let project = Project::new().with("shellcheck");
    let settings = [("STUB_SHELLCHECK_EXIT", "1")];
    let said = project.run("scripts/check.sh", "", &settings);
    assert_eq!(said.code, Some(1), "{said:?}");
    assert!(project.calls("cargo").is_empty());
    let seen = project.calls("shellcheck")[0].join(" ");
    for script in "common.sh setup.sh train.sh test.sh check.sh .ci/run".split(' ') {
        assert!(seen.contains(script), "{script} is not checked: {seen}");
    }
}
