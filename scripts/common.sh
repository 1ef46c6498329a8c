# shellcheck shell=bash
# Shared by the scripts beside it: where the project is, how they speak, and what they ask of the machine.
# Kept to bash 3.2, the one that macOS has.

# With a CDPATH of the user's, cd might go elsewhere and print where it went.
root=$(CDPATH='' cd -P -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd)
# shellcheck source=scripts/libtorch.versions
. "$root/scripts/libtorch.versions"

# Everything that is said goes to stderr: stdout belongs to the results of the program.
say() { printf '%s\n' "$*" >&2; }

fail() {
    printf 'error: %s\n' "$*" >&2
    exit 1
}

# The median of the numbers on stdin, one a line, with decimal points whatever the language of the machine.
median() { LC_ALL=C sort -n | LC_ALL=C awk '{ value[NR] = $1 } END { print (value[int((NR + 1) / 2)] + value[int(NR / 2) + 1]) / 2 }'; }

# Makes a folder for this run, $folder. It goes when the script ends, and so does a server.
scratch() {
    folder=$(mktemp -d)
    server=''
    trap '[[ -z $server ]] || kill "$server"; rm -rf "$folder"' EXIT
}

# serve FOLDER: a mirror on loopback that has its files, for the program to use.
serve() {
    local port=''
    : >"$folder/server.log"
    python3 -m http.server --bind 127.0.0.1 --directory "$1" 0 >"$folder/server.log" 2>&1 &
    server=$!
    until port=$(sed -n 's/.*port \([0-9]*\).*/\1/p' "$folder/server.log") && [[ -n $port ]]; do sleep 0.1; done
    export MNIST_TCH_MIRROR=http://127.0.0.1:$port
}

has() { command -v "$1" >/dev/null 2>&1; }

# older_than 1.87.0 1.88: is the first dotted version lower than the second? Suffixes such as -nightly or rc1 are ignored.
older_than() {
    local IFS=. place
    local -a one two
    read -ra one <<<"${1%%[!0-9.]*}"
    read -ra two <<<"${2%%[!0-9.]*}"
    for place in 0 1 2; do
        ((10#${one[place]:-0} == 10#${two[place]:-0})) || break
    done
    ((10#${one[place]:-0} < 10#${two[place]:-0}))
}

check_rust() {
    local wanted found
    wanted=$(sed -n 's/^rust-version = "\([0-9.]*\)".*/\1/p' "$root/Cargo.toml")
    if ! has cargo; then
        if [[ -x ${HOME:-}/.cargo/bin/cargo ]]; then
            fail "cargo is not on the PATH, but it is in ~/.cargo/bin: run  . ~/.cargo/env  and try again"
        fi
        fail "cargo is missing: install Rust $wanted or newer with rustup (https://rustup.rs)"
    fi
    found=$(cd "$root" && "${RUSTC:-rustc}" --version 2>/dev/null) ||
        fail "${RUSTC:-rustc} does not run: install Rust $wanted or newer with  rustup default stable"
    found=${found#rustc }
    found=${found%% *}
    if older_than "$found" "$wanted"; then
        fail "rustc $found is too old, this project needs $wanted or newer: run  rustup update stable"
    fi
}

check_compiler() {
    local other
    if [[ -n ${CXX:-} ]]; then
        # CXX may carry flags, as in "g++ -m64".
        has "${CXX%% *}" || fail "the C++ compiler that CXX names (${CXX%% *}) is missing: install it or unset CXX"
        return
    fi
    if has c++; then return; fi
    for other in g++ clang++; do
        if has "$other"; then fail "there is $other but no c++, the name cargo looks for: run  export CXX=$other"; fi
    done
    fail "a C++ compiler is missing: install one, for example  sudo apt install g++  (Debian, Ubuntu)," \
        "sudo dnf install gcc-c++  (Fedora) or  xcode-select --install  (macOS)"
}

# gpus FIELD: what the NVIDIA driver's own tool says of each GPU, a line each. It fails in a container that was given no GPU, where
# /proc still shows the host's driver; it hangs where a GPU does; in WSL2 the PATH may lack it.
gpus() { PATH=$PATH:/usr/lib/wsl/lib timeout 20 nvidia-smi "--query-gpu=$1" --format=csv,noheader 2>/dev/null; }

# Prints what keeps the CUDA set from running here; nothing where it will run.
cuda_lacks() {
    local driver capability
    if ! driver=$(gpus driver_version | head -n 1); then
        echo "no NVIDIA driver answers on this machine"
    elif older_than "$driver" "$CUDA_MINIMUM_DRIVER"; then
        echo "the NVIDIA driver $driver is older than $CUDA_MINIMUM_DRIVER"
    elif capability=$(gpus compute_cap | awk '$1 > best { best = $1 } END { print best }') &&
        older_than "$capability" "$CUDA_MINIMUM_CAPABILITY"; then
        echo "the GPU's compute capability $capability is below $CUDA_MINIMUM_CAPABILITY (docs/libtorch.md says how to use another libtorch)"
    fi
}

# A LIBTORCH that is empty or names the project's own folder says nothing new. It is unset, so that cargo always
# reads the same path from .cargo/config.toml: another spelling of it would compile torch-sys again.
forget_own_libtorch() {
    local here=${LIBTORCH:-} own=$root/libtorch/torch
    if [[ -z $here || $here == "$own" || $here == libtorch/torch || $here -ef $own ]]; then unset LIBTORCH; fi
}

# libtorch_of_the_user: true where the user brought a libtorch, whose version is checked; nothing is installed then.
libtorch_of_the_user() {
    local python=python3 name found
    if [[ -n ${LIBTORCH_USE_PYTORCH+set} ]]; then
        # As torch-sys does: an active virtual environment means `python`, anything else `python3`.
        if [[ -n ${VIRTUAL_ENV+set} ]]; then python=python; fi
        name="the PyTorch of $python (LIBTORCH_USE_PYTORCH is set)"
        found=$("$python" -c 'import torch; print(torch.__version__)' 2>/dev/null) ||
            fail "LIBTORCH_USE_PYTORCH is set, but  $python -c 'import torch'  fails:" \
                "install torch $LIBTORCH_VERSION there or unset LIBTORCH_USE_PYTORCH"
    elif [[ -n ${LIBTORCH:-} ]]; then
        name="LIBTORCH=$LIBTORCH"
        [[ $LIBTORCH == /* ]] || fail "$name is a relative path, which cargo cannot use: give the absolute one or unset it"
        [[ -d $LIBTORCH ]] || fail "$name: there is no such folder; correct it, or unset it and run scripts/setup.sh"
        [[ -d ${LIBTORCH_LIB:-$LIBTORCH}/lib ]] ||
            fail "$name: no lib folder in it; name the folder that holds lib and include, or unset it"
        found=$(version_in_folder "$LIBTORCH")
    else
        return 1
    fi
    found=${found%%+*}
    if [[ $found == "$LIBTORCH_VERSION" ]]; then
        say "using libtorch $found: $name; nothing to install"
    elif [[ -z $found ]]; then
        say "using $name; its version cannot be told, it should be libtorch $LIBTORCH_VERSION; nothing to install"
    elif [[ -n ${LIBTORCH_BYPASS_VERSION_CHECK+set} ]]; then
        say "warning: $name is libtorch $found, not $LIBTORCH_VERSION; going on, as LIBTORCH_BYPASS_VERSION_CHECK is set"
    else
        fail "$name is libtorch $found, but this project needs $LIBTORCH_VERSION: point it at $LIBTORCH_VERSION," \
            "or unset it and run scripts/setup.sh, or set LIBTORCH_BYPASS_VERSION_CHECK=1 to try it all the same"
    fi
}

# version_in_folder FOLDER: from build-version (libtorch as a zip) or version.py (the torch folder of a wheel).
version_in_folder() {
    if [[ -r $1/build-version ]]; then
        head -n 1 "$1/build-version"
    elif [[ -r $1/version.py ]]; then
        sed -n "s/^__version__ = ['\"]\([^'\"]*\)['\"].*/\1/p" "$1/version.py"
    fi
}

# Builds the program; $program is where it is. cargo reads .cargo/config.toml from where it runs, so it runs in the
# project; it tells itself where the program is, which CARGO_TARGET_DIR or a configuration may have moved.
build() {
    forget_own_libtorch
    say "building (three to six minutes the first time) ..."
    program=$(
        cd "$root" || exit
        cargo build --release --locked --bin mnist-tch --message-format=json-render-diagnostics |
            sed -n 's/.*"executable":"\([^"]*\/mnist-tch\)".*/\1/p'
    ) || exit
    [[ -x $program ]] || fail "cargo built mnist-tch, but did not say where it is: look in target/release"
}

# What every script needs that runs the program.
prepare() {
    "$root/scripts/setup.sh"
    build
}

# python_with FOLDER STATEMENT PACKAGE...: makes target/FOLDER, a virtual environment, where its Python does not run the
# statement. Sets $python.
python_with() {
    local venv=$root/target/$1 works=$2
    shift 2
    python=$venv/bin/python
    if "$python" -W ignore -c "$works" 2>/dev/null; then return; fi
    say "installing $* into $venv ..."
    python3 -m venv --clear "$venv" >&2 ||
        fail "python3 cannot make a virtual environment in $venv: on Debian and Ubuntu run  sudo apt install python3-venv"
    # pip's compiling is wanted: without the .pyc files every start of PyTorch would take seconds more.
    if ! "$python" -m pip install --quiet --disable-pip-version-check --compile "$@" >&2 || ! "$python" -W ignore -c "$works"; then
        fail "$* could not be installed into $venv, or not be used (the reason stands above): put that right and run again"
    fi
}

# python_with_torch: sets $python to what PYTHON names, or to one with PyTorch as pip installs it: on Linux 2.5 GB to download. Its
# Python half is linked against all of CUDA there, so the two small CUDA libraries of scripts/setup.sh would not do.
python_with_torch() {
    local works="import numpy, safetensors, torch; assert torch.__version__.split('+')[0] == '$LIBTORCH_VERSION'"
    python=${PYTHON:-}
    if [[ -z $python ]]; then
        python_with torch-venv "$works" "torch==$LIBTORCH_VERSION" numpy safetensors
    elif ! "$python" -W ignore -c "$works"; then
        fail "PYTHON=$python lacks torch $LIBTORCH_VERSION, numpy or safetensors: install them there, or leave PYTHON out"
    fi
}
