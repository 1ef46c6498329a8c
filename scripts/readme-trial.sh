#!/usr/bin/env bash
# Runs every command of the README and of docs/ in order in a new folder, and reports which failed.
#   [LONG=yes] scripts/readme-trial.sh [MNIST]
# MNIST is a folder with the four files, raw or .gz. Without it, commands that need MNIST are skipped; without LONG, commands
# that take more than ten minutes.
set -euo pipefail
# shellcheck source=scripts/common.sh
. "$(dirname -- "${BASH_SOURCE[0]}")/common.sh"

(($# <= 1)) || fail "usage: scripts/readme-trial.sh [MNIST]"
mnist='' long=${LONG:-}
if (($#)); then mnist=$(CDPATH='' cd -P -- "$1" && pwd); fi

# Prints the commands: lines in ```sh fences, and lines after "$ " in ```text fences, without comments and placeholders.
commands() {
    shopt -s nullglob
    awk '/^```/ { inside = inside == "" ? substr($0, 4) : ""; next }
         inside == "sh" { print }
         inside == "text" && /^\$ / { print substr($0, 3) }' "$root/README.md" "$root"/docs/*.md |
        sed -e 's/  *#.*//' -e '/^ *$/d' -e '/\[options\]/d' -e '/COMMAND/d'
}

# skip_reason COMMAND: prints why the command is skipped; prints nothing if it is run.
skip_reason() {
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

# cargo commands run in the project; what they install goes into the temporary folder.
run() { if [[ $1 == cargo\ * ]]; then cd "$root"; fi && CARGO_INSTALL_ROOT=$folder/installed bash -c "$1"; }

prepare
PATH=$(dirname "$program"):$PATH
scratch
cd "$folder"
export XDG_CACHE_HOME=$PWD/cache
# What the commands refer to: MNIST in a folder and on a mirror, a photo, and a folder of scans.
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
    reason=$(skip_reason "$line")
    if [[ -n $reason ]]; then
        say "skipped: $line ($reason)"
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
say "$count commands run, $failed failed"
((failed == 0))
