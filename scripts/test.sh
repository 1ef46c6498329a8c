#!/usr/bin/env bash
# Set-up, then every test; no network once libtorch and the crates are there. Options go to cargo test:
#   scripts/test.sh --test setup
set -euo pipefail
# shellcheck source=scripts/common.sh
. "$(dirname -- "${BASH_SOURCE[0]}")/common.sh"

"$root/scripts/setup.sh"
forget_own_libtorch
cd "$root"
exec cargo test --release --locked "$@"
