#!/usr/bin/env bash
# From git clone to a trained model, as on a fresh machine, and where the time goes. The two commands of the README are run in
# a clone of the last commit, with empty caches of cargo, pip and uv; every line they print gets the seconds since the start.
#   scripts/clone-trial.sh [--no-tests]
# Tables (Markdown) go to stdout. Needs the network, 5 GB of disk and ten minutes.
set -euo pipefail
# shellcheck source=scripts/common.sh
. "$(dirname -- "${BASH_SOURCE[0]}")/common.sh"

case ${1:-} in
'') tests=yes ;;
--no-tests) tests='' ;;
*) fail "usage: scripts/clone-trial.sh [--no-tests]" ;;
esac

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
# What a reader's shell would have, but for the caches. The rustup of the user, if that is where cargo comes from, stays.
export RUSTUP_HOME=${RUSTUP_HOME:-$HOME/.rustup}
unset LIBTORCH LIBTORCH_USE_PYTORCH CARGO_TARGET_DIR
mkdir "$folder/cargo"
cp "${CARGO_HOME:-$HOME/.cargo}/config.toml" "$folder/cargo" 2>/dev/null || true
caches=(CARGO_HOME="$folder/cargo" XDG_CACHE_HOME="$folder/cache" PIP_NO_CACHE_DIR=1 UV_CACHE_DIR="$folder/uv")

now() { date +%s.%N; }
since() { awk -v from="$1" -v to="$2" 'BEGIN { printf "%.1f", to - from }'; }

# stamped LOG COMMAND...: runs it, shows its stderr with the seconds since its start, and keeps that in LOG.
stamped() {
    local log=$1 begun
    shift
    begun=$(now)
    env "${caches[@]}" "$@" 2>&1 >"$log.stdout" | while IFS= read -r line; do
        printf '%s %s\n' "$(since "$begun" "$(now)")" "$line"
    done | tee "$log" >&2 || { tail -n 40 "$log.stdout" >&2; fail "$* did not end well; the end of its stdout stands above"; }
}

# The stamp of the first line of LOG that holds a text.
stamp() { grep -m 1 -F -e "$2" "$1" | cut -d ' ' -f 1; }

row() { printf '| %s | %s |\n' "$1" "$2"; }

begun=$(now)
git clone --quiet "$root" "$folder/mnist-tch"
cloned=$(now)
cd "$folder/mnist-tch"
log=$folder/train
stamped "$log" scripts/train.sh --device cpu
trained=$(now)
libtorch=$(stamp "$log" "is ready in libtorch/")
compiling=$(stamp "$log" "Compiling")
built=$(stamp "$log" "Finished")
printf '| scripts/train.sh --device cpu | seconds |\n| --- | --- |\n'
row "git clone" "$(since "$begun" "$cloned")"
row "libtorch: fetched and unpacked" "$libtorch"
row "crates: fetched" "$(since "$libtorch" "$compiling")"
row "compiling" "$(since "$compiling" "$built")"
row "training, from the start of the program to its end" "$(since "$built" "$(since "$cloned" "$trained")")"
row "all" "$(since "$begun" "$trained")"
if [[ -n $tests ]]; then
    begun=$(now)
    stamped "$folder/test" scripts/test.sh
    ended=$(now)
    built=$(stamp "$folder/test" "Finished")
    printf '\n| scripts/test.sh, after that | seconds |\n| --- | --- |\n'
    row "compiling" "$built"
    row "$(grep -c '^test .* \.\.\. ok$' "$folder/test.stdout") tests" "$(since "$built" "$(since "$begun" "$ended")")"
    row "all" "$(since "$begun" "$ended")"
fi
