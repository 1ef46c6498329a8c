#!/usr/bin/env bash
# Tests the program on a GPU, in at most eight minutes and one log. Failures are marked WRONG, and the trial continues.
#   scripts/gpu-trial.sh [DEVICE [LOG]]       cuda and gpu-trial.log by default; cpu tries the script itself
# MNIST_TCH_PROGRAM names a program that is built already, for a machine without Rust and network; PYTHON names a Python with PyTorch to
# compare with. Exit status 1 if something is WRONG.
set -uo pipefail
# shellcheck source=scripts/common.sh
. "$(dirname -- "${BASH_SOURCE[0]}")/common.sh"

export LC_ALL=C
(($# <= 2)) || fail "usage: scripts/gpu-trial.sh [DEVICE [LOG]]"
device=${1:-cuda} log=$(realpath "${2:-gpu-trial.log}") python=${PYTHON:-python3}
[[ $device =~ ^(cpu|cuda(:[0-9]+)?)$ ]] || fail "$device: the device is cpu, cuda or cuda:N"
# Passes through 60,000 images, their multiple, seeds, and the epochs of a run that is stopped.
passes=12 more=5 seeds=8 long=40
if [[ $device == cpu ]]; then passes=1 more=2 seeds=2 long=3; fi
if [[ -n ${MNIST_TCH_PROGRAM:-} ]]; then program=$(realpath "$MNIST_TCH_PROGRAM"); else prepare; fi
scratch
cd "$folder" || exit
SECONDS=0

title() { printf '\n== %s (at %d s)\n' "$*" "$SECONDS"; }
wrong() { echo "WRONG: $*" | tee -a wrong >&2; }
calculate() { awk "BEGIN { printf \"%.${2:-2}f\", $1 }"; }
holds() { awk "BEGIN { exit !($1) }"; }

# value NAME FILE: a number in a summary.json, such as training_seconds; 0 if missing.
value() { sed -n "s/.*\"$1\": \([0-9.]*\).*/\1/p" "$2" 2>/dev/null | grep . || echo 0; }

# timed COMMAND...: prints the seconds it took, or WRONG and its last message if it fails or the eight minutes are over.
timed() {
    local from=$EPOCHREALTIME
    if timeout $((SECONDS < 450 ? 460 - SECONDS : 2)) "$@" >said 2>&1; then
        calculate "$EPOCHREALTIME - $from"
    else
        wrong "status $?: ${*/#$program/mnist-tch} ($(tail -n 1 said))"
        return 1
    fi
}

train() { timed "$program" -q --device "$device" "$@"; }

# apart COLUMNS A B: the largest difference in these columns of two CSV files; 1e9 if one is missing.
apart() {
    [[ -s $2 && -s $3 ]] || { echo 1e9; return; }
    paste -d, <(cut -d, -f "$1" "$2") <(cut -d, -f "$1" "$3") | awk -F, 'NR > 1 { for (i = 1; i <= NF / 2; i++) {
        d = $i - $(i + NF / 2); if (d < 0) d = -d; if (d > most) most = d } } END { print most + 0 }'
}

# same A B: these runs left the same bytes.
same() {
    local file
    for file in accuracy.csv confusion.csv model.safetensors; do
        cmp -s "$1/$file" "$2/$file" || { wrong "$1 and $2 differ in $file: losses $(apart 4 "$1/accuracy.csv" "$2/accuracy.csv") apart"; return; }
    done
    echo "$1 and $2: the same bytes"
}

# peak COMMAND...: peak memory in use on the GPUs while it runs, sampled with nvidia-smi twice a second.
peak() {
    local now most='' running
    "$@" >seconds &
    running=$!
    while kill -0 "$running" 2>/dev/null; do
        now=$(gpus memory.used | sort -n | tail -n 1)
        now=${now%% *}
        if [[ -n $now ]] && ((now > ${most:-0})); then most=$now; fi
        sleep 0.5
    done
    wait "$running" && echo "$(<seconds) s, at most ${most:-unknown} MiB in use on a GPU"
}

machine() {
    uname -srm
    nproc
    gpus name,driver_version,memory.total,memory.used,compute_cap,compute_mode || echo "nvidia-smi does not answer"
    echo "LD_LIBRARY_PATH=${LD_LIBRARY_PATH-} CUDA_VISIBLE_DEVICES=${CUDA_VISIBLE_DEVICES-not set}"
    # The first one reads hundreds of megabytes that the disk's cache may lack.
    echo "start, cold: $(timed "$program" devices) s"
    cat said
    echo "start, warm: $(timed "$program" devices) s"
    [[ $device == cpu ]] || grep -q "^usable.*${device/%cuda/cuda:0}" said || wrong "$device is not usable"
}

refusals() {
    local visible
    for visible in 0 ''; do
        if CUDA_VISIBLE_DEVICES=$visible "$program" --device cuda:9 --out refused; then wrong "cuda:9 with CUDA_VISIBLE_DEVICES=$visible"; fi
    done
}

article() {
    local wall accuracy first on
    wall=$(train --out article) || return
    echo "$wall s: start $(value start_seconds article/summary.json) s, $(calculate "250 / $(value training_seconds article/summary.json)") steps a second"
    train --out again >/dev/null && same article again
    timed "$program" -q --device cpu --out cpu >/dev/null
    for on in article cpu; do head -n 2 "$on/accuracy.csv" >"first-$on"; done
    first=$(apart 4 first-{article,cpu})
    accuracy=$(calculate "$(value final_accuracy article/summary.json) - $(value final_accuracy cpu/summary.json)" 4)
    echo "against the CPU: first loss $first apart, all losses $(apart 4 {article,cpu}/accuracy.csv), final accuracy $accuracy"
    holds "$first < 1e-4" || wrong "the first loss is $first from the CPU's"
    holds "$accuracy < 0.01 && $accuracy > -0.01" || wrong "the final accuracy is $accuracy from the CPU's"
}

# Each option, alone and together: as on the CPU, and the same bytes twice.
options() {
    local name accuracy
    while read -r name options; do
        # shellcheck disable=SC2086 # several options
        echo "$name: $(train --epochs 2 --out "$name" $options) s"
        # shellcheck disable=SC2086
        train --epochs 2 --out "$name-2" $options >/dev/null && same "$name" "$name-2"
        # shellcheck disable=SC2086
        timed "$program" -q --force --device cpu --epochs 2 --out "$name-cpu" $options >/dev/null
        accuracy=$(calculate "$(value final_accuracy "$name/summary.json") - $(value final_accuracy "$name-cpu/summary.json")" 4)
        holds "$accuracy < 0.02 && $accuracy > -0.02" || wrong "$name: the accuracy is $accuracy from the CPU's"
    done <<'END'
shuffle --shuffle
augment --augment 2
best --keep best
all --shuffle --augment 2 --keep best --lr-final 0 --checkpoint-every 1
END
}

resuming() {
    local running status
    train --epochs 2 --out half >/dev/null && train --resume half --epochs 5 >/dev/null
    same article half
    # Ctrl-C in the middle of a longer run. Without job control bash would start it with the signal ignored.
    set -m
    "$program" -q --device "$device" --epochs "$long" --out stopped >said 2>&1 &
    running=$!
    set +m
    until (($({ wc -l <stopped/accuracy.csv || echo 0; } 2>/dev/null) > 60)) || ! kill -0 "$running" 2>/dev/null; do sleep 0.02; done
    kill -INT "$running" 2>/dev/null
    wait "$running"
    status=$?
    echo "Ctrl-C: status $status, $(tail -n 1 said)"
    [[ $status == 130 ]] || wrong "Ctrl-C ends with status $status"
    timed "$program" -q --resume stopped >/dev/null
    train --epochs "$long" --out whole >/dev/null && same stopped whole
}

evaluating() {
    local on
    for on in cpu "$device"; do
        echo "evaluate on $on: $(timed "$program" evaluate --device "$on" --model article --force --out "scores-$on") s, $(head -n 1 said)"
    done
    echo "logits $(apart 5- "scores-"{cpu,"$device"}/predictions.csv) apart"
    echo "predict: $(timed "$program" predict --device "$device" --model article article/mistakes.png) s"
}

# All 10,000 embedded images, to train on and to be tested on.
wide() {
    local channels part
    mkdir -p set
    for part in train t10k; do
        cp "$root/data/mnist-10k-images-idx3-ubyte.gz" "set/$part-images-idx3-ubyte.gz"
        cp "$root/data/mnist-10k-labels-idx1-ubyte.gz" "set/$part-labels-idx1-ubyte.gz"
    done
    for channels in 8,16,8 32,64,64 512 512,512,512; do
        [[ $device != cpu || $channels != 512* ]] || continue
        echo "$channels: $(peak train --data-dir set --epochs 1 --eval-every 50 --channels "$channels" --out "wide-$channels")"
    done
}

many() {
    local jobs
    for jobs in 1 2 4; do
        echo "$seeds seeds, --jobs $jobs: $(timed "$program" reproduce -q --device "$device" --jobs "$jobs" --seeds "0..$seeds" --out "jobs-$jobs") s"
        cmp -s jobs-{1,$jobs}/curves.csv || wrong "--jobs $jobs: accuracies $(apart 3 jobs-{1,$jobs}/curves.csv) apart"
    done
}

# rate COMMAND...: seconds of a whole process for one epoch of 60,000 images, and of each further epoch.
rate() {
    local first all
    first=$(timed "$@" --epochs "$passes" --out "once-$RANDOM") && all=$(timed "$@" --epochs $((more * passes)) --out "often-$RANDOM") &&
        echo "$first s, then $(calculate "($all - $first) / ($more - 1)") s a pass"
}

speed() {
    local job
    "$python" -c 'import torch' 2>/dev/null || python=''
    for job in 8,16,8:100 8,16,8:1000 32,64,64:100 32,64,64:1000; do
        options=(--device "$device" --channels "${job%:*}" --batch-size "${job#*:}" --eval-every 0)
        echo "$job  mnist-tch $(rate "$program" -q "${options[@]}")"
        [[ -z $python ]] || echo "$job  PyTorch   $(rate "$python" -B "$root/scripts/python/pytorch.py" --form direct "${options[@]}")"
    done
}

tests() {
    if [[ -n ${MNIST_TCH_PROGRAM:-} ]]; then
        echo "left out: MNIST_TCH_PROGRAM names the program"
    else
        echo "$(cd "$root" && timed cargo test --release --locked --test cuda --test parity) s"
    fi
}

everything() {
    title machine && machine
    title refusals && refusals
    title "the article's job, twice, and on the CPU" && article
    title "evaluate and predict" && evaluating
    title options && options
    title "resume and Ctrl-C" && resuming
    title "10,000 test images, by width" && wide
    title "many seeds" && many
    title "speed: passes through $((passes * 5000)) images, scored at the end" && speed
    title tests && tests
    title end
}

everything 2>&1 | tee "$log"
[[ ! -e wrong ]] || fail "$(wc -l <wrong) things are WRONG, see $log"
