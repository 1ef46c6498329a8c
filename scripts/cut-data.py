#!/usr/bin/env python3
"""Cut data/ from MNIST's training files: the first 10,000 images and their labels.

usage: scripts/cut-data.py FOLDER    (with train-images-idx3-ubyte and train-labels-idx1-ubyte, raw or .gz)

The decompressed sources are checked against their published SHA-256 before anything is written.
The gzip headers carry no name and no time, so the same zlib writes the same bytes every time.
"""

import gzip
import hashlib
import struct
import sys
from pathlib import Path

COUNT = 10_000
SOURCES = {
    "train-images-idx3-ubyte": (
        "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
        16,
        28 * 28,
    ),
    "train-labels-idx1-ubyte": (
        "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
        8,
        1,
    ),
}


def read(folder: Path, name: str) -> bytes:
    raw, packed = folder / name, folder / f"{name}.gz"
    if raw.exists():
        return raw.read_bytes()
    if packed.exists():
        return gzip.decompress(packed.read_bytes())
    sys.exit(f"cut-data: neither {raw} nor {packed} exists")


def main() -> None:
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    target = Path(__file__).resolve().parent.parent / "data"
    for name, (digest, header, item) in SOURCES.items():
        whole = read(Path(sys.argv[1]), name)
        found = hashlib.sha256(whole).hexdigest()
        if found != digest:
            sys.exit(f"cut-data: {name} has SHA-256 {found}, not MNIST's {digest}")
        cut = whole[:4] + struct.pack(">I", COUNT) + whole[8 : header + COUNT * item]
        stem, kind = name.removeprefix("train-").split("-", 1)
        out = target / f"mnist-10k-{stem}-{kind}.gz"
        out.write_bytes(gzip.compress(cut, compresslevel=9, mtime=0))
        print(f"{hashlib.sha256(cut).hexdigest()}  {out.name} (decompressed, {len(cut)} bytes)")


if __name__ == "__main__":
    main()
