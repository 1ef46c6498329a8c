// Preparation: turns a drawing or a picture into an image of 28x28 gray values, with the steps of `mnist-tch predict`.

// A pixel belongs to the drawing, or to the item on a picture, if it differs by more than this from the background.
const INK_THRESHOLD = 0.25;
const ITEM_THRESHOLD = 0.08;

// Prepares a drawing of white ink on black. Returns null if there is no ink.
function prepareDrawing({ data, width, height }, boxSide) {
  const values = new Float32Array(width * height);
  for (let index = 0; index < values.length; index++) {
    values[index] = data[4 * index] / 255;
  }
  return cropAndCenter(values, width, 0, INK_THRESHOLD, boxSide);
}

// Prepares a picture of one item on a plain background, which becomes black. Returns null if nothing stands out.
function preparePicture(picture) {
  const { width, height } = picture;
  let values = grayValues(picture);
  const median = medianOfEdge(values, width, height);
  if (median > 0.5) {
    values = values.map((value) => 1 - value);
  }
  // Already an image like those of the data set.
  if (width === SIDE && height === SIDE) {
    return Uint8Array.from(values, (value) => Math.round(255 * value));
  }
  const background = Math.min(median, 1 - median);
  return cropAndCenter(values, width, background, ITEM_THRESHOLD, SIDE);
}

// Gray values from 0 to 1. Transparent pixels show a white background.
function grayValues({ data, width, height }) {
  return new Float32Array(width * height).map((_, index) => {
    const red = 4 * index;
    const luminance = (2126 * data[red] + 7152 * data[red + 1] + 722 * data[red + 2]) / 10000;
    const alpha = data[red + 3];
    return ((luminance * alpha) / 255 + 255 - alpha) / 255;
  });
}

// The median of the pixels along the edge of a picture: its background.
function medianOfEdge(values, width, height) {
  const isEdge = (_, index) => {
    const [x, y] = [index % width, Math.floor(index / width)];
    return x === 0 || y === 0 || x === width - 1 || y === height - 1;
  };
  const edge = values.filter(isEdge).sort();
  return edge[edge.length >> 1];
}

// Crops the bounding box of all values that differ from the background by more than `threshold`, subtracts the
// background, scales the rest into a square of `boxSide`, and centers it. Returns null if nothing differs.
function cropAndCenter(values, width, background, threshold, boxSide) {
  const height = values.length / width;
  let [left, top, right, bottom] = [width, height, -1, -1];
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      if (Math.abs(values[y * width + x] - background) > threshold) {
        [left, top] = [Math.min(left, x), Math.min(top, y)];
        [right, bottom] = [Math.max(right, x), Math.max(bottom, y)];
      }
    }
  }
  if (right < 0) {
    return null;
  }
  const [croppedWidth, croppedHeight] = [right - left + 1, bottom - top + 1];
  const cropped = new Float32Array(croppedWidth * croppedHeight);
  for (let y = 0; y < croppedHeight; y++) {
    for (let x = 0; x < croppedWidth; x++) {
      const value = values[(top + y) * width + left + x];
      cropped[y * croppedWidth + x] = Math.max(0, value - background);
    }
  }
  return centerByMass(...resize(cropped, croppedWidth, croppedHeight, boxSide));
}

// Scales values so that their longer side is `boxSide`, keeping the aspect ratio. Returns them with width and height.
function resize(values, width, height, boxSide) {
  const longer = Math.max(width, height);
  const scaled = (length) => Math.max(1, Math.floor((length * boxSide + (longer >> 1)) / longer));
  const [newWidth, newHeight] = [scaled(width), scaled(height)];
  if (newWidth === width && newHeight === height) {
    return [values, width, height];
  }
  const columns = resampleRows(values, width, newHeight);
  return [resampleRows(columns, newHeight, newWidth), newWidth, newHeight];
}

// Resamples to `rows` rows with a Gaussian filter and transposes, so that calling it twice scales both directions.
function resampleRows(values, width, rows) {
  const height = values.length / width;
  const ratio = height / rows;
  const radius = Math.max(ratio, 1);
  const transposed = new Float32Array(width * rows);
  for (let row = 0; row < rows; row++) {
    const center = (row + 0.5) * ratio;
    const start = Math.max(Math.floor(center - 3 * radius), 0);
    const end = Math.min(Math.ceil(center + 3 * radius), height);
    let total = 0;
    for (let y = start; y < end; y++) {
      const weight = Math.exp(-2 * ((y + 0.5 - center) / radius) ** 2);
      total += weight;
      for (let x = 0; x < width; x++) {
        transposed[x * rows + row] += weight * values[y * width + x];
      }
    }
    for (let x = 0; x < width; x++) {
      transposed[x * rows + row] /= total;
    }
  }
  return transposed;
}

// Places values into 28x28 gray values, center of mass in the middle as far as they fit, the largest value 255.
function centerByMass(values, width, height) {
  let [mass, massX, massY] = [0, 0, 0];
  values.forEach((value, index) => {
    mass += value;
    massX += value * (index % width);
    massY += value * Math.floor(index / width);
  });
  const offset = (center, length) => Math.min(Math.max(Math.round(SIDE / 2 - center - 0.5), 0), SIDE - length);
  const [left, top] = [offset(massX / mass, width), offset(massY / mass, height)];
  const largest = Math.max(...values);
  const image = new Uint8Array(SIDE * SIDE);
  values.forEach((value, index) => {
    const [x, y] = [left + (index % width), top + Math.floor(index / width)];
    image[y * SIDE + x] = Math.round((value / largest) * 255);
  });
  return image;
}
