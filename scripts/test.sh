#!/usr/bin/env bash
# Installs libtorch if necessary and runs every test. Options go to cargo test:
#   scripts/test.sh --test setup
set -euo pipefail
# shellcheck source=scripts/common.sh
. "$(dirname -- "${BASH_SOURCE[0]}")/common.sh"

"$root/scripts/setup.sh"
unset_redundant_libtorch
cd "$root"
exec cargo test --release --locked "$@"
