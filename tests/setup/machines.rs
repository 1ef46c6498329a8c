//! What set-up says and does on machines of many kinds.

use crate::table::play;

#[test]
fn what_a_machine_lacks_gets_one_line_that_says_what_to_do_and_nothing_is_changed() {
    let table = "
        without cargo | error: cargo is missing ; rustup
        without cargo ; with ../home/.cargo/bin/cargo | error: ; not on the PATH ; . ~/.cargo/env
        STUB_RUSTC=1.87.1 | error: rustc 1.87.1 is too old ; rustup update stable
        STUB_RUSTC=0.99.0 | error: rustc 0.99.0 is too old
        STUB_RUSTC=1.9.0-nightly | error: rustc 1.9.0-nightly is too old
        STUB_RUSTC= | error: rustc does not run ; rustup default stable
        without c++ | error: a C++ compiler is missing ; apt install g++
        without c++ ; CXX=icpx -m64 | error: ; (icpx) ; unset CXX
        without c++ ; with g++ | error: ; export CXX=g++
        without python3 | error: python3 is missing ; apt install python3-pip ; uv
        STUB_PIP= | error: pip is missing from ; python3 ; apt install python3-pip ; uv
        STUB_PIP=20.2.4 | error: pip 20.2.4 is too old ; pip install --upgrade pip
        STUB_FREE_MB=1800 | error: not enough disk space ; 1800 MB are free ; make room
        STUB_FREE_MB=6000 ; --cuda | error: not enough disk space ; CUDA set
        with mkdir | error: ; my project cannot be written to
        STUB_SYSTEM=FreeBSD ; STUB_MACHINE=amd64 | \
            error: there is no libtorch wheel for FreeBSD on amd64; set LIBTORCH
        STUB_SYSTEM=Linux ; STUB_MACHINE=riscv64 | error: ; no libtorch wheel for Linux on riscv64
        STUB_SYSTEM=Darwin ; STUB_MACHINE=x86_64 | error: ; no libtorch wheel for Darwin on x86_64
        STUB_SYSTEM=Darwin ; STUB_MACHINE=arm64 ; STUB_MACOS=13.7.1 | error: ; macOS 14 or newer
        STUB_SYSTEM=Darwin ; STUB_MACHINE=arm64 ; --cuda | error: ; no CUDA on macOS ; leave --cuda
        STUB_LIBC= | error: ; need glibc ; musl ; set LIBTORCH to a libtorch @VERSION of your own
        STUB_LIBC=glibc 2.27 | error: ; has 2.27; set LIBTORCH to a libtorch @VERSION of your own
        file libtorch/torch/lib/mine= ; --cuda | error: ; not made by this script ; move it away | \
            kept libtorch/torch/lib/mine
        --gpu | exit 2 ; error: unknown option
        --cpu --cuda | exit 2 ; error: --cpu and --cuda exclude each other
    ";
    play(table);
}

#[test]
fn an_installer_that_fails_is_quoted_and_the_network_is_blamed_only_where_it_failed() {
    let table = "
        STUB_INSTALL=no-network | error: ; not be reached ; HTTPS_PROXY ; PIP_INDEX_URL ; LIBTORCH
        STUB_INSTALL=no-network ; without python3 ; with uv | error: ; reached ; UV_DEFAULT_INDEX
        STUB_INSTALL=disk-full | error: the disk is full ; No space left ; make room
        STUB_INSTALL=no-such-version | error: ; No matching distribution found ; !network
        STUB_INSTALL=conflict | error: ; pip says: ERROR: ResolutionImpossible: for help ; \
            nothing was changed ; !network
        STUB_INSTALL=silent | error: ; pip says: nothing
        STUB_INSTALL=other-version | error: ; left no libtorch ; found: 0.0.0
    ";
    play(table);
}

#[test]
fn a_machine_that_will_do_gets_the_set_that_fits_it() {
    // Of the CUDA set the versions are the wheel's own; its Python packages stay away.
    let table = "
        | with pip | --no-deps ; --only-binary=:all: ; --implementation=cp ; !cache ; \
            torch==@VERSION ; nvidia-cuda-runtime==@RUNTIME ; nvidia-cuda-cupti==@CUPTI ; \
            --platform=manylinux_2_28_x86_64 ; manylinux_2_17_x86_64 ; manylinux_2_5_x86_64
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
        STUB_DRIVER=580.65.06 | (CUDA set) is ready | --no-deps torch==@VERSION user= ; \
            --platform=manylinux_2_5_x86_64 cuda-toolkit[cublas,cudart]==13.0.3 \
            nvidia-cudnn-cu13==9.20.0.48 user=
        STUB_DRIVER=580.65.06 ; --cpu | (CPU set) is ready
        STUB_DRIVER=570.133.20 | note: the NVIDIA driver 570.133.20 is older than 580 ; (CPU set)
        STUB_DRIVER=570.133.20 ; --cuda | note: the NVIDIA driver 570.133.20 is older ; (CUDA set)
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
            index=http://127.0.0.1/mirror temporary=@/my project/libtorch.partial/tmp
    ";
    play(table);
}

#[test]
fn a_libtorch_of_the_users_is_checked_and_nothing_is_installed() {
    let table = "
        file ../own/build-version=@VERSION+cpu ; LIBTORCH=@/own ; without python3 | \
            using libtorch @VERSION: LIBTORCH=@/own; nothing to install
        file ../own/version.py=__version__ = '@VERSION' ; LIBTORCH=@/own | \
            using libtorch @VERSION: LIBTORCH=@/own; nothing to install
        LIBTORCH=@/own | version cannot be told ; nothing to install
        LIBTORCH=@/elsewhere ; LIBTORCH_LIB=@/own | nothing to install
        LIBTORCH_USE_PYTORCH=1 ; STUB_PYTORCH=@VERSION+cu130 | \
            using libtorch @VERSION: the PyTorch of python3 ( ; nothing to install
        LIBTORCH_USE_PYTORCH=1 ; STUB_PYTORCH=@VERSION ; with python ; VIRTUAL_ENV=/venv | \
            the PyTorch of python ( ; nothing to install
        file ../own/build-version=2.1.0+cpu ; LIBTORCH=@/own | error: LIBTORCH=@/own is libtorch \
            2.1.0, but this project needs @VERSION ; LIBTORCH_BYPASS_VERSION_CHECK=1
        then LIBTORCH=@/own ; LIBTORCH_BYPASS_VERSION_CHECK=1 | warning: ; 2.1.0 ; going on
        LIBTORCH=/not/there | error: LIBTORCH=/not/there: there is no such folder ; unset
        LIBTORCH=@/elsewhere | error: ; no lib folder in it ; unset
        LIBTORCH=../own | error: ; relative path ; give the absolute one
        LIBTORCH_USE_PYTORCH=1 | error: ; import torch ; @VERSION ; unset LIBTORCH_USE_PYTORCH
        LIBTORCH_USE_PYTORCH=1 ; STUB_PYTORCH=2.1.0 | error: ; is libtorch 2.1.0 ; @VERSION
    ";
    play(table);
}

#[test]
fn a_second_call_installs_nothing_and_needs_neither_pip_nor_room() {
    let table = "
        | fetching ; (CPU set) is ready
        then without python3 ; without flock ; without getconf ; STUB_FREE_MB=0 ; \
            STUB_DRIVER=580.65.06 ; LIBTORCH=@/my project/libtorch/torch/../torch/ | \
            (CPU set) is ready in libtorch/
    ";
    play(table);
}

#[test]
fn a_set_of_another_version_or_machine_or_without_its_libraries_is_replaced() {
    let marker = "file libtorch/made-by-setup=libtorch";
    let table = format!(
        "
        {marker} 1.0.0 cpu set Linux-x86_64 ; file libtorch/torch/lib/old= | \
            fetching ; (CPU set) is ready | !kept libtorch/torch/lib/old
        {marker} @VERSION cpu set Linux-s390x ; file libtorch/torch/lib/old= | \
            fetching ; (CPU set) is ready | !kept libtorch/torch/lib/old
        {marker} @VERSION cpu set Linux-x86_64 ; file libtorch/torch/old= | \
            fetching ; (CPU set) is ready | !kept libtorch/torch/old
    "
    );
    play(&table);
}

#[test]
fn a_cpu_set_is_upgraded_only_when_asked_and_torch_is_not_fetched_again() {
    // Elsewhere cp makes no hard links. What the CPU set holds of CUDA may be of another version.
    let not = if cfg!(target_os = "linux") { "!" } else { "" };
    let table = format!(
        "
        STUB_DRIVER=580.65.06 ; --cpu | fetching ; (CPU set) is ready
        then STUB_DRIVER=580.65.06 ; file libtorch/nvidia/old= | (CPU set) is ready | !install
        then STUB_INSTALL=no-network ; --cuda | error: ; reached | kept libtorch/nvidia/old
        then STUB_DRIVER=580.65.06 ; --cuda | (CUDA set) is ready | \
            install ; {not}torch== ; !kept libtorch/nvidia/old
        then STUB_DRIVER=580.65.06 ; --cpu | (CUDA set) is ready | !install
    "
    );
    play(&table);
}
