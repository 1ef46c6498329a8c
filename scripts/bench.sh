#!/usr/bin/env bash
# Times mnist-tch against PyTorch on the same jobs: whole processes, alternating, medians and ratios.
#   [PYTHON=a Python with torch, numpy, safetensors] scripts/bench.sh [options] [scenario...]      --help lists the scenarios; takes about an hour
# Prints Markdown tables. Every single run is written to target/bench/SCENARIO.csv.
set -euo pipefail
# shellcheck source=scripts/common.sh
. "$(dirname -- "${BASH_SOURCE[0]}")/common.sh"

python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null ||
    fail "this needs Python 3.11 or newer, first on the PATH as python3; for example  sudo apt install python3-venv"
# Checks the options before anything is downloaded or built. -B: no __pycache__ in the source folder.
driver=$root/scripts/python/bench.py
help=$(python3 -B "$driver" "$@")
if [[ -n $help ]]; then printf '%s\n' "$help" && exit; fi
python_with_torch
prepare
"$python" -B "$driver" --out "$root/target/bench" --program "$program" --python "$python" "$@"
