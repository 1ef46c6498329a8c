//! `train.sh`, `test.sh`, `check.sh` and `.ci/run`: first the set-up, then cargo, then the program.

use std::os::unix::fs::symlink;

use crate::project::{LOG, Project, check, holds};
use crate::table::play;

#[test]
fn train_hands_options_and_folder_to_the_program_and_its_answer_back() {
    let project = Project::new();
    let mut command = project.command("scripts/train.sh --epochs 2 --out", "STUB_PROGRAM_EXIT=7");
    let output = command.args(["my runs/1", ""]).output().unwrap();
    check(&output, "exit 7");
    assert_eq!(output.stdout, b"a result\n");
    // As the shell prints it: on macOS the temporary folder is behind a link.
    let folder = project.path("../elsewhere").canonicalize().unwrap();
    let words = "--epochs\t2\t--out\tmy runs/1\t\t\n";
    holds(
        &project.read(LOG),
        &format!("program\t{}\t{words}", folder.display()),
    );
}

#[test]
fn setup_comes_first_then_cargo_and_nothing_is_run_after_what_fails() {
    let table = "
        STUB_PIP= ; scripts/train.sh | error: pip is missing | !cargo
        STUB_PIP= ; scripts/test.sh | error: pip is missing | !cargo
        STUB_CARGO_FAILS=build ; scripts/train.sh | exit 101 | cargo build --release ; !program
        STUB_CARGO_FAILS=test ; scripts/test.sh | exit 101 | cargo test --release
        scripts/train.sh | (CPU set) is ready | cargo build --release --locked --bin ; program
        then scripts/test.sh --test setup | is ready | test --release --locked --test setup LIB
        without cargo ; scripts/check.sh | error: cargo is missing
        STUB_CARGO_FAILS=fmt ; .ci/run | exit 101 | cargo fmt --all --check ; !clippy
        STUB_CARGO_FAILS=clippy ; .ci/run | exit 101 | !cargo doc ; \
            cargo clippy --release --locked --all-targets -- -D warnings
        STUB_CARGO_FAILS=doc ; .ci/run | exit 101 | !cargo test ; \
            cargo doc --release --locked --no-deps --document-private-items
        .ci/run | note: shellcheck is not installed | cargo test --release --locked LIB
        with shellcheck ; STUB_SHELLCHECK_EXIT=1 ; scripts/check.sh | exit 1 | !cargo ; \
            common.sh ; setup.sh ; train.sh ; test.sh ; check.sh ; .ci/run
        file scripts/broken.sh=if true; then ; scripts/check.sh | exit 2 | !cargo
    ";
    play(table);
}

#[test]
fn train_on_cuda_upgrades_a_cpu_set_only_where_a_driver_answers() {
    let table = "
        --cpu | (CPU set) is ready
        then STUB_DRIVER=580.65.06 ; scripts/train.sh --device cpu --out cuda | (CPU set) is ready
        then STUB_DRIVER=580.65.06 ; scripts/train.sh --out --device-cuda | (CPU set) is ready
        then scripts/train.sh --device=cuda | (CPU set) is ready
        then STUB_DRIVER=580.65.06 ; scripts/train.sh --device=cuda | (CUDA set) is ready
        --cpu | (CPU set) is ready
        then STUB_DRIVER=580.65.06 ; scripts/train.sh -q --device cuda | (CUDA set) is ready
        --cpu | (CPU set) is ready
        then STUB_DRIVER=580.65.06 ; scripts/train.sh --device cuda:0 -q | (CUDA set) is ready
        --cpu | (CPU set) is ready
        then STUB_DRIVER=580.65.06 ; scripts/train.sh --device=cuda:1 | (CUDA set) is ready
    ";
    play(table);
}

#[test]
fn cargo_sees_a_libtorch_of_the_users_but_not_another_name_for_the_projects() {
    let table = "
        LIBTORCH=@/my project/libtorch/torch ; scripts/train.sh | is ready | \
            LIBTORCH=unset ; !LIBTORCH=/
        then LIBTORCH=@/my project/libtorch/torch ; scripts/test.sh | is ready | !LIBTORCH=/
        then LIBTORCH=@/my project/libtorch/torch ; scripts/check.sh | is ready | \
            -D warnings LIBTORCH=unset ; --document-private-items LIBTORCH=unset
        LIBTORCH=@/own ; scripts/train.sh | nothing to install | LIBTORCH=@/own ; !LIBTORCH=unset
        LIBTORCH=@/own ; scripts/test.sh | nothing to install | LIBTORCH=@/own
        LIBTORCH=@/own ; scripts/check.sh | nothing to install | -D warnings LIBTORCH=@/own
    ";
    play(table);
}

#[test]
fn a_cdpath_does_not_lead_the_scripts_astray() {
    let project = Project::new();
    // `cd .ci/..` looks in the CDPATH first, and prints where it ends up.
    let cdpath = format!("CDPATH={}", project.path("").display());
    let mut command = project.command("../tools/bash .ci/run", &cdpath);
    let output = command.current_dir(project.path("")).output().unwrap();
    check(&output, "(CPU set) is ready");
    assert!(output.stdout.is_empty(), "{output:?}");
    holds(&project.read(LOG), "cargo\ttest");
}

#[test]
fn the_scripts_work_under_another_name_of_their_folder() {
    let project = Project::new();
    symlink(project.path(""), project.path("../elsewhere/link")).unwrap();
    let output = project.command("../elsewhere/link/.ci/run", "").output();
    check(&output.unwrap(), "(CPU set) is ready");
    holds(&project.read(LOG), "cargo\ttest");
}
