#!/usr/bin/env bash
# The final test accuracy of one job with several seeds: each, then the median, the lowest and the highest.
#   scripts/seeds.sh N [options of mnist-tch]
#   scripts/seeds.sh 3 --dataset mnist
# Seeds from 0 up to, but not with, N. Nothing is kept; scripts/reproduce.sh keeps runs, and compares their curves.
set -euo pipefail
# shellcheck source=scripts/common.sh
. "$(dirname -- "${BASH_SOURCE[0]}")/common.sh"

count=${1:-}
[[ $count =~ ^[1-9][0-9]{0,5}$ ]] || fail "usage: scripts/seeds.sh N [options of mnist-tch]"
shift
# Decimal points, whatever the language of the machine.
export LC_ALL=C

"$root/scripts/setup.sh"
forget_own_libtorch
say "building ..."
program=$(build_program)
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
for ((seed = 0; seed < count; seed++)); do
    "$program" --quiet "$@" --seed "$seed" --out "$folder/$seed"
    accuracy=$(tail -n 1 "$folder/$seed/accuracy.csv" | cut -d, -f 5)
    printf 'seed %s: %s\n' "$seed" "$accuracy"
    printf '%s\n' "$accuracy" >>"$folder/accuracies"
done
sort -n "$folder/accuracies" >"$folder/sorted"
printf 'n = %s: median %.4f, lowest %s, highest %s\n' "$count" "$(median <"$folder/sorted")" \
    "$(head -n 1 "$folder/sorted")" "$(tail -n 1 "$folder/sorted")"
