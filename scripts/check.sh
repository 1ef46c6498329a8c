#!/usr/bin/env bash
# What must hold before the tests run: format, lints, documentation, and the scripts themselves.
set -euo pipefail
# shellcheck source=scripts/common.sh
. "$(dirname -- "${BASH_SOURCE[0]}")/common.sh"

cd "$root"
# A pattern without a file stands for nothing.
shopt -s nullglob
scripts=(scripts/*.sh scripts/*/*.sh scripts/*/*.sbatch .ci/run tests/setup/stub.sh)
for script in "${scripts[@]}"; do bash -n "$script"; done
if has shellcheck; then
    shellcheck -x "${scripts[@]}"
else
    say "note: shellcheck is not installed, the scripts were parsed only"
fi

check_rust
cargo fmt --all --check
scripts/setup.sh
forget_own_libtorch
cargo clippy --release --locked --all-targets -- -D warnings
RUSTDOCFLAGS="${RUSTDOCFLAGS:-} -D warnings" cargo doc --release --locked --no-deps
