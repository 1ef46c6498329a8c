#!/usr/bin/env bash
# Fetches the published data sets as a user does, from an empty cache, and once more.
#   scripts/fetch-trial.sh              from the public mirrors: MNIST, Fashion-MNIST and KMNIST, some 60 MB
#   scripts/fetch-trial.sh FOLDER       MNIST only, its four .gz files in FOLDER served on loopback
# Kills, two processes at once and servers that misbehave are the tests' affair (src/data/download/tests.rs, tests/fetch.rs).
set -euo pipefail
# shellcheck source=scripts/common.sh
. "$(dirname -- "${BASH_SOURCE[0]}")/common.sh"

(($# <= 1)) || fail "usage: scripts/fetch-trial.sh [FOLDER]"
prepare
scratch
sets=(mnist fashion-mnist kmnist)
if (($#)); then sets=(mnist) && serve "$1"; fi
export XDG_CACHE_HOME=$folder/cache
for set in "${sets[@]}"; do
    SECONDS=0
    "$program" fetch "$set"
    echo "$set: $SECONDS s; again:"
    # Nothing is asked for a second time: this mirror has nothing.
    "$program" fetch "$set" --mirror http://127.0.0.1:9
done
