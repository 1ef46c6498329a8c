#!/usr/bin/env bash
# Is the article's curve what its protocol gives? 40 seeds with the article's initial weights, 40 with today's Glorot.
#   scripts/reproduce.sh [A..B]
# Seeds A to B - 1, 0..40 unless said: about 14 minutes for each of the two on 2 cores. The files are in runs/reproduce-flux
# and runs/reproduce-glorot; started again, it goes on with the seeds that are missing. Exit status 1 where the article is not
# among the runs or, with 20 seeds or more, is among Glorot's, or a median is further from PyTorch's than its tolerance.
set -euo pipefail
# shellcheck source=scripts/common.sh
. "$(dirname -- "${BASH_SOURCE[0]}")/common.sh"

seeds=${1:-0..40}
if (($# > 1)) || ! [[ $seeds =~ ^([0-9]+)\.\.([0-9]+)$ ]]; then fail "usage: scripts/reproduce.sh [A..B]"; fi
count=$((BASH_REMATCH[2] - BASH_REMATCH[1]))
status=0

# expect VALUE INIT TROUBLE: runs the seeds; the verdict has to be that value.
expect() {
    local out=$root/runs/reproduce-$2
    "$root/scripts/train.sh" reproduce --device cpu --seeds "$seeds" --init "$2" --out "$out"
    # With few seeds the rank says little.
    [[ $1 == true ]] || ((count >= 20)) || return 0
    grep -q "\"reproduced\": $1" "$out/verdict.json" || trouble "$3"
}

trouble() { say "error: $*" && status=1; }

expect true flux "the article is not one of the runs of its own protocol"
# The medians beside those of PyTorch 2.13: the same protocol and initial weights, 40 seeds.
printf '\nepoch  median  PyTorch  tolerance\n'
while read -r epoch pytorch tolerance; do
    median=$(tail -n +2 "$root/runs/reproduce-flux/seeds.csv" | cut -d, -f $((epoch + 1)) | median)
    printf '%5s  %-6s  %s    %s\n' "$epoch" "$median" "$pytorch" "$tolerance"
    if ! awk "BEGIN { exit !($median - $pytorch <= $tolerance && $pytorch - $median <= $tolerance) }" && ((count >= 20)); then
        trouble "the median after epoch $epoch is further from PyTorch's than its tolerance"
    fi
done < <(printf '%s %s %s\n' 1 0.775 0.08 2 0.886 0.03 3 0.911 0.02 4 0.925 0.02 5 0.934 0.02)
echo
expect false glorot "the article is among the runs of another initialisation, so it says nothing"
exit "$status"
