#!/usr/bin/env bash
# Fetches all of MNIST from a server on loopback that behaves well and badly, and trains on it.
#   scripts/fetch-trial.sh FOLDER
# FOLDER holds MNIST's four .gz files. Prints what the program said and how long it took; exit status 1 where a file
# is wrong or something did not go as it should. Takes a few minutes: two servers are waited for, 30 s each.
set -euo pipefail
# shellcheck source=scripts/common.sh
. "$(dirname -- "${BASH_SOURCE[0]}")/common.sh"

source=${1:-}
if (($# != 1)) || [[ ! -r $source/train-images-idx3-ubyte.gz ]]; then
    fail "usage: scripts/fetch-trial.sh FOLDER   (the folder with MNIST's four .gz files)"
fi
source=$(CDPATH='' cd -- "$source" && pwd)
"$root/scripts/setup.sh"
forget_own_libtorch
program=$(build_program)

work=$(mktemp -d)
python3 "$root/scripts/fetch-trial/server.py" "$source" >"$work/port" 2>"$work/log" &
server=$!
trap 'kill "$server"; rm -rf "$work"' EXIT
until [[ -s $work/port ]]; do sleep 0.1; done
at=http://127.0.0.1:$(<"$work/port")
cd "$work"

# fresh NAME: from now on the cache is a new folder of that name.
fresh() {
    export XDG_CACHE_HOME=$work/$1
    cache=$XDG_CACHE_HOME/mnist-tch/mnist
    : >"$work/log"
}

# The four files are there and right, and nothing else but the lock.
check_complete() {
    local names file
    names=$(cd "$cache" && LC_ALL=C && shopt -s dotglob && printf '%s ' *)
    [[ $names == ".mnist-tch.lock t10k-images-idx3-ubyte.gz t10k-labels-idx1-ubyte.gz train-images-idx3-ubyte.gz train-labels-idx1-ubyte.gz " ]] ||
        fail "in the cache: $names"
    for file in "$cache"/*.gz; do cmp "$file" "$source/${file##*/}" || fail "$file is wrong"; done
}

# No file stands under its name that is not right.
check_nothing_wrong() {
    local file
    for file in "$cache"/*.gz; do
        [[ ! -e $file ]] || cmp "$file" "$source/${file##*/}" || fail "$file is wrong"
    done
}

seconds() { awk -v from="$1" -v to="$2" 'BEGIN { printf "%.1f s\n", to - from }'; }
now() { date +%s.%N; }

echo "== fetched, and again"
fresh good
begun=$(now)
"$program" fetch mnist --mirror "$at/good"
seconds "$begun" "$(now)"
check_complete
begun=$(now)
"$program" fetch mnist --mirror "$at/404"
seconds "$begun" "$(now)"
echo "requests in all: $(wc -l <"$work/log")"

echo "== a server that misbehaves: alone, then before a good one"
for word in 404 500 hang half wrong html endless bomb drip loop; do
    fresh "bad-$word"
    begun=$(now)
    status=0
    "$program" fetch mnist --quiet --mirror "$at/$word" 2>"$work/said" || status=$?
    printf '%-8s status %s, %s  %s\n' "$word" "$status" "$(seconds "$begun" "$(now)")" "$(sed "s,$at,SERVER,g" "$work/said")"
    check_nothing_wrong
    # A file that comes in two halves is whole in the end; nothing else of this can be used.
    if [[ $word != half && $status != 1 ]]; then fail "$word: status $status"; fi
    # The slow ones would be waited for again, and need not be.
    if [[ $word == hang || $word == drip ]]; then continue; fi
    "$program" fetch mnist --quiet --mirror "$at/$word" --mirror "$at/good"
    check_complete
done

echo "== kill -9 in the middle, ten times, then to the end"
fresh killed
partial=$cache/.train-images-idx3-ubyte.gz.partial
so_far() { if [[ -e $partial ]]; then wc -c <"$partial"; else echo 0; fi; }
for _ in 1 2 3 4 5 6 7 8 9 10; do
    before=$(so_far)
    "$program" fetch mnist --quiet --mirror "$at/slow" &
    until (($(so_far) > before + 200000)); do
        kill -0 $! 2>/dev/null || fail "the download ended before it could be killed"
        sleep 0.05
    done
    kill -9 $!
    wait $! 2>/dev/null || true
    check_nothing_wrong
    printf '%s ' "$(so_far)"
done
echo "bytes of the first file after each"
"$program" fetch mnist --mirror "$at/slow" 2>/dev/null
check_complete
grep -c 'bytes=' "$work/log" | sed 's/$/ requests went on where an earlier one stopped/'

echo "== two processes at once"
fresh together
"$program" fetch mnist --mirror "$at/slow" >"$work/said-1" 2>&1 &
beside=$!
"$program" fetch mnist --mirror "$at/slow" >"$work/said-2" 2>&1 || fail "$(<"$work/said-2")"
wait "$beside" || fail "$(<"$work/said-1")"
grep -h waiting "$work"/said-? || fail "neither waited for the other"
grep -h 'MNIST:' "$work"/said-?
echo "requests in all: $(wc -l <"$work/log")"
check_complete

echo "== training, from an empty cache"
fresh train
begun=$(now)
MNIST_TCH_MIRROR=$at/good "$program" --dataset mnist --epochs 1 --device cpu --eval-every 0 --out run | grep '^epoch'
seconds "$begun" "$(now)"
check_complete
echo "all went as it should"
