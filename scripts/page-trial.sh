#!/usr/bin/env bash
# Whether the page that `export` writes answers as the program does, in Debian's Chromium (headless; --no-sandbox, for our own page):
# ten drawn digits, 1,000 logits, a picture for a model of clothes, no request, nothing on the console, and what an answer takes.
#   scripts/page-trial.sh [FOLDER for what was drawn, and screenshots]
set -euo pipefail
# shellcheck source=scripts/common.sh
. "$(dirname -- "${BASH_SOURCE[0]}")/common.sh"

find_browser() { type -P chromium || type -P google-chrome; }
if ! find_browser >/dev/null; then apt-get install --yes --no-install-recommends chromium >&2 || true; fi
browser=$(find_browser) || { say "skipped: there is no Chromium, and apt-get cannot install it here"; exit 0; }
prepare
if (($#)); then mkdir -- "$1" && folder=$1; else scratch; fi

"$program" --device cpu --quiet --eval-every 0 --page --out "$folder/run"
"$program" --device cpu --quiet --channels 32,64,64 --epochs 1 --train-range ..100 --test-range ..100 --page --out "$folder/wide"
"$program" export --model "$folder/run" --dataset fashion-mnist "$folder/clothes.html" >/dev/null
"$program" evaluate --device cpu --model "$folder/run" --test-range 0..1000 --out "$folder/ours" >/dev/null
python3 -B "$root/scripts/python/page_trial.py" "$browser" "$program" "$folder"
