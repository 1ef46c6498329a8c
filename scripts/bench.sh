#!/usr/bin/env bash
# Times mnist-tch against PyTorch doing the same job: whole processes, in alternation, medians and ratios.
#   [PYTHON=a Python with torch, numpy, safetensors] scripts/bench.sh [options] [scenario...]      --help lists them; about an hour
# The tables (Markdown) go to stdout, every single run to target/bench/SCENARIO.csv.
set -euo pipefail
# shellcheck source=scripts/common.sh
. "$(dirname -- "${BASH_SOURCE[0]}")/common.sh"

python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null ||
    fail "this needs Python 3.11 or newer, first on the PATH as python3; for example  sudo apt install python3-venv"
# The driver's own word on its options, before anything is downloaded or built; -B: no __pycache__ beside the sources.
driver=$root/scripts/python/bench.py
said=$(python3 -B "$driver" "$@")
if [[ -n $said ]]; then printf '%s\n' "$said" && exit; fi
python_with_torch
prepare
"$python" -B "$driver" --out "$root/target/bench" --program "$program" --python "$python" "$@"
