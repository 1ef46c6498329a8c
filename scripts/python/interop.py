"""interop.py MODEL.safetensors MODEL.onnx PREDICTIONS.csv SAVED.safetensors: compares the network in PyTorch and in
onnxruntime with PREDICTIONS.csv, the program's logits for its 5,000 test images. Saves the weights from PyTorch.
"""

import sys

import numpy
import onnx
import onnxruntime
import torch
from safetensors.torch import load_file, save_file

from mnist import load, with_weights

MAX_DIFFERENCE = 1e-4

weights_file, onnx_file, predictions_file, saved_file = sys.argv[1:]
images = load()[1][0].numpy().astype(numpy.float32) / 255
# The first four columns are image, true label, predicted label and probability.
ours = numpy.loadtxt(predictions_file, delimiter=",", skiprows=1, usecols=range(4, 14), dtype=numpy.float32)


def compare(name, logits):
    expected = ours[:len(logits)]
    difference = numpy.abs(logits - expected).max()
    same = (logits.argmax(1) == expected.argmax(1)).sum()
    print(f"{name}: {len(logits)} images, logits differ by at most {difference:.2e}, {same} predictions are the same")
    return difference <= MAX_DIFFERENCE


onnx.checker.check_model(onnx.load(onnx_file), full_check=True)
print(f"onnx {onnx.__version__}: the checker accepts the file")
session = onnxruntime.InferenceSession(onnx_file, providers=["CPUExecutionProvider"])
results = []
for count in 1, len(images):
    [logits] = session.run(["logits"], {"images": images[:count]})
    results.append(compare(f"onnxruntime {onnxruntime.__version__}", logits))

network = with_weights(load_file(weights_file))
with torch.no_grad():
    logits = network(torch.from_numpy(images)).numpy()
results.append(compare(f"PyTorch {torch.__version__}", logits))
save_file(network.state_dict(), saved_file, metadata={"format": "pt"})
sys.exit(not all(results))
