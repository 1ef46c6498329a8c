#!/usr/bin/env bash
# Mutation testing of the arithmetic in learn, report and seeds: each mutant has one operator or function body replaced, and the unit
# tests of its room have to fail. Fails if a mutant survives that .cargo/mutants.toml does not list. Under an hour on 2 cores.
#   scripts/mutants.sh [learn] [seeds] [tables] [figures]
# Needs cargo-mutants (cargo install cargo-mutants --locked). Results are in target/mutants.out.
set -euo pipefail
# shellcheck source=scripts/common.sh
. "$(dirname -- "${BASH_SOURCE[0]}")/common.sh"

has cargo-mutants || fail "cargo-mutants is missing: cargo install cargo-mutants --locked"
"$root/scripts/setup.sh"
cd "$root"
# cargo-mutants works in copies of the source, which have no libtorch.
export LIBTORCH=${LIBTORCH:-$root/libtorch/torch}
# Two processes take half the mutants each. They cannot share a target directory: each would overwrite the other's tests.
CARGO_TARGET_DIR=$root/target/mutants-0 cargo test --profile mutants --locked --lib --no-run
[[ -d target/mutants-1 ]] || cp -a target/mutants-0 target/mutants-1
results=$root/target/mutants.out
mkdir -p "$results"

# test_half HALF GROUP "FILE..." "TEST...": tests half the mutants of these files of src with these tests.
test_half() {
    local files=() file
    for file in $3; do files+=(--file "src/$file.rs"); done
    # Status 2: mutants survived; 3: tests hung, which is as good as failed.
    # shellcheck disable=SC2086 # $4 is several words.
    CARGO_TARGET_DIR=$root/target/mutants-$1 cargo mutants --shard "$1/2" --profile mutants --cargo-arg=--locked --cargo-arg=--lib \
        --timeout 30 --output "$results/$2-$1" "${files[@]}" -- -- $4 || [[ $? == [23] ]]
}

# test_group GROUP "FILE..." "TEST...": tests all mutants of these files.
test_group() {
    local status=0 other
    test_half 0 "$@" &
    other=$!
    test_half 1 "$@" || status=1
    wait "$other" || status=1
    [[ $status == 0 ]] || fail "cargo mutants failed for $1"
    missed+=("$results/$1"-[01]/mutants.out/missed.txt)
}

missed=()
(($#)) || set -- learn seeds tables figures
for group; do
    case $group in
    learn) test_group learn "learn/adam learn/batches learn/metrics learn/scoring learn/scoring_conv" learn:: ;;
    seeds) test_group seeds "seeds/ensemble seeds/verdict" "seeds::ensemble seeds::verdict" ;;
    tables) test_group tables "report/summary report/tables report/text" "report::summary report::tables report::text" ;;
    # Without optimization, drawing takes longer than compiling.
    figures) CARGO_PROFILE_MUTANTS_OPT_LEVEL=1 test_group figures "report/figures/accuracy report/figures/confusion" "figures::accuracy figures::confusion" ;;
    *) fail "no such group: $group" ;;
    esac
done
survivors=$(cat "${missed[@]}")
[[ -z $survivors ]] || fail "these mutants survived:
$survivors"
