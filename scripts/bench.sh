#!/usr/bin/env bash
# Times mnist-tch against PyTorch doing the same job: whole processes, in alternation, medians and ratios.
#   scripts/bench.sh [options] [scenario...]      scripts/bench.sh --help lists them; all take about an hour
# The tables (Markdown) go to stdout, every single run to target/bench/SCENARIO.csv.
set -euo pipefail
# shellcheck source=scripts/common.sh
. "$(dirname -- "${BASH_SOURCE[0]}")/common.sh"

compare() {
    # -B: no __pycache__ beside the sources.
    "$python" -B "$root/scripts/bench/compare.py" "$@"
}

python=python3
python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null ||
    fail "this needs Python 3.11 or newer, first on the PATH as python3; for example  sudo apt install python3-venv"
# The driver's own word on its options, before anything is downloaded or built; it prints the Python that was named.
named=$(compare --check "$@")
case $named in usage:*) printf '%s\n' "$named"; exit ;; esac
if [[ -z $named ]]; then
    python_with_torch
else
    python=$named
    found=$("$python" -c 'import torch; print(torch.__version__)' 2>/dev/null) ||
        fail "--python $python: 'import torch' fails there: install torch $LIBTORCH_VERSION or leave --python out"
    [[ ${found%%+*} == "$LIBTORCH_VERSION" ]] ||
        fail "--python $python has torch $found, mnist-tch runs on $LIBTORCH_VERSION: name a Python with that one"
fi
prepare
compare --out "$root/target/bench" --program "$program" --python "$python" "$@"
