//! `train.sh`, `test.sh`, `check.sh` and `.ci/run`: first the set-up, then cargo, then the program.

use std::os::unix::fs::symlink;

use crate::project::{Project, Said};

const DRIVER: (&str, &str) = ("STUB_DRIVER", "580.65.06");

fn train(project: &Project, words: &str, settings: &[(&str, &str)]) -> Said {
    project.run("scripts/train.sh", words, settings)
}

/// What cargo was called with each time, without the folder and LIBTORCH.
fn cargo_calls(project: &Project) -> Vec<String> {
    let calls = project.calls("cargo");
    calls.iter().map(|call| call[2..].join(" ")).collect()
}

/// A path as the shell prints it: on macOS the temporary folder is behind a link.
fn real(path: &std::path::Path) -> String {
    path.canonicalize().unwrap().display().to_string()
}

#[test]
fn train_hands_options_and_folder_to_the_program() {
    let project = Project::new();
    let mut command = project.command("scripts/train.sh", "--epochs 2 --out");
    let said = Said::new(&command.arg("my runs/1").arg("").output().unwrap());
    assert_eq!(
        (said.code, said.out.as_str()),
        (Some(0), "a result\n"),
        "{said:?}"
    );
    let folder = real(&project.elsewhere());
    assert_eq!(
        project.calls("program"),
        [[folder.as_str(), "--epochs", "2", "--out", "my runs/1", ""]]
    );

    assert_eq!(project.installed().unwrap(), "cpu set");
    let [call] = &project.calls("cargo")[..] else {
        panic!("one call of cargo was due")
    };
    assert_eq!(call[0], real(&project.path("")));
    assert_eq!(call[2..6], ["build", "--release", "--locked", "--bin"]);
}

#[test]
fn train_ends_with_the_exit_status_of_the_program() {
    let said = train(&Project::new(), "", &[("STUB_PROGRAM_EXIT", "7")]);
    assert_eq!(said.code, Some(7), "{said:?}");
}

#[test]
fn train_runs_nothing_when_setup_or_build_fails() {
    let project = Project::new();
    train(&project, "", &[("STUB_PIP", "")]).failed(&["pip is missing"]);
    assert!(project.calls("cargo").is_empty());
    let said = train(&project, "", &[("STUB_CARGO_FAILS", "build")]);
    assert_eq!((said.code, said.out.as_str()), (Some(101), ""), "{said:?}");
    assert!(project.calls("program").is_empty());
}

#[test]
fn train_on_cuda_upgrades_a_cpu_set_only_where_a_driver_answers() {
    let ways = [
        "--device cuda",
        "--device=cuda",
        "--epochs 1 --device cuda:0",
        "--device=cuda:1 --epochs 1",
    ];
    let project = Project::new();
    project.setup("--cpu", &[]).succeeded(&[]);
    for words in ways {
        assert_eq!(train(&project, words, &[]).code, Some(0));
    }
    assert_eq!(
        train(&project, "--device cpu --out cuda", &[DRIVER]).code,
        Some(0)
    );
    assert_eq!(project.installed().unwrap(), "cpu set");
    for words in ways {
        let project = Project::new();
        project.setup("--cpu", &[]).succeeded(&[]);
        assert_eq!(train(&project, words, &[DRIVER]).code, Some(0));
        assert_eq!(project.installed().unwrap(), "cuda set", "{words}");
    }
}

/// The LIBTORCH that cargo saw each time that it was to compile.
fn libtorch_seen(project: &Project, script: &str, libtorch: &str) -> Vec<String> {
    let before = project.calls("cargo").len();
    let said = project.run(script, "", &[("LIBTORCH", libtorch)]);
    assert_eq!(said.code, Some(0), "{said:?}");
    let calls = project.calls("cargo").split_off(before);
    let compiling = calls.into_iter().filter(|call| call[2] != "fmt");
    compiling.map(|call| call[1].clone()).collect()
}

#[test]
fn cargo_sees_a_libtorch_of_the_users_but_not_another_name_for_the_projects() {
    for (script, compiles) in [("train.sh", 1), ("test.sh", 1), ("check.sh", 2)] {
        let script = format!("scripts/{script}");
        let project = Project::new();
        let own = project.path("libtorch/torch").display().to_string();
        assert_eq!(
            libtorch_seen(&project, &script, &own),
            vec!["LIBTORCH=unset"; compiles]
        );
        project.write("../own/lib/x", "");
        let other = project.path("../own").display().to_string();
        assert_eq!(
            libtorch_seen(&project, &script, &other),
            vec![format!("LIBTORCH={other}"); compiles]
        );
    }
}

#[test]
fn test_sets_up_and_hands_its_options_to_cargo_test() {
    let project = Project::new();
    project
        .run("scripts/test.sh", "--test setup", &[])
        .succeeded(&["is ready"]);
    assert_eq!(
        cargo_calls(&project),
        ["test --release --locked --test setup"]
    );
    assert_eq!(project.calls("cargo")[0][0], real(&project.path("")));

    let said = project.run("scripts/test.sh", "", &[("STUB_CARGO_FAILS", "test")]);
    assert_eq!(said.code, Some(101), "{said:?}");
    let project = Project::new();
    project
        .run("scripts/test.sh", "", &[("STUB_PIP", "")])
        .failed(&["pip is missing"]);
    assert!(project.calls("cargo").is_empty());
}

const CHECKS: [&str; 3] = [
    "fmt --all --check",
    "clippy --release --locked --all-targets -- -D warnings",
    "doc --release --locked --no-deps --document-private-items",
];

#[test]
fn check_runs_format_lints_and_documentation() {
    let project = Project::new();
    project
        .run("scripts/check.sh", "", &[])
        .succeeded(&["note: shellcheck is not installed"]);
    assert_eq!(cargo_calls(&project), CHECKS);
}

#[test]
fn check_stops_at_the_first_thing_that_is_wrong() {
    for (step, command) in ["fmt", "clippy", "doc"].into_iter().enumerate() {
        let project = Project::new();
        let said = project.run("scripts/check.sh", "", &[("STUB_CARGO_FAILS", command)]);
        assert_eq!(said.code, Some(101), "{said:?}");
        assert_eq!(cargo_calls(&project), CHECKS[..=step]);
    }
    Project::new()
        .without("cargo")
        .run("scripts/check.sh", "", &[])
        .failed(&["cargo is missing"]);
}

#[test]
fn check_reads_every_script() {
    let project = Project::new();
    project.write("scripts/broken.sh", "if true; then\n");
    assert_ne!(project.run("scripts/check.sh", "", &[]).code, Some(0));
    assert!(project.calls("cargo").is_empty());

    let project = Project::new().with("shellcheck");
    assert_eq!(
        project
            .run("scripts/check.sh", "", &[("STUB_SHELLCHECK_EXIT", "1")])
            .code,
        Some(1)
    );
    assert!(project.calls("cargo").is_empty());
    let seen = project.calls("shellcheck")[0].join(" ");
    for script in [
        "common.sh",
        "setup.sh",
        "train.sh",
        "test.sh",
        "check.sh",
        ".ci/run",
    ] {
        assert!(seen.contains(script), "{script} is not checked: {seen}");
    }
}

#[test]
fn the_ci_checks_then_tests() {
    let project = Project::new();
    // From anywhere: a link to the folder stands for another name of it.
    symlink(project.path(""), project.elsewhere().join("link")).unwrap();
    project
        .run("../elsewhere/link/.ci/run", "", &[])
        .succeeded(&[]);
    let calls = cargo_calls(&project);
    assert_eq!(calls[..3], CHECKS);
    assert_eq!(calls[3..], ["test --release --locked"]);

    let project = Project::new();
    let said = project.run(".ci/run", "", &[("STUB_CARGO_FAILS", "clippy")]);
    assert_eq!(said.code, Some(101), "{said:?}");
    assert!(
        !cargo_calls(&project)
            .iter()
            .any(|call| call.starts_with("test"))
    );
}
