//! Tests of `scripts/setup.sh`, `train.sh`, `test.sh`, `check.sh`, `common.sh` and `.ci/run`, with
//! stubs: no network, no libtorch, nothing written outside the test's folder.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::print_stdout)]

mod machine;

use std::fs;
use std::os::unix::fs::symlink;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use machine::{Machine, check, contains, play, wait_until};

#[test]
fn what_is_missing_is_named_in_one_line_and_nothing_is_changed() {
    play(
        "
        without cargo | error: cargo is missing ; rustup
        STUB_RUSTC=1.87.1 | error: Rust ; or newer is needed, found 1.87.1 ; rustup update stable
        STUB_RUSTC=1.9.0-nightly | error: found 1.9.0-nightly
        STUB_RUSTC= | error: found none ; rustup default stable
        without c++ | error: the C++ compiler c++ is missing ; apt install g++ ; set CXX
        CXX=icpx -m64 | error: the C++ compiler icpx is missing
        without python3 | error: python3 is missing ; apt install python3-pip ; uv
        STUB_PIP= | error: pip is missing from ; python3 ; apt install python3-pip ; uv
        STUB_PIP=20.2.4 | error: pip 20.2.4 is too old: install pip 20.3
        with mkdir | error: cannot write to ; my project
        STUB_SYSTEM=FreeBSD ; STUB_ARCH=amd64 | error: no libtorch wheel for FreeBSD ; set LIBTORCH
        STUB_ARCH=riscv64 | error: there is no libtorch wheel for Linux on riscv64
        STUB_SYSTEM=Darwin | error: there is no libtorch wheel for Darwin on x86_64
        STUB_SYSTEM=Darwin ; STUB_ARCH=arm64 ; STUB_MACOS=13.7.1 | error: needs macOS 14 or newer
        STUB_SYSTEM=Darwin ; STUB_ARCH=arm64 ; --cuda | error: no CUDA on macOS: remove --cuda
        STUB_LIBC= | error: glibc 2.28 or newer ; another C library ; set LIBTORCH to a libtorch
        STUB_LIBC=glibc 2.27 | error: this Linux has glibc 2.27
        file libtorch/torch/lib/mine= | error: not made by this script | kept libtorch/torch/lib/mine
        --gpu | exit 2 ; error: unknown option '--gpu'
        --cpu --cuda | exit 2 ; error: unknown option '--cpu --cuda'
        ",
    );
}

#[test]
fn a_failed_download_is_explained_in_one_line_and_keeps_the_installed_libtorch() {
    play(
        "
        | for cpu is ready
        then file libtorch/mine= ; STUB_INSTALL=no-network ; --cuda | \
            error: cannot reach the package index ; HTTPS_PROXY ; PIP_INDEX_URL ; LIBTORCH | \
            kept libtorch/mine
        with uv ; without python3 ; STUB_INSTALL=no-network | error: uv says ; UV_DEFAULT_INDEX
        STUB_INSTALL=disk-full | error: No space left on device ; make room ; !network
        STUB_INSTALL=no-such-version | error: No matching distribution found ; !network
        STUB_INSTALL=silent | error: pip says: nothing
        STUB_TORCH=0.0.0 | error: there is no libtorch @VERSION
        ",
    );
}

#[test]
fn the_download_fits_the_machine() {
    // The wheel names the versions of the CUDA set; its Python dependencies are left out.
    play(
        "
        | with pip ; for cpu is ready | --target=@/my project/libtorch.partial/new ; --no-deps ; \
            --only-binary=:all: ; --python-version=3.12 ; --implementation=cp ; torch==@VERSION ; \
            nvidia-cuda-runtime==@RUNTIME ; nvidia-cuda-cupti==@CUPTI ; \
            --platform=manylinux_2_28_x86_64 ; manylinux_2_17_x86_64 ; manylinux2014_x86_64
        STUB_RUSTC=1.100.0-nightly ; STUB_LIBC=glibc 2.28 ; CXX=c++ -m64 | is ready
        STUB_PIP=20.3b1 ; with uv | with pip
        STUB_PIP=20.2.4 ; with uv | with uv
        without python3 ; with uv | with uv ; for cpu is ready | --no-deps ; torch==@VERSION ; \
            --python-platform=x86_64-manylinux_2_28 ; --python-version=3.12 ; --only-binary=:all:
        STUB_ARCH=aarch64 | note: set-up has not been tried ; for cpu is ready | \
            --platform=manylinux_2_28_aarch64 ; !x86_64
        STUB_SYSTEM=Darwin ; STUB_ARCH=arm64 ; STUB_GPU=12.0, 580.65 | for cpu is ready | \
            --platform=macosx_14_0_arm64 ; !nvidia
        STUB_GPU=7.5, 580.65.06 | for cuda is ready | --no-deps torch==@VERSION user ; \
            cuda-toolkit[cublas,cudart]==13.0.3 nvidia-cudnn-cu13==9.20.0.48 user ; !triton
        STUB_GPU=12.0, 580.65.06 ; --cpu | for cpu is ready
        STUB_GPU=12.0, 570.133.20 | note: NVIDIA driver 570.133.20 is older than 580 ; for cpu
        STUB_GPU=7.0, 580.65.06 | note: the GPU's compute capability 7.0 is below 7.5 ; for cpu
        --cuda | note: nvidia-smi reports no GPU ; for cuda is ready
        ",
    );
}

#[test]
fn settings_of_pip_and_uv_do_not_change_what_is_installed_but_the_mirror_is_used() {
    play(
        "
        PIP_USER=1 ; PIP_REQUIRE_VIRTUALENV=1 ; PIP_CONSTRAINT=/c.txt ; TMPDIR=/nowhere ; \
            PIP_EXTRA_INDEX_URL=http://127.0.0.1/cpu ; UV_CONSTRAINT=/c.txt ; \
            UV_TORCH_BACKEND=cpu ; PIP_INDEX_URL=http://127.0.0.1/mirror | is ready | \
            user=0 virtualenv=0 constraint=[ ] extra=[ ] uv=[] index=http://127.0.0.1/mirror \
            tmp=@/my project/libtorch.partial/tmp
        ",
    );
}

#[test]
fn a_libtorch_of_the_user_is_checked_and_nothing_is_installed() {
    play(
        "
        file ../own/build-version=@VERSION+cpu ; LIBTORCH=@/own ; without python3 | \
            using LIBTORCH=@/own, libtorch @VERSION+cpu: nothing to install
        file ../own/version.py=__version__ = '@VERSION' ; LIBTORCH=@/own | nothing to install
        LIBTORCH=@/own | of unknown version: nothing to install
        LIBTORCH=@/elsewhere ; LIBTORCH_LIB=@/own | nothing to install
        LIBTORCH_USE_PYTORCH=1 ; STUB_PYTORCH=@VERSION+cu130 | (python3), libtorch @VERSION+cu130
        LIBTORCH_USE_PYTORCH=1 ; STUB_PYTORCH=@VERSION ; with python ; VIRTUAL_ENV=/v | (python),
        file ../own/build-version=2.1.0+cpu ; LIBTORCH=@/own | error: LIBTORCH=@/own is libtorch \
            2.1.0+cpu, but @VERSION is needed ; LIBTORCH_BYPASS_VERSION_CHECK=1
        then LIBTORCH=@/own ; LIBTORCH_BYPASS_VERSION_CHECK=1 | libtorch 2.1.0+cpu: nothing
        LIBTORCH=/not/there | error: LIBTORCH=/not/there: expected the absolute path ; unset it
        LIBTORCH=@/elsewhere | error: expected ; holds lib and include
        LIBTORCH=../own | error: expected the absolute path
        LIBTORCH_USE_PYTORCH=1 | error: cannot import torch ; @VERSION ; unset LIBTORCH_USE_PYTORCH
        LIBTORCH_USE_PYTORCH=1 ; STUB_PYTORCH=2.1.0 | error: is libtorch 2.1.0 ; @VERSION is needed
        ",
    );
}

#[test]
fn an_installed_libtorch_is_kept_until_another_kind_version_or_platform_is_needed() {
    play(
        "
        | downloading ; for cpu is ready
        then without python3 ; without flock ; without getconf ; STUB_GPU=12.0, 580.65 | \
            !downloading ; for cpu is ready in libtorch/
        --cpu | for cpu is ready
        then file libtorch/old= ; --cuda | for cuda is ready | !kept
        then --cuda | for cuda is ready | !install
        then | for cuda is ready | !install
        then file libtorch/old= ; --cpu | downloading ; for cpu is ready | torch== ; !kept
        file libtorch/made-by-setup=libtorch 1.0.0 for cpu, Linux x86_64 ; \
            file libtorch/torch/lib/old= | downloading ; is ready | !kept libtorch/torch/lib/old
        file libtorch/made-by-setup=libtorch @VERSION for cpu, Darwin arm64 ; \
            file libtorch/torch/lib/old= | downloading ; is ready | !kept libtorch/torch/lib/old
        ",
    );
}

#[test]
fn a_libtorch_folder_on_a_disk_that_is_not_mounted_is_not_replaced() {
    let machine = Machine::new();
    symlink("/not/mounted", machine.path("libtorch")).unwrap();
    machine.setup("error: not made by this script");
    assert!(machine.path("libtorch").is_symlink());
}

#[test]
fn help_is_printed() {
    let machine = Machine::new();
    let output = machine.command("scripts/setup.sh --help", "").output();
    let output = output.unwrap();
    check(&output, "");
    assert!(output.stdout.starts_with(b"usage: scripts/setup.sh"));
}

/// Sends a signal to the set-up and everything it started.
fn kill_group(child: Child, signal: &str) {
    let command = format!("kill -{signal} -{}", child.id());
    assert!(sh(&command));
    // Returns when the last process that holds stderr is gone.
    let output = child.wait_with_output().unwrap();
    assert!(!output.status.success());
}

fn sh(command: &str) -> bool {
    let mut shell = Command::new("sh");
    shell.args(["-c", command]).stderr(Stdio::null());
    shell.status().unwrap().success()
}

#[test]
fn a_killed_setup_leaves_nothing_that_the_next_one_trips_over() {
    let machine = Machine::new();
    kill_group(machine.start_setup(""), "KILL");
    assert!(!machine.path("libtorch").exists());
    machine.write("libtorch.partial/new/torch/left-over", "");
    machine.go_on();
    machine.setup("downloading ; for cpu is ready");
    assert!(!machine.path("libtorch/torch/left-over").exists());
    assert!(!machine.path("libtorch.partial").exists());
}

#[test]
fn a_setup_that_is_told_to_stop_cleans_up() {
    let machine = Machine::new();
    kill_group(machine.start_setup(""), "TERM");
    assert!(!machine.path("libtorch").exists());
    assert!(!machine.path("libtorch.partial").exists());
}

#[test]
fn a_killed_upgrade_keeps_the_installed_libtorch() {
    let machine = Machine::new();
    machine.setup("for cpu is ready");
    kill_group(machine.start_setup("--cuda"), "KILL");
    machine.setup("for cpu is ready ; !downloading");
}

/// Starts a second set-up, checks that it waits, and lets both end.
#[cfg(target_os = "linux")]
fn second_setup_waits(machine: &Machine, phrases: &str) {
    let log = machine.path("../log/second");
    let mut command = machine.command("scripts/setup.sh", "");
    command.stderr(fs::File::create(&log).unwrap());
    let mut second = command.spawn().unwrap();
    let waiting = || {
        machine
            .read("../log/second")
            .contains("another set-up is running")
    };
    wait_until(&mut second, waiting);
    assert!(!machine.path("libtorch").exists());
    machine.go_on();
    assert!(second.wait().unwrap().success());
    contains(&machine.read("../log/second"), phrases);
}

#[test]
#[cfg(target_os = "linux")]
fn of_two_setups_one_downloads_and_the_other_waits() {
    let machine = Machine::new();
    let first = machine.start_setup("");
    second_setup_waits(&machine, "!downloading ; for cpu is ready");
    check(&first.wait_with_output().unwrap(), "for cpu is ready");
}

#[test]
#[cfg(target_os = "linux")]
fn a_setup_waits_for_the_pip_of_a_killed_one() {
    let machine = Machine::new();
    let mut first = machine.start_setup("");
    first.kill().unwrap();
    first.wait().unwrap();
    second_setup_waits(&machine, "downloading ; for cpu is ready");
}

#[test]
fn train_passes_options_folder_and_exit_status_through() {
    let machine = Machine::new();
    let mut command = machine.command("scripts/train.sh --epochs 2 --out", "STUB_PROGRAM_EXIT=7");
    let output = command.args(["my runs/1"]).output().unwrap();
    check(&output, "exit 7");
    assert_eq!(output.stdout, b"a result\n");
    let folder = machine.path("../elsewhere").canonicalize().unwrap();
    let call = format!("program {} --epochs 2 --out my runs/1\n", folder.display());
    contains(&machine.calls(), &call);
}

#[test]
fn each_script_stops_at_the_first_failure() {
    play(
        "
        STUB_PIP= ; scripts/train.sh | error: pip is missing | !cargo
        STUB_PIP= ; scripts/test.sh | error: pip is missing | !cargo
        STUB_CARGO_FAILS=build ; scripts/train.sh | exit 101 | cargo build --release ; !program
        STUB_CARGO_FAILS=test ; scripts/test.sh | exit 101 | cargo test --release
        scripts/train.sh | for cpu is ready | cargo build --release --locked --bin ; program
        then scripts/test.sh --test setup | is ready | test --release --locked --test setup LIB
        without cargo ; scripts/check.sh | error: cargo is missing
        with shellcheck ; STUB_SHELLCHECK_EXIT=1 ; scripts/check.sh | exit 1 | !cargo ; \
            common.sh ; setup.sh ; train.sh ; test.sh ; check.sh ; .ci/run
        file scripts/broken.sh=if true; then ; scripts/check.sh | exit 2 | !cargo
        STUB_CARGO_FAILS=fmt ; .ci/run | exit 101 | cargo fmt --all --check ; !clippy
        STUB_CARGO_FAILS=clippy ; .ci/run | exit 101 | !cargo doc ; \
            cargo clippy --release --locked --all-targets -- -D warnings
        STUB_CARGO_FAILS=check ; .ci/run | exit 101 | !cargo doc
        STUB_CARGO_FAILS=doc ; .ci/run | exit 101 | !cargo test
        .ci/run | note: shellcheck is missing | cargo test --release --locked LIB
        ",
    );
}

#[test]
fn check_builds_the_core_alone_and_with_each_extra() {
    play(
        "
        scripts/check.sh | is ready | clippy --release --locked --no-default-features -- -D ; \
            check --release --locked --no-default-features --features core-only LIB ; \
            --features other LIB ; !--features default ; !--features doc-only
        ",
    );
}

#[test]
fn train_on_cuda_replaces_the_cpu_set_only_if_there_is_a_usable_gpu() {
    play(
        "
        --cpu | for cpu is ready
        then STUB_GPU=12.0, 580.65 ; scripts/train.sh --device cpu --out cuda | for cpu is ready
        then scripts/train.sh --device=cuda | for cpu is ready
        then STUB_GPU=12.0, 580.65 ; scripts/train.sh --device=cuda | for cuda is ready
        --cpu | for cpu is ready
        then STUB_GPU=12.0, 580.65 ; scripts/train.sh --device cuda:1 -q | for cuda is ready
        ",
    );
}

#[test]
fn cargo_gets_the_libtorch_of_the_user_but_no_other_spelling_of_the_own_one() {
    play(
        "
        LIBTORCH= ; scripts/train.sh | is ready | LIBTORCH=unset
        LIBTORCH=@/my project/libtorch/torch ; scripts/train.sh | is ready | LIBTORCH=unset
        then LIBTORCH=@/my project/libtorch/../libtorch/torch ; scripts/train.sh | is ready | \
            LIBTORCH=unset ; !LIBTORCH=/
        then LIBTORCH=libtorch/torch ; scripts/test.sh | is ready | !LIBTORCH=/
        then LIBTORCH=@/my project/libtorch/torch ; scripts/check.sh | is ready | !LIBTORCH=/
        LIBTORCH=@/own ; scripts/train.sh | nothing to install | LIBTORCH=@/own ; !LIBTORCH=unset
        LIBTORCH=@/own ; scripts/test.sh | nothing to install | LIBTORCH=@/own
        LIBTORCH=@/own ; scripts/check.sh | nothing to install | -D warnings LIBTORCH=@/own
        ",
    );
}

#[test]
fn the_scripts_find_their_folder_despite_cdpath_and_links() {
    let machine = Machine::new();
    let variables = format!("CDPATH={}", machine.path("").display());
    let mut command = machine.command("../tools/bash .ci/run", &variables);
    let output = command.current_dir(machine.path("")).output().unwrap();
    check(&output, "for cpu is ready");
    assert!(output.stdout.is_empty(), "{output:?}");
    symlink(machine.path(""), machine.path("../elsewhere/link")).unwrap();
    let output = machine.command("../elsewhere/link/.ci/run", "").output();
    check(&output.unwrap(), "for cpu is ready ; !downloading");
    assert_eq!(machine.calls().matches("cargo test").count(), 2);
}

#[test]
fn the_file_server_of_a_script_ends_with_it_even_after_kill_9() {
    let machine = Machine::new();
    let serve = |folder: &str| {
        let mut command = machine.command("../tools/bash -c", "");
        let script = format!(". scripts/common.sh; scratch; serve {folder}; sleep 600");
        command
            .arg(script)
            .current_dir(machine.path(""))
            .stderr(Stdio::piped());
        command.spawn().unwrap()
    };
    let failed = serve("/no-folder").wait_with_output().unwrap();
    check(
        &failed,
        "error: the file server for /no-folder did not start ; NotADirectory",
    );

    let mut script = serve("/some-folder");
    wait_until(&mut script, || machine.calls().contains("server"));
    let calls = machine.calls();
    let server = calls.trim().rsplit(' ').next().unwrap();
    assert!(sh(&format!("kill -0 {server}")));
    script.kill().unwrap();
    script.wait().unwrap();
    for _ in 0..1000 {
        if !sh(&format!("kill -0 {server}")) {
            return;
        }
        sleep(Duration::from_millis(10));
    }
    panic!("the server still runs");
}
