#!/usr/bin/env bash
# How often `predict` is right on 300 pictures that are not MNIST's: drawn with pens, chalk and pencil on paper with
# grain and uneven light, turned, off-centre, large, thin, transparent, with the paper's edge, a table, lines or a box
# around them (scripts/python/pictures.py).
#   [SEED=1] scripts/predict-trial.sh FOLDER [MNIST, a folder with its four files]
# Prints the right answers by kind of picture, for the default model (5,000 training images) and, with MNIST, for one
# trained on those files. Pictures, models and the pictures as the network sees them are left in FOLDER, a new one.
set -euo pipefail
# shellcheck source=scripts/common.sh
. "$(dirname -- "${BASH_SOURCE[0]}")/common.sh"

(($# == 1 || $# == 2)) || fail "usage: scripts/predict-trial.sh FOLDER [MNIST]"
[[ ! -e $1 ]] || fail "$1 is there already"
folder=$1
python_with trial-venv 'import PIL' 'pillow>=10,<13'
prepare
mkdir -p -- "$folder"
tool=$root/scripts/python/pictures.py
"$python" -B "$tool" draw "$folder/pictures" "${SEED:-1}"

# trial NAME OPTION...: trains a model, shows it the pictures and counts its answers.
trial() {
    say "training $1 ..."
    "$program" --device cpu --quiet --eval-every 0 --out "$folder/$1" "${@:2}"
    for kind in "$folder"/pictures/*; do
        # A picture without an answer is reported on stderr and counted as wrong.
        "$program" predict --device cpu --model "$folder/$1" --json --out "$folder/$1/prepared/${kind##*/}" "$kind" || true
    done >"$folder/$1.json"
    echo "$1"
    "$python" -B "$tool" count "$folder/pictures" "$folder/$1.json"
}

trial default
if (($# == 2)); then trial mnist --data-dir "$2"; fi
