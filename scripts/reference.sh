#!/usr/bin/env bash
# PyTorch's own numbers, those that the README and tests/parity.rs compare with.
#   [PYTHON=a Python with torch, numpy, safetensors] scripts/reference.sh parity [CHANNELS...]
#     the files of tests/fixtures/parity anew, and those of other widths, such as 16,32,64
#   scripts/reference.sh medians [N]
#     the medians of N seeds of the article's job, 40 unless said, after each epoch; goes on with what is there
set -euo pipefail
# shellcheck source=scripts/common.sh
. "$(dirname -- "${BASH_SOURCE[0]}")/common.sh"

parity() {
    local fixtures=$root/tests/fixtures/parity widths
    prepare
    scratch
    "$python" -B "$root/scripts/python/parity.py" "$fixtures/weights_step0.safetensors" "$fixtures/reference.json" whole
    for widths in "$@"; do
        # At this learning rate a step moves no weight, and a bias from 0 to 1e-30.
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
