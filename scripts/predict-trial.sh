#!/usr/bin/env bash
# Counts how often `predict` is right on 300 drawn pictures that are not from MNIST: pens, chalk and pencil on grainy,
# unevenly lit paper; rotated, off-center, large, thin or transparent; with a paper edge, a table, ruled lines or a box
# (scripts/python/pictures.py).
#   [SEED=1] scripts/predict-trial.sh FOLDER [MNIST]      MNIST: a folder with its four files
# Prints the correct answers per kind of picture, for the default model (5,000 training images) and, with MNIST, for one
# trained on those files. Pictures, models and prepared pictures are kept in FOLDER, which must not exist yet.
set -euo pipefail
# shellcheck source=scripts/common.sh
. "$(dirname -- "${BASH_SOURCE[0]}")/common.sh"

(($# == 1 || $# == 2)) || fail "usage: scripts/predict-trial.sh FOLDER [MNIST]"
[[ ! -e $1 ]] || fail "$1 exists already: name a new folder"
folder=$1
python_with trial-venv 'import PIL' 'pillow>=10,<13'
prepare
mkdir -p -- "$folder"
tool=$root/scripts/python/pictures.py
"$python" -B "$tool" draw "$folder/pictures" "${SEED:-1}"

# trial NAME OPTION...: trains a model, predicts the pictures and counts the correct answers.
trial() {
    say "training $1 ..."
    "$program" --device cpu --quiet --eval-every 0 --out "$folder/$1" "${@:2}"
    for kind in "$folder"/pictures/*; do
        # Pictures without an answer are reported on stderr and count as wrong.
        "$program" predict --device cpu --model "$folder/$1" --json --out "$folder/$1/prepared/${kind##*/}" "$kind" || true
    done >"$folder/$1.json"
    echo "$1"
    "$python" -B "$tool" count "$folder/pictures" "$folder/$1.json"
}

trial default
if (($# == 2)); then trial mnist --data-dir "$2"; fi
