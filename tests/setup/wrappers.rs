//! `train.sh`, `test.sh`, `check.sh` and `.ci/run`: first the set-up, then cargo, then the program.

use crate::project::{DRIVER, Project, Said, holds};

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

#[test]
fn train_hands_options_and_folder_to_the_program_and_test_its_options_to_cargo() {
    let project = Project::new();
    // A path as the shell prints it: on macOS the temporary folder is behind a link.
    let real = |folder| {
        project
            .path(folder)
            .canonicalize()
            .unwrap()
            .display()
            .to_string()
    };
    let settings = "STUB_PROGRAM_EXIT=7";
    let mut command = project.command("scripts/train.sh", "--epochs 2 --out", settings);
    let said = Said::new(&command.args(["my runs/1", ""]).output().unwrap());
    assert_eq!(
        (said.code, said.out.as_str()),
        (Some(7), "a result\n"),
        "{said:?}"
    );
    let words = [
        &real("../elsewhere"),
        "--epochs",
        "2",
        "--out",
        "my runs/1",
        "",
    ];
    assert_eq!(project.calls("program"), [words]);
    assert_eq!(project.installed().unwrap(), "cpu set");
    let said = project.run("scripts/test.sh", "--test setup", "");
    said.succeeded("is ready");
    let calls = cargo_calls(&project);
    assert!(
        calls[0].starts_with("build --release --locked --bin"),
        "{calls:?}"
    );
    assert_eq!(calls[1..], ["test --release --locked --test setup"]);
    assert!(
        project
            .calls("cargo")
            .iter()
            .all(|call| call[0] == real(""))
    );
}

#[test]
fn nothing_is_run_when_setup_or_what_comes_before_it_fails() {
    for (script, first) in [("scripts/train.sh", "build"), ("scripts/test.sh", "test")] {
        let project = Project::new();
        project
            .run(script, "", "STUB_PIP=")
            .failed("pip is missing");
        assert!(project.calls("cargo").is_empty());
        let said = project.run(script, "", &format!("STUB_CARGO_FAILS={first}"));
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
        (on_cuda, DRIVER, "cuda set"),
        (on_cuda, "", "cpu set"),
        (not_there, DRIVER, "cpu set"),
    ] {
        for words in lines.split('|') {
            let project = Project::new();
            project.setup("--cpu", "").succeeded("");
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
        let [own, other] = ["libtorch/torch", "../own"].map(|path| project.path(path));
        let seen = format!("LIBTORCH={}", other.display());
        for (libtorch, seen) in [(&own, "LIBTORCH=unset"), (&other, &seen)] {
            let before = project.calls("cargo").len();
            let settings = format!("LIBTORCH={}", libtorch.display());
            let said = project.run(&format!("scripts/{script}"), "", &settings);
            assert_eq!(said.code, Some(0), "{said:?}");
            let mut calls = project.calls("cargo").split_off(before);
            calls.retain(|call| call[2] != "fmt");
            let all = calls.iter().all(|call| call[1] == seen);
            assert!(all && calls.len() == compiles, "{calls:?}");
        }
    }
}

#[test]
fn the_ci_checks_then_tests_and_stops_at_the_first_thing_that_is_wrong() {
    let project = Project::new();
    // With a CDPATH `cd` looks there first, for what is named as .ci/.. is, and prints where it ends.
    let cdpath = format!("CDPATH={}", project.path("").display());
    let mut command = project.command("../tools/bash", ".ci/run", &cdpath);
    let said = Said::new(&command.current_dir(project.path("")).output().unwrap());
    said.succeeded("note: shellcheck is not installed");
    let calls = cargo_calls(&project);
    assert_eq!(calls[..3], CHECKS);
    assert_eq!(calls[3..], ["test --release --locked"]);

    for (step, command) in ["fmt", "clippy", "doc"].into_iter().enumerate() {
        let project = Project::new();
        let said = project.run(".ci/run", "", &format!("STUB_CARGO_FAILS={command}"));
        assert_eq!(said.code, Some(101), "{said:?}");
        assert_eq!(cargo_calls(&project), CHECKS[..=step]);
    }
    let project = Project::new().without("cargo");
    project
        .run("scripts/check.sh", "", "")
        .failed("cargo is missing");
}

#[test]
fn check_reads_every_script() {
    let project = Project::new();
    project.write("scripts/broken.sh", "if true; then\n");
    assert_ne!(project.run("scripts/check.sh", "", "").code, Some(0));
    assert!(project.calls("cargo").is_empty());

    let project = Project::new().with("shellcheck");
    let said = project.run("scripts/check.sh", "", "STUB_SHELLCHECK_EXIT=1");
    assert_eq!(said.code, Some(1), "{said:?}");
    assert!(project.calls("cargo").is_empty());
    let scripts = "common.sh ; setup.sh ; train.sh ; test.sh ; check.sh ; .ci/run";
    holds(&project.calls("shellcheck")[0].join(" "), scripts);
}
