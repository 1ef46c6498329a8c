#!/usr/bin/env bash
# Changes the arithmetic of learn, report and seeds, one operator or function at a time, and runs the unit tests that fit: those of
# learn for learn, and so on. Fails if a change is noticed by no test, unless .cargo/mutants.toml gives the reason. Under an hour on
# 2 cores. Results are in target/mutants.out.
#   scripts/mutants.sh [learn] [seeds] [tables] [figures]
#   needs cargo-mutants (cargo install cargo-mutants --locked)
set -euo pipefail
# shellcheck source=scripts/common.sh
. "$(dirname -- "${BASH_SOURCE[0]}")/common.sh"

has cargo-mutants || fail "cargo-mutants is missing: cargo install cargo-mutants --locked"
"$root/scripts/setup.sh"
cd "$root"
# cargo-mutants changes copies of the source, which have no libtorch of their own. Two processes take half the changes each. Each has
# its own target directory: in a shared one, each would overwrite the other's tests.
export LIBTORCH=${LIBTORCH:-$root/libtorch/torch}
results=$root/target/mutants.out
build=(--profile mutants --locked --lib)
CARGO_TARGET_DIR=$root/target/mutants-0 cargo test "${build[@]}" --no-run
mkdir -p "$results"
[[ -d target/mutants-1 ]] || cp -a target/mutants-0 target/mutants-1

# test_half HALF GROUP "FILE..." "TEST...": makes half of the changes in these files of src, and runs these tests.
test_half() {
    local files=() file
    for file in $3; do files+=(--file "src/$file.rs"); done
    # shellcheck disable=SC2086 # $4 is several words.
    CARGO_TARGET_DIR=$root/target/mutants-$1 cargo mutants --shard "$1/2" --profile mutants --cargo-arg=--locked --cargo-arg=--lib \
        --timeout 30 --output "$results/$2-$1" "${files[@]}" -- -- $4
}

# test_changes GROUP "FILE..." "TEST...": makes all of them, and collects those that no test notices.
test_changes() {
    local half pids=() status
    for half in 0 1; do
        test_half "$half" "$@" &
        pids+=($!)
    done
    for half in 0 1; do
        status=0
        wait "${pids[half]}" || status=$?
        # 2: changes were missed; 3: tests hung, which is as good as failed.
        case $status in
        0 | 3) ;;
        2) missed+=("$results/$1-$half/mutants.out/missed.txt") ;;
        *) fail "cargo mutants ended with status $status for $1" ;;
        esac
    done
}

missed=()
(($#)) || set -- learn seeds tables figures
for group; do
    case $group in
    learn) test_changes learn "learn/adam learn/batches learn/metrics learn/scoring learn/scoring_conv" learn:: ;;
    seeds) test_changes seeds "seeds/ensemble seeds/verdict" "seeds::ensemble seeds::verdict" ;;
    tables) test_changes tables "report/summary report/tables report/text" "report::summary report::tables report::text" ;;
    # Unoptimized, drawing takes longer than compiling does.
    figures) CARGO_PROFILE_MUTANTS_OPT_LEVEL=1 test_changes figures "report/figures/accuracy report/figures/confusion" "figures::accuracy figures::confusion" ;;
    *) fail "no such group: $group" ;;
    esac
done
((${#missed[@]} == 0)) || fail "no test notices these changes:
$(cat "${missed[@]}")"
