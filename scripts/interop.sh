#!/usr/bin/env bash
# Whether a trained model means the same elsewhere: in onnxruntime, in PyTorch, and back from PyTorch.
#   scripts/interop.sh [--model RUN_DIR] [--python PYTHON with torch]
# Without --model a model is trained, as in the article. What is needed is installed under target/ with pip; without
# --python that includes torch, of some gigabytes. Exit status 1 where a logit differs by more than 1e-4.
set -euo pipefail
# shellcheck source=scripts/common.sh
. "$(dirname -- "${BASH_SOURCE[0]}")/common.sh"

model='' python=''
while (($# > 0)); do
    case $1 in
    --model) model=${2:?--model needs a run directory} && shift 2 ;;
    --python) python=${2:?--python needs a program} && shift 2 ;;
    *) fail "usage: scripts/interop.sh [--model RUN_DIR] [--python PYTHON with torch]" ;;
    esac
done

venv=$root/target/interop-venv
if ! "$venv/bin/python" -c 'import numpy, onnx, onnxruntime, safetensors' 2>/dev/null; then
    say "installing onnx and onnxruntime into $venv ..."
    python3 -m venv "$venv"
    "$venv/bin/pip" install --quiet --disable-pip-version-check numpy onnx onnxruntime safetensors
fi
if [[ -z $python ]]; then
    python=$venv/bin/python
    if ! "$python" -c 'import torch' 2>/dev/null; then
        say "installing torch $LIBTORCH_VERSION into $venv ..."
        "$venv/bin/pip" install --quiet --disable-pip-version-check "torch==$LIBTORCH_VERSION"
    fi
fi
"$python" -c 'import torch' || fail "$python has no torch"
# safetensors for that Python, without touching it.
packages=$root/target/interop-packages
if ! PYTHONPATH=$packages "$python" -c 'import safetensors' 2>/dev/null; then
    "$python" -m pip install --quiet --disable-pip-version-check --no-deps --target "$packages" safetensors
fi

"$root/scripts/setup.sh"
forget_own_libtorch
program=$(build_program)
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
if [[ -z $model ]]; then
    say "training ..."
    model=$folder/run
    "$program" --device cpu --quiet --eval-every 0 --out "$model"
fi
file=$model
if [[ -d $model ]]; then file=$model/model.safetensors; fi

# By its file, so that the images are the program's own 5,000.
"$program" evaluate --device cpu --model "$file" --out "$folder/ours" >/dev/null
"$program" evaluate --device cpu --model "$file" >"$folder/ours.txt"
"$program" export --model "$file" "$folder/model.onnx" >/dev/null
"$venv/bin/python" "$root/scripts/interop/files.py" "$folder/ours/predictions.csv" "$folder/images" "$folder/logits"

status=0
"$venv/bin/python" "$root/scripts/interop/onnx_check.py" "$folder/model.onnx" "$folder/images" "$folder/logits" || status=1
PYTHONPATH=$packages "$python" "$root/scripts/interop/torch_check.py" \
    "$file" "$folder/images" "$folder/logits" "$folder/pytorch.safetensors" || status=1
"$program" evaluate --device cpu --model "$folder/pytorch.safetensors" >"$folder/theirs.txt" || status=1
if cmp -s "$folder/ours.txt" "$folder/theirs.txt"; then
    echo "weights saved by PyTorch: $(head -n 1 "$folder/theirs.txt"), every count as before"
else
    say "error: weights saved by PyTorch score otherwise: $(head -n 1 "$folder/theirs.txt"), not $(head -n 1 "$folder/ours.txt")"
    status=1
fi
exit "$status"
