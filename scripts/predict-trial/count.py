#!/usr/bin/env python3
"""Counts right answers by kind of picture: count.py NAME=ANSWERS ..., files of `mnist-tch predict --json`.

The true digit is the last letter of a picture's name. A picture without an answer counts as wrong.
"""

import collections
import json
import sys
from pathlib import Path

folder, names = Path(sys.argv[1]), [argument.split("=", 1) for argument in sys.argv[2:]]
pictures = collections.Counter(path.parent.name for path in folder.glob("*/*"))
right, wrong = {}, {}
for name, file in names:
    right[name], wrong[name] = collections.Counter(), []
    for line in Path(file).read_text().splitlines():
        answer = json.loads(line)
        path = Path(answer["file"])
        if int(path.stem[-1]) == answer["predicted"]:
            right[name][path.parent.name] += 1
        else:
            wrong[name].append(f"{path.parent.name}/{path.name} as {answer['predicted']}")

print(f"{'kind':<12} pictures" + "".join(f"  {name:>12}" for name, _ in names))
for kind, count in sorted(pictures.items()):
    print(f"{kind:<12} {count:>8}" + "".join(f"  {right[name][kind]:>12}" for name, _ in names))
total = pictures.total()
print(f"{'all':<12} {total:>8}" + "".join(f"  {right[name].total():>12}" for name, _ in names))
print(f"{'rate':<12} {'':>8}" + "".join(f"  {right[name].total() / total:>12.3f}" for name, _ in names))
for name, _ in names:
    print(f"wrong, {name}: " + (", ".join(sorted(wrong[name])) or "none"))
