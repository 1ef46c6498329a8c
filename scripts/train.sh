#!/usr/bin/env bash
# From a fresh clone to a training run: set-up, build, then the program with the options given here.
#   scripts/train.sh --device cuda
# Paths in the options are seen from where you are; stdout holds nothing but what the program prints.
set -euo pipefail
# shellcheck source=scripts/common.sh
. "$(dirname -- "${BASH_SOURCE[0]}")/common.sh"

asks_for_cuda() {
    local before='' option
    for option in "$@"; do
        case $before$option in
        --device=cuda* | --devicecuda*) return 0 ;;
        esac
        if [[ $option == --device ]]; then before=--device; else before=''; fi
    done
    return 1
}

# Without a driver the CUDA set would help nobody; the program then says what is missing.
if asks_for_cuda "$@" && driver_version >/dev/null; then
    "$root/scripts/setup.sh" --cuda
else
    "$root/scripts/setup.sh"
fi
forget_own_libtorch

say "building (three to six minutes the first time) ..."
program=$(build_program)
exec "$program" "$@"
