// Shows the prediction, the probabilities, the input image and the feature maps.

const model = JSON.parse(document.getElementById("model").textContent);
const network = loadNetwork(model.channels, model.classes.length, model.weights);

// The inferno color map: 256 pixels, each its four bytes as one number.
const inferno = new Uint32Array(decodeBase64(model.inferno).buffer);
// Pixels between two feature maps.
const MAP_GAP = 2;
// Below this probability the prediction is called unsure.
const UNSURE = 0.8;

const byId = (id) => document.getElementById(id);
const percent = (share) => `${(100 * share).toFixed(1)} %`;

// Appends a new element to `parent` and returns it.
function append(parent, tag, text = "") {
  const element = document.createElement(tag);
  element.textContent = text;
  parent.append(element);
  return element;
}

function appendFigure(caption) {
  const figure = append(byId("maps"), "figure");
  append(figure, "figcaption", caption);
  return append(figure, "canvas");
}

const inputCanvas = appendFigure(`input, ${SIDE}x${SIDE}`);
const mapCanvases = network.blocks.map(({ outputs, side }, index) => {
  const half = side >> 1;
  return appendFigure(`block ${index + 1}: ${outputs} maps of ${half}x${half}`);
});

const rows = model.classes.map((name) => {
  const row = append(byId("probabilities"), "tr");
  append(row, "th", name).scope = "row";
  const bar = append(append(append(row, "td"), "div"), "i");
  return { row, bar, text: append(row, "td") };
});

// Shows the prediction for an image; a screen reader speaks it if `announce` is true.
function showPrediction(image, announce) {
  const isEmpty = image.every((gray) => gray === 0);
  const { logits, maps } = forward(network, image);
  const probabilities = isEmpty ? logits.map(() => 0) : softmax(logits);
  const ranking = [...probabilities.keys()].sort((one, other) => probabilities[other] - probabilities[one]);
  const [best, second] = ranking;
  const name = isEmpty ? "" : model.classes[best];
  const hint = probabilities[best] < UNSURE ? ", unsure" : "";
  const runnerUp = `${model.classes[second]} (${percent(probabilities[second])})`;
  const details = isEmpty ? "The paper is empty." : `${percent(probabilities[best])}, then ${runnerUp}${hint}`;

  byId("predicted-class").textContent = name;
  byId("predicted-class").className = name.length < 3 ? "short" : "";
  byId("probability").textContent = details;
  if (announce) {
    byId("status").textContent = `${name} ${details}`;
  }
  rows.forEach(({ row, bar, text }, index) => {
    row.className = !isEmpty && index === best ? "best" : "";
    bar.style.width = `${100 * probabilities[index]}%`;
    text.textContent = percent(probabilities[index]);
  });
  paintImage(inputCanvas, image);
  mapCanvases.forEach((canvas, index) => {
    // Biases alone would light up the maps of an empty paper, so they stay black.
    const largest = isEmpty ? Infinity : maps[index].reduce((one, other) => Math.max(one, other), Number.MIN_VALUE);
    const side = network.blocks[index].side >> 1;
    paintMaps(canvas, maps[index], side, (value) => inferno[Math.round((255 * value) / largest)]);
  });
}

// Paints an image of 28x28 gray values.
function paintImage(canvas, image) {
  paintMaps(canvas, image, SIDE, (gray) => 0xff000000 + 0x010101 * gray);
}

// Paints square maps in a grid. `colorOf` returns the color of a value. Pixels are repeated to keep edges sharp.
function paintMaps(canvas, maps, side, colorOf) {
  const count = maps.length / (side * side);
  const zoom = Math.floor(SIDE / side);
  const pitch = side * zoom + MAP_GAP;
  const columns = Math.min(count, [4, 8, 16].find((columns) => columns * columns >= count) ?? 32);
  const image = new ImageData(columns * pitch - MAP_GAP, Math.ceil(count / columns) * pitch - MAP_GAP);
  const pixels = new Uint32Array(image.data.buffer);
  maps.forEach((value, index) => {
    const map = Math.floor(index / (side * side));
    const left = (map % columns) * pitch + (index % side) * zoom;
    const top = Math.floor(map / columns) * pitch + (Math.floor(index / side) % side) * zoom;
    const color = colorOf(value);
    for (let y = top; y < top + zoom; y++) {
      const start = y * image.width + left;
      pixels.fill(color, start, start + zoom);
    }
  });
  [canvas.width, canvas.height] = [image.width, image.height];
  canvas.getContext("2d").putImageData(image, 0, 0);
}
