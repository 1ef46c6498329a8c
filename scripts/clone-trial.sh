#!/usr/bin/env bash
# Measures where the time goes from git clone to a trained model on a fresh machine: runs the README's two commands in a clone
# of the last commit, with empty caches of cargo, pip and uv. Every line they print gets the seconds since the start.
#   scripts/clone-trial.sh [--no-tests]
# Prints tables. Needs the network, 5 GB of disk and ten minutes.
set -euo pipefail
# shellcheck source=scripts/common.sh
. "$(dirname -- "${BASH_SOURCE[0]}")/common.sh"

[[ $# == 0 || $* == --no-tests ]] || fail "usage: scripts/clone-trial.sh [--no-tests]"
scratch
# A user's environment with empty caches. The installed Rust toolchain stays.
export RUSTUP_HOME=${RUSTUP_HOME:-$HOME/.rustup}
unset LIBTORCH LIBTORCH_USE_PYTORCH CARGO_TARGET_DIR
mkdir "$folder/cargo"
cp "${CARGO_HOME:-$HOME/.cargo}/config.toml" "$folder/cargo" 2>/dev/null || true
export CARGO_HOME=$folder/cargo XDG_CACHE_HOME=$folder/cache PIP_NO_CACHE_DIR=1 UV_CACHE_DIR=$folder/uv

# since START [END]: prints the seconds from START to END, by default until now.
since() { awk -v from="$1" -v to="${2:-$(date +%s.%N)}" 'BEGIN { printf "%.1f", to - from }'; }

# stamped COMMAND...: runs it and sets $all to its seconds. Its stderr, with time stamps, is shown and kept in ./log; its stdout goes to ./out.
stamped() {
    local start
    start=$(date +%s.%N)
    "$@" 2>&1 >out | while IFS= read -r line; do
        printf '%s %s\n' "$(since "$start")" "$line"
    done | tee log >&2 || { tail -n 40 out >&2; fail "$* failed; the end of its stdout is above"; }
    all=$(since "$start")
}

# stamp TEXT: prints the time stamp of the first line that contains TEXT.
stamp() { grep -m 1 -F -e "$1" log | cut -d ' ' -f 1; }

row() { printf '| %s | %s |\n' "$1" "$2"; }

start=$(date +%s.%N)
git clone --quiet "$root" "$folder/mnist-tch"
cd "$folder/mnist-tch"
printf '| scripts/train.sh --device cpu | seconds |\n| --- | --- |\n'
row "git clone" "$(since "$start")"
stamped scripts/train.sh --device cpu
libtorch=$(stamp "is ready in libtorch/") compiling=$(stamp "Compiling") built=$(stamp "Finished")
row "libtorch: downloaded and unpacked" "$libtorch"
row "crates: downloaded" "$(since "$libtorch" "$compiling")"
row "compiling" "$(since "$compiling" "$built")"
row "training, whole process" "$(since "$built" "$all")"
row "total" "$(since "$start")"
(($# == 0)) || exit 0
stamped scripts/test.sh
built=$(stamp "Finished")
printf '\n| scripts/test.sh, afterwards | seconds |\n| --- | --- |\n'
row "compiling" "$built"
row "$(grep -c '^test .* \.\.\. ok$' out) tests" "$(since "$built" "$all")"
row "total" "$all"
