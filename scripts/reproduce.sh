#!/usr/bin/env bash
# Checks that the article's curve is a typical run of its protocol: 40 seeds with the article's initial weights, 40 with Glorot's.
#   scripts/reproduce.sh [A..B]
# Runs seeds A to B - 1, by default 0..40: about 14 minutes for each initialization on 2 cores. The files are in
# runs/reproduce-flux and runs/reproduce-glorot; a second call runs only the missing seeds. Exit status 1 if the article is not
# reproduced or, with 20 seeds or more, if Glorot's runs reproduce it or a median differs from PyTorch's by more than its tolerance.
set -euo pipefail
# shellcheck source=scripts/common.sh
. "$(dirname -- "${BASH_SOURCE[0]}")/common.sh"

seeds=${1:-0..40}
if (($# > 1)) || ! [[ $seeds =~ ^([0-9]+)\.\.([0-9]+)$ ]]; then fail "usage: scripts/reproduce.sh [A..B]"; fi
count=$((BASH_REMATCH[2] - BASH_REMATCH[1]))
status=0

# expect VALUE INIT MESSAGE: runs the seeds. The verdict's "reproduced" has to be VALUE.
expect() {
    local out=$root/runs/reproduce-$2
    "$root/scripts/train.sh" reproduce --device cpu --seeds "$seeds" --init "$2" --out "$out"
    # With few seeds the rank means little.
    [[ $1 == true ]] || ((count >= 20)) || return 0
    grep -q "\"reproduced\": $1" "$out/verdict.json" || report "$3"
}

report() { say "error: $*" && status=1; }

expect true flux "the article's protocol does not reproduce its curve"
# The medians next to those of PyTorch 2.13: same protocol and initial weights, 40 seeds.
printf '\nepoch  median  PyTorch  tolerance\n'
while read -r epoch pytorch tolerance; do
    median=$(tail -n +2 "$root/runs/reproduce-flux/seeds.csv" | cut -d, -f $((epoch + 1)) | median)
    printf '%5s  %-6s  %s    %s\n' "$epoch" "$median" "$pytorch" "$tolerance"
    if ! awk "BEGIN { exit !($median - $pytorch <= $tolerance && $pytorch - $median <= $tolerance) }" && ((count >= 20)); then
        report "the median after epoch $epoch differs from PyTorch's by more than its tolerance"
    fi
done < <(printf '%s %s %s\n' 1 0.775 0.08 2 0.886 0.03 3 0.911 0.02 4 0.925 0.02 5 0.934 0.02)
echo
expect false glorot "Glorot's initial weights reproduce the curve too, so the check cannot tell them apart"
exit "$status"
