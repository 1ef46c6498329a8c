#!/usr/bin/env bash
# Writes docs/digit.html, the page of the best recipe: trains it on all of MNIST (two minutes on two cores) and exports
# it. The run is kept in target/digit-page, so that a changed page is written without training again.
#   scripts/digit-page.sh [MNIST, a folder with its four files; they are downloaded otherwise]
set -euo pipefail
# shellcheck source=scripts/common.sh
. "$(dirname -- "${BASH_SOURCE[0]}")/common.sh"

(($# <= 1)) || fail "usage: scripts/digit-page.sh [MNIST]"
data=(--dataset mnist)
if (($#)); then data+=(--data-dir "$1"); fi
prepare
run=$root/target/digit-page
if [[ ! -e $run/summary.json ]]; then
    say "training ..."
    "$program" --device cpu --quiet "${data[@]}" --eval-every 0 --out "$run" --force \
        --channels 16,32,64 --init kaiming --epochs 10 --shuffle --augment 3 --lr 0.006 --lr-final 0
fi
"$program" export --model "$run" "$root/docs/digit.html" --force
