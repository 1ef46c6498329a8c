#!/usr/bin/env bash
# Runs every command of the README and of docs/ in a new folder, in order, as a reader would, and says which failed.
#   [LONG=yes] scripts/readme-trial.sh [MNIST]
# MNIST's four files, raw or .gz, stand in for what a reader would have or fetch; without them the commands that need them
# are left out, with the reason. So are, but with LONG, those that take longer than ten minutes.
set -euo pipefail
# shellcheck source=scripts/common.sh
. "$(dirname -- "${BASH_SOURCE[0]}")/common.sh"

(($# <= 1)) || fail "usage: scripts/readme-trial.sh [MNIST]"
mnist='' long=${LONG:-}
if (($#)); then mnist=$(CDPATH='' cd -P -- "$1" && pwd); fi

# Lines within ```sh fences, and what follows "$ " within ```text fences; without comments, and without the rest of the line
# that belongs to a reader's own shell.
commands() {
    shopt -s nullglob
    awk '/^```/ { inside = inside == "" ? substr($0, 4) : ""; next }
         inside == "sh" { print }
         inside == "text" && /^\$ / { print substr($0, 3) }' "$root/README.md" "$root"/docs/*.md |
        sed -e 's/  *#.*//' -e '/^ *$/d' -e '/\[options\]/d' -e '/COMMAND/d'
}

# Why a command is left out; nothing where it is run.
left_out() {
    case $1 in
    *--min-accuracy*) echo "the GitHub workflow runs it" ;;
    scripts/train.sh* | scripts/test.sh) echo "scripts/clone-trial.sh runs it" ;;
    scripts/*) [[ -n $long ]] || echo "a script of many minutes" ;;
    *"--dataset fashion-mnist"*) echo "needs the network; scripts/fetch-trial.sh fetches it" ;;
    *"--dataset mnist" | *"fetch mnist" | *path/to/*) [[ -n $mnist ]] || echo "needs MNIST" ;;
    "mnist-tch reproduce"*) [[ -n $long || $1 == *--seeds\ 0..4* ]] || echo "many minutes; scripts/reproduce.sh runs it" ;;
    *"--device cuda"*) has nvidia-smi || echo "no GPU here" ;;
    esac
}

# What cargo does is done in the project, and what it installs goes into the folder.
run() { if [[ $1 == cargo\ * ]]; then cd "$root"; fi && CARGO_INSTALL_ROOT=$folder/installed bash -c "$1"; }

prepare
PATH=$(dirname "$program"):$PATH
scratch
cd "$folder"
export XDG_CACHE_HOME=$PWD/cache
# What a reader would have: MNIST in a folder and on a mirror, a photograph, a folder of scans: an image of the program's own.
mkdir -p path/to scans
if [[ -n $mnist ]]; then
    ln -s "$mnist" path/to/mnist
    ln -s "$mnist" path/to/images
    serve "$mnist"
fi
mnist-tch show --range test:0..1 --out scans/one.png
cp scans/one.png photo.jpg
failed=0 count=0
while IFS= read -r line; do
    reason=$(left_out "$line")
    if [[ -n $reason ]]; then
        say "left out: $line ($reason)"
        continue
    fi
    say "+ $line"
    SECONDS=0
    if (run "$line") >out.txt 2>err.txt </dev/null; then
        say "  ok, $SECONDS s"
    else
        say "  FAILED: $(tail -n 1 err.txt)"
        failed=$((failed + 1))
    fi
    count=$((count + 1))
done < <(commands)
say "$count commands were run, $failed failed"
((failed == 0))
