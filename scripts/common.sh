# shellcheck shell=bash
# Functions shared by the scripts in this folder. Limited to bash 3.2, the version that macOS has.

# A CDPATH would make cd print its target, or go elsewhere.
root=$(CDPATH='' cd -P -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd)
# shellcheck source=scripts/libtorch.versions
. "$root/scripts/libtorch.versions"

# Messages go to stderr: stdout is for the program's results.
say() { printf '%s\n' "$*" >&2; }

fail() {
    say "error: $*"
    exit 1
}

has() { command -v "$1" >/dev/null 2>&1; }

# older_than A B: true if version A is lower than version B.
older_than() { [[ $1 != "$2" && $1 == "$(printf '%s\n' "$1" "$2" | sort -V | head -n 1)" ]]; }

# Prints the median of the numbers on stdin, one per line. LC_ALL=C: decimal points in every locale.
median() {
    LC_ALL=C sort -n |
        LC_ALL=C awk '{ value[NR] = $1 } END { print (value[int((NR + 1) / 2)] + value[int(NR / 2) + 1]) / 2 }'
}

# Creates a temporary folder, $folder, which is removed when the script ends.
scratch() {
    folder=$(mktemp -d)
    trap 'rm -rf "$folder"' EXIT
}

# serve DIR: serves the files in DIR on loopback and makes the program download from there. Needs scratch.
serve() {
    local log=$folder/server.log server port=''
    python3 -m http.server --bind 127.0.0.1 --directory "$1" 0 >"$log" 2>&1 &
    server=$!
    # Stops the server when this script ends, even after kill -9.
    { while kill -0 $$; do sleep 1; done; kill "$server"; } >/dev/null 2>&1 &
    until port=$(sed -n 's/.*port \([0-9]*\).*/\1/p' "$log") && [[ -n $port ]]; do
        kill -0 "$server" 2>/dev/null || fail "the file server for $1 did not start: $(tail -n 1 "$log")"
        sleep 0.1
    done
    export MNIST_TCH_MIRROR=http://127.0.0.1:$port
}

# version_in_folder DIR: prints the version of the libtorch in DIR, from build-version (zip) or version.py (wheel).
version_in_folder() {
    if [[ -r $1/build-version ]]; then
        head -n 1 "$1/build-version"
    elif [[ -r $1/version.py ]]; then
        sed -n "s/^__version__ = ['\"]\([^'\"]*\)['\"].*/\1/p" "$1/version.py"
    fi
}

# gpus FIELDS: prints these nvidia-smi fields, one line per GPU. nvidia-smi can hang on a broken GPU, hence the timeout;
# WSL2 keeps it outside the PATH.
gpus() { PATH=$PATH:/usr/lib/wsl/lib timeout 20 nvidia-smi "--query-gpu=$1" --format=csv,noheader 2>/dev/null; }

# Prints why CUDA cannot be used on this machine; prints nothing if it can.
cuda_problem() {
    local best capability driver
    # The GPU of the highest compute capability.
    if ! best=$(gpus compute_cap,driver_version | sort -V | tail -n 1) || [[ -z $best ]]; then
        echo "nvidia-smi reports no GPU"
        return
    fi
    capability=${best%%,*} driver=${best##*, }
    if older_than "$driver" "$CUDA_MINIMUM_DRIVER"; then
        echo "NVIDIA driver $driver is older than $CUDA_MINIMUM_DRIVER"
    elif older_than "$capability" "$CUDA_MINIMUM_CAPABILITY"; then
        echo "the GPU's compute capability $capability is below $CUDA_MINIMUM_CAPABILITY (docs/libtorch.md: older GPUs)"
    fi
}

# Unsets a LIBTORCH that is empty or names ./libtorch. cargo then always gets the same path, from .cargo/config.toml;
# another spelling of it would recompile torch-sys.
unset_redundant_libtorch() {
    local own=$root/libtorch/torch
    case ${LIBTORCH:-} in '' | libtorch/torch | "$own") unset LIBTORCH ;; esac
    if [[ ${LIBTORCH:-} -ef $own ]]; then unset LIBTORCH; fi
}

# Builds the program and sets $program to its path, which cargo reports: CARGO_TARGET_DIR may have moved it.
# Runs in the project because cargo looks for .cargo/config.toml in the working directory.
build() {
    unset_redundant_libtorch
    say "building (three to six minutes the first time) ..."
    program=$(
        cd "$root" || exit
        cargo build --release --locked --bin mnist-tch --message-format=json-render-diagnostics |
            sed -n 's/.*"executable":"\([^"]*\/mnist-tch\)".*/\1/p'
    ) || exit
    [[ -x $program ]] || fail "cargo did not report where it built mnist-tch: look in target/release"
}

# Installs libtorch if necessary, and builds the program.
prepare() {
    "$root/scripts/setup.sh"
    build
}

# python_with NAME STATEMENT PACKAGE...: sets $python to the Python of the virtual environment target/NAME. If STATEMENT
# fails there, the environment is created anew and the packages are installed.
python_with() {
    local venv=$root/target/$1 check=$2
    shift 2
    python=$venv/bin/python
    if "$python" -W ignore -c "$check" 2>/dev/null; then return; fi
    say "installing $* into $venv ..."
    python3 -m venv --clear "$venv" >&2 ||
        fail "python3 cannot create a virtual environment in $venv: on Debian and Ubuntu run  sudo apt install python3-venv"
    # --compile: without .pyc files every start of PyTorch takes seconds longer.
    if ! "$python" -m pip install --quiet --disable-pip-version-check --compile "$@" >&2 || ! "$python" -W ignore -c "$check"; then
        fail "cannot install $* into $venv (reason above): fix that and run again"
    fi
}

# Sets $python to PYTHON, or to a virtual environment with PyTorch: a 2.5 GB download on Linux, where its Python half is
# linked against all of CUDA.
python_with_torch() {
    local check="import numpy, safetensors, torch; assert torch.__version__.split('+')[0] == '$LIBTORCH_VERSION'"
    python=${PYTHON:-}
    if [[ -z $python ]]; then
        python_with torch-venv "$check" "torch==$LIBTORCH_VERSION" numpy safetensors
    elif ! "$python" -W ignore -c "$check"; then
        fail "PYTHON=$python has no torch $LIBTORCH_VERSION, numpy or safetensors: install them there, or unset PYTHON"
    fi
}
