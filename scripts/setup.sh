#!/usr/bin/env bash
# usage: scripts/setup.sh [--cpu | --cuda]
#
# Installs libtorch into libtorch/ through pip (or uv), without a virtual environment; when it is there it only says so.
#   --cpu   the CPU set: 540 MB to download, 1.2 GB on disk (Linux)
#   --cuda  the CUDA set: 2.5 GB to download, 4 GB on disk; runs on the CPU too. Replaces a CPU set.
# Without an option a set that is there stays. Else driver 580 and a GPU of compute capability 7.5, or newer, mean the CUDA set.
# With LIBTORCH or LIBTORCH_USE_PYTORCH set nothing is installed; the version is checked.
set -euo pipefail
# shellcheck source=scripts/common.sh
. "$(dirname -- "${BASH_SOURCE[0]}")/common.sh"

libtorch=$root/libtorch
# Everything is made in here, temporary files of pip included: one file system, so the last step is a rename.
partial=$root/libtorch.partial
# Written last. Without it the folder counts as unfinished.
marker=made-by-setup
asked='' # what the command line asks for: cpu, cuda or nothing
set=''   # what gets installed: cpu or cuda
tags=()  # pip's platform tags for this machine, and uv's name for the same
uv_platform=''
installer=''
cache=() # the option that keeps the downloads out of the installer's cache, where that has no room for them
# What the environment or a configuration file may hold that would change what is installed, or where to. A blank counts as an
# empty list and comes before pip's configuration files; uv's are not read. Where from and how stays: index, proxy, certificates.
neutral=(-u UV_CONSTRAINT -u UV_OVERRIDE -u UV_EXTRA_INDEX_URL -u UV_INDEX -u UV_INDEX_STRATEGY -u UV_TORCH_BACKEND -u UV_PRERELEASE
    -u UV_EXCLUDE_NEWER -u UV_RESOLUTION -u UV_REQUIRE_HASHES -u UV_CONFIG_FILE UV_NO_CONFIG=1
    PIP_CONSTRAINT=' ' PIP_REQUIREMENT=' ' PIP_EXTRA_INDEX_URL=' ' PIP_USER=0 PIP_PRE=0 PIP_NO_DEPS=0 PIP_REQUIRE_HASHES=0
    PIP_REQUIRE_VIRTUALENV=0 PIP_NO_INPUT=1 PIP_ROOT_USER_ACTION=ignore PIP_DISABLE_PIP_VERSION_CHECK=1)

parse_options() {
    local option
    for option in "$@"; do
        case $option in
        --cpu | --cuda)
            [[ -z $asked || $asked == "${option#--}" ]] || { say "error: --cpu and --cuda exclude each other"; exit 2; }
            asked=${option#--}
            ;;
        -h | --help) sed -n '2,/^set /s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"; exit ;;
        *) say "error: unknown option '$option': see scripts/setup.sh --help"; exit 2 ;;
        esac
    done
}

marker_line() { printf 'libtorch %s %s set %s-%s\n' "$LIBTORCH_VERSION" "$1" "$(uname -s)" "$(uname -m)"; }

# Prints which whole set of the right version is there: cpu, cuda or nothing.
installed_set() {
    local line=''
    if [[ -d $libtorch/torch/lib && -r $libtorch/$marker ]]; then read -r line <"$libtorch/$marker" || true; fi
    case $line in
    "$(marker_line cpu)") echo cpu ;;
    "$(marker_line cuda)") echo cuda ;;
    esac
}

ready() {
    local there
    there=$(installed_set)
    [[ -n $there && $asked$there != cudacpu ]] || return 1
    say "libtorch $LIBTORCH_VERSION ($(label "$there")) is ready in libtorch/"
}

label() { if [[ $1 == cuda ]]; then echo "CUDA set"; else echo "CPU set"; fi; }
not_writable() { fail "$root cannot be written to: set-up puts libtorch/ there"; }
not_here() { fail "$*; set LIBTORCH to a libtorch $LIBTORCH_VERSION of your own"; }

# pip matches every platform tag by name, and each wheel carries another one: all that glibc 2.28 can run are listed.
check_platform() {
    local arch=x86_64 minor oldest=5 libc
    case $(uname -s)-$(uname -m) in
    Linux-x86_64) tags=(manylinux2014_x86_64 manylinux2010_x86_64 manylinux1_x86_64) ;;
    # Not tried: the tags are those of the published wheels, whose libtorch_cpu.so needs the same two CUDA libraries.
    Linux-aarch64 | Linux-arm64)
        arch=aarch64 oldest=17 tags=(manylinux2014_aarch64)
        say "note: set-up has not been tried on Linux arm64"
        ;;
    # Not tried either: one wheel, for macOS 14 and later, without CUDA.
    Darwin-arm64)
        tags=(macosx_14_0_arm64) uv_platform=aarch64-apple-darwin
        if older_than "$(sw_vers -productVersion)" 14; then not_here "this needs macOS 14 or newer"; fi
        if [[ $asked == cuda ]]; then fail "there is no CUDA on macOS: leave --cuda out"; fi
        say "note: set-up has not been tried on macOS"
        return
        ;;
    *) not_here "there is no libtorch wheel for $(uname -s) on $(uname -m)" ;;
    esac
    libc=$(getconf GNU_LIBC_VERSION 2>/dev/null) || libc=
    [[ $libc == glibc* ]] || not_here "libtorch wheels need glibc, which this Linux does not use (musl?)"
    if older_than "${libc#glibc }" 2.28; then not_here "libtorch needs glibc 2.28 or newer, this Linux has ${libc#glibc }"; fi
    for ((minor = 28; minor >= oldest; minor--)); do tags+=("manylinux_2_${minor}_$arch"); done
    uv_platform=$arch-manylinux_2_28
}

choose_set() {
    local lacks
    set=${asked:-cpu}
    if [[ $asked == cpu || $(uname -s) != Linux ]]; then return; fi
    lacks=$(cuda_lacks)
    if [[ -z $lacks ]]; then
        set=cuda
    elif [[ $asked == cuda || $lacks != no* ]]; then
        say "note: $lacks: as long as that is so, the CUDA set runs on the CPU only"
    fi
}

# pip before 20.3 takes one platform tag only.
choose_installer() {
    local version
    version=$(python3 -m pip --version 2>/dev/null) || version=
    version=${version#pip }
    version=${version%% *}
    if [[ -n $version ]] && ! older_than "$version" 20.3; then installer=pip; return; fi
    if has uv; then installer=uv; return; fi
    if [[ -n $version ]]; then fail "pip $version is too old: run  python3 -m pip install --upgrade pip  or install uv"; fi
    has python3 || fail "python3 is missing: install it with pip, for example  sudo apt install python3-pip  (Debian, Ubuntu), or install uv"
    fail "pip is missing from $(command -v python3): install it, for example  sudo apt install python3-pip  (Debian, Ubuntu), or install uv"
}

# has_room FOLDER MB: is that free? Where df is missing or fails nobody knows, and the set-up goes on. Sets $free.
has_room() {
    free=$(df -Pk "$1" 2>/dev/null | awk 'NR == 2 { print int($4 / 1024) }') || free=
    [[ -z $free ]] || ((free >= $2))
}

check_room() {
    local need=1900 free folder
    download=540
    if [[ $set == cuda ]]; then need=6300 download=2530; fi
    if [[ $(uname -s) == Darwin ]]; then need=600 download=100; fi
    has_room "$root" "$need" ||
        fail "not enough disk space in $root: installing the $(label "$set") takes $need MB, $free MB are free; make room and run again"
    if [[ $installer == uv ]]; then folder=$(uv cache dir 2>/dev/null); else folder=$(python3 -m pip cache dir 2>/dev/null); fi ||
        return 0
    while [[ $folder == /*/* && ! -d $folder ]]; do folder=${folder%/*}; done
    if ! has_room "$folder" $((need + download)); then
        if [[ $installer == uv ]]; then cache=(--no-cache); else cache=(--no-cache-dir); fi
    fi
}

# The lock ends with the last process that holds it, so not even kill -9 leaves one behind. pip inherits it: when
# only this script is killed, the next set-up waits until that pip is done with libtorch.partial.
lock() {
    if has flock; then flock ${1:+"$1"} 9
    elif has python3; then python3 -c 'import fcntl, sys; fcntl.flock(9, 2 | 4 * (len(sys.argv) > 1))' ${1:+"$1"} 2>/dev/null
    fi
}

take_lock() {
    { exec 9>>"$root/scripts/libtorch.versions"; } 2>/dev/null || not_writable
    if ! lock -n; then
        say "another set-up is at work in $root: waiting for it"
        lock || say "note: locks do not work here: do not run two set-ups at once"
    fi
}

# fetch PIP-OPTIONS-AND-REQUIREMENTS: into libtorch.partial/new. On a terminal the installer shows its progress.
fetch() {
    local log=$partial/errors tag said
    local -a run=("--target=$partial/new" --python-version=3.12 --only-binary=:all: ${cache[@]+"${cache[@]}"})
    [[ -t 2 ]] || run+=(--quiet)
    if [[ $installer == uv ]]; then
        run=(uv pip install "${run[@]}" "--python-platform=$uv_platform")
    else
        run=(python3 -m pip install "${run[@]}" --prefix= --implementation=cp --no-compile)
        for tag in "${tags[@]}"; do run+=("--platform=$tag"); done
    fi
    run=(env "${neutral[@]}" "TMPDIR=$partial/tmp" MACOSX_DEPLOYMENT_TARGET=14.0 "${run[@]}" "$@")
    # uv shows its progress on stderr, so on a terminal its last words are there already.
    if [[ $installer == uv && -t 2 ]]; then
        if "${run[@]}" >&2; then return; fi
        said="uv says why, above"
        : >"$log"
    else
        if "${run[@]}" >&2 2>"$log"; then return; fi
        said=$(grep -E '^ *(ERROR|error|cause|Caused by)' "$log" | tail -n 1 | sed 's/^ *//') || said=$(tail -n 1 "$log")
        said="$installer says: ${said:-nothing}"
    fi
    if grep -qi 'no space left on device' "$log"; then
        fail "the disk is full ($said); nothing was changed: make room on the disk of $root and run again"
    fi
    if grep -qiE 'connection broken by|max retries exceeded|(read|connect|operation) timed out|failed to fetch|error sending request|dns error' "$log"; then
        fail "the package index could not be reached ($said): check the network, set HTTPS_PROXY for a proxy or" \
            "$([[ $installer == uv ]] && echo UV_DEFAULT_INDEX || echo PIP_INDEX_URL) for a mirror," \
            "or set LIBTORCH to a libtorch $LIBTORCH_VERSION that you have"
    fi
    fail "libtorch $LIBTORCH_VERSION could not be installed ($said); nothing was changed: put that right and run again"
}

fetch_cpu_set() {
    local -a cuda=("nvidia-cuda-runtime==$CUDA_RUNTIME_VERSION" "nvidia-cuda-cupti==$CUDA_CUPTI_VERSION")
    if [[ $(uname -s) == Darwin ]]; then cuda=(); fi
    fetch --no-deps "torch==$LIBTORCH_VERSION" ${cuda[@]+"${cuda[@]}"}
}

# The wheel itself says which NVIDIA libraries it needs; its Python packages (triton, sympy, ...) are left out.
fetch_cuda_set() {
    local line
    local -a libraries=()
    # Hard links to a CPU set that is there: no second download, no second copy. They fail across file systems.
    if ! { [[ $(installed_set) == cpu ]] && cp -al "$libtorch/torch" "$libtorch"/torch-*.dist-info "$partial/new/" 2>/dev/null; }; then
        rm -rf "$partial/new"
        fetch --no-deps "torch==$LIBTORCH_VERSION"
    fi
    while read -r line; do libraries+=("$line"); done < <(
        sed -nE 's/^Requires-Dist: ((nvidia-|cuda-toolkit)[^; ]*).*/\1/p' "$partial"/new/torch-*.dist-info/METADATA 2>/dev/null
    )
    ((${#libraries[@]})) || fail "the torch $LIBTORCH_VERSION wheel for this machine names no CUDA libraries: use --cpu"
    fetch "${libraries[@]}"
}

install_set() {
    local found
    # What a killed set-up left goes first of all: it may be what fills the disk.
    { rm -rf "$partial" && mkdir -p "$partial/new" "$partial/tmp"; } 2>/dev/null || not_writable
    trap 'rm -rf "$partial"' EXIT
    check_room
    if [[ ! -e $libtorch/$marker ]] && [[ -e $libtorch || -L $libtorch ]]; then
        fail "$libtorch is there, but not made by this script: move it away, or set LIBTORCH to use it"
    fi
    say "fetching libtorch $LIBTORCH_VERSION ($(label "$set"), up to $download MB to download) with $installer ..."
    "fetch_${set}_set"
    found=$(version_in_folder "$partial/new/torch")
    [[ ${found%%+*} == "$LIBTORCH_VERSION" && -d $partial/new/torch/lib ]] ||
        fail "$installer ended well but left no libtorch $LIBTORCH_VERSION (found: ${found:-none}); nothing was changed: run again"
    marker_line "$set" >"$partial/new/$marker"
    sync -f "$partial" 2>/dev/null || sync
    # The old set goes only now, when the new one is whole and on the disk.
    if [[ -e $libtorch ]]; then mv "$libtorch" "$partial/old"; fi
    mv "$partial/new" "$libtorch"
}

parse_options "$@"
check_rust
check_compiler
forget_own_libtorch
if libtorch_of_the_user || ready; then exit; fi
check_platform
choose_set
choose_installer
take_lock
# Another set-up may have done it meanwhile.
if ready; then exit; fi
install_set
ready || fail "libtorch/ changed while it was installed: run scripts/setup.sh again"
