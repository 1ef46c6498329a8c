#!/usr/bin/env python3
"""ONNX: onnx_check.py MODEL.onnx IMAGES LOGITS. Runs onnx's checker, then onnxruntime on all images.

IMAGES are u8 pixels, 28x28 an image; LOGITS 32-bit floats, 10 an image: what the program itself gave.
"""

import sys

import numpy
import onnx
import onnxruntime

model = onnx.load(sys.argv[1])
onnx.checker.check_model(model, full_check=True)
print(f"onnx {onnx.__version__}: the checker finds no fault")
images = numpy.fromfile(sys.argv[2], dtype=numpy.uint8).reshape(-1, 1, 28, 28).astype(numpy.float32) / 255
ours = numpy.fromfile(sys.argv[3], dtype=numpy.float32).reshape(len(images), -1)
session = onnxruntime.InferenceSession(sys.argv[1], providers=["CPUExecutionProvider"])
theirs = session.run(["logits"], {"images": images})[0]
single = session.run(["logits"], {"images": images[:1]})[0]
difference = max(numpy.abs(theirs - ours).max(), numpy.abs(single - ours[:1]).max())
same = (theirs.argmax(1) == ours.argmax(1)).sum()
print(f"onnxruntime {onnxruntime.__version__}: {len(images)} images, largest difference of a logit {difference:.2e}, "
      f"the same answer to {same}")
sys.exit(not difference <= 1e-4)
