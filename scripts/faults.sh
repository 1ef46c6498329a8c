#!/usr/bin/env bash
# What becomes of a run when things go wrong.
#   scripts/faults.sh [--article] [number of kills, 20 unless said]
# First a run is killed with -9 at so many random moments and resumed each time, with the images in order and
# shuffled, until it is complete; its files must be those of a run that nobody killed, byte for byte. Then every
# other fault, with its exit status. The table goes to stdout; exit status 1 where a line is not as expected.
# --article takes the article's job instead of one of two seconds.
set -euo pipefail
# shellcheck source=scripts/common.sh
. "$(dirname -- "${BASH_SOURCE[0]}")/common.sh"
# shellcheck source=scripts/faults/cases.sh
. "$root/scripts/faults/cases.sh"

usage="usage: scripts/faults.sh [--article] [number of kills]"
job=(--device cpu --train-range ..1000 --test-range ..500 --epochs 8)
kills=20
for argument in "$@"; do
    case $argument in
    -h | --help) say "$usage"; exit 0 ;;
    --article) job=(--device cpu) ;;
    *) [[ $argument =~ ^[1-9][0-9]*$ ]] || { say "$usage"; exit 2; }; kills=$argument ;;
    esac
done
# Decimal points, whatever the language of the machine.
export LC_ALL=C

"$root/scripts/setup.sh"
forget_own_libtorch
program=$(build_program)
folder=$(mktemp -d)
trap clean_up EXIT
cd "$folder"

failures=0
# line FAULT STATUS VERDICT: a line of the table; the verdict "ok" or "skipped: ..." is as expected, any other is not.
line() {
    printf '%-66s %6s  %s\n' "$1" "$2" "$3"
    case $3 in ok* | skipped*) ;; *) failures=$((failures + 1)) ;; esac
}

# differing FOLDER REFERENCE: the names of the files in which two complete runs differ.
differing() {
    local name text=''
    for name in accuracy.csv confusion.csv model.safetensors accuracy.png confusion.png; do
        cmp -s "$1/$name" "$2/$name" || text="$text $name"
    done
    if [[ -e $1/checkpoint.safetensors || ! -e $1/summary.json ]]; then text="$text incomplete"; fi
    printf '%s' "$text"
}

# A random moment from 0 to $1 seconds.
moment() { awk -v r="$RANDOM" -v s="$RANDOM" -v most="$1" 'BEGIN { printf "%.4f", (r + s / 32768) / 32768 * most }'; }

# go_on FOLDER OPTION...: becomes the command a person would type next, after whatever has happened to the run.
go_on() {
    local out=$1
    shift
    if [[ -e $out/checkpoint.safetensors || -e $out/summary.json ]]; then
        exec "$program" --resume "$out" --quiet
    else
        exec "$program" "${job[@]}" "$@" --out "$out" --force --quiet
    fi
}

# A word for the end of a killed program belongs to this shell, and nobody needs it.
quiet_wait() { { wait "$1"; } 2>/dev/null; }

# kill_and_resume NAME OPTION...: kills a run again and again; each time it is complete it is compared, and begun anew.
kill_and_resume() {
    local name=$1 reference=whole-$1 seconds killed=0 runs=0 different='' rows='' status pid
    shift
    TIMEFORMAT=%R
    seconds=$( { time "$program" "${job[@]}" "$@" --out "$reference" --quiet 1>&2; } 2>&1 )
    say "$name: $seconds s without a kill; $kills kills ..."
    while ((killed < kills)) || [[ -d killed-$name ]]; do
        go_on "killed-$name" "$@" 2>"log-$name" &
        pid=$!
        if ((killed < kills)); then
            sleep "$(moment "$seconds")"
            kill -9 "$pid" 2>/dev/null || true
        fi
        status=0
        quiet_wait "$pid" || status=$?
        if ((status == 137)); then
            killed=$((killed + 1))
            rows="$rows $({ wc -l <"killed-$name/accuracy.csv" || echo none; } 2>/dev/null)"
        elif ((status == 0)); then
            runs=$((runs + 1))
            different="$different$(differing "killed-$name" "$reference")"
            rm -rf "killed-$name"
        else
            different="$different status $status: $(head -n 1 "log-$name")"
            break
        fi
    done
    say "$name: lines of accuracy.csv at the kills:$rows"
    line "kill -9 at $killed random moments, $name: $runs runs" 137 "${different:-ok, every byte the same}"
}

say "job: mnist-tch ${job[*]}"
printf '%-66s %6s  %s\n' fault status "as expected"
kill_and_resume ordered
kill_and_resume shuffled --shuffle --checkpoint-every 7
other_faults

if ((failures > 0)); then fail "$failures lines are not as expected"; fi
say "every line is as expected"
