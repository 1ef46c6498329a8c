#!/usr/bin/env python3
"""Cuts data/ from MNIST's training files: the first 10,000 images and their labels.

usage: scripts/cut-data.py FOLDER    (with train-images-idx3-ubyte.gz and train-labels-idx1-ubyte.gz)

Checks the decompressed files against their published SHA-256 first. The same zlib always writes the same bytes.
"""

import gzip
import hashlib
import struct
import sys
from pathlib import Path

COUNT = 10_000

if len(sys.argv) != 2:
    sys.exit(__doc__)
# Kind of file, SHA-256, header bytes, bytes per item.
for kind, digest, header, item in (
    ("images-idx3-ubyte", "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db", 16, 28 * 28),
    ("labels-idx1-ubyte", "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5", 8, 1),
):
    packed = Path(sys.argv[1]) / f"train-{kind}.gz"
    whole = gzip.decompress(packed.read_bytes())
    found = hashlib.sha256(whole).hexdigest()
    if found != digest:
        sys.exit(f"cut-data: {packed} holds SHA-256 {found}, not MNIST's {digest}")
    cut = whole[:4] + struct.pack(">I", COUNT) + whole[8 : header + COUNT * item]
    out = Path(__file__).resolve().parent.parent / "data" / f"mnist-10k-{kind}.gz"
    out.write_bytes(gzip.compress(cut, compresslevel=9, mtime=0))
    print(f"{hashlib.sha256(cut).hexdigest()}  {out.name} (decompressed, {len(cut)} bytes)")
