//! What set-up says and does on machines of many kinds, a line each: what the machine is like, what
//! set-up says on stderr, then what each call of pip or uv holds. `!` means: not that.
//!
//! A machine is stock but for `without PROGRAM`, `with PROGRAM`, `NAME=VALUE` in the environment,
//! an option of the set-up, and `file FILE=TEXT` in the project, beside which @/own is a libtorch.

use crate::project::{Project, Said, holds, list, pinned};

/// Sets up each machine of a table, and has `check` see what became of it.
fn each(table: &str, check: impl Fn(&Project, &Said)) {
    for line in table.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let mut project = Project::new();
        project.write("../own/lib/libtorch.so", "");
        let line = line
            .replace("@VERSION", &pinned("LIBTORCH_VERSION"))
            .replace("@RUNTIME", &pinned("CUDA_RUNTIME_VERSION"))
            .replace("@CUPTI", &pinned("CUDA_CUPTI_VERSION"))
            .replace("@/", &format!("{}/", project.path("..").display()));
        println!("{line}");
        let columns: Vec<&str> = line.split('|').map(str::trim).collect();
        let (mut settings, mut options) = (Vec::new(), "");
        for word in list(columns[0]) {
            match word.split_once(' ') {
                Some(("without", program)) => project = project.without(program),
                Some(("with", program)) => project = project.with(program),
                Some(("file", file)) => {
                    let (name, text) = file.split_once('=').unwrap();
                    project.write(name, text);
                }
                _ if word.starts_with("--") => options = word,
                _ => settings.push(word),
            }
        }
        let said = project.setup(options, &settings.join(" ; "));
        check(&project, &said);
        holds(&said.err, columns[1]);
        let calls = [project.calls("pip"), project.calls("uv")].concat();
        for (call, words) in columns[2..].iter().enumerate() {
            holds(&calls[call].join(" "), words);
        }
    }
}

/// It failed with one line, and left nothing behind.
fn refused(project: &Project, said: &Said) {
    said.failed("");
    assert!(!project.has_remains());
}

#[test]
fn what_a_machine_lacks_gets_one_line_that_says_what_to_do_and_nothing_is_changed() {
    let table = "
        without cargo | cargo is missing ; rustup
        without cargo ; with ../home/.cargo/bin/cargo | not on the PATH ; . ~/.cargo/env
        STUB_RUSTC=1.87.1 | 1.87.1 ; too old ; rustup update stable
        STUB_RUSTC=0.99.0 | 0.99.0 ; too old
        STUB_RUSTC=1.9.0-nightly | 1.9.0-nightly ; too old
        STUB_RUSTC= | rustc does not run ; rustup default stable
        without c++ | C++ compiler is missing ; apt install g++
        without c++ ; CXX=icpx -m64 | (icpx) ; unset CXX
        without c++ ; with g++ | export CXX=g++
        without python3 | python3 is missing ; apt install python3-pip ; uv
        STUB_PIP= | pip is missing from ; python3 ; apt install python3-pip ; uv
        STUB_PIP=20.2.4 | pip 20.2.4 is too old ; pip install --upgrade pip
        STUB_FREE_MB=1800 | not enough disk space ; 1800 MB are free ; make room
        STUB_FREE_MB=6000 ; --cuda | not enough disk space ; CUDA set
        with mkdir | my project cannot be written to
        STUB_SYSTEM=FreeBSD ; STUB_MACHINE=amd64 | \
            no libtorch wheel for FreeBSD on amd64; set LIBTORCH
        STUB_SYSTEM=Linux ; STUB_MACHINE=riscv64 | no libtorch wheel for Linux on riscv64
        STUB_SYSTEM=Darwin ; STUB_MACHINE=x86_64 | no libtorch wheel for Darwin on x86_64
        STUB_SYSTEM=Darwin ; STUB_MACHINE=arm64 ; STUB_MACOS=13.7.1 | macOS 14 or newer
        STUB_SYSTEM=Darwin ; STUB_MACHINE=arm64 ; --cuda | no CUDA on macOS ; leave --cuda out
        STUB_LIBC= | need glibc ; musl ; set LIBTORCH to a libtorch @VERSION of your own
        STUB_LIBC=glibc 2.27 | this Linux has 2.27; set LIBTORCH to a libtorch @VERSION of your own
    ";
    each(table, |project, said| {
        refused(project, said);
        assert!(project.calls("pip").is_empty());
    });
}

#[test]
fn an_installer_that_fails_is_quoted_and_the_network_is_blamed_only_where_it_failed() {
    let table = "
        STUB_INSTALL=no-network | could not be reached ; HTTPS_PROXY ; PIP_INDEX_URL ; LIBTORCH
        STUB_INSTALL=no-network ; without python3 ; with uv | reached ; UV_DEFAULT_INDEX
        STUB_INSTALL=disk-full | disk is full ; No space left ; make room
        STUB_INSTALL=no-such-version | No matching distribution found ; !network
        STUB_INSTALL=conflict | pip says: ERROR: ResolutionImpossible: for help ; \
            nothing was changed ; !network
        STUB_INSTALL=silent | pip says: nothing
        STUB_INSTALL=other-version | left no libtorch ; found: 0.0.0
    ";
    each(table, refused);
}

#[test]
fn a_machine_that_will_do_gets_the_set_that_fits_it() {
    // Of the CUDA set the versions are the wheel's own; its Python packages stay away.
    let table = "
        | with pip | --no-deps ; --only-binary=:all: ; --implementation=cp ; !cache
        | | torch==@VERSION ; nvidia-cuda-runtime==@RUNTIME ; nvidia-cuda-cupti==@CUPTI
        | | --platform=manylinux_2_28_x86_64 ; --platform=manylinux_2_17_x86_64 ; \
            --platform=manylinux_2_5_x86_64
        STUB_RUSTC=1.100.0-nightly | is ready
        without c++ ; with g++ ; CXX=g++ -m64 | is ready
        STUB_PIP=20.3b1 ; with uv | with pip ; !value too great
        STUB_PIP=20.2.4 ; with uv | with uv
        STUB_PIP= ; with uv | with uv
        without python3 ; with uv | with uv | --no-deps ; --only-binary=:all: ; !cache ; \
            --python-version=3.12 ; torch==@VERSION ; --python-platform=x86_64-manylinux_2_28
        STUB_HOME_FREE_MB=2000 | is ready | --no-cache-dir
        STUB_HOME_FREE_MB=2000 ; without python3 ; with uv | is ready | --no-cache
        STUB_FREE_MB=2000 | is ready
        STUB_DF_FAILS=1 | is ready
        without df | is ready
        STUB_LIBC=glibc 2.28 | is ready
        STUB_MACHINE=aarch64 | note: ; not been tried on Linux arm64 ; (CPU set) is ready | \
            --platform=manylinux_2_28_aarch64 ; --platform=manylinux2014_aarch64 ; !x86_64
        STUB_SYSTEM=Darwin ; STUB_MACHINE=arm64 ; STUB_DRIVER=580.65.06 | \
            not been tried on macOS ; (CPU set) is ready | --platform=macosx_14_0_arm64 ; !nvidia
        STUB_DRIVER=580.65.06 | (CUDA set) is ready | --no-deps ; torch==@VERSION ; !nvidia | \
            cuda-toolkit[cublas,cudart]==13.0.3 nvidia-cudnn-cu13==9.20.0.48 ; !triton ; !filelock ; \
            !torch== ; !--no-deps
        STUB_DRIVER=580.65.06 ; --cpu | (CPU set) is ready
        STUB_DRIVER=570.133.20 | note: the NVIDIA driver 570.133.20 is older than 580 ; \
            (CPU set) is ready
        STUB_DRIVER=570.133.20 ; --cuda | note: the NVIDIA driver 570.133.20 is older ; \
            (CUDA set) is ready
        STUB_DRIVER=580.65.06 ; STUB_CAPABILITY=7.5 | (CUDA set) is ready
        STUB_DRIVER=580.65.06 ; STUB_CAPABILITY=7.0 | note: the GPU's compute capability 7.0 ; \
            docs/libtorch.md ; (CPU set) is ready
        --cuda | note: no NVIDIA driver answers ; (CUDA set) is ready
        LIBTORCH= | fetching ; is ready in libtorch/
        LIBTORCH=libtorch/torch | fetching ; is ready in libtorch/
        PIP_USER=1 ; PIP_REQUIRE_VIRTUALENV=1 ; PIP_CONSTRAINT=/etc/constraint.txt ; \
            PIP_EXTRA_INDEX_URL=http://127.0.0.1/cpu ; UV_CONSTRAINT=/etc/constraint.txt ; \
            UV_TORCH_BACKEND=cpu ; PIP_INDEX_URL=http://127.0.0.1/mirror ; TMPDIR=/nowhere | \
            is ready | user=0 virtualenv=0 constraint=[ ] extra=[ ] uv= \
            index=http://127.0.0.1/mirror temporary=/ ; /my project/libtorch.partial/tmp
    ";
    each(table, |project, said| {
        said.succeeded("");
        // It is on the disk before it is called ready.
        assert!(!project.calls("sync").is_empty());
        let set = project.installed().unwrap();
        let set = set.replace("cpu", "CPU").replace("cuda", "CUDA");
        assert!(said.err.contains(&format!("({set}) is ready")), "{said:?}");
        assert!(!project.path("libtorch.partial").exists());
    });
}

#[test]
fn a_libtorch_of_the_users_is_checked_and_nothing_is_installed() {
    let good = "
        file ../own/build-version=@VERSION+cpu ; LIBTORCH=@/own ; without python3 | \
            using libtorch @VERSION ; @/own ; nothing to install
        file ../own/version.py=__version__ = '@VERSION' ; LIBTORCH=@/own | \
            using libtorch @VERSION: LIBTORCH=@/own
        LIBTORCH=@/own | version cannot be told ; nothing to install
        LIBTORCH=@/elsewhere ; LIBTORCH_LIB=@/own | nothing to install
        file ../own/build-version=2.1.0+cpu ; LIBTORCH=@/own ; LIBTORCH_BYPASS_VERSION_CHECK=1 | \
            warning: ; is libtorch 2.1.0 ; going on
        LIBTORCH_USE_PYTORCH=1 ; STUB_PYTORCH=@VERSION+cu130 | \
            using libtorch @VERSION: the PyTorch of python3 (
        LIBTORCH_USE_PYTORCH=1 ; STUB_PYTORCH=@VERSION ; with python ; VIRTUAL_ENV=/venv | \
            the PyTorch of python (
    ";
    let bad = "
        file ../own/build-version=2.1.0+cpu ; LIBTORCH=@/own | is libtorch 2.1.0 ; \
            needs @VERSION ; LIBTORCH_BYPASS_VERSION_CHECK=1
        LIBTORCH=/not/there | LIBTORCH=/not/there: there is no such folder ; unset
        LIBTORCH=@/elsewhere | no lib folder in it ; unset
        LIBTORCH=../own | relative path ; give the absolute one
        LIBTORCH_USE_PYTORCH=1 | import torch ; @VERSION ; unset LIBTORCH_USE_PYTORCH
        LIBTORCH_USE_PYTORCH=1 ; STUB_PYTORCH=2.1.0 | is libtorch 2.1.0 ; @VERSION
    ";
    each(bad, refused);
    each(good, |project, said| {
        said.succeeded("");
        assert!(!project.has_remains() && project.calls("pip").is_empty());
    });
}

#[test]
fn a_libtorch_folder_that_is_not_from_here_is_never_overwritten() {
    let table =
        "file libtorch/torch/lib/mine=own ; --cuda | not made by this script ; move it away";
    each(table, |project, said| {
        said.failed("");
        assert_eq!(project.read("libtorch/torch/lib/mine"), "own");
        assert!(project.calls("pip").is_empty());
    });
}

#[test]
fn options_that_make_no_sense_are_wrong_usage() {
    each(
        "--gpu | error: \n --cpu --cuda | error: ",
        |project, said| {
            assert_eq!(said.code, Some(2), "{said:?}");
            assert!(!project.has_remains());
        },
    );
}
