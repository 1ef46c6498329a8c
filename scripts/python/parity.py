"""parity.py WEIGHTS.safetensors OUT.json [whole]: PyTorch's results from these initial weights, for tests/parity.rs.

Writes the logits of 16 test images and the losses of ten steps of the article's job, for any width. With "whole": 50 steps
with the accuracy after each, and the weights after 1 and 10 steps in files next to OUT.json.
"""

import json
import sys
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import nn

from mnist import load, with_weights

torch.set_num_threads(1)
path, out, whole = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3:] == ["whole"]
train, test = ((images.float() / 255, labels.long()) for images, labels in load())
# scripts/reference.sh moved the biases from 0 to 1e-30, where a ReLU has a gradient; at 0 it has none. Back to 0.
net = with_weights({name: value.where(value.abs() > 1e-20, 0) for name, value in load_file(path).items()})
with torch.no_grad():
    logits = [[float(f"{value:.7g}") for value in row] for row in net(test[0][:16]).tolist()]

adam = torch.optim.Adam(net.parameters(), lr=0.005)
losses, accuracies = [], []
for step, (images, labels) in enumerate(list(zip(*(part.split(100) for part in train)))[: 50 if whole else 10], 1):
    adam.zero_grad()
    loss = nn.functional.cross_entropy(net(images), labels)
    loss.backward()
    adam.step()
    losses.append(loss.item())
    if whole:
        with torch.no_grad():
            accuracies.append((net(test[0]).argmax(1) == test[1]).sum().item() / 5000)
        if step in (1, 10):
            save_file(net.state_dict(), out.with_name(f"weights_step{step}.safetensors"))
found = {"torch": torch.__version__, "logits_test_first16": logits, "train_loss": losses, "test_accuracy": accuracies}
out.write_text(json.dumps({name: value for name, value in found.items() if value}) + "\n")
