#!/usr/bin/env bash
# Fetches the published data sets as a user does, from an empty cache, with kills on the way and two processes at once.
#   scripts/fetch-trial.sh              from the public mirrors: MNIST, Fashion-MNIST and KMNIST, some 60 MB
#   scripts/fetch-trial.sh FOLDER       MNIST only, its four .gz files in FOLDER served on loopback
# Servers that misbehave are the tests' affair (tests/fetch). Exit status 1 where something did not go as it should.
set -euo pipefail
# shellcheck source=scripts/common.sh
. "$(dirname -- "${BASH_SOURCE[0]}")/common.sh"

(($# <= 1)) || fail "usage: scripts/fetch-trial.sh [FOLDER]"
prepare
scratch
sets=(mnist fashion-mnist kmnist)
if (($#)); then sets=(mnist) && serve "$1"; fi
cache() { export XDG_CACHE_HOME=$folder/$1; }

for set in "${sets[@]}"; do
    echo "== $set, and again"
    cache good
    seconds=$( { TIMEFORMAT=%R; time "$program" fetch "$set" --quiet >/dev/null; } 2>&1 )
    echo "$seconds s"
    # Nothing is asked for a second time: this mirror has nothing.
    "$program" fetch "$set" --mirror http://127.0.0.1:9
done

echo "== kill -9 in the middle, ten times, then to the end"
cache killed
for tenth in 1 2 3 4 5 6 7 8 9 10; do
    "$program" fetch mnist --quiet &
    sleep "$(awk "BEGIN { print $seconds * $tenth / 10 }")"
    kill -9 $! 2>/dev/null || true
    wait $! 2>/dev/null || true
done
"$program" fetch mnist

echo "== two processes at once"
cache together
"$program" fetch mnist --quiet &
"$program" fetch mnist
wait $!

# Whole files are the same however they came, and nothing that is not whole has a file's name.
for other in killed together; do
    for file in "$folder"/good/mnist-tch/mnist/*.gz; do
        cmp "$file" "${file/good/$other}" || fail "$other: ${file##*/} is wrong"
    done
done

echo "all went as it should"
