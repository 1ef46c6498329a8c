#!/usr/bin/env bash
# A real Slurm of a controller and two node daemons on this machine, in a folder of its own, to try the job array on.
#   scripts/slurm/trial.sh FOLDER start|stop|kill-node2|start-node2
# For Debian and Ubuntu, as root:  apt-get install slurmctld slurmd slurm-client munge
# After start, point the client tools at it:  export SLURM_CONF=FOLDER/slurm.conf
set -euo pipefail

(($# == 2)) || { echo "usage: scripts/slurm/trial.sh FOLDER start|stop|kill-node2|start-node2" >&2; exit 2; }
mkdir -p "$1"
folder=$(cd -- "$1" && pwd)
export SLURM_CONF=$folder/slurm.conf

configure() {
    mkdir -p "$folder/state" "$folder/node1" "$folder/node2"
    cat >"$SLURM_CONF" <<EOF
ClusterName=trial
SlurmctldHost=$(hostname -s)(127.0.0.1)
SlurmctldPort=17000
SlurmUser=root
AuthType=auth/munge
StateSaveLocation=$folder/state
SlurmdSpoolDir=$folder/%n
SlurmctldPidFile=$folder/slurmctld.pid
SlurmdPidFile=$folder/%n.pid
SlurmctldLogFile=$folder/slurmctld.log
SlurmdLogFile=$folder/%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SlurmdParameters=config_overrides
SlurmdTimeout=20
ReturnToService=2
JobRequeue=1
MpiDefault=none
MailProg=/bin/true
NodeName=node1 NodeHostname=$(hostname -s) NodeAddr=127.0.0.1 Port=17001 CPUs=1
NodeName=node2 NodeHostname=$(hostname -s) NodeAddr=127.0.0.1 Port=17002 CPUs=1
PartitionName=all Nodes=node1,node2 Default=YES MaxTime=INFINITE State=UP
EOF
}

start_munge() {
    munge -n >/dev/null 2>&1 && return
    [[ -s /etc/munge/munge.key ]] || mungekey --create
    mkdir -p /run/munge
    chown munge: /run/munge /etc/munge/munge.key
    runuser -u munge -- munged
}

# As if the node's plug were pulled: its daemon, and all that it runs, are gone without a word.
kill_node2() {
    local job step
    kill -9 "$(<"$folder/node2.pid")"
    for job in $(squeue --noheader --nodelist=node2 --format=%A); do
        for step in $(pgrep -f "^slurmstepd: \[$job\.batch\]"); do
            pkill -9 -P "$step" || true
            kill -9 "$step" || true
        done
    done
}

case $2 in
start)
    configure
    start_munge
    slurmctld
    slurmd -N node1
    slurmd -N node2
    ;;
kill-node2) kill_node2 ;;
start-node2) slurmd -N node2 ;;
stop)
    for daemon in node1 node2 slurmctld; do
        if [[ -r $folder/$daemon.pid ]]; then kill "$(<"$folder/$daemon.pid")" || true; fi
    done
    ;;
*)
    echo "unknown: $2" >&2
    exit 2
    ;;
esac
