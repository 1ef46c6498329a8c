#!/usr/bin/env bash
# Compares a trained model with the same model in onnxruntime and in PyTorch, and reads it back from PyTorch.
#   [PYTHON=a Python with torch, numpy, safetensors] scripts/interop.sh [RUN_DIR]
# Trains a model if RUN_DIR is not given. Installs missing packages under target/ with pip; without PYTHON these
# include torch, which takes several gigabytes. Exits with status 1 if a logit differs by more than 1e-4.
set -euo pipefail
# shellcheck source=scripts/common.sh
. "$(dirname -- "${BASH_SOURCE[0]}")/common.sh"

(($# <= 1)) || fail "usage: scripts/interop.sh [RUN_DIR]"
model=${1:-}
python_with_torch
# The other packages go into a folder of their own, so that this Python is not changed.
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

# The file, not its run, so that the images are the 5,000 embedded ones.
"$program" evaluate --device cpu --model "$model" --out "$folder/ours" >/dev/null
"$program" evaluate --device cpu --model "$model" >"$folder/ours.txt"
"$program" export --model "$model" "$folder/model.onnx" >/dev/null
"$python" -B "$root/scripts/python/interop.py" \
    "$model" "$folder/model.onnx" "$folder/ours/predictions.csv" "$folder/saved.safetensors"
"$program" evaluate --device cpu --model "$folder/saved.safetensors" >"$folder/theirs.txt"
ours=$(head -n 1 "$folder/ours.txt") theirs=$(head -n 1 "$folder/theirs.txt")
cmp "$folder/ours.txt" "$folder/theirs.txt" ||
    fail "the weights saved by PyTorch score differently: $theirs, expected $ours"
echo "weights saved by PyTorch: $theirs, the same confusion matrix"
