#!/usr/bin/env bash
# How often `predict` is right on 200 pictures that are not MNIST's: drawn with pens, chalk and pencil on paper with
# grain and uneven light, turned, off-centre, large, thin, transparent (scripts/predict-trial/draw.py).
#   scripts/predict-trial.sh [--data-dir DIR with MNIST's four files] [--seed N] [--keep DIR]
# Prints the right answers by kind of picture, for the default model (5,000 training images) and, with --data-dir, for
# one trained on those files for 5 epochs. --keep keeps pictures, models and prepared pictures in a new folder.
set -euo pipefail
# shellcheck source=scripts/common.sh
. "$(dirname -- "${BASH_SOURCE[0]}")/common.sh"

data='' seed=1 keep=''
while (($# > 0)); do
    case $1 in
    --data-dir) data=${2:?--data-dir needs a folder} && shift 2 ;;
    --seed) seed=${2:?--seed needs a number} && shift 2 ;;
    --keep) keep=${2:?--keep needs a folder} && shift 2 ;;
    *) fail "usage: scripts/predict-trial.sh [--data-dir DIR] [--seed N] [--keep DIR]" ;;
    esac
done
if ! [[ $seed =~ ^[0-9]+$ ]]; then fail "--seed $seed: a whole number is expected"; fi
if [[ -n $keep ]]; then
    [[ ! -e $keep ]] || fail "$keep is there already"
    mkdir -p -- "$keep"
    folder=$keep
else
    folder=$(mktemp -d)
    trap 'rm -rf "$folder"' EXIT
fi

venv=$root/target/trial-venv
if ! "$venv/bin/python" -c 'import PIL' 2>/dev/null; then
    say "installing Pillow into $venv ..."
    python3 -m venv "$venv"
    "$venv/bin/pip" install --quiet --disable-pip-version-check 'pillow>=10,<13'
fi
"$root/scripts/setup.sh"
forget_own_libtorch
program=$(build_program)

"$venv/bin/python" "$root/scripts/predict-trial/draw.py" "$folder/pictures" "$seed"
say "training on the program's own 5,000 images ..."
"$program" --device cpu --quiet --eval-every 0 --out "$folder/default"
models=(default)
if [[ -n $data ]]; then
    say "training on $data ..."
    "$program" --device cpu --quiet --eval-every 0 --data-dir "$data" --out "$folder/mnist"
    models+=(mnist)
fi
counts=()
for model in "${models[@]}"; do
    # A picture without an answer is reported on stderr and counted as wrong.
    "$program" predict --device cpu --model "$folder/$model" --json "$folder"/pictures/* >"$folder/$model.json" || true
    counts+=("$model=$folder/$model.json")
done
if [[ -n $keep ]]; then
    for kind in "$folder"/pictures/*; do
        "$program" predict --device cpu --model "$folder/default" --json --out "$folder/prepared/${kind##*/}" "$kind" >/dev/null 2>&1 || true
    done
fi
"$venv/bin/python" "$root/scripts/predict-trial/count.py" "$folder/pictures" "${counts[@]}"
