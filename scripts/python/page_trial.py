"""page_trial.py BROWSER PROGRAM FOLDER: the pages in FOLDER in a headless Chromium, against the program. scripts/page-trial.sh puts there
the runs `run` and `wide`, clothes.html with the weights of `run`, and its logits, ours/predictions.csv."""

import base64
import gzip
import itertools
import json
import os
import subprocess
import sys
from pathlib import Path

from strokes import WAYS, smooth

browser, program, folder = sys.argv[1], sys.argv[2], Path(sys.argv[3]).resolve()
events, numbers, session = [], itertools.count(1), {}

# The browser reads commands from its descriptor 3 and answers on 4: each message is JSON that ends with a zero byte.
(its_input, to), (back, its_output) = os.pipe(), os.pipe()
command = ["bash", "-c", f'exec 3<&{its_input} 4>&{its_output}; exec "$@"', "bash", browser, "--headless=new", "--no-sandbox",
           "--disable-gpu", "--remote-debugging-pipe", f"--user-data-dir={folder}/profile", "about:blank"]
process = subprocess.Popen(command, pass_fds=(its_input, its_output), stderr=subprocess.DEVNULL)
os.close(its_output)  # so that its end is seen
to, back = os.fdopen(to, "wb"), os.fdopen(back, "rb")


def message():
    return json.loads(b"".join(iter(lambda: back.read(1) or sys.exit("error: the browser has ended"), b"\0")))


def call(method, **parameters):
    number = next(numbers)
    to.write(json.dumps({"id": number, "method": method, "params": parameters} | session).encode() + b"\0")
    to.flush()
    while (answer := message()).get("id") != number:
        events.append(answer)
    return answer["result"] if "result" in answer else sys.exit(f"error: {method}: {answer}")


def js(code):
    result = call("Runtime.evaluate", expression=code, returnByValue=True, awaitPromise=True)
    return sys.exit(f"error: {code}: {result}") if "exceptionDetails" in result else result["result"].get("value")


def visit(path):
    call("Page.navigate", url=path.as_uri())
    while not any(event["method"] == "Page.loadEventFired" for event in events):
        events.append(message())
    is_silent()


def is_silent():  # nothing was said on the console, and nothing asked for but the page itself
    for event in events:
        asks = not event["params"].get("request", {}).get("url", "file:").startswith(("file:", "data:"))
        if asks or event["method"] in ("Runtime.consoleAPICalled", "Runtime.exceptionThrown", "Log.entryAdded"):
            sys.exit(f"error: the page is not silent: {event}")
    events.clear()


def draw(digit):
    # The first way of writing it, on paper of 280 x 280.
    strokes = next(strokes for written, strokes in WAYS if written == digit)
    js("$('clear').click()")
    left, top, scale = js("(({ left, top, width }) => [left, top, width / PAPER])(canvas.getBoundingClientRect())")
    for stroke in strokes:
        points = [(left + scale * (140 + 135 * (x - 0.5)), top + scale * (140 + 135 * (y - 0.7))) for x, y in smooth(stroke)]
        kinds = ["mousePressed"] + ["mouseMoved"] * (len(points) - 1) + ["mouseReleased"]
        for kind, (x, y) in zip(kinds, points + points[-1:]):
            call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", buttons=1, clickCount=1)


def agrees(name, *options):
    # Whether the page shows what predict says to the paper, saved as a picture; how far its probability is off.
    (folder / name).write_bytes(base64.b64decode(js("canvas.toDataURL()").split(",")[1]))
    line = [program, "predict", "--device", "cpu", "--json", "--model", folder / "run", *options, folder / name]
    ours = json.loads(subprocess.run(line, check=True, capture_output=True, text=True).stdout)
    shown, share = js("[$('best').textContent, parseFloat($('sure').textContent) / 100]")
    print(f"{name}: page {shown} {share:.3f}, predict {ours['class']} {ours['probability']:.3f}")
    return shown == ours["class"], abs(share - ours["probability"])


def picture(name, width, scheme):
    call("Emulation.setDeviceMetricsOverride", width=width, height=800, deviceScaleFactor=1, mobile=width < 500)
    call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
    if js("document.documentElement.scrollWidth") > width:
        sys.exit(f"error: the page is wider than {width} pixels")
    shot = call("Page.captureScreenshot", captureBeyondViewport=True)["data"]
    (folder / f"{name}-{width}-{scheme}.png").write_bytes(base64.b64decode(shot))


page = next(target for target in call("Target.getTargets")["targetInfos"] if target["type"] == "page")
session = {"sessionId": call("Target.attachToTarget", targetId=page["targetId"], flatten=True)["sessionId"]}
for domain in "Page", "Runtime", "Network", "Log", "DOM":
    call(f"{domain}.enable")
for run in "wide", "run":
    visit(folder / run / "page.html")
    draw(8)
    times = js("[() => forward(new Uint8Array(784)), () => answer(false)].map(work => { for (let n = 0; n < 20; n++) work();"
               "const start = performance.now(); for (let n = 0; n < 50; n++) work(); return (performance.now() - start) / 50; })")
    size = (folder / run / "page.html").stat().st_size
    print(f"{js('model.channels')}: {size} bytes, {times[0]:.2f} ms for the network alone, {times[1]:.2f} ms for all of an answer")
good = [draw(digit) or agrees(f"{digit}.png") for digit in range(10)]
for width, scheme in itertools.product((1280, 360, 320), ("light", "dark")):
    picture("page", width, scheme)

data = gzip.decompress((Path(__file__).parents[2] / "data" / "mnist-10k-images-idx3-ubyte.gz").read_bytes())[16 + 5000 * 784:]
lines = (folder / "ours" / "predictions.csv").read_text(encoding="utf-8").splitlines()[1:]
ours = [[float(logit) for logit in line.split(",")[4:]] for line in lines]
theirs = [js(f"forward(bytes('{base64.b64encode(data[n * 784:][:784]).decode()}')).logits") for n in range(len(ours))]
furthest = max(abs(one - other) for pair in zip(ours, theirs) for one, other in zip(*pair))
print(f"{len(ours)} test images: logits differ by {furthest:.1e} at most")
mistakes = js("[...document.querySelectorAll('#mistakes button')].map(button => (button.click(), $('best').textContent))")
are_wrong = mistakes == js("model.mistakes.map(mistake => model.classes[mistake.predicted])")
print(f"{len(mistakes)} mistakes, each put onto the paper: {'the same' if are_wrong else 'other'} wrong answers")

visit(folder / "clothes.html")
node = call("DOM.querySelector", nodeId=call("DOM.getDocument")["root"]["nodeId"], selector="#file")["nodeId"]
call("DOM.setFileInputFiles", nodeId=node, files=[str(folder / "4.png")])
while not js("$('best').textContent"):
    pass
good.append(agrees("clothes.png", "--dataset", "fashion-mnist"))
picture("clothes", 1280, "light")
is_silent()
call("Browser.close")
process.wait()
print(f"{sum(same for same, _ in good)} of {len(good)} answers are the same, probabilities within {max(off for _, off in good):.3f}")
sys.exit(furthest > 1e-4 or not are_wrong or not all(same for same, _ in good))
