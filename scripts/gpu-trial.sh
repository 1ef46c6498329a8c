#!/usr/bin/env bash
# What a GPU machine should show, in at most eight minutes and one log: refusals, time, what is left to chance, speed.
#   scripts/gpu-trial.sh [DEVICE [LOG]]       cuda and gpu-trial.log unless said; cpu tries the script itself
# MNIST_TCH_PROGRAM names a program that is built already, whose libtorch LD_LIBRARY_PATH may name, for a machine without Rust
# and network; PYTHON a Python with PyTorch to compare with. Exit status 1 where something is WRONG.
set -euo pipefail
# shellcheck source=scripts/common.sh
. "$(dirname -- "${BASH_SOURCE[0]}")/common.sh"

export LC_ALL=C
device=${1:-cuda} log=$(realpath "${2:-gpu-trial.log}") python=${PYTHON:-python3} passes=12 more=5 seeds=5
if [[ $device == cpu ]]; then passes=1 more=2 seeds=2; fi
if [[ -n ${MNIST_TCH_PROGRAM:-} ]]; then program=$(realpath "$MNIST_TCH_PROGRAM"); else prepare; fi
scratch
cd "$folder"
SECONDS=0

title() { printf '\n== %s (at %d s)\n' "$*" "$SECONDS"; }
wrong() { echo "WRONG: $*" | tee -a wrong >&2; }
number() { sed -n "s/.*\"$1\": \([0-9.]*\).*/\1/p" article/summary.json; }
calculate() { awk "BEGIN { printf \"%.2f\", $1 }"; }

# timed COMMAND...: prints the seconds it took, or its last word where it failed or the eight minutes are over.
timed() {
    local from=$EPOCHREALTIME
    timeout $((SECONDS < 450 ? 460 - SECONDS : 2)) "$@" >said 2>&1 || { wrong "status $?: $* ($(tail -n 1 said))" && return; }
    calculate "$EPOCHREALTIME - $from"
}

train() { timed "$program" --quiet --device "$device" "$@"; }

# apart COLUMNS A B: how far these columns of two CSV files are from each other.
apart() {
    if cmp -s "$2" "$3"; then echo "the same bytes"; return; fi
    paste -d, <(cut -d, -f "$1" "$2") <(cut -d, -f "$1" "$3") | awk -F, 'NR > 1 { for (i = 1; i <= NF / 2; i++) {
        d = $i - $(i + NF / 2); if (d < 0) d = -d; if (d > most) most = d } } END { print "up to " most + 0 " apart" }'
}

# parity NAME: ten steps, and the logits of the article's model, on the CPU and on the device.
parity() {
    local on
    for on in cpu "$device"; do
        timed "$program" -q --device "$on" --epochs 1 --train-range 0..1000 --eval-every 1 --force --out "$1-$on"
        timed "$program" evaluate --device "$on" --model article --force --out "$1-$on/of"
    done >/dev/null
    echo "$1: losses $(apart 4 "$1-"{cpu,"$device"}/accuracy.csv), logits $(apart 5- "$1-"{cpu,"$device"}/of/predictions.csv)"
}

# rate COMMAND...: seconds of a whole process that goes once through 60,000 images, and of each later pass.
rate() {
    local first all
    first=$(timed "$@" --epochs "$passes" --out "once-$RANDOM") all=$(timed "$@" --epochs $((more * passes)) --out "often-$RANDOM")
    [[ -z $all ]] || echo "$first s, then $(calculate "($all - $first) / ($more - 1)") s a pass"
}

everything() {
    local job last wall
    local -a options
    title "machine"
    gpus name,driver_version,memory.total,memory.used,compute_cap,compute_mode || true
    "$program" devices
    title "refusals"
    for job in 0 ''; do CUDA_VISIBLE_DEVICES=$job "$program" --device cuda:9 --out refused && wrong "CUDA_VISIBLE_DEVICES=$job"; done
    title "the article's job"
    wall=$(train --out article)
    echo "$wall s, $(calculate "100 * $(number start_seconds) / $wall") % of it start; $(calculate "250 / $(number training_seconds)") steps a second"
    last=$(tail -n 1 article/accuracy.csv | cut -d, -f 5)
    title "evaluate and resume, against the article's job"
    "$program" evaluate --model article --device "$device" | head -n 1 | tee evaluated
    grep -q "^accuracy $last on" evaluated || wrong "its last row says $last"
    echo "two epochs $(train --epochs 2 --out half) s, three more $(train --resume half --epochs 5) s:" \
        "losses and accuracies $(apart 4,5 {article,half}/accuracy.csv)"
    title "against the CPU"
    parity usual
    NVIDIA_TF32_OVERRIDE=0 parity without-TF32
    title "$seeds seeds, twice"
    for job in one other; do echo "$(timed "$program" reproduce -q --device "$device" --seeds "0..$seeds" --out "$job") s"; done
    echo "accuracies $(apart 3 {one,other}/curves.csv)"
    title "speed: passes through $((passes * 5000)) images, scored at the end"
    "$python" -c 'import torch' 2>/dev/null || python=''
    for job in 8,16,8:100 8,16,8:1000 32,64,64:100 32,64,64:1000; do
        options=(--device "$device" --channels "${job%:*}" --batch-size "${job#*:}" --eval-every 0)
        echo "$job  mnist-tch $(rate "$program" -q "${options[@]}")"
        [[ -z $python ]] || echo "$job  PyTorch   $(rate "$python" -B "$root/scripts/python/pytorch.py" --form direct "${options[@]}")"
    done
}

everything 2>&1 | tee "$log"
[[ ! -e wrong ]] || fail "something is WRONG, see $log"
