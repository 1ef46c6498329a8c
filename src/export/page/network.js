"use strict";

// The network: its weights and the forward pass. This file uses nothing but plain JavaScript, so that a test can
// compare its logits with the program's in Node.js.

// Width and height of an input image, in pixels.
const SIDE = 28;

// Decodes base64 to bytes.
function decodeBase64(text) {
  return Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
}

// Builds the network from `channels`, the number of output channels of each block, the number of classes, and the
// parameters: 32-bit floats in base64, in the order of model.safetensors (block by block, then the dense layer).
function loadNetwork(channels, classes, encodedParameters) {
  const parameters = new Float32Array(decodeBase64(encodedParameters).buffer);
  let used = 0;
  const take = (count) => {
    used += count;
    return parameters.subarray(used - count, used);
  };
  const blocks = channels.map((outputs, index) => {
    const inputs = index === 0 ? 1 : channels[index - 1];
    return { inputs, outputs, side: SIDE >> index, weight: take(outputs * inputs * 9), bias: take(outputs) };
  });
  const features = channels.at(-1) * (SIDE >> channels.length) ** 2;
  return { blocks, dense: { weight: take(classes * features), bias: take(classes) } };
}

// Returns the logits of an image of 28x28 gray values (0 to 255), and the feature maps of each block.
function forward({ blocks, dense }, image) {
  const maps = [Float32Array.from(image, (gray) => gray / 255)];
  for (const block of blocks) {
    maps.push(runBlock(block, maps.at(-1)));
  }
  const features = maps.at(-1);
  const logits = Array.from(dense.bias, (bias, index) => {
    const weight = dense.weight.subarray(index * features.length);
    return features.reduce((sum, feature, position) => sum + feature * weight[position], bias);
  });
  return { logits, maps: maps.slice(1) };
}

// One block: 3x3 convolution with padding 1, 2x2 max pooling, ReLU.
function runBlock({ inputs, outputs, side, weight, bias }, input) {
  const padded = padMaps(input, inputs, side);
  const paddedArea = (side + 2) ** 2;
  const pooledArea = (side >> 1) ** 2;
  const convolved = new Float32Array(side * side);
  const pooled = new Float32Array(outputs * pooledArea);
  for (let output = 0; output < outputs; output++) {
    convolved.fill(bias[output]);
    for (let channel = 0; channel < inputs; channel++) {
      const kernel = weight.subarray((output * inputs + channel) * 9);
      addConvolution(convolved, side, padded.subarray(channel * paddedArea), kernel);
    }
    maxPoolRelu(pooled.subarray(output * pooledArea), side, convolved);
  }
  return pooled;
}

// Adds a border of one zero pixel around each map.
function padMaps(maps, count, side) {
  const stride = side + 2;
  const padded = new Float32Array(count * stride * stride);
  for (let map = 0; map < count; map++) {
    for (let y = 0; y < side; y++) {
      const row = maps.subarray((map * side + y) * side, (map * side + y + 1) * side);
      padded.set(row, (map * stride + y + 1) * stride + 1);
    }
  }
  return padded;
}

// Adds the 3x3 convolution of one padded map to `sums`. Unrolled, which makes it several times faster.
function addConvolution(sums, side, padded, kernel) {
  const stride = side + 2;
  const [a, b, c, d, e, f, g, h, i] = kernel;
  for (let y = 0; y < side; y++) {
    for (let x = 0; x < side; x++) {
      const top = y * stride + x;
      const middle = top + stride;
      const bottom = middle + stride;
      sums[y * side + x] +=
        a * padded[top] + b * padded[top + 1] + c * padded[top + 2] +
        d * padded[middle] + e * padded[middle + 1] + f * padded[middle + 2] +
        g * padded[bottom] + h * padded[bottom + 1] + i * padded[bottom + 2];
    }
  }
}

// 2x2 max pooling of one map, then ReLU. A last row or column without a partner is dropped.
function maxPoolRelu(pooled, side, map) {
  const half = side >> 1;
  for (let y = 0; y < half; y++) {
    for (let x = 0; x < half; x++) {
      const top = 2 * y * side + 2 * x;
      const bottom = top + side;
      pooled[y * half + x] = Math.max(0, map[top], map[top + 1], map[bottom], map[bottom + 1]);
    }
  }
}

// Turns logits into probabilities.
function softmax(logits) {
  const largest = Math.max(...logits);
  const powers = logits.map((logit) => Math.exp(logit - largest));
  const sum = powers.reduce((total, power) => total + power);
  return powers.map((power) => power / sum);
}
