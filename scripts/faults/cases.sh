# shellcheck shell=bash
# The faults that scripts/faults.sh tries beside kill -9, and what must be seen then.
# Sourced by it: $program, $job and $folder are its own.
# shellcheck disable=SC2154

# run OPTION...: the job into ./case, its stderr in ./log, its exit status in $status.
run() {
    status=0
    rm -rf case
    "$program" "${job[@]}" --out case --quiet "$@" >out 2>log || status=$?
}

# begin OPTION...: the same in the background, until the first row is written.
begin() {
    rm -rf case
    "$program" "${job[@]}" --out case "$@" >out 2>log &
    pid=$!
    until [[ -s case/accuracy.csv ]] || ! kill -0 "$pid" 2>/dev/null; do sleep 0.01; done
}

end() {
    status=0
    quiet_wait "$pid" || status=$?
}

resume() {
    status=0
    "$program" --resume case --quiet >out 2>log || status=$?
}

# report FAULT STATUS WORDS: compares $status and log, which must be one line with these words (none: empty).
report() {
    local verdict=ok text
    text=$(cat log)
    if [[ $status != "$2" ]]; then verdict="status $2 was expected: $text"; fi
    if [[ -n $3 && ($text != *$3* || $text == *$'\n'*) ]]; then verdict="\"$3\" was expected: $text"; fi
    if [[ -z $3 && -n $text ]]; then verdict="nothing was expected: $text"; fi
    line "$1" "$status" "$verdict"
}

# Resumes and compares with the run that met no fault.
resumed() {
    local different
    resume
    different=$(differing case whole-ordered)
    line "  resumed after it" "$status" "${different:-ok, every byte the same}"
}

signals() {
    local name number
    for name in INT:130 TERM:143; do
        number=${name#*:}
        begin --quiet
        kill "-${name%:*}" "$pid"
        end
        report "SIG${name%:*}: finishes the step, writes checkpoint and pictures" "$number" "--resume case"
        resumed
    done
    twice
    before_a_score
}

# A second Ctrl-C ends a program that is still at its first; it then has nothing to say.
twice() {
    rm -rf case
    "$program" --device cpu --out case --quiet >out 2>log &
    pid=$!
    until [[ -s case/accuracy.csv ]]; do sleep 0.01; done
    kill -INT "$pid"
    sleep 0.03
    kill -INT "$pid" 2>/dev/null || true
    end
    report "Ctrl-C twice: ends at once" 130 ""
}

before_a_score() {
    rm -rf case
    "$program" "${job[@]}" --eval-every 0 --out case --quiet >out 2>log &
    pid=$!
    until [[ -e case/accuracy.csv ]]; do sleep 0.01; done
    sleep 0.2
    kill -TERM "$pid"
    end
    if [[ -e case/accuracy.png ]]; then echo "there is a picture" >>log; fi
    report "SIGTERM before the first score: a checkpoint, no picture" 143 "--resume case"
    resume
    report "  resumed after it" 0 ""
}

training() {
    run --lr 1e9
    if [[ ! -s case/accuracy.csv || ! -s case/accuracy.png ]]; then echo "nothing was kept" >>log; fi
    report "NaN loss (--lr 1e9): names the step, keeps rows and pictures" 1 "step 2 (epoch 1, batch 2): the loss is NaN"
    begin --quiet
    rm -rf case
    end
    report "the run directory is removed while training" 1 "error: stopped: cannot"
}

streams() {
    local name
    rm -rf case
    status=0
    "$program" "${job[@]}" --out case 2>log | head -n 1 >out || status=$?
    if [[ -n $(differing case whole-ordered) ]]; then echo "files are missing" >>log; fi
    grep -v '^epoch' log >rest || true
    mv rest log
    report "stdout is closed early (| head -1)" 0 ""
    for name in 'stdout is closed:>&-' 'stderr is closed:2>&-' 'nobody reads stderr:2> >(true)' 'no terminal, no stdin:</dev/null'; do
        rm -rf case log
        status=0
        eval "env -u TERM \"\$program\" \"\${job[@]}\" --out case 2>/dev/null >out ${name#*:}" || status=$?
        : >log
        if [[ -n $(differing case whole-ordered) ]]; then echo "files are missing" >>log; fi
        report "${name%%:*}" 0 ""
    done
    if [[ ! -w /dev/full ]]; then line "stdout is full (/dev/full)" - "skipped: no /dev/full"; return; fi
    rm -rf case
    status=0
    "$program" "${job[@]}" --out case 2>log >/dev/full || status=$?
    grep -v '^epoch' log >rest || true
    mv rest log
    if [[ -n $(differing case whole-ordered) ]]; then echo "files are missing" >>log; fi
    report "stdout is full (/dev/full): all files are there" 1 "error: cannot write to stdout"
}

checkpoints() {
    local good
    begin --quiet
    kill -TERM "$pid"
    end
    good=$(wc -c <case/checkpoint.safetensors)
    cp case/checkpoint.safetensors good
    head -c $((good / 2)) good >case/checkpoint.safetensors
    resume
    report "checkpoint cut in half" 1 "case/checkpoint.safetensors: damaged"
    { head -c 20000 good; printf '\377\377'; tail -c +20003 good; } >case/checkpoint.safetensors
    resume
    report "checkpoint with two other bytes" 1 "case/checkpoint.safetensors: damaged"
    cp case/model.safetensors case/checkpoint.safetensors
    resume
    report "another safetensors file in its place" 1 "not a checkpoint of mnist-tch"
    cp good case/checkpoint.safetensors
    rm -f case/accuracy.csv
    status=0
    "$program" "${job[@]}" --out case --quiet >out 2>log || status=$?
    report "a new run into the folder of a stopped one" 1 "go on with --resume case"
    resumed
    resume
    report "resuming a complete run" 0 ""
    rm -rf case
    resume
    report "resuming what is not there" 1 "case: no such folder"
}

two_at_once() {
    begin --quiet
    resume
    report "a second process in the same folder" 1 "another process is at work"
    end
    local different
    different=$(differing case whole-ordered)
    line "  the first one ends" "$status" "${different:-ok, every byte the same}"
}

# A disk of its own, which only root may have.
disks() {
    mkdir -p disk
    if ! mount -t tmpfs -o size=96k none disk 2>/dev/null; then
        line "disk full; read-only folder" - "skipped: mounting a tmpfs needs root"
        return
    fi
    status=0
    "$program" "${job[@]}" --out disk/run --quiet >out 2>log || status=$?
    if grep -qvE '^(epoch|([0-9.]+,){4}[0-9.]+$)' disk/run/accuracy.csv; then echo "half a row" >>log; fi
    report "disk full (a tmpfs of 96 KB): whole rows" 1 "go on with: mnist-tch --resume disk/run: cannot write"
    mount -o remount,size=8m disk
    status=0
    "$program" --resume disk/run --quiet >out 2>log || status=$?
    local different
    different=$(differing disk/run whole-ordered)
    line "  resumed with more room" "$status" "${different:-ok, every byte the same}"
    mount -o remount,ro disk
    status=0
    "$program" "${job[@]}" --out disk/run --force --quiet >out 2>log || status=$?
    report "read-only folder, --force" 1 "Read-only file system"
    status=0
    "$program" "${job[@]}" --out disk/other --quiet >out 2>log || status=$?
    report "read-only folder, new run" 1 "cannot make the folder disk/other"
    different=$(differing disk/run whole-ordered)
    line "  the run in it" - "${different:-ok, every byte the same}"
}

clean_up() {
    if [[ -d $folder/disk ]]; then umount "$folder/disk" 2>/dev/null || true; fi
    cd /
    rm -rf "$folder"
}

other_faults() {
    signals
    training
    streams
    checkpoints
    two_at_once
    disks
}
