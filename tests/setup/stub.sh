#!/bin/sh
# Stands in for the programs that the scripts call; the name it is called by says which. STUB_ variables change its behavior.
# $STUB_LOG/calls gets one line per call that matters.
set -eu
name=${0##*/}

record() { echo "$@" >>"$STUB_LOG/calls"; }

stop() {
    printf '%s\n' "$1" >&2
    exit 1
}

# What the scripts look at in an unpacked torch wheel.
unpack_torch() {
    mkdir -p "$1/torch/lib" "$1/torch-$2.dist-info"
    echo "__version__ = '$2+cu130'" >"$1/torch/version.py"
    printf 'Requires-Dist: %s\n' 'filelock' 'cuda-toolkit[cublas,cudart]==13.0.3; platform_system == "Linux"' \
        'nvidia-cudnn-cu13==9.20.0.48; platform_system == "Linux"' 'triton==3.7.1' >"$1/torch-$2.dist-info/METADATA"
}

# pip install or uv pip install. Records the settings that would change what is installed, or where to.
install() {
    record "$name" "$@" "user=$PIP_USER virtualenv=$PIP_REQUIRE_VIRTUALENV constraint=[$PIP_CONSTRAINT]" \
        "extra=[$PIP_EXTRA_INDEX_URL] uv=[${UV_CONSTRAINT-}${UV_TORCH_BACKEND-}] index=${PIP_INDEX_URL-} tmp=$TMPDIR"
    [ -d "$TMPDIR" ] || stop "ERROR: no folder $TMPDIR"
    for argument; do
        case $argument in
        --target=*) target=${argument#--target=} ;;
        torch==*) unpack_torch "$target" "${STUB_TORCH:-${argument#torch==}}" ;;
        esac
    done
    case ${STUB_INSTALL:-} in
    no-network) stop "WARNING: Retrying after connection broken by 'NewConnectionError'
ERROR: No matching distribution found for torch" ;;
    disk-full) stop "ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device" ;;
    no-such-version) stop "ERROR: No matching distribution found for torch" ;;
    silent) exit 1 ;;
    wait) # until the test lets it go on
        : >"$STUB_LOG/half-way"
        while [ ! -e "$STUB_LOG/go-on" ]; do sleep 0.02; done
        ;;
    esac
}

python() {
    case "$*" in
    "-m pip --version") [ -n "${STUB_PIP-23.0.1}" ] && echo "pip ${STUB_PIP-23.0.1} from /usr/lib/pip (python 3.11)" ;;
    "-m pip install "*) install "$@" ;;
    "-c import torch"*) [ -n "${STUB_PYTORCH:-}" ] && echo "$STUB_PYTORCH" ;;
    "-m http.server "*/no-folder*) stop "NotADirectoryError: no-folder" ;;
    "-m http.server "*)
        record server $$
        echo "Serving HTTP on 127.0.0.1 port 4321 (http://127.0.0.1:4321/) ..."
        exec sleep 60
        ;;
    *) stop "stub of $name: unexpected arguments: $*" ;;
    esac
}

cargo() {
    record cargo "$@" "LIBTORCH=${LIBTORCH-unset} in $PWD"
    [ "${STUB_CARGO_FAILS:-}" != "$1" ] || exit 101
    case $1 in
    build)
        echo '{"reason":"compiler-artifact","target":{"name":"mnist_tch"},"executable":null,"fresh":true}'
        echo '{"reason":"compiler-artifact","target":{"name":"mnist-tch"},"executable":"'"${0%/*}/mnist-tch"'","fresh":true}'
        ;;
    metadata) echo '{"packages":[{"dependencies":[{"features":["derive"]}],"features":{"core-only":[],"default":["other"],"doc-only":["tch/doc-only"],"other":["dep:zip","core-only"]},"metadata":{"docs":{"features":["doc-only"]}}}]}' ;;
    esac
}

case $name in
python3 | python) python "$@" ;;
uv) install "$@" ;;
cargo) cargo "$@" ;;
mnist-tch) record program "$PWD" "$@" && echo "a result" && exit "${STUB_PROGRAM_EXIT:-0}" ;;
rustc) [ -n "${STUB_RUSTC-1.99.0}" ] && echo "rustc ${STUB_RUSTC-1.99.0} (0123456789 2026-01-01)" ;;
c++ | g++) ;;
uname) case $1 in -s) echo "${STUB_SYSTEM:-Linux}" ;; -m) echo "${STUB_ARCH:-x86_64}" ;; -sm) echo "${STUB_SYSTEM:-Linux} ${STUB_ARCH:-x86_64}" ;; esac ;;
sw_vers) echo "${STUB_MACOS:-15.1}" ;;
getconf) [ -n "${STUB_LIBC-glibc 2.36}" ] && echo "${STUB_LIBC-glibc 2.36}" ;;
nvidia-smi) [ -n "${STUB_GPU:-}" ] && printf '%s\n' "3.0, ${STUB_GPU#*, }" "$STUB_GPU" ;;
shellcheck) record shellcheck "$@" && exit "${STUB_SHELLCHECK_EXIT:-0}" ;;
sync) record sync ;;
mkdir) stop "mkdir: cannot create directory: Read-only file system" ;;
*) stop "stub: unexpected program $name" ;;
esac
