"""interop.py MODEL.safetensors MODEL.onnx PREDICTIONS.csv SAVED.safetensors: the network in PyTorch and in onnxruntime.

PREDICTIONS.csv holds the program's own logits for its 5,000 test images. PyTorch saves the weights again.
"""

import sys

import numpy
import onnx
import onnxruntime
import torch
from safetensors.torch import load_file, save_file

from mnist import load, with_weights

weights, onnx_file, predictions, saved = sys.argv[1:]
images = load()[1][0].numpy().astype(numpy.float32) / 255
# From the fifth column on; numbers that were 32 bits wide.
ours = numpy.loadtxt(predictions, delimiter=",", skiprows=1, usecols=range(4, 14), dtype=numpy.float32)


def compare(name: str, theirs: numpy.ndarray) -> bool:
    difference = numpy.abs(theirs - ours[:len(theirs)]).max()
    same = (theirs.argmax(1) == ours[:len(theirs)].argmax(1)).sum()
    print(f"{name}: {len(theirs)} images, largest difference of a logit {difference:.2e}, the same answer to {same}")
    return difference <= 1e-4


onnx.checker.check_model(onnx.load(onnx_file), full_check=True)
print(f"onnx {onnx.__version__}: the checker finds no fault")
session = onnxruntime.InferenceSession(onnx_file, providers=["CPUExecutionProvider"])
good = [compare(f"onnxruntime {onnxruntime.__version__}", session.run(["logits"], {"images": images[:count]})[0])
        for count in (1, len(images))]

net = with_weights(load_file(weights))
with torch.no_grad():
    good.append(compare(f"PyTorch {torch.__version__}", net(torch.from_numpy(images)).numpy()))
save_file(net.state_dict(), saved, metadata={"format": "pt"})
sys.exit(not all(good))
