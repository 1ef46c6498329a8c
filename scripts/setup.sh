#!/usr/bin/env bash
# usage: scripts/setup.sh [--cpu | --cuda]
#
# Installs libtorch into ./libtorch with pip or uv. Needs no virtual environment and leaves your Python unchanged.
#   --cpu    libtorch for the CPU: 540 MB to download, 1.2 GB on disk (Linux)
#   --cuda   libtorch for CUDA, which also runs on the CPU: 2.5 GB to download, 4 GB on disk
# Without an option, an installed libtorch is kept. Otherwise, --cuda is chosen if there is a usable GPU.
# If LIBTORCH or LIBTORCH_USE_PYTORCH is set, nothing is installed; the version is checked.
set -euo pipefail
# shellcheck source=scripts/common.sh
. "$(dirname -- "${BASH_SOURCE[0]}")/common.sh"

libtorch=$root/libtorch
# Everything is downloaded into this folder, on the same file system, so that the last step is a rename.
partial=$root/libtorch.partial
# A line in libtorch/ that says what it is: written last, so without it the folder is not complete.
marker=made-by-setup
case $* in
'' | --cpu | --cuda) requested=${1:-} requested=${requested#--} ;;
-h | --help) sed -n '2,/^set /s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" && exit ;;
*) say "error: unknown option '$*': see scripts/setup.sh --help" && exit 2 ;;
esac

# The build would report a missing tool as well, but minutes later and less clearly.
check_build_tools() {
    local wanted found='' compiler=${CXX:-c++}
    wanted=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' "$root/Cargo.toml")
    has cargo || fail "cargo is missing: install Rust $wanted or newer with rustup (https://rustup.rs), or run  . ~/.cargo/env"
    found=$(cd "$root" && "${RUSTC:-rustc}" --version 2>/dev/null | cut -d ' ' -f 2) || true
    if older_than "$found" "$wanted"; then
        fail "Rust $wanted or newer is needed, found ${found:-none}: run  rustup update stable && rustup default stable"
    fi
    # CXX may hold flags, as in "g++ -m64".
    has "${compiler%% *}" || fail "the C++ compiler ${compiler%% *} is missing: install one, for example  sudo apt install g++ " \
        "(Debian, Ubuntu) or  xcode-select --install  (macOS), or set CXX to the one you have"
}

# True if the user supplies a libtorch, which then has to be of the right version.
uses_own_libtorch() {
    local python=python3 name found
    if [[ -n ${LIBTORCH_USE_PYTORCH+set} ]]; then
        if [[ -n ${VIRTUAL_ENV+set} ]]; then python=python; fi # as torch-sys does
        name="LIBTORCH_USE_PYTORCH=$LIBTORCH_USE_PYTORCH ($python)"
        found=$("$python" -c 'import torch; print(torch.__version__)' 2>/dev/null) ||
            fail "$name: cannot import torch: install torch $LIBTORCH_VERSION there, or unset LIBTORCH_USE_PYTORCH"
    elif [[ -n ${LIBTORCH:-} ]]; then
        name=LIBTORCH=$LIBTORCH
        [[ $LIBTORCH == /* && -d ${LIBTORCH_LIB:-$LIBTORCH}/lib ]] ||
            fail "$name: expected the absolute path of a folder that holds lib and include: correct it, or unset it"
        found=$(version_in_folder "$LIBTORCH")
    else
        return 1
    fi
    if [[ -n $found && ${found%%+*} != "$LIBTORCH_VERSION" && -z ${LIBTORCH_BYPASS_VERSION_CHECK+set} ]]; then
        fail "$name is libtorch $found, but $LIBTORCH_VERSION is needed: unset it and run scripts/setup.sh," \
            "or try it anyway with LIBTORCH_BYPASS_VERSION_CHECK=1"
    fi
    say "using $name, libtorch ${found:-of unknown version}: nothing to install"
}

# The platform is part of it because a Mac and a Linux container may share this folder.
marker_line() { echo "libtorch $LIBTORCH_VERSION for $1, $(uname -sm)"; }

# True if the libtorch that is wanted is installed.
is_ready() {
    local kind
    for kind in ${requested:-cpu cuda}; do
        if [[ $(cat "$libtorch/$marker" 2>/dev/null) == "$(marker_line "$kind")" ]]; then
            say "libtorch $LIBTORCH_VERSION for $kind is ready in libtorch/"
            return
        fi
    done
    return 1
}

# Sets the platform tags of the wheels that run here: without them pip would look for a wheel that fits the installed Python.
# pip wants each glibc version listed.
check_platform() {
    local machine libc own="set LIBTORCH to a libtorch $LIBTORCH_VERSION of your own"
    machine=$(uname -m)
    case $(uname -s)-$machine in
    Linux-x86_64 | Linux-aarch64)
        libc=$(getconf GNU_LIBC_VERSION 2>/dev/null) || libc="another C library"
        if [[ $libc != glibc* ]] || older_than "${libc#glibc }" 2.28; then
            fail "libtorch needs glibc 2.28 or newer, this Linux has $libc; $own"
        fi
        pip_platforms=("manylinux2014_$machine" manylinux_2_{28..5}_"$machine") uv_platform=$machine-manylinux_2_28
        ;;
    Darwin-arm64)
        if older_than "$(sw_vers -productVersion)" 14; then fail "libtorch needs macOS 14 or newer; $own"; fi
        if [[ $requested == cuda ]]; then fail "there is no CUDA on macOS: remove --cuda"; fi
        pip_platforms=(macosx_14_0_arm64) uv_platform=aarch64-apple-darwin
        ;;
    *) fail "there is no libtorch wheel for $(uname -s) on $machine; $own" ;;
    esac
    [[ $machine == x86_64 ]] || say "note: set-up has not been tried on $(uname -s) on $machine"
}

choose_kind() {
    local problem
    kind=${requested:-cpu}
    if [[ $requested == cpu || $(uname -s) != Linux ]]; then return; fi
    problem=$(cuda_problem)
    if [[ -z $problem ]]; then
        kind=cuda
    elif [[ $requested == cuda ]] || has nvidia-smi; then
        say "note: $problem: only the CPU can be used"
    fi
}

choose_installer() {
    local version problem
    version=$(python3 -m pip --version 2>/dev/null | cut -d ' ' -f 2) || true
    # Older versions take one platform tag only.
    if ! older_than "$version" 20.3; then installer=pip && return; fi
    if has uv; then installer=uv && return; fi
    problem="pip $version is too old"
    if [[ -z $version ]]; then problem="pip is missing from $(command -v python3)" || problem="python3 is missing"; fi
    fail "$problem: install pip 20.3 or newer, for example  sudo apt install python3-pip  (Debian, Ubuntu), or install uv"
}

# The lock ends with the last process that holds it, even after kill -9. pip inherits it: if only this script is killed, the next
# set-up waits for that pip. Opening the file for appending does not change it. macOS has no flock.
wait_for_other_setup() {
    { exec 9>>"$root/scripts/libtorch.versions"; } 2>/dev/null || fail "cannot write to $root"
    if has flock && ! flock -n 9; then
        say "another set-up is running in $root: waiting for it"
        flock 9 || say "note: file locks do not work here: do not run two set-ups at once"
    fi
}

# Removes or overrides settings, in the environment or in pip.conf, that change what is installed or where to. Index, proxy and
# certificates stay the user's. A blank counts as an empty list. uv reads no configuration file.
installer_settings=(-u UV_CONFIG_FILE -u UV_CONSTRAINT -u UV_OVERRIDE -u UV_EXCLUDE -u UV_INDEX -u UV_EXTRA_INDEX_URL
    -u UV_EXCLUDE_NEWER -u UV_TORCH_BACKEND -u UV_REQUIRE_HASHES UV_NO_CONFIG=1
    PIP_USER=0 PIP_REQUIRE_VIRTUALENV=0 PIP_REQUIRE_HASHES=0 PIP_NO_DEPS=0 PIP_NO_INPUT=1 PIP_CONSTRAINT=' ' PIP_REQUIREMENT=' '
    PIP_EXTRA_INDEX_URL=' ' PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore
    MACOSX_DEPLOYMENT_TARGET=14.0 "TMPDIR=$partial/tmp")

# download ARGUMENT...: has pip or uv install these packages into libtorch.partial/new.
download() {
    local log=$partial/log reason
    local -a command=(uv pip install --quiet "--python-platform=$uv_platform")
    # pip shows its progress on stdout, uv on stderr, where it would hide the reason of a failure.
    if [[ $installer == pip ]]; then
        command=(python3 -m pip install --implementation=cp --no-compile "${pip_platforms[@]/#/--platform=}")
        if [[ ! -t 2 ]]; then command+=(--quiet); fi
    fi
    command+=("--target=$partial/new" --python-version=3.12 --only-binary=:all: "$@")
    if env "${installer_settings[@]}" "${command[@]}" >&2 2>"$log"; then return; fi
    reason=$(grep -E '^ *(ERROR|error|cause|Caused by)' "$log" | tail -n 1 | sed 's/^ *//') || reason=$(tail -n 1 "$log")
    reason="$installer says: ${reason:-nothing}"
    if grep -qiE 'connection broken|max retries|timed out|failed to fetch|error sending request|dns error' "$log"; then
        fail "cannot reach the package index ($reason): check the network; set HTTPS_PROXY for a proxy," \
            "PIP_INDEX_URL (pip) or UV_DEFAULT_INDEX (uv) for a mirror, or LIBTORCH to a libtorch $LIBTORCH_VERSION of your own"
    fi
    fail "cannot install libtorch $LIBTORCH_VERSION ($reason): fix that, make room if the disk is full, and run again"
}

install() {
    local -a cuda=()
    if [[ -e $libtorch && ! -e $libtorch/$marker ]]; then
        fail "$libtorch was not made by this script: move it away, or set LIBTORCH to use it"
    fi
    # Removes what a killed set-up left.
    { rm -rf "$partial" && mkdir -p "$partial/new" "$partial/tmp"; } 2>/dev/null || fail "cannot write to $root"
    trap 'rm -rf "$partial"' EXIT
    say "downloading libtorch $LIBTORCH_VERSION for $kind with $installer ..."
    # On Linux even libtorch_cpu.so is linked against two libraries of CUDA.
    if [[ $kind == cpu && $(uname -s) == Linux ]]; then
        cuda=("nvidia-cuda-runtime==$CUDA_RUNTIME_VERSION" "nvidia-cuda-cupti==$CUDA_CUPTI_VERSION")
    fi
    download --no-deps "torch==$LIBTORCH_VERSION" ${cuda[@]+"${cuda[@]}"}
    if [[ $kind == cuda ]]; then
        # The wheel names the CUDA libraries that it needs. Its Python dependencies (triton, sympy, ...) are left out.
        read -ra cuda < <(sed -nE 's/^Requires-Dist: ((nvidia-|cuda-toolkit)[^; ]*).*/\1/p' "$partial"/new/torch-*/METADATA |
            paste -s -d ' ' -)
        download "${cuda[@]}"
    fi
    [[ $(version_in_folder "$partial/new/torch") == "$LIBTORCH_VERSION"* && -d $partial/new/torch/lib ]] ||
        fail "$installer succeeded, but there is no libtorch $LIBTORCH_VERSION: run again"
    marker_line "$kind" >"$partial/new/$marker"
    # The new folder has to be on the disk before it replaces the old one.
    sync
    if [[ -e $libtorch ]]; then mv "$libtorch" "$partial/old"; fi
    mv "$partial/new" "$libtorch"
}

check_build_tools
unset_redundant_libtorch
if uses_own_libtorch || is_ready; then exit; fi
check_platform
choose_kind
choose_installer
wait_for_other_setup
# The other set-up may have installed it.
if is_ready; then exit; fi
install
is_ready
