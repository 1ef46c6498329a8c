#!/usr/bin/env bash
# Prints the final test accuracy of one job for several seeds, then mean, median, lowest and highest.
#   scripts/seeds.sh N [options of mnist-tch]      such as  scripts/seeds.sh 3 --dataset mnist
# Seeds 0 to N - 1. No files are kept; mnist-tch reproduce keeps runs and compares their curves.
set -euo pipefail
# shellcheck source=scripts/common.sh
. "$(dirname -- "${BASH_SOURCE[0]}")/common.sh"

[[ ${1:-} =~ ^[1-9][0-9]{0,5}$ ]] || fail "usage: scripts/seeds.sh N [options of mnist-tch]"
prepare
scratch
for ((seed = 0; seed < $1; seed++)); do
    "$program" --quiet "${@:2}" --seed "$seed" --out "$folder/$seed"
    tail -n 1 "$folder/$seed/accuracy.csv" | cut -d, -f 5 | tee -a "$folder/accuracies" | sed "s/^/seed $seed: /"
done
LC_ALL=C sort -n "$folder/accuracies" | tee "$folder/sorted" | awk '{ sum += $1 } END { printf "n = %d: mean %.4f\n", NR, sum / NR }'
median <"$folder/sorted" | sed 's/^/median /'
sed -n -e '1s/^/lowest /p' -e '$s/^/highest /p' "$folder/sorted"
