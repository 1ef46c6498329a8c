#!/usr/bin/env bash
# Whether a trained model means the same elsewhere: in onnxruntime, in PyTorch, and back from PyTorch.
#   [PYTHON=a Python with torch, numpy, safetensors] scripts/interop.sh [RUN_DIR]
# Without RUN_DIR a model is trained. What is needed is installed under target/ with pip; without PYTHON that includes torch,
# of some gigabytes. Exit status 1 where a logit differs by more than 1e-4.
set -euo pipefail
# shellcheck source=scripts/common.sh
. "$(dirname -- "${BASH_SOURCE[0]}")/common.sh"

(($# <= 1)) || fail "usage: scripts/interop.sh [RUN_DIR]"
model=${1:-}
python_with_torch
# What else is needed, without touching that Python.
export PYTHONPATH=$root/target/interop-packages
if ! "$python" -c 'import onnx, onnxruntime' 2>/dev/null; then
    say "installing onnx and onnxruntime into $PYTHONPATH ..."
    "$python" -m pip install --quiet --disable-pip-version-check --target "$PYTHONPATH" onnx onnxruntime
fi

prepare
scratch
if [[ -z $model ]]; then
    say "training ..."
    model=$folder/run
    "$program" --device cpu --quiet --eval-every 0 --out "$model"
fi
if [[ -d $model ]]; then model=$model/model.safetensors; fi

# By its file, so that the images are the program's own 5,000.
"$program" evaluate --device cpu --model "$model" --out "$folder/ours" >/dev/null
"$program" evaluate --device cpu --model "$model" >"$folder/ours.txt"
"$program" export --model "$model" "$folder/model.onnx" >/dev/null
"$python" -B "$root/scripts/python/interop.py" \
    "$model" "$folder/model.onnx" "$folder/ours/predictions.csv" "$folder/saved.safetensors"
"$program" evaluate --device cpu --model "$folder/saved.safetensors" >"$folder/theirs.txt"
cmp "$folder/ours.txt" "$folder/theirs.txt" ||
    fail "weights saved by PyTorch score otherwise: $(head -n 1 "$folder/theirs.txt"), not $(head -n 1 "$folder/ours.txt")"
echo "weights saved by PyTorch: $(head -n 1 "$folder/theirs.txt"), every count as before"
