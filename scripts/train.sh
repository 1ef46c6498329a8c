#!/usr/bin/env bash
# From a fresh clone to a trained model: installs libtorch if necessary, builds, and runs the program with these options.
#   scripts/train.sh --device cuda
# Paths in the options are relative to the working directory. stdout holds only what the program prints.
set -euo pipefail
# shellcheck source=scripts/common.sh
. "$(dirname -- "${BASH_SOURCE[0]}")/common.sh"

options=()
cuda_option=' --device[ =]cuda(:[0-9]+)? '
# Without a usable GPU the download would be for nothing; the program then says what is missing.
if [[ " $* " =~ $cuda_option && -z $(cuda_problem) ]]; then options=(--cuda); fi
"$root/scripts/setup.sh" ${options[@]+"${options[@]}"}
build
exec "$program" "$@"
