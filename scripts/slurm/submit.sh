#!/usr/bin/env bash
# A sweep over seeds on a Slurm cluster: a job array with a part of the seeds each, and a merge when all are done.
#   scripts/slurm/submit.sh PARTS A..B OUT [options of mnist-tch reproduce]
# OUT, and this project, must be in a folder that all nodes see. SBATCH_* variables (partition, account, time limit,
# cores) count as always; each part runs as many seeds at once as it is given cores. Prints the two job numbers.
set -euo pipefail
# shellcheck source=scripts/common.sh
. "$(dirname -- "${BASH_SOURCE[0]}")/../common.sh"

[[ $# -ge 3 && $1 =~ ^[1-9][0-9]*$ && $2 =~ ^[0-9]+\.\.[0-9]+$ ]] ||
    fail "usage: scripts/slurm/submit.sh PARTS A..B OUT [options of mnist-tch reproduce]"
has sbatch || fail "sbatch is missing: this script is for a machine that hands in jobs to Slurm"
parts=$1 seeds=$2
mkdir -p "$3"
out=$(cd -- "$3" && pwd)
shift 3
# A merge needs to know the curve to compare with, but nothing about training.
compare=()
for ((i = 1; i < $#; i++)); do
    if [[ ${!i} == --compare ]]; then compare=("${@:i:2}"); fi
done

prepare
# As many seeds at once as Slurm gave the task cores, also where it does not bind its jobs to them. A part goes on with the
# seeds that are missing, so it may be requeued at any moment.
part=$(printf '%q ' "$program" reproduce --seeds "$seeds" --out "$out" "$@")
part+="--shard \$SLURM_ARRAY_TASK_ID/$parts --jobs \${SLURM_CPUS_ON_NODE:-1}"
array=$(sbatch --parsable --array="1-$parts" --job-name=mnist-tch --requeue --output=%x-%A-%a.log --open-mode=append --wrap "exec $part")
merge=$(printf '%q ' "$program" reproduce --merge "$out" --out "$out" --seeds "$seeds" ${compare[@]+"${compare[@]}"})
last=$(sbatch --parsable --dependency="afterok:$array" --job-name=mnist-tch-merge --output=%x-%j.log --wrap "$merge")
say "array $array, then merge $last; the result will be in $out"
printf '%s\n' "$array" "$last"
