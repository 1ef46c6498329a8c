#!/usr/bin/env bash
# From a fresh clone to a training run: set-up, build, then the program with the options given here.
#   scripts/train.sh --device cuda
# Paths in the options are seen from where you are; stdout holds nothing but what the program prints.
set -euo pipefail
# shellcheck source=scripts/common.sh
. "$(dirname -- "${BASH_SOURCE[0]}")/common.sh"

options=()
asks_for_cuda=' --device[ =]cuda(:[0-9]+)? '
# Where the CUDA set would not run it helps nobody; the program then says what is missing.
if [[ " $* " =~ $asks_for_cuda && -z $(cuda_lacks) ]]; then options=(--cuda); fi
"$root/scripts/setup.sh" ${options[@]+"${options[@]}"}
build
exec "$program" "$@"
