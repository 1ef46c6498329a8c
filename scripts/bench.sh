#!/usr/bin/env bash
# Times mnist-tch against PyTorch doing the same job: whole processes, in alternation, medians and ratios.
# The tables (Markdown) go to stdout, every single run to target/bench/SCENARIO.csv.
set -euo pipefail
# shellcheck source=scripts/common.sh
. "$(dirname -- "${BASH_SOURCE[0]}")/common.sh"

usage() {
    cat <<EOF
usage: scripts/bench.sh [options] [scenario...]

scenarios (default: all; epoch only with --data-dir)
  article     the article job: 5 epochs, scored after each of 250 steps
  train-only  the same job, scored at the very end only
  start       a job of one step: the start of the process, and when the first step is there
  loaded      the article job with a busy process pinned to each core, next to it without
  copies      two article jobs at once, next to one
  epoch       one epoch of 60,000 images at batch 100 and 1,000

options
  --data-dir DIR  folder with MNIST's four IDX files, raw or .gz, for epoch
  -n N            runs of each command (default 5)
  --slow-runs N   runs of PyTorch's direct and tuned forms in loaded and copies, where they take minutes
                  (default 1; 0: none)
  --timeout S     end a run after S seconds and leave its command out from then on (default 1800)
  --python FILE   a Python that has torch $LIBTORCH_VERSION, such as the CPU build; else PyTorch is
                  installed as pip does by default into target/bench/venv: on Linux 2.5 GB to
                  download, 5 GB on disk, once
EOF
}

bench=$root/target/bench
venv=$bench/venv
# Written last: without it, or with another version in it, the folder counts as unfinished.
marker=$venv/made-by-bench
python=''
options=()

# Only what concerns this script is taken out; the driver checks the rest.
parse_options() {
    while (($#)); do
        case $1 in
        -h | --help) usage; exit 0 ;;
        --python)
            [[ -n ${2:-} ]] || { say "error: --python needs a file: a Python that has torch $LIBTORCH_VERSION"; exit 2; }
            python=$2
            shift
            ;;
        --python=*) python=${1#--python=} ;;
        *) options+=("$1") ;;
        esac
        shift
    done
}

# The driver's own word on its options, before anything is downloaded or built.
check_options() {
    has python3 || fail "python3 is missing: install Python 3.11 or newer, for example  sudo apt install python3-venv"
    python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
        fail "$(python3 --version) is too old for scripts/bench: put a Python 3.11 or newer first on the PATH as python3"
    compare python3 --check
}

compare() {
    local interpreter=$1
    shift
    # -B: no __pycache__ beside the sources.
    "$interpreter" -B "$root/scripts/bench/compare.py" --out "$bench" ${options[@]+"${options[@]}"} "$@"
}

check_python() {
    local found
    found=$("$python" -c 'import torch; print(torch.__version__)' 2>/dev/null) ||
        fail "--python $python: 'import torch' fails there: install torch $LIBTORCH_VERSION or leave --python out"
    [[ ${found%%+*} == "$LIBTORCH_VERSION" ]] ||
        fail "--python $python has torch $found, mnist-tch runs on $LIBTORCH_VERSION: name a Python with that one"
}

# The wheel as pip installs it. On Linux its Python half is linked against all of CUDA, so the trick of
# scripts/setup.sh (two small CUDA libraries) does not carry: 'import torch' would fail.
install_pytorch() {
    if [[ -r $marker && $(<"$marker") == "torch $LIBTORCH_VERSION" ]]; then return; fi
    say "installing PyTorch $LIBTORCH_VERSION into target/bench/venv (on Linux 2.5 GB to download) ..."
    rm -rf "$venv"
    mkdir -p "$bench"
    python3 -m venv "$venv" >&2 ||
        fail "python3 cannot make a virtual environment in $venv: on Debian and Ubuntu run  sudo apt install python3-venv"
    # pip's compiling is wanted: without the .pyc files every start of PyTorch would take seconds more.
    PIP_DISABLE_PIP_VERSION_CHECK=1 "$venv/bin/python" -m pip install --quiet --compile "torch==$LIBTORCH_VERSION" >&2 ||
        fail "pip could not install torch $LIBTORCH_VERSION (its reason stands above): put that right and run again"
    "$venv/bin/python" -W ignore -c 'import torch' || fail "PyTorch was installed into $venv, but cannot be imported (see above)"
    printf 'torch %s\n' "$LIBTORCH_VERSION" >"$marker"
}

parse_options "$@"
check_options
"$root/scripts/setup.sh"
forget_own_libtorch
say "building mnist-tch ..."
program=$(build_program)
if [[ -n $python ]]; then
    check_python
else
    install_pytorch
    python=$venv/bin/python
fi
compare "$python" --program "$program" --python "$python"
