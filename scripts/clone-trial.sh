#!/usr/bin/env bash
# From git clone to a trained model, as on a fresh machine, and where the time goes. The two commands of the README are run in
# a clone of the last commit, with empty caches of cargo, pip and uv; every line they print gets the seconds since the start.
#   scripts/clone-trial.sh [--no-tests]
# Tables go to stdout. Needs the network, 5 GB of disk and ten minutes.
set -euo pipefail
# shellcheck source=scripts/common.sh
. "$(dirname -- "${BASH_SOURCE[0]}")/common.sh"

[[ $# == 0 || $* == --no-tests ]] || fail "usage: scripts/clone-trial.sh [--no-tests]"
scratch
# What a reader's shell would have, but for the caches. The rustup of the user, if that is where cargo comes from, stays.
export RUSTUP_HOME=${RUSTUP_HOME:-$HOME/.rustup}
unset LIBTORCH LIBTORCH_USE_PYTORCH CARGO_TARGET_DIR
mkdir "$folder/cargo"
cp "${CARGO_HOME:-$HOME/.cargo}/config.toml" "$folder/cargo" 2>/dev/null || true
export CARGO_HOME=$folder/cargo XDG_CACHE_HOME=$folder/cache PIP_NO_CACHE_DIR=1 UV_CACHE_DIR=$folder/uv

# since MOMENT [LATER]: the seconds between them; until now unless said.
since() { awk -v from="$1" -v to="${2:-$(date +%s.%N)}" 'BEGIN { printf "%.1f", to - from }'; }

# stamped COMMAND...: runs it, shows its stderr with the seconds since its start, and keeps that in ./log, its stdout in ./out.
stamped() {
    local begun
    begun=$(date +%s.%N)
    "$@" 2>&1 >out | while IFS= read -r line; do
        printf '%s %s\n' "$(since "$begun")" "$line"
    done | tee log >&2 || { tail -n 40 out >&2; fail "$* did not end well; the end of its stdout stands above"; }
    all=$(since "$begun")
}

# The stamp of the first line that holds a text.
stamp() { grep -m 1 -F -e "$1" log | cut -d ' ' -f 1; }

row() { printf '| %s | %s |\n' "$1" "$2"; }

begun=$(date +%s.%N)
git clone --quiet "$root" "$folder/mnist-tch"
cd "$folder/mnist-tch"
printf '| scripts/train.sh --device cpu | seconds |\n| --- | --- |\n'
row "git clone" "$(since "$begun")"
stamped scripts/train.sh --device cpu
libtorch=$(stamp "is ready in libtorch/") compiling=$(stamp "Compiling") built=$(stamp "Finished")
row "libtorch: fetched and unpacked" "$libtorch"
row "crates: fetched" "$(since "$libtorch" "$compiling")"
row "compiling" "$(since "$compiling" "$built")"
row "training, from the start of the program to its end" "$(since "$built" "$all")"
row "all" "$(since "$begun")"
(($# == 0)) || exit 0
stamped scripts/test.sh
built=$(stamp "Finished")
printf '\n| scripts/test.sh, after that | seconds |\n| --- | --- |\n'
row "compiling" "$built"
row "$(grep -c '^test .* \.\.\. ok$' out) tests" "$(since "$built" "$all")"
row "all" "$all"
