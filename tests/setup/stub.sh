#!/bin/sh
# Plays the programs that the scripts call, each under the name it is called by. STUB_ variables say how it shall
# behave; $STUB_LOG/calls gets a line for each call that matters, with a tab after each argument.
set -eu
name=${0##*/}

note() { { printf '%s\t' "$@"; echo; } >>"$STUB_LOG/calls"; }

stop() {
    [ -z "$1" ] || printf '%s\n' "$1" >&2
    exit 1
}

# make_torch FOLDER VERSION: what the scripts look at in an unpacked wheel.
make_torch() {
    mkdir -p "$1/torch/lib" "$1/torch-$2.dist-info"
    echo $$ >"$1/torch/lib/libtorch_cpu.so"
    printf "__version__ = '%s+cu130'\n" "$2" >"$1/torch/version.py"
    printf 'Requires-Dist: %s\n' 'filelock' 'cuda-toolkit[cublas,cudart]==13.0.3; platform_system == "Linux"' \
        'nvidia-cudnn-cu13==9.20.0.48; platform_system == "Linux"' 'triton==3.7.1; platform_system == "Linux"' \
        >"$1/torch-$2.dist-info/METADATA"
}

# install ARGUMENT...: the log gets the settings too that could change what is installed, or where to.
install() {
    note "$name" "$@" "user=$PIP_USER" "virtualenv=$PIP_REQUIRE_VIRTUALENV" "constraint=[$PIP_CONSTRAINT]" \
        "extra=[$PIP_EXTRA_INDEX_URL]" "uv=${UV_CONSTRAINT-}${UV_TORCH_BACKEND-}" "index=${PIP_INDEX_URL-}" "temporary=$TMPDIR"
    while [ "$1" != install ]; do shift; done
    shift
    target=''
    for argument; do
        case $argument in --target=*) target=${argument#--target=} ;; esac
    done
    [ -d "$TMPDIR" ] || stop "ERROR: TMPDIR is no folder"
    case ${STUB_INSTALL:-} in
    no-network) stop "WARNING: Retrying (Retry(total=0)) after connection broken by 'NewConnectionError'
ERROR: No matching distribution found for torch" ;;
    conflict) stop "ERROR: Cannot install torch==2.13.0 because these package versions have conflicting dependencies.
ERROR: ResolutionImpossible: for help visit https://pip.pypa.io/en/latest/topics/dependency-resolution/" ;;
    no-such-version) stop "ERROR: No matching distribution found for torch" ;;
    silent) exit 1 ;;
    disk-full) make_torch "$target" 0.0.0; stop "WARNING: Retrying after connection broken
ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device" ;;
    other-version) make_torch "$target" 0.0.0; exit 0 ;;
    esac
    for argument; do
        case $argument in
        torch==*) make_torch "$target" "${argument#torch==}" ;;
        -*) ;;
        *) mkdir -p "$target/nvidia/${argument%%[=[]*}" ;;
        esac
    done
    # By now a careless look would take the folder for a whole one.
    if [ "${STUB_INSTALL:-}" = wait ]; then
        : >"$STUB_LOG/half-way"
        while [ ! -e "$STUB_LOG/go-on" ]; do sleep 0.02; done
    fi
}

# python3 with pip, and uv, as far as they are asked.
installer() {
    case "$*" in
    "-m pip --version") [ -n "${STUB_PIP-23.0.1}" ] && echo "pip ${STUB_PIP-23.0.1} from /usr/lib/pip (python 3.11)" ;;
    *"cache dir") echo "$HOME/cache" ;;
    *"pip install "*) install "$@" ;;
    "-c import torch; print(torch.__version__)") [ -n "${STUB_PYTORCH:-}" ] && echo "$STUB_PYTORCH" ;;
    "-c import fcntl"*) exec "${STUB_REAL_PYTHON:-false}" "$@" ;;
    *) stop "stub of $name: not expected: $*" ;;
    esac
}

cargo() {
    note cargo "$@" "LIBTORCH=${LIBTORCH-unset}" "in $PWD"
    [ "${STUB_CARGO_FAILS:-}" != "$1" ] || exit 101
    [ "$1" = build ] || return 0
    echo '{"reason":"compiler-artifact","target":{"name":"mnist_tch"},"executable":null,"fresh":true}'
    echo '{"reason":"compiler-artifact","target":{"name":"mnist-tch"},"executable":"'"${0%/*}/mnist-tch"'","fresh":true}'
    echo '{"reason":"build-finished","success":true}'
}

# The remains of a killed set-up fill the disk.
free_mb() {
    case $1 in
    "$HOME"*) echo "${STUB_HOME_FREE_MB:-900000}" ;;
    *) if [ -e "$1/libtorch.partial/new/torch" ]; then echo 0; else echo "${STUB_FREE_MB:-900000}"; fi ;;
    esac
}

case $name in
python3 | python | uv) installer "$@" ;;
cargo) cargo "$@" ;;
mnist-tch) note program "$PWD" "$@"; echo "a result"; exit "${STUB_PROGRAM_EXIT:-0}" ;;
rustc) [ -n "${STUB_RUSTC-1.99.0}" ] && echo "rustc ${STUB_RUSTC-1.99.0} (0123456789 2026-01-01)" ;;
c++ | g++) ;;
uname) if [ "$1" = -s ]; then echo "${STUB_SYSTEM:-Linux}"; else echo "${STUB_MACHINE:-x86_64}"; fi ;;
sw_vers) echo "${STUB_MACOS:-15.1}" ;;
getconf) [ -n "${STUB_LIBC-glibc 2.36}" ] && echo "${STUB_LIBC-glibc 2.36}" ;;
df)
    [ -z "${STUB_DF_FAILS:-}" ] || exit 1
    printf 'Filesystem 1024-blocks Used Available Capacity Mounted on\n/dev/stub 9 9 %s 9%% /\n' "$(($(free_mb "$2") * 1024))"
    ;;
nvidia-smi)
    [ -n "${STUB_DRIVER:-}" ] || exit 9
    case $1 in *compute_cap) printf '%s\n' 3.0 "${STUB_CAPABILITY:-12.0}" ;; *) printf '%s\n' "$STUB_DRIVER" "$STUB_DRIVER" ;; esac
    ;;
shellcheck) note shellcheck "$@"; exit "${STUB_SHELLCHECK_EXIT:-0}" ;;
sync) note sync "$@" ;;
mkdir) stop "mkdir: cannot create directory: Read-only file system" ;;
*) stop "stub: not expected: $name" ;;
esac
