#!/usr/bin/env bash
# Tries the job array on a real Slurm: a controller and two node daemons on this machine, in a folder of its own. One node
# is killed on the way, as if its plug were pulled; the merged files must be those of a run without Slurm.
#   scripts/slurm/trial.sh FOLDER [A..B, seeds; 0..40 unless said]
# For Debian and Ubuntu, as root:  apt-get install slurmctld slurmd slurm-client munge
set -euo pipefail
# shellcheck source=scripts/common.sh
. "$(dirname -- "${BASH_SOURCE[0]}")/../common.sh"

(($# == 1 || $# == 2)) || fail "usage: scripts/slurm/trial.sh FOLDER [A..B]"
seeds=${2:-0..40}
mkdir -p "$1/state" "$1/node1" "$1/node2"
folder=$(cd -P -- "$1" && pwd)
prepare
cd "$folder" # where the tasks leave their logs
export SLURM_CONF=$folder/slurm.conf
cat >"$SLURM_CONF" <<SLURM
ClusterName=trial
SlurmctldHost=$(hostname -s)(127.0.0.1)
SlurmctldPort=17000
SlurmUser=root
StateSaveLocation=$folder/state
SlurmdSpoolDir=$folder/%n
SlurmctldPidFile=$folder/slurmctld.pid
SlurmdPidFile=$folder/%n.pid
SlurmctldLogFile=$folder/slurmctld.log
SlurmdLogFile=$folder/%n.log
ProctrackType=proctrack/linuxproc
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SlurmdParameters=config_overrides
SlurmdTimeout=20
ReturnToService=2
NodeName=node1 NodeHostname=$(hostname -s) NodeAddr=127.0.0.1 Port=17001 CPUs=1
NodeName=node2 NodeHostname=$(hostname -s) NodeAddr=127.0.0.1 Port=17002 CPUs=1
PartitionName=all Nodes=node1,node2 Default=YES MaxTime=INFINITE State=UP
SLURM
if ! munge -n >/dev/null 2>&1; then
    [[ -s /etc/munge/munge.key ]] || mungekey --create
    mkdir -p /run/munge
    chown munge: /run/munge /etc/munge/munge.key
    runuser -u munge -- munged
fi
trap 'cat "$folder"/{node1,node2,slurmctld}.pid | xargs kill' EXIT
slurmctld
slurmd -N node1
slurmd -N node2

jobs=$("$root/scripts/slurm/submit.sh" 2 "$seeds" "$folder/out" --device cpu)
until [[ $(squeue --noheader --states=running | wc -l) == 2 ]]; do sleep 1; done
sleep 10
# The daemon of node 2, its job step and the program, without a word; after 20 s its task is queued again.
kill -9 "$(<"$folder/node2.pid")"
for step in $(pgrep -f "^slurmstepd: \[$(squeue --noheader --nodelist=node2 --format=%A)\.batch\]"); do
    pkill -9 -P "$step" || true
    kill -9 "$step" || true
done
sleep 30
slurmd -N node2
until [[ -z $(squeue --noheader) ]]; do sleep 5; done
"$program" reproduce --device cpu --seeds "$seeds" --out "$folder/local" >/dev/null
for file in verdict.json band.png confusion.png curves.csv seeds.csv; do
    cmp "$folder/out/$file" "$folder/local/$file" || fail "$file is not that of a run without Slurm"
done
say "jobs ${jobs//$'\n'/ and }: every file is that of a run without Slurm"
