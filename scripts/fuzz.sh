#!/usr/bin/env bash
# Damaged data files by the hundred thousand: a clear error or a valid data set, never a panic, never memory without data.
#   scripts/fuzz.sh [cases, 100000 unless said]
# Mangled IDX and gzip files are read through the library, seeded, so that the same cases come again. libFuzzer, which
# looks for inputs by coverage, needs cargo-fuzz and a nightly Rust (no libtorch, no clang):
#   cargo +nightly fuzz run --fuzz-dir tests/fuzz idx -- -max_total_time=60 -max_len=4096 -malloc_limit_mb=8
set -euo pipefail
# shellcheck source=scripts/common.sh
. "$(dirname -- "${BASH_SOURCE[0]}")/common.sh"

export MANGLE_CASES=${1:-100000}
[[ $# -le 1 && $MANGLE_CASES =~ ^[1-9][0-9]{0,8}$ ]] || fail "usage: scripts/fuzz.sh [cases]"
exec "$root/scripts/test.sh" --test mangle -- --nocapture
