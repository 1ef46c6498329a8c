#!/usr/bin/env bash
# Is the article's curve what its protocol gives? 40 seeds with the article's initial weights, 40 with today's Glorot.
#   scripts/reproduce.sh [A..B]
# Seeds from A up to, but not with, B; 0..40 unless said: about 14 minutes for each of the two on 2 cores. The files are
# in runs/reproduce-flux and runs/reproduce-glorot; started again, it goes on with the seeds that are missing.
# Exit status 1 where the article is not among the runs, or is among those of Glorot, or where a median is further from
# PyTorch's than the tolerance beside it. With fewer than 20 seeds the last two say little, so only the first counts.
set -euo pipefail
# shellcheck source=scripts/common.sh
. "$(dirname -- "${BASH_SOURCE[0]}")/common.sh"

seeds=${1:-0..40}
if (($# > 1)) || ! [[ $seeds =~ ^([0-9]+)\.\.([0-9]+)$ ]]; then fail "usage: scripts/reproduce.sh [A..B]"; fi
count=$((BASH_REMATCH[2] - BASH_REMATCH[1]))
# Decimal points, whatever the language of the machine.
export LC_ALL=C

reproduce() { "$root/scripts/train.sh" reproduce --device cpu --seeds "$seeds" --init "$1" --out "$root/runs/reproduce-$1"; }
is_reproduced() { grep -q '"reproduced": true' "$root/runs/reproduce-$1/verdict.json"; }

# The medians of seeds.csv beside those of PyTorch 2.13: the same protocol and initial weights, 40 seeds.
medians() {
    local -a expected=(0.766 0.885 0.912 0.922 0.928) tolerance=(0.08 0.03 0.02 0.02 0.02)
    local epoch median off=0
    printf '\nepoch  median  PyTorch  tolerance\n'
    for epoch in 1 2 3 4 5; do
        median=$(tail -n +2 "$root/runs/reproduce-flux/seeds.csv" | cut -d, -f $((epoch + 1)) | median)
        printf '%5s  %.4f    %.3f      %.2f\n' "$epoch" "$median" "${expected[epoch - 1]}" "${tolerance[epoch - 1]}"
        awk -v a="$median" -v b="${expected[epoch - 1]}" -v t="${tolerance[epoch - 1]}" 'BEGIN { exit !(a - b <= t && b - a <= t) }' || off=1
    done
    return "$off"
}

status=0
reproduce flux
is_reproduced flux || { say "error: the article is not one of the runs of its own protocol"; status=1; }
if ! medians && ((count >= 20)); then
    say "error: a median is further from PyTorch's than its tolerance"
    status=1
fi
echo
reproduce glorot
if is_reproduced glorot && ((count >= 20)); then
    say "error: the article is among the runs of another initialisation, so it says nothing"
    status=1
fi
exit "$status"
