//! Tests of `scripts/setup.sh`, `train.sh`, `test.sh`, `check.sh`, `common.sh` and `.ci/run`, with
//! stubs: no network, no libtorch, nothing written outside the test's folder.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::print_stdout)]

mod machine;

use std::fs::File;
use std::os::unix::fs::symlink;
use std::process::Command;
use std::thread::sleep;
use std::time::Duration;

use machine::{Machine, check, contains, play, wait_until};

#[test]
fn what_is_missing_is_named_in_one_line_and_nothing_is_changed() {
    play(
        "
        without cargo | error: cargo is missing ; rustup
        STUB_RUSTC=1.9.1-nightly | error: or newer is needed, found 1.9.1-nightly ; rustup update
        STUB_RUSTC= | error: found none ; rustup default stable
        without c++ | error: the C++ compiler c++ is missing ; apt install g++ ; set CXX
        CXX=icpx -m64 | error: the C++ compiler icpx is missing
        without python3 | error: python3 is missing ; apt install python3-pip ; uv
        STUB_PIP= | error: pip is missing from ; python3 ; apt install python3-pip ; uv
        STUB_PIP=20.2.4 | error: pip 20.2.4 is too old: install pip 20.3
        with mkdir | error: cannot write to ; my project
        STUB_ARCH=riscv64 | error: no libtorch wheel for Linux on riscv64 ; set LIBTORCH
        STUB_SYSTEM=Darwin ; STUB_ARCH=arm64 ; STUB_MACOS=13.7.1 | error: needs macOS 14 or newer
        STUB_SYSTEM=Darwin ; STUB_ARCH=arm64 ; --cuda | error: no CUDA on macOS: remove --cuda
        STUB_LIBC= | error: glibc 2.28 or newer ; another C library ; set LIBTORCH to a libtorch
        STUB_LIBC=glibc 2.27 | error: this Linux has glibc 2.27
        file libtorch/mine= | error: libtorch was not made by this script: move it away
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
        then STUB_INSTALL=no-network ; --cuda | error: cannot reach the package index ; \
            HTTPS_PROXY ; PIP_INDEX_URL ; LIBTORCH
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
    play(
        "
        | with pip ; for cpu is ready | --no-deps ; torch==@VERSION nvidia-cuda-runtime==13. ; \
            nvidia-cuda-cupti==13. ; --only-binary=:all: ; --python-version=3.12 ; \
            --implementation=cp ; =manylinux_2_28_x86_64 ; =manylinux2014_x86_64
        STUB_RUSTC=1.100.0-nightly ; STUB_LIBC=glibc 2.28 ; CXX=c++ -m64 | for cpu is ready
        STUB_PIP=20.3b1 ; with uv | with pip
        STUB_PIP=20.2.4 ; with uv | with uv ; for cpu is ready | --no-deps torch==@VERSION ; \
            --python-platform=x86_64-manylinux_2_28 ; --python-version=3.12 ; --only-binary=:all:
        without python3 ; with uv | with uv
        STUB_ARCH=aarch64 | note: set-up has not been tried | --platform=manylinux_2_28_aarch64 ; !x86_64
        STUB_SYSTEM=Darwin ; STUB_ARCH=arm64 | for cpu is ready | =macosx_14_0_arm64 ; !nvidia
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
        LIBTORCH=@/elsewhere ; LIBTORCH_LIB=@/own | of unknown version: nothing to install
        LIBTORCH_USE_PYTORCH=1 ; STUB_PYTORCH=@VERSION+cu130 | (python3), libtorch @VERSION+cu130
        LIBTORCH_USE_PYTORCH=1 ; STUB_PYTORCH=@VERSION ; with python ; VIRTUAL_ENV=/v | (python),
        file ../own/version.py=__version__ = '2.1.0+cpu' ; LIBTORCH=@/own | error: LIBTORCH=@/own \
            is libtorch 2.1.0+cpu, but @VERSION is needed ; LIBTORCH_BYPASS_VERSION_CHECK=1
        then LIBTORCH=@/own ; LIBTORCH_BYPASS_VERSION_CHECK=1 | libtorch 2.1.0+cpu: nothing
        LIBTORCH=@/elsewhere | error: expected ; holds lib and include ; unset it
        LIBTORCH=../own | error: expected the absolute path
        LIBTORCH_USE_PYTORCH=1 | error: cannot import torch ; @VERSION ; unset LIBTORCH_USE_PYTORCH
        LIBTORCH_USE_PYTORCH=1 ; STUB_PYTORCH=2.1.0 | error: is libtorch 2.1.0 ; @VERSION is needed
        ",
    );
}

#[test]
fn an_installed_libtorch_is_kept_until_another_kind_version_or_platform_is_needed() {
    let marker = "file libtorch/old= ; file libtorch/made-by-setup=libtorch";
    play(&format!(
        "
        | downloading ; for cpu is ready
        then without python3 ; without flock ; without getconf ; STUB_GPU=12.0, 580.65 | \
            !downloading ; for cpu is ready in libtorch/
        --cpu | for cpu is ready
        then file libtorch/old= ; --cuda | downloading ; for cuda is ready
        then | !downloading ; for cuda is ready
        then file libtorch/old= ; --cpu | downloading ; for cpu is ready
        {marker} 1.0.0 for cpu, Linux x86_64 | downloading ; for cpu is ready
        {marker} @VERSION for cpu, Darwin arm64 | downloading ; for cpu is ready
        "
    ));
}

fn sh(command: &str) -> bool {
    let output = Command::new("sh").args(["-c", command]).output();
    output.unwrap().status.success()
}

#[test]
fn a_stopped_setup_keeps_what_is_installed_and_leaves_nothing_the_next_one_trips_over() {
    for signal in ["TERM", "KILL"] {
        let machine = Machine::new();
        let setup = |option: &str| {
            let output = machine
                .command(&format!("scripts/setup.sh {option}"))
                .output();
            check(&output.unwrap(), "is ready");
        };
        setup("--cpu");
        let child = machine.start_setup("--cuda");
        // The whole process group, as Ctrl-C does.
        assert!(sh(&format!("kill -{signal} -{}", child.id())));
        assert!(!child.wait_with_output().unwrap().status.success());
        assert_eq!(machine.path("libtorch.partial").exists(), signal == "KILL");
        assert_eq!(machine.installed(), "cpu");
        machine.write("libtorch.partial/new/torch/left-over", "");
        machine.write("../log/go-on", "");
        setup("--cuda");
        assert_eq!(machine.installed(), "cuda");
        assert!(!machine.path("libtorch/torch/left-over").exists());
        assert!(!machine.path("libtorch.partial").exists());
    }
}

#[test]
#[cfg(target_os = "linux")]
fn a_second_setup_waits_for_the_first_one_or_for_the_pip_it_left_behind() {
    for is_first_killed in [false, true] {
        let machine = Machine::new();
        let mut first = machine.start_setup("");
        if is_first_killed {
            first.kill().unwrap();
            first.wait().unwrap();
        }
        let log = File::create(machine.path("../log/second")).unwrap();
        let mut second = machine
            .command("scripts/setup.sh")
            .stderr(log)
            .spawn()
            .unwrap();
        let said = |phrase: &str| machine.read("../log/second").contains(phrase);
        wait_until(&mut second, || said("another set-up is running"));
        machine.write("../log/go-on", "");
        assert!(second.wait().unwrap().success());
        assert_eq!(first.wait().unwrap().success(), !is_first_killed);
        assert_eq!(said("downloading"), is_first_killed);
        assert_eq!(machine.installed(), "cpu");
    }
}

#[test]
fn each_script_runs_its_steps_in_order_and_stops_at_the_first_failure() {
    play(
        "
        STUB_PIP= ; scripts/train.sh | error: pip is missing | !cargo
        STUB_PIP= ; scripts/test.sh | error: pip is missing | !cargo
        STUB_CARGO_FAILS=build ; scripts/train.sh | exit 101 | cargo build --release ; !program
        scripts/train.sh | for cpu is ready | cargo build --release --locked --bin ; program
        then scripts/test.sh --test setup | is ready | test --release --locked --test setup LIB
        with shellcheck ; STUB_SHELLCHECK_EXIT=3 ; scripts/check.sh | exit 3 | !cargo ; \
            common.sh ; setup.sh ; train.sh ; test.sh ; check.sh ; .ci/run
        file scripts/broken.sh=if true; then ; scripts/check.sh | exit 2 | !cargo
        STUB_CARGO_FAILS=fmt ; .ci/run | exit 101 | cargo fmt --all --check ; !clippy
        STUB_CARGO_FAILS=clippy ; .ci/run | exit 101 | !cargo doc ; \
            cargo clippy --release --locked --all-targets -- -D warnings
        STUB_CARGO_FAILS=check ; .ci/run | exit 101 | !cargo doc ; \
            cargo clippy --release --locked --no-default-features -- -D warnings
        STUB_CARGO_FAILS=doc ; .ci/run | exit 101 | !cargo test ; \
            check --release --locked --no-default-features --features core-only LIB ; \
            --features other LIB ; !--features default ; !--features doc-only
        .ci/run | note: shellcheck is missing | cargo test --release --locked LIB
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
        then LIBTORCH=@/my project/scripts/../libtorch/torch ; scripts/test.sh | is ready | \
            LIBTORCH=unset
        then LIBTORCH=libtorch/torch ; scripts/check.sh | is ready | !LIBTORCH=lib
        LIBTORCH=@/own ; scripts/train.sh | nothing to install | LIBTORCH=@/own ; !LIBTORCH=unset
        LIBTORCH=@/own ; scripts/test.sh | nothing to install | LIBTORCH=@/own
        LIBTORCH=@/own ; scripts/check.sh | nothing to install | -D warnings LIBTORCH=@/own
        ",
    );
}

#[test]
fn train_passes_options_folder_and_exit_status_through_despite_cdpath_and_links() {
    let machine = Machine::new();
    symlink(machine.path(""), machine.path("../elsewhere/link")).unwrap();
    let mut command = machine.command("../real/bash link/scripts/train.sh --epochs 2 --out");
    command.arg("my runs/1").env("STUB_PROGRAM_EXIT", "7");
    command.env("CDPATH", machine.path(".."));
    let output = command.output().unwrap();
    check(&output, "exit 7");
    assert_eq!(output.stdout, b"a result\n");
    let folder = machine.path("../elsewhere").canonicalize().unwrap();
    let call = format!("program {} --epochs 2 --out my runs/1\n", folder.display());
    contains(&machine.calls(), &call);
}

#[test]
fn the_file_server_of_a_script_ends_with_it_even_after_kill_9() {
    let machine = Machine::new();
    let serve = |folder: &str| {
        let mut command = machine.command("../real/bash -c");
        let script = format!(". scripts/common.sh; scratch; serve {folder}; exec sleep 60");
        command.arg(script).current_dir(machine.path(""));
        command.spawn().unwrap()
    };
    let failed = serve("/no-folder").wait_with_output().unwrap();
    check(
        &failed,
        "error: server for /no-folder did not start ; NotADirectory",
    );

    let mut script = serve("/some-folder");
    wait_until(&mut script, || machine.calls().contains("server"));
    let calls = machine.calls();
    let is_running = format!("kill -0 {}", calls.trim().rsplit(' ').next().unwrap());
    assert!(sh(&is_running));
    script.kill().unwrap();
    script.wait().unwrap();
    let ended = (0..1000).any(|_| {
        sleep(Duration::from_millis(10));
        !sh(&is_running)
    });
    assert!(ended);
}

#[test]
fn help_is_printed() {
    let output = Machine::new()
        .command("scripts/setup.sh --help")
        .output()
        .unwrap();
    check(&output, "");
    assert!(output.stdout.starts_with(b"usage: scripts/setup.sh"));
}
