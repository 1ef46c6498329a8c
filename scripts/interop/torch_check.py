#!/usr/bin/env python3
"""PyTorch: torch_check.py MODEL.safetensors IMAGES LOGITS SAVED.safetensors.

Loads the weights, compares the logits (files as for onnx_check.py), and saves the weights again as PyTorch does.
"""

import sys
from collections import OrderedDict
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import nn

# The README's lines.
block = lambda n, i, o: {f"conv{n}": nn.Conv2d(i, o, 3, padding=1), f"relu{n}": nn.ReLU(), f"pool{n}": nn.MaxPool2d(2)}
net = nn.Sequential(OrderedDict(block(1, 1, 8) | block(2, 8, 16) | block(3, 16, 8) | {"flatten": nn.Flatten(), "dense": nn.Linear(72, 10)}))
net.load_state_dict(load_file(sys.argv[1]))

pixels = torch.frombuffer(bytearray(Path(sys.argv[2]).read_bytes()), dtype=torch.uint8)
images = pixels.view(-1, 1, 28, 28).float() / 255
ours = torch.frombuffer(bytearray(Path(sys.argv[3]).read_bytes()), dtype=torch.float32).view(len(images), -1)
with torch.no_grad():
    theirs = net(images)
difference = (theirs - ours).abs().max().item()
same = (theirs.argmax(1) == ours.argmax(1)).sum().item()
print(f"PyTorch {torch.__version__}: {len(images)} images, largest difference of a logit {difference:.2e}, "
      f"the same answer to {same}")
save_file(net.state_dict(), sys.argv[4], metadata={"format": "pt"})
sys.exit(not difference <= 1e-4)
