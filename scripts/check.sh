#!/usr/bin/env bash
# What must hold before the tests run: the scripts themselves, dependencies, format, lints, documentation.
#   scripts/check.sh
set -euo pipefail
# shellcheck source=scripts/common.sh
. "$(dirname -- "${BASH_SOURCE[0]}")/common.sh"

cd "$root"
shopt -s nullglob # a pattern without a file stands for nothing
scripts=(scripts/*.sh scripts/*/*.sh .ci/run tests/setup/stub.sh)
for script in "${scripts[@]}"; do bash -n "$script"; done
if has shellcheck; then shellcheck -x "${scripts[@]}"; else say "note: shellcheck is not installed, the scripts were parsed only"; fi

check_rust
if has cargo-deny; then
    # Licences and sources need no network; the advisories are fetched.
    checks=(bans licenses sources)
    if cargo deny --locked fetch db >/dev/null 2>&1; then
        checks+=(advisories)
    else
        say "note: the RustSec database cannot be reached, the dependencies were not checked for advisories"
    fi
    cargo deny --locked check "${checks[@]}"
else
    say "note: cargo-deny is not installed, the dependencies were not checked"
fi
cargo fmt --all --check
scripts/setup.sh
forget_own_libtorch
cargo clippy --release --locked --all-targets -- -D warnings
RUSTDOCFLAGS="${RUSTDOCFLAGS:-} -D warnings" cargo doc --release --locked --no-deps --document-private-items
