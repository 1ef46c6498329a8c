#!/usr/bin/env bash
# Set-up, then every test. Options go to cargo test:  scripts/test.sh --test setup
# Needs no network once libtorch and the crates are there.
set -euo pipefail
# shellcheck source=scripts/common.sh
. "$(dirname -- "${BASH_SOURCE[0]}")/common.sh"

"$root/scripts/setup.sh"
forget_own_libtorch
cd "$root"
exec cargo test --release --locked "$@"
