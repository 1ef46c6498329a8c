#!/usr/bin/env python3
"""files.py PREDICTIONS.csv IMAGES LOGITS: the program's own 5,000 test images and its logits as plain numbers."""

import array
import csv
import gzip
import sys
from pathlib import Path

data = Path(__file__).parents[2] / "data" / "mnist-10k-images-idx3-ubyte.gz"
Path(sys.argv[2]).write_bytes(gzip.decompress(data.read_bytes())[16 + 5000 * 784:])
with open(sys.argv[1], newline="") as file:
    rows = list(csv.reader(file))[1:]
Path(sys.argv[3]).write_bytes(array.array("f", [float(value) for row in rows for value in row[4:]]).tobytes())
