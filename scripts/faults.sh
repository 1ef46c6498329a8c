#!/usr/bin/env bash
# Tests faults that take too long for the test suite; tests/resume.rs has the others.
#   scripts/faults.sh [KILLS]      default 20
# Kills a run with -9 at random moments and resumes it each time, with the images in order and shuffled. Its files must equal
# those of an uninterrupted run, byte for byte. Then come signals, closed streams and full disks.
set -euo pipefail
# shellcheck source=scripts/common.sh
. "$(dirname -- "${BASH_SOURCE[0]}")/common.sh"

kills=${1:-20}
job=(--device cpu --train-range ..1000 --test-range ..500 --epochs 8)
[[ $kills =~ ^[1-9][0-9]*$ ]] || fail "usage: scripts/faults.sh [kills]"
# Decimal points in every locale.
export LC_ALL=C
prepare
scratch
trap 'umount "$folder/disk" 2>/dev/null || true; rm -rf "$folder"' EXIT
cd "$folder"

failures=0
# differing RUN [REFERENCE]: prints the files of RUN that are missing or differ from an uninterrupted run.
differing() {
    local name
    for name in accuracy.csv confusion.csv model.safetensors accuracy.png confusion.png; do
        cmp -s "$1/$name" "${2:-whole-ordered}/$name" || printf '%s ' "$name"
    done
    if [[ ! -e $1/summary.json ]]; then printf incomplete; fi
}

# ends COMMAND...: runs it. Sets $status to its exit status; its stderr goes to ./log.
ends() {
    status=0
    { "$@" >out 2>log; } 2>/dev/null || status=$?
}

# expect NAME STATUS WORDS [FAULTS]: prints a row of the table. $status must be STATUS, and ./log one line with WORDS, or empty
# if WORDS is empty. FAULTS lists what is known to be wrong already.
expect() {
    local text faults=${4:-}
    # Progress lines are expected.
    text=$(grep -v '^epoch' log || true)
    [[ $status == "$2" ]] || faults="$faults expected status $2: $text"
    [[ $text == *"$3"* && $text != *$'\n'* && -n $3 || -z $text$3 ]] || faults="$faults expected \"$3\": $text"
    printf '%-66s %6s  %s\n' "$1" "$status" "${faults:-ok}"
    [[ -z $faults ]] || failures=$((failures + 1))
}

# continue_run RUN OPTION...: replaces the shell with the command a user would type next: resume if possible, else start anew.
continue_run() {
    if [[ -e $1/checkpoint.jsonl || -e $1/summary.json ]]; then exec "$program" --resume "$1" --quiet; fi
    exec "$program" "${job[@]}" "${@:2}" --out "$1" --force --quiet
}

# kill_and_resume NAME OPTION...: kills and resumes runs. Each complete run is compared with the reference, then a new one starts.
kill_and_resume() {
    local run=killed-$1 reference=whole-$1 seconds killed=0 runs=0 different='' pid
    TIMEFORMAT=%R
    seconds=$( { time "$program" "${job[@]}" "${@:2}" --out "$reference" --quiet 1>&2; } 2>&1 )
    say "$1: $seconds s without a kill; $kills kills ..."
    while ((killed < kills)) || [[ -d $run ]]; do
        continue_run "$run" "${@:2}" 2>said &
        pid=$!
        if ((killed < kills)); then
            sleep "$(awk -v r="$RANDOM" -v most="$seconds" 'BEGIN { print r / 32768 * most }')"
            kill -9 "$pid" 2>/dev/null || true
        fi
        ends wait "$pid"
        case $status in
        137) killed=$((killed + 1)) ;;
        0)
            runs=$((runs + 1)) different=$different$(differing "$run" "$reference")
            rm -rf "$run"
            ;;
        *) different="$different status $status: $(<said)"; break ;;
        esac
    done
    status=137
    expect "kill -9 at $killed random moments, $1: every byte of $runs runs" 137 "" "$different"
}

# start OPTION...: starts a run into ./case in the background and waits until it writes accuracy.csv.
start() {
    rm -rf case
    "$program" --quiet --out case "$@" 2>said &
    until [[ -e case/accuracy.csv ]]; do sleep 0.01; done
    sleep 0.2
}

ended() { ends wait $! && mv said log; }

signals() {
    start --device cpu
    kill -INT $!
    sleep 0.03
    kill -INT $! 2>/dev/null || true
    ended
    # A second Ctrl-C ends the program at once and without a message.
    expect "Ctrl-C twice: ends at once" 130 ""
    start "${job[@]}" --eval-every 0
    kill -TERM $!
    ended
    expect "SIGTERM before the first score: a checkpoint, no picture" 143 "--resume case" "$(ls case/accuracy.png 2>/dev/null)"
    ends "$program" --resume case --quiet
    expect "  resumed after it" 0 ""
    start "${job[@]}"
    rm -rf case
    ended
    expect "the run directory is removed while training" 1 "error: stopped: cannot"
}

streams() {
    local name
    for name in 'stdout is closed:>&-' 'stderr is closed:2>&-' 'nobody reads stdout:> >(true)' 'nobody reads stderr:2> >(true)' \
        'no terminal, no stdin:</dev/null'; do
        rm -rf case
        ends eval "env -u TERM \"\$program\" \"\${job[@]}\" --out case ${name#*:}"
        : >log
        expect "${name%%:*}" 0 "" "$(differing case)"
    done
    [[ -w /dev/full ]] || { say "skipped: no /dev/full"; return; }
    rm -rf case
    ends eval "\"\$program\" \"\${job[@]}\" --out case >/dev/full"
    expect "stdout is full (/dev/full): all files are there" 1 "error: cannot write to stdout" "$(differing case)"
}

# Needs root, to mount a small disk.
disks() {
    local half
    mkdir disk
    mount -t tmpfs -o size=96k none disk 2>/dev/null || { say "skipped: full disks (mounting a tmpfs needs root)"; return; }
    ends "$program" "${job[@]}" --out disk/run --quiet
    half=$(grep -vE '^(epoch|([0-9.]+,){4}[0-9.]+$)' disk/run/accuracy.csv || true)
    expect "disk full (a tmpfs of 96 KB): whole rows" 1 "resume with: mnist-tch --resume disk/run: cannot write" "$half"
    mount -o remount,size=8m disk
    ends "$program" --resume disk/run --quiet
    expect "  resumed with more room" 0 "" "$(differing disk/run)"
    mount -o remount,ro disk
    ends "$program" "${job[@]}" --out disk/run --force --quiet
    expect "read-only folder, --force" 1 "Read-only file system" "$(differing disk/run)"
    ends "$program" "${job[@]}" --out disk/other --quiet
    expect "read-only folder, new run" 1 "cannot make the folder disk/other"
}

say "job: mnist-tch ${job[*]}"
printf '%-66s %6s  %s\n' fault status "as expected"
kill_and_resume ordered
kill_and_resume shuffled --shuffle --augment 2 --lr-final 0 --checkpoint-every 7
signals
streams
disks
if ((failures > 0)); then fail "$failures rows are not as expected"; fi
say "every row is as expected"
