"""Images and network for the scripts that use PyTorch; layer names as in docs/models.md."""

import gzip
import struct
import sys
from collections import OrderedDict
from pathlib import Path

import torch
from torch import Tensor, nn


def read_idx(path: Path) -> Tensor:
    """Reads an IDX file, raw or gzipped, as a uint8 tensor."""
    packed = path.with_name(f"{path.name}.gz")
    if not path.exists() and not packed.exists():
        sys.exit(f"error: {path}: neither this file nor its .gz exists; --data-dir names MNIST's folder")
    raw = bytearray(path.read_bytes() if path.exists() else gzip.decompress(packed.read_bytes()))
    rank = raw[3]
    return torch.frombuffer(raw, dtype=torch.uint8, offset=4 + 4 * rank).view(struct.unpack_from(f">{rank}I", raw, 4))


def load(folder: Path | None = None) -> list[tuple[Tensor, Tensor]]:
    """Training and test images (n x 1 x 28 x 28) with labels, as uint8: from MNIST's files in `folder`, or the program's own."""
    data = folder or Path(__file__).resolve().parents[2] / "data"
    names = ("train", "t10k") if folder else ("mnist-10k",)
    sets = [(read_idx(data / f"{name}-images-idx3-ubyte").unsqueeze(1), read_idx(data / f"{name}-labels-idx1-ubyte")) for name in names]
    return sets if folder else list(zip(*(part.split(5000) for part in sets[0])))


def network(shapes: list[tuple[int, ...]]) -> nn.Sequential:
    """The network with these weight shapes: the convolutions, then the dense layer."""
    layers, (*convolutions, (classes, features)) = OrderedDict(), shapes
    for n, (outputs, inputs, *_) in enumerate(convolutions, 1):
        layers |= {f"conv{n}": nn.Conv2d(inputs, outputs, 3, padding=1), f"relu{n}": nn.ReLU(), f"pool{n}": nn.MaxPool2d(2)}
    return nn.Sequential(layers | {"flatten": nn.Flatten(), "dense": nn.Linear(features, classes)})


def with_weights(weights: dict[str, Tensor]) -> nn.Sequential:
    net = network([weight.shape for name, weight in sorted(weights.items()) if name.endswith(".weight")])
    net.load_state_dict(weights)
    return net
