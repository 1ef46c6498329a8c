#!/usr/bin/env python3
"""The same jobs in PyTorch, for comparison: in three forms, and PyTorch's own MNIST example.

direct  what people write: nn.Sequential, the whole test set in one forward pass, default Adam
tuned   the fastest form found in eager PyTorch on a CPU: oneDNN's memory layout for training and scoring, images
        converted and cut into chunks once, max-pool before ReLU (the same values, a quarter of the work),
        inference mode, fused Adam, PyTorch's own threads
ported  like tuned, but with mnist-tch's use of the cores: each operation runs on one thread; one Python thread per
        core scores snapshots of the weights while training runs ahead
example network, optimizer and batches of PyTorch's MNIST example, trained as in direct

Writes accuracy.csv as mnist-tch does. torch.compile is left out: compiling takes longer than the whole job.
"""

import argparse
import math
import os
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from processes import usable_cores

CHUNK = 250  # images that the tuned form scores at once


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--form", choices=("direct", "tuned", "ported", "example"), required=True)
    parser.add_argument("--out", type=Path, required=True, help="folder for accuracy.csv")
    parser.add_argument("--data-dir", type=Path, help="folder with MNIST's four IDX files, raw or .gz")
    numbers = {"--epochs": 5, "--batch-size": 100, "--eval-every": 1, "--seed": 0, "--threads": len(usable_cores())}
    for option, default in numbers.items():
        parser.add_argument(option, type=int, default=default)
    # A..B within the set's own file. mnist-tch also accepts the other file, which no benchmark needs.
    span = lambda text: slice(*(int(end) if end else None for end in text.split("..")))
    for option in ("--train-range", "--test-range"):
        parser.add_argument(option, type=span, default=slice(None), metavar="A..B")
    parser.add_argument("--lr", type=float, default=0.005)
    parser.add_argument("--device", default="cpu", help="direct and example only")
    parser.add_argument("--channels", default="8,16,8", help="channels of each block of convolution, ReLU and pooling")
    parser.add_argument("--init", choices=("flux", "kaiming"), default="flux")
    recipe = parser.add_argument_group("direct and example only")
    recipe.add_argument("--lr-final", type=float, help="final learning rate of a linear decay")
    recipe.add_argument("--shuffle", action="store_true")
    recipe.add_argument("--augment", type=int, default=0, metavar="N", help="shift each batch by up to N pixels")
    options = parser.parse_args()
    # Threads that score snapshots. With none, the training loop scores.
    options.workers = options.threads if options.form == "ported" and options.eval_every else 0
    return options


OPTIONS = parse()
# OpenMP reads this when torch is loaded. torch.set_num_threads would not affect threads that Python starts later.
os.environ["OMP_NUM_THREADS"] = "1" if OPTIONS.workers else str(OPTIONS.threads)

import torch  # noqa: E402
from torch import Tensor, nn  # noqa: E402
from torch.nn import functional  # noqa: E402

from mnist import load, network  # noqa: E402


def shapes() -> list[tuple[int, ...]]:
    """Weight shapes: the convolutions, then the dense layer."""
    shapes, inputs, side = [], 1, 28
    for outputs in map(int, OPTIONS.channels.split(",")):
        shapes.append((outputs, inputs, 3, 3))
        inputs, side = outputs, side // 2
    return [*shapes, (10, inputs * side * side)]


def initial_weights() -> list[Tensor]:
    """Weight and bias of each layer. Weights: uniform, with Flux's bound 0.5 * sqrt(24 / sum of all sizes) or Kaiming's. Biases: 0."""
    parameters = []
    for shape in shapes():
        kaiming = OPTIONS.init == "kaiming"
        bound = math.sqrt(6 / math.prod(shape[1:])) if kaiming else 0.5 * math.sqrt(24 / sum(shape))
        parameters += [torch.empty(shape).uniform_(-bound, bound), torch.zeros(shape[0])]
    return parameters


class Direct:
    """Model, training step and scoring as people write them. `train` and `test` are pairs of images and labels."""

    def __init__(self, weights: list[Tensor], train, test) -> None:
        self.model = network(shapes()).to(OPTIONS.device)
        with torch.no_grad():
            for parameter, initial in zip(self.model.parameters(), weights, strict=True):
                parameter.copy_(initial)
        self.optimizer = torch.optim.Adam(self.model.parameters(), lr=OPTIONS.lr)
        steps = OPTIONS.epochs * math.ceil(len(train[1]) / OPTIONS.batch_size)
        falls = OPTIONS.lr_final is not None
        self.schedule = torch.optim.lr_scheduler.LinearLR(self.optimizer, 1, OPTIONS.lr_final / OPTIONS.lr, steps) if falls else None
        self.train, self.test = train, test
        self.cut(slice(None))

    def cut(self, order) -> None:
        self.images, self.labels = (part[order].split(OPTIONS.batch_size) for part in self.train)

    def step(self, batch: int) -> float:
        if batch == 0 and OPTIONS.shuffle:
            self.cut(torch.randperm(len(self.train[1])))
        images = self.images[batch]
        if limit := OPTIONS.augment:
            down, right = torch.randint(2 * limit + 1, (2,)).tolist()
            images = functional.pad(images, [limit] * 4)[:, :, down : down + 28, right : right + 28]
        self.optimizer.zero_grad()
        loss = functional.cross_entropy(self.model(images), self.labels[batch])
        loss.backward()
        self.optimizer.step()
        if self.schedule:
            self.schedule.step()
        return loss.item()

    def snapshot(self) -> None:
        """Nothing to copy: the model itself is scored."""

    def score(self, _snapshot: None) -> float:
        with torch.no_grad():
            return (self.model(self.test[0]).argmax(1) == self.test[1]).float().mean().item()


class Example(Direct):
    """PyTorch's example for MNIST: 1.2 million parameters, dropout, Adadelta, batches of 64, 1,000 images scored at once."""

    def __init__(self, _weights: list[Tensor], train, test) -> None:
        OPTIONS.batch_size, OPTIONS.shuffle = 64, True
        self.train, self.test = ([(images - 0.1307) / 0.3081, labels] for images, labels in (train, test))
        self.cut(slice(None))
        self.model = nn.Sequential(
            nn.Conv2d(1, 32, 3), nn.ReLU(), nn.Conv2d(32, 64, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Dropout(0.25), nn.Flatten(),
            nn.Linear(9216, 128), nn.ReLU(), nn.Dropout(0.5), nn.Linear(128, 10),
        ).to(OPTIONS.device)
        self.optimizer = torch.optim.Adadelta(self.model.parameters(), lr=1.0)
        # The learning rate falls by a factor of 0.7 per epoch.
        self.schedule = torch.optim.lr_scheduler.StepLR(self.optimizer, len(self.labels), 0.7)

    def score(self, _snapshot: None) -> float:
        self.model.eval()
        with torch.no_grad():
            correct = [self.model(images).argmax(1) == labels for images, labels in zip(*(part.split(1000) for part in self.test))]
        self.model.train()
        return torch.cat(correct).float().mean().item()


class Tuned:
    """The same computation with functions on tensors in oneDNN's layout."""

    def __init__(self, weights: list[Tensor], train, test) -> None:
        self.parameters = [parameter.requires_grad_() for parameter in weights]
        self.means, self.squares = ([torch.zeros_like(parameter) for parameter in self.parameters] for _ in range(2))
        self.steps = [torch.zeros(()) for _ in self.parameters]
        self.images = [part.to_mkldnn() for part in train[0].split(OPTIONS.batch_size)]
        self.labels = train[1].split(OPTIONS.batch_size)
        self.test = [(part.to_mkldnn(), labels) for part, labels in zip(*(t.split(CHUNK) for t in test))]

    @staticmethod
    def forward(parameters: list[Tensor], images: Tensor) -> Tensor:
        x = images
        for layer in range(len(parameters) // 2 - 1):
            x = functional.conv2d(x, parameters[2 * layer], parameters[2 * layer + 1], padding=1)
            x = functional.relu(functional.max_pool2d(x, 2, 2))
        return functional.linear(x.to_dense().flatten(1), *parameters[-2:])

    def step(self, batch: int) -> float:
        loss = functional.cross_entropy(self.forward(self.parameters, self.images[batch]), self.labels[batch])
        self.adam(torch.autograd.grad(loss, self.parameters))
        return loss.item()

    @torch.no_grad()
    def adam(self, gradients: tuple[Tensor, ...]) -> None:
        """The kernel of torch.optim.Adam(fused=True); the class would import torch._dynamo, which takes seconds."""
        torch._foreach_add_(self.steps, 1)
        torch._fused_adam_(
            self.parameters, gradients, self.means, self.squares, [], self.steps, lr=OPTIONS.lr, beta1=0.9, beta2=0.999,
            weight_decay=0.0, eps=1e-8, amsgrad=False, maximize=False,
        )

    def snapshot(self) -> list[Tensor]:
        return [parameter.detach().clone() for parameter in self.parameters]

    def score(self, snapshot: list[Tensor]) -> float:
        with torch.inference_mode():
            correct = [self.forward(snapshot, part).argmax(1) == labels for part, labels in self.test]
            return torch.cat(correct).float().mean().item()


def train(job: Direct | Tuned, write) -> None:
    """Runs all steps. Scores are written in step order."""
    batches = len(job.labels)
    last = OPTIONS.epochs * batches
    pool = ThreadPoolExecutor(OPTIONS.workers) if OPTIONS.workers else None
    pending: deque = deque()
    for step in range(1, last + 1):
        epoch, batch = divmod(step - 1, batches)
        loss = job.step(batch)
        if step == last or OPTIONS.eval_every and step % OPTIONS.eval_every == 0:
            row = (epoch + 1, batch + 1, step, loss)
            if pool is None:
                write(row, job.score(job.snapshot()))
            else:
                pending.append((row, pool.submit(job.score, job.snapshot())))
        while pending and (step == last or pending[0][1].done()):
            row, score = pending.popleft()
            write(row, score.result())


torch.manual_seed(OPTIONS.seed)
initial = initial_weights()  # drawn first, so that every form starts from the same weights
forms = {"direct": Direct, "example": Example, "tuned": Tuned, "ported": Tuned}
parts = zip(load(OPTIONS.data_dir), (OPTIONS.train_range, OPTIONS.test_range))
job = forms[OPTIONS.form](initial, *((images[chosen].float().to(OPTIONS.device) / 255, labels[chosen].long().to(OPTIONS.device))
                                     for (images, labels), chosen in parts))
OPTIONS.out.mkdir(parents=True, exist_ok=True)
with open(OPTIONS.out / "accuracy.csv", "w", encoding="utf-8", buffering=1) as file:
    file.write("epoch,batch,step,train_loss,test_accuracy\n")
    train(job, lambda row, accuracy: file.write(f"{row[0]},{row[1]},{row[2]},{row[3]:.6f},{accuracy:.4f}\n"))
