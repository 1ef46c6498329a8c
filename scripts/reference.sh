#!/usr/bin/env bash
# Computes the PyTorch numbers that the README and tests/parity.rs compare with.
#   [PYTHON=a Python with torch, numpy, safetensors] scripts/reference.sh parity [CHANNELS...]
#     writes the files of tests/fixtures/parity, also for other widths, such as 16,32,64
#   scripts/reference.sh medians [N]
#     prints the median accuracy of N seeds (default 40) of the article's job after each epoch; reuses finished seeds
set -euo pipefail
# shellcheck source=scripts/common.sh
. "$(dirname -- "${BASH_SOURCE[0]}")/common.sh"

parity() {
    local fixtures=$root/tests/fixtures/parity widths
    prepare
    scratch
    "$python" -B "$root/scripts/python/parity.py" "$fixtures/weights_step0.safetensors" "$fixtures/reference.json" whole
    for widths in "$@"; do
        # This learning rate leaves the weights unchanged, and moves the biases from 0 to about 1e-30.
        "$program" --device cpu --quiet --seed 7 --channels "$widths" --lr 1e-30 --epochs 1 --train-range ..100 --out "$folder/$widths"
        "$python" -B "$root/scripts/python/parity.py" "$folder/$widths/model.safetensors" "$fixtures/channels-$widths.json"
    done
}

medians() {
    local seed epoch out=$root/target/reference
    for ((seed = 0; seed < $1; seed++)); do
        [[ $(wc -l 2>/dev/null <"$out/$seed/accuracy.csv") == 6 ]] ||
            "$python" -B "$root/scripts/python/pytorch.py" --form direct --threads 1 --eval-every 50 --seed "$seed" --out "$out/$seed"
    done
    for epoch in 1 2 3 4 5; do
        for ((seed = 0; seed < $1; seed++)); do sed -n "$((epoch + 1))s/.*,//p" "$out/$seed/accuracy.csv"; done |
            median | sed "s/^/epoch $epoch: median of $1 seeds /"
    done
}

case ${1:-} in
parity) python_with_torch && parity "${@:2}" ;;
medians) python_with_torch && medians "${2:-40}" ;;
*) fail "usage: scripts/reference.sh parity [CHANNELS...] | medians [N]" ;;
esac
