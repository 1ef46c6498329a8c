#!/usr/bin/env bash
# Fetches the published data sets as a user does: with an empty cache, then once more.
#   scripts/fetch-trial.sh              MNIST, Fashion-MNIST and KMNIST from the public mirrors, about 60 MB
#   scripts/fetch-trial.sh FOLDER       MNIST only, from the four .gz files in FOLDER, served on loopback
# The tests cover kills, two processes at once and misbehaving servers.
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
    # The second time must not download anything: this mirror does not exist.
    "$program" fetch "$set" --mirror http://127.0.0.1:9
done
