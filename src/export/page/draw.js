// The paper: drawing with mouse, finger, pen or keyboard, pictures from files, and the run's mistakes.

// Width and height of the paper, and the width of the pen, in pixels.
const PAPER_SIDE = 280;
const PEN_WIDTH = 20;
// How far an arrow key moves the pen.
const KEY_STEP = 7;
const MAX_UNDO_STEPS = 50;
// Larger pictures are scaled down to this many pixels along their longer side.
const MAX_PICTURE_SIDE = 2048;

// Digits and characters are drawn; for anything else, such as clothes, a picture is chosen.
const canDraw = model.preparation !== "article";
// MNIST's digits fill a box of 20x20, characters the whole image.
const boxSide = model.preparation === "digits" ? 20 : SIDE;

const paper = byId("paper");
const context = paper.getContext("2d", { willReadFrequently: true });
Object.assign(context, { strokeStyle: "#fff", lineWidth: PEN_WIDTH, lineCap: "round" });

// The 28x28 image on the paper, if it was put there as a whole; null once something is drawn.
let exactImage = null;
let pen = { x: PAPER_SIDE / 2, y: PAPER_SIDE / 2 };
let isPenDown = false;
const undoStack = [];

// Predicts what is on the paper.
function update(announce) {
  let image = exactImage;
  if (image === null && canDraw) {
    image = prepareDrawing(context.getImageData(0, 0, PAPER_SIDE, PAPER_SIDE), boxSide);
  }
  showPrediction(image ?? new Uint8Array(SIDE * SIDE), announce);
  byId("undo").disabled = undoStack.length === 0;
}

// Changes the paper by calling `draw`, so that Undo can restore what was there.
function change(image, draw) {
  undoStack.push({ pixels: context.getImageData(0, 0, PAPER_SIDE, PAPER_SIDE), exactImage });
  if (undoStack.length > MAX_UNDO_STEPS) {
    undoStack.shift();
  }
  exactImage = image;
  isPenDown = false;
  draw();
  update(true);
}

function undo() {
  const { pixels, exactImage: image } = undoStack.pop();
  context.putImageData(pixels, 0, 0);
  exactImage = image;
  update(true);
}

function clearPaper() {
  context.fillRect(0, 0, PAPER_SIDE, PAPER_SIDE);
}

// Shows a picture on the paper. `image` is the same as the network sees it.
function showPicture(picture, image) {
  change(image, () => {
    const scale = PAPER_SIDE / Math.max(picture.width, picture.height);
    const [width, height] = [picture.width * scale, picture.height * scale];
    clearPaper();
    context.imageSmoothingEnabled = scale < 1;
    context.drawImage(picture, (PAPER_SIDE - width) / 2, (PAPER_SIDE - height) / 2, width, height);
  });
}

// ---- Drawing

function lowerPen() {
  change(null, () => {
    isPenDown = true;
    movePen(pen);
  });
}

function liftPen() {
  isPenDown = false;
  update(true);
}

// Moves the pen, and draws a line if it is down.
function movePen(to) {
  if (isPenDown) {
    context.beginPath();
    context.moveTo(pen.x, pen.y);
    // A line without length would draw nothing.
    context.lineTo(to.x + 0.01, to.y);
    context.stroke();
  }
  pen = to;
}

// The point on the paper under a pointer.
function pointOnPaper({ clientX, clientY }) {
  const { left, top, width } = paper.getBoundingClientRect();
  const scale = PAPER_SIDE / width;
  return { x: (clientX - left) * scale, y: (clientY - top) * scale };
}

paper.onpointerdown = (event) => {
  if (!canDraw || !event.isPrimary || event.button !== 0) {
    return;
  }
  paper.setPointerCapture(event.pointerId);
  byId("pen").hidden = true;
  pen = pointOnPaper(event);
  lowerPen();
};

paper.onpointermove = (event) => {
  if (!isPenDown || !event.isPrimary || !event.buttons) {
    return;
  }
  // Browsers report one event per frame, which holds all positions since the last one.
  for (const position of [...(event.getCoalescedEvents?.() ?? []), event]) {
    movePen(pointOnPaper(position));
  }
  update(false);
};

paper.onpointerup = paper.onpointercancel = (event) => {
  if (isPenDown && event.isPrimary) {
    liftPen();
  }
};

paper.onkeydown = (event) => {
  const steps = {
    ArrowLeft: [-KEY_STEP, 0],
    ArrowRight: [KEY_STEP, 0],
    ArrowUp: [0, -KEY_STEP],
    ArrowDown: [0, KEY_STEP],
    " ": [0, 0],
  };
  const step = steps[event.key];
  if (!canDraw || !step) {
    return;
  }
  event.preventDefault();
  if (event.key === " ") {
    if (isPenDown) {
      liftPen();
    } else {
      lowerPen();
    }
  }
  const clamp = (length) => Math.min(Math.max(length, 0), PAPER_SIDE);
  movePen({ x: clamp(pen.x + step[0]), y: clamp(pen.y + step[1]) });
  update(false);
  const marker = byId("pen");
  marker.hidden = false;
  marker.className = isPenDown ? "down" : "";
  marker.style.left = `${(100 * pen.x) / PAPER_SIDE}%`;
  marker.style.top = `${(100 * pen.y) / PAPER_SIDE}%`;
};

// ---- Buttons

byId("undo").onclick = undo;
byId("clear").onclick = () => change(null, clearPaper);

document.onkeydown = (event) => {
  if ((event.ctrlKey || event.metaKey) && event.key === "z") {
    byId("undo").click();
  }
};

byId("file").onchange = async ({ target }) => {
  const picture = await createImageBitmap(target.files[0]).catch(() => null);
  if (picture === null) {
    byId("probability").textContent = "Your browser cannot read this picture.";
    return;
  }
  const scale = Math.min(1, MAX_PICTURE_SIDE / Math.max(picture.width, picture.height));
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [picture.width, picture.height].map((length) => Math.ceil(length * scale));
  const pixels = canvas.getContext("2d");
  pixels.drawImage(picture, 0, 0, canvas.width, canvas.height);
  showPicture(canvas, preparePicture(pixels.getImageData(0, 0, canvas.width, canvas.height)));
};

for (const { pixels, truth, predicted, probability } of model.mistakes) {
  const [trueName, predictedName] = [model.classes[truth], model.classes[predicted]];
  const image = decodeBase64(pixels);
  const button = append(byId("mistakes"), "button");
  const canvas = append(button, "canvas");
  paintImage(canvas, image);
  append(button, "span", `${trueName} → ${predictedName}`);
  button.title = button.ariaLabel = `${trueName}, predicted ${predictedName}, ${percent(probability)}`;
  button.onclick = () => {
    showPicture(canvas, image);
    paper.scrollIntoView({ block: "nearest" });
  };
}

// ---- Start

const kind = model.classes.every((name) => /^\d$/.test(name)) ? "digit" : "character";
document.title = byId("title").textContent = canDraw ? `Draw a ${kind}` : "Choose a picture";
document.body.className = canDraw ? "drawing" : "pictures";
paper.tabIndex = canDraw ? 0 : -1;
paper.role = canDraw ? "application" : "img";
byId("about").textContent = model.about;
clearPaper();
update(false);
