"""page_trial.py BROWSER PROGRAM FOLDER: compares the pages in FOLDER, in a headless Chromium, with the program.

scripts/page-trial.sh puts these into FOLDER: the run `run`; digit.html and clothes.html with its weights; its logits,
evaluated/predictions.csv; and wide.html, with a wider network.
"""

import base64
import gzip
import itertools
import json
import os
import subprocess
import sys
from pathlib import Path

from strokes import WAYS, smooth

TEST_IMAGES = Path(__file__).parents[2] / "data" / "mnist-10k-images-idx3-ubyte.gz"
PIXELS = 784
MAX_LOGIT_DIFFERENCE = 1e-4

browser, program, folder = sys.argv[1], sys.argv[2], Path(sys.argv[3]).resolve()


class Browser:
    """A browser that is controlled with the Chrome DevTools Protocol over two pipes."""

    def __init__(self):
        # It reads commands from its file descriptor 3 and answers on 4: JSON messages, each ended by a zero byte.
        (command_end, commands), (replies, reply_end) = os.pipe(), os.pipe()
        redirect = f'exec 3<&{command_end} 4>&{reply_end}; exec "$@"'
        options = ["--headless=new", "--no-sandbox", "--disable-gpu", "--remote-debugging-pipe",
                   f"--user-data-dir={folder}/profile", "about:blank"]
        self.process = subprocess.Popen(["bash", "-c", redirect, "bash", browser, *options],
                                        pass_fds=(command_end, reply_end), stderr=subprocess.DEVNULL)
        # Otherwise the end of the browser would not end our reading.
        os.close(reply_end)
        self.commands, self.replies = os.fdopen(commands, "wb"), os.fdopen(replies, "rb")
        self.ids, self.events, self.session = itertools.count(1), [], {}
        targets = self.call("Target.getTargets")["targetInfos"]
        page = next(target for target in targets if target["type"] == "page")
        attached = self.call("Target.attachToTarget", targetId=page["targetId"], flatten=True)
        self.session = {"sessionId": attached["sessionId"]}
        for domain in "Page", "Runtime", "Network", "Log", "DOM":
            self.call(f"{domain}.enable")

    def receive(self):
        end = iter(lambda: self.replies.read(1) or sys.exit("error: the browser has ended"), b"\0")
        return json.loads(b"".join(end))

    def call(self, method, **parameters):
        """Calls a method of the protocol and returns its result. Events that arrive meanwhile are kept."""
        number = next(self.ids)
        command = {"id": number, "method": method, "params": parameters} | self.session
        self.commands.write(json.dumps(command).encode() + b"\0")
        self.commands.flush()
        while (reply := self.receive()).get("id") != number:
            self.events.append(reply)
        return reply["result"] if "result" in reply else sys.exit(f"error: {method}: {reply}")

    def js(self, code):
        """Evaluates JavaScript in the page."""
        result = self.call("Runtime.evaluate", expression=code, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in result:
            sys.exit(f"error: {code}: {result}")
        return result["result"].get("value")

    def open(self, path):
        self.call("Page.navigate", url=path.as_uri())
        while not any(event["method"] == "Page.loadEventFired" for event in self.events):
            self.events.append(self.receive())
        self.check_silence()

    def check_silence(self):
        """Fails if the page printed something on the console or requested anything but itself."""
        for event in self.events:
            url = event["params"].get("request", {}).get("url", "file:")
            printed = event["method"] in ("Runtime.consoleAPICalled", "Runtime.exceptionThrown", "Log.entryAdded")
            if printed or not url.startswith(("file:", "data:")):
                sys.exit(f"error: the page is not silent: {event}")
        self.events.clear()

    def close(self):
        self.call("Browser.close")
        self.process.wait()


page = Browser()


def draw(digit):
    """Draws a digit with the mouse: its first way of writing in strokes.py, on the paper of 280x280."""
    page.js("byId('clear').click()")
    left, top, width = page.js("(({ left, top, width }) => [left, top, width])(paper.getBoundingClientRect())")
    scale = width / 280
    strokes = next(strokes for written, strokes in WAYS if written == digit)
    for stroke in strokes:
        points = [(left + scale * (140 + 135 * (x - 0.5)), top + scale * (140 + 135 * (y - 0.7)))
                  for x, y in smooth(stroke)]
        events = [("mousePressed", points[0]), *(("mouseMoved", point) for point in points[1:]),
                  ("mouseReleased", points[-1])]
        for kind, (x, y) in events:
            page.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", buttons=1, clickCount=1)


def compare_with_predict(name, *options):
    """Saves the paper as a picture and predicts it with the program. Returns whether the class is the same, and the
    difference of the probabilities."""
    (folder / name).write_bytes(base64.b64decode(page.js("paper.toDataURL()").split(",")[1]))
    command = [program, "predict", "--device", "cpu", "--json", "--model", folder / "run", *options, folder / name]
    ours = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    theirs, probability = page.js(
        "[byId('predicted-class').textContent, parseFloat(byId('probability').textContent) / 100]")
    print(f"{name}: page {theirs} {probability:.3f}, predict {ours['class']} {ours['probability']:.3f}")
    return theirs == ours["class"], abs(probability - ours["probability"])


def screenshot(name, width, scheme):
    page.call("Emulation.setDeviceMetricsOverride", width=width, height=800, deviceScaleFactor=1, mobile=width < 500)
    page.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
    if page.js("document.documentElement.scrollWidth") > width:
        sys.exit(f"error: the page is wider than {width} pixels")
    data = page.call("Page.captureScreenshot", captureBeyondViewport=True)["data"]
    (folder / f"{name}-{width}-{scheme}.png").write_bytes(base64.b64decode(data))


def measure(code):
    """Milliseconds that a JavaScript expression takes, the mean of 50 after 20 to warm up."""
    return page.js(f"""(() => {{
        for (let n = 0; n < 20; n++) {code};
        const start = performance.now();
        for (let n = 0; n < 50; n++) {code};
        return (performance.now() - start) / 50;
    }})()""")


# Size and speed.
for name in "wide.html", "digit.html":
    page.open(folder / name)
    draw(8)
    network, everything = measure("forward(network, new Uint8Array(784))"), measure("update(false)")
    size = (folder / name).stat().st_size
    print(f"{page.js('model.channels')}: {size} bytes, {network:.2f} ms for the network, {everything:.2f} ms for "
          "preparing, predicting and showing a drawing")

# Drawings.
results = []
for digit in range(10):
    draw(digit)
    results.append(compare_with_predict(f"{digit}.png"))
for width, scheme in itertools.product((1280, 360, 320), ("light", "dark")):
    screenshot("page", width, scheme)

# Logits of test images, which follow a header of 16 bytes and 5,000 training images.
rows = (folder / "evaluated" / "predictions.csv").read_text(encoding="utf-8").splitlines()[1:]
ours = [[float(logit) for logit in row.split(",")[4:]] for row in rows]
images = gzip.decompress(TEST_IMAGES.read_bytes())[16 + 5000 * PIXELS:]
encoded = (base64.b64encode(images[index * PIXELS:][:PIXELS]).decode() for index in range(len(ours)))
theirs = [page.js(f"forward(network, decodeBase64('{image}')).logits") for image in encoded]
difference = max(abs(one - other) for pair in zip(ours, theirs) for one, other in zip(*pair))
print(f"{len(ours)} test images: logits differ by at most {difference:.1e}")

# Mistakes.
shown = page.js("[...document.querySelectorAll('#mistakes button')]"
                ".map((button) => (button.click(), byId('predicted-class').textContent))")
same_mistakes = shown == page.js("model.mistakes.map((mistake) => model.classes[mistake.predicted])")
print(f"{len(shown)} mistakes: clicking one shows {'the same' if same_mistakes else 'another'} wrong class")

# A picture from a file.
page.open(folder / "clothes.html")
document = page.call("DOM.getDocument")["root"]["nodeId"]
node = page.call("DOM.querySelector", nodeId=document, selector="#file")["nodeId"]
page.call("DOM.setFileInputFiles", nodeId=node, files=[str(folder / "4.png")])
while not page.js("byId('predicted-class').textContent"):
    pass
results.append(compare_with_predict("clothes.png", "--dataset", "fashion-mnist"))
screenshot("clothes", 1280, "light")
page.check_silence()
page.close()

same, furthest = sum(same for same, _ in results), max(difference for _, difference in results)
print(f"{same} of {len(results)} predictions are the same, probabilities within {furthest:.3f}")
sys.exit(difference > MAX_LOGIT_DIFFERENCE or not same_mistakes or same < len(results))
