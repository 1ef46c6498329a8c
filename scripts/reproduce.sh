#!/usr/bin/env bash
# The 5-epoch accuracy curve of the article's protocol over several seeds, against PyTorch's.
#   scripts/reproduce.sh [number of seeds, 10 unless said]
# Prints the accuracy of every seed after each epoch, and the medians beside PyTorch's medians over 40 seeds.
# Exit status 1 where a median is further away than the tolerance beside it.
set -euo pipefail
# shellcheck source=scripts/common.sh
. "$(dirname -- "${BASH_SOURCE[0]}")/common.sh"

seeds=${1:-10}
if (($# > 1)) || ! [[ $seeds =~ ^[1-9][0-9]*$ ]]; then fail "usage: scripts/reproduce.sh [number of seeds]"; fi
# Decimal points, whatever the language of the machine.
export LC_ALL=C

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
for ((seed = 0; seed < seeds; seed++)); do
    say "seed $seed of 0-$((seeds - 1)) ..."
    "$root/scripts/train.sh" --device cpu --quiet --seed "$seed" --out "$folder/$seed" 2>"$folder/log" ||
        { cat "$folder/log" >&2; fail "seed $seed failed"; }
done

# A line per seed: the accuracy after steps 50, 100, 150, 200 and 250, the ends of the five epochs.
for ((seed = 0; seed < seeds; seed++)); do
    awk -F, -v seed="$seed" 'NR > 1 && $3 % 50 == 0 { line = line " " $5 } END { print seed line }' "$folder/$seed/accuracy.csv"
done >"$folder/table"

printf 'seed     epoch 1  epoch 2  epoch 3  epoch 4  epoch 5\n'
awk '{ printf "%-7s", $1; for (i = 2; i <= 6; i++) printf "  %7.4f", $i; print "" }' "$folder/table"

status=0
line() { printf '%-7s  %7.4f  %7.4f  %7.4f  %7.4f  %7.4f\n' "$@"; }
medians=() lowest=() highest=()
for epoch in 1 2 3 4 5; do
    column=$(awk -v column=$((epoch + 1)) '{ print $column }' "$folder/table" | sort -n)
    lowest+=("$(head -n 1 <<<"$column")")
    highest+=("$(tail -n 1 <<<"$column")")
    medians+=("$(awk '{ value[NR] = $1 } END { print (value[int((NR + 1) / 2)] + value[int(NR / 2) + 1]) / 2 }' <<<"$column")")
done
# PyTorch 2.13, the same protocol and initialisation, 40 seeds.
expected=(0.766 0.885 0.912 0.922 0.928)
tolerance=(0.08 0.03 0.02 0.02 0.02)
echo
line median "${medians[@]}"
line lowest "${lowest[@]}"
line highest "${highest[@]}"
line PyTorch "${expected[@]}"
line within "${tolerance[@]}"
for epoch in 0 1 2 3 4; do
    awk -v a="${medians[epoch]}" -v b="${expected[epoch]}" -v t="${tolerance[epoch]}" 'BEGIN { exit !(a - b <= t && b - a <= t) }' ||
        { say "error: after epoch $((epoch + 1)) the median ${medians[epoch]} is further than ${tolerance[epoch]} from ${expected[epoch]}"; status=1; }
done
if ((status == 0)); then echo "reproduced: every median over $seeds seeds lies within its tolerance"; fi
exit "$status"
