#!/usr/bin/env bash
# Compares the page that `export` writes with the program, in Debian's Chromium (headless; --no-sandbox, since the
# page is our own): ten drawn digits, 1,000 logits, the mistakes, and a picture for a model of clothes. No request may
# be made and nothing printed on the console. Prints how long a prediction takes.
#   scripts/page-trial.sh [FOLDER for drawings and screenshots, a new one]
set -euo pipefail
# shellcheck source=scripts/common.sh
. "$(dirname -- "${BASH_SOURCE[0]}")/common.sh"

find_browser() { type -P chromium || type -P google-chrome; }
if ! find_browser >/dev/null; then apt-get install --yes --no-install-recommends chromium >&2 || true; fi
browser=$(find_browser) || { say "skipped: Chromium is missing, and apt-get cannot install it here"; exit 0; }
prepare
if (($#)); then mkdir -- "$1" && folder=$1; else scratch; fi

"$program" --device cpu --quiet --eval-every 0 --out "$folder/run"
"$program" --device cpu --quiet --channels 32,64,64 --epochs 1 --train-range ..100 --test-range ..100 \
    --out "$folder/wide"
"$program" export --model "$folder/run" "$folder/digit.html" >/dev/null
"$program" export --model "$folder/wide" "$folder/wide.html" >/dev/null
"$program" export --model "$folder/run" --dataset fashion-mnist "$folder/clothes.html" >/dev/null
"$program" evaluate --device cpu --model "$folder/run" --test-range 0..1000 --out "$folder/evaluated" >/dev/null
python3 -B "$root/scripts/python/page_trial.py" "$browser" "$program" "$folder"
