#!/usr/bin/env bash
# How often `predict` is right on 200 pictures that are not MNIST's: drawn with pens, chalk and pencil on paper with
# grain and uneven light, turned, off-centre, large, thin, transparent (scripts/predict-trial/pictures.py).
#   scripts/predict-trial.sh [--data-dir DIR with MNIST's four files] [--seed N] [--keep DIR]
# Prints the right answers by kind of picture, for the default model (5,000 training images) and, with --data-dir, for
# one trained on those files for 5 epochs. --keep keeps pictures, models and prepared pictures in a new folder.
set -euo pipefail
# shellcheck source=scripts/common.sh
. "$(dirname -- "${BASH_SOURCE[0]}")/common.sh"

usage="usage: scripts/predict-trial.sh [--data-dir DIR] [--seed N] [--keep DIR]"
data='' seed=1 keep=''
while (($# > 0)); do
    case $1 in
    --data-dir) data=${2:?--data-dir needs a folder} ;;
    --seed) seed=${2:?--seed needs a number} ;;
    --keep) keep=${2:?--keep needs a folder} ;;
    *) fail "$usage" ;;
    esac
    shift 2
done
[[ $seed =~ ^[0-9]+$ ]] || fail "--seed $seed: a whole number is expected"
[[ -z $keep || ! -e $keep ]] || fail "$keep is there already"

python_with trial-venv 'import PIL' 'pillow>=10,<13'
prepare
if [[ -n $keep ]]; then
    mkdir -p -- "$keep"
    folder=$keep
else
    scratch
fi
tool=$root/scripts/predict-trial/pictures.py
"$python" "$tool" "$folder/pictures" "$seed"

# trial NAME OPTION...: trains a model, shows it the pictures and counts its answers.
trial() {
    say "training $1 ..."
    "$program" --device cpu --quiet --eval-every 0 --out "$folder/$1" "${@:2}"
    # A picture without an answer is reported on stderr and counted as wrong.
    "$program" predict --device cpu --model "$folder/$1" --json "$folder"/pictures/* >"$folder/$1.json" || true
    echo "$1"
    "$python" "$tool" --count "$folder/pictures" "$folder/$1.json"
}

trial default
if [[ -n $data ]]; then trial mnist --data-dir "$data"; fi
if [[ -n $keep ]]; then
    for kind in "$folder"/pictures/*; do
        "$program" predict --device cpu --model "$folder/default" --json --out "$folder/prepared/${kind##*/}" "$kind" >/dev/null 2>&1 || true
    done
fi
