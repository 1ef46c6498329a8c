#!/usr/bin/env python3
"""Draws digits like photographs and scans, and counts the correct answers per kind of picture.

    pictures.py draw FOLDER SEED
    pictures.py count FOLDER ANSWERS    ANSWERS: the output of `mnist-tch predict --json`

No MNIST image is used: each digit consists of hand-made strokes, in two or three variants, with every point moved a
little. Each kind of picture gets a folder with 20 files VARIANT-DIGIT.png or .jpg.
"""

import json
import math
import random
import sys
from pathlib import Path

from PIL import Image, ImageChops, ImageDraw, ImageFilter

from strokes import WAYS, smooth

def ink(rng, size, digit, way, height, pen, at=(0.5, 0.5), angle=0.0):
    """Mask of the written digit. `height` and `pen` are fractions of the shorter side."""
    width, tall = size
    unit = min(size) * height / 1.4
    slant, turn = rng.uniform(-0.12, 0.22), math.radians(angle)
    stretch = rng.uniform(0.85, 1.1)
    mask = Image.new("L", size, 0)
    draw = ImageDraw.Draw(mask)
    base = min(size) * pen / 2
    ways = [strokes for written, strokes in WAYS if written == digit]
    for stroke in ways[way % len(ways)]:
        moved = [(x + rng.gauss(0, 0.022), y + rng.gauss(0, 0.022)) for x, y in stroke]
        for index, (x, y) in enumerate(dense([*smooth(moved)], unit)):
            x, y = (x - 0.5) * stretch - slant * (y - 0.7), y - 0.7
            x, y = x * math.cos(turn) - y * math.sin(turn), x * math.sin(turn) + y * math.cos(turn)
            x, y = width * at[0] + x * unit, tall * at[1] + y * unit
            radius = base * (1 + 0.15 * math.sin(index / 25))
            draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=255)
    return mask.filter(ImageFilter.GaussianBlur(max(0.6, base / 8)))


def dense(points, unit):
    """Interpolates points about one pixel apart."""
    for (x0, y0), (x1, y1) in zip(points, points[1:]):
        steps = max(1, int(math.hypot(x1 - x0, y1 - y0) * unit))
        yield from ((x0 + (x1 - x0) * step / steps, y0 + (y1 - y0) * step / steps) for step in range(steps))


def paper(rng, size, level, grain, fibers=0.0):
    """Gray paper with grain and, if `fibers` is not 0, soft blotches."""
    noise = Image.new("L", size)
    noise.putdata([min(255, max(0, int(rng.gauss(128, grain)))) for _ in range(size[0] * size[1])])
    sheet = ImageChops.add(noise, Image.new("L", size, 0), 1, level - 128)
    if fibers:
        small = Image.new("L", (size[0] // 24 + 1, size[1] // 24 + 1))
        small.putdata([int(128 + rng.gauss(0, fibers)) for _ in range(small.width * small.height)])
        sheet = ImageChops.add(sheet, small.resize(size, Image.BICUBIC), 1, -128)
    return sheet


def light(rng, size, darkest):
    """Light falling off from one side and toward the corners, as a mask to multiply with."""
    angle = rng.uniform(0, 2 * math.pi)

    def at(u, v):
        slope = 0.5 + u * math.cos(angle) + v * math.sin(angle)
        return int(255 * max(0.2, min(1, 1 - (1 - darkest) * slope - 0.25 * (u * u + v * v))))

    small = Image.new("L", (32, 32))
    small.putdata([at(x / 31 - 0.5, y / 31 - 0.5) for y in range(32) for x in range(32)])
    return small.resize(size, Image.BICUBIC)


# Size; paper level, grain and fibers (None: white); digit height, pen and gray level; file extension.
KINDS = {
    "scan": ((300, 300), None, 0.6, 0.07, 20, "png"),
    "textured": ((480, 480), (215, 9, 6), 0.6, 0.06, 45, "jpg"),
    "photograph": ((1200, 900), (225, 8, 5), 0.55, 0.05, 50, "jpg"),
    "blackboard": ((640, 480), (45, 7, 8), 0.6, 0.06, 235, "jpg"),
    "rotated": ((400, 400), (235, 5), 0.55, 0.07, 30, "png"),
    "corner": ((900, 700), (225, 6), 0.22, 0.022, 40, "jpg"),
    "large": ((2400, 2400), (220, 7, 5), 0.8, 0.08, 60, "jpg"),
    "thin": ((500, 500), (235, 5), 0.7, 0.014, 60, "jpg"),
    "pencil": ((500, 500), (215, 6, 3), 0.6, 0.035, 140, "jpg"),
    "transparent": ((200, 260), None, 0.8, 0.1, 0, "png"),
    "edge": ((640, 480), (220, 6, 4), 0.5, 0.05, 45, "jpg"),
    "table": ((640, 640), (225, 6, 4), 0.4, 0.04, 50, "jpg"),
    "ruled": ((480, 480), (225, 5), 0.5, 0.05, 60, "jpg"),
    "squared": ((480, 480), (225, 5), 0.5, 0.05, 60, "jpg"),
    "boxed": ((400, 400), (240, 4), 0.45, 0.045, 40, "png"),
}


def around(rng, sheet, kind):
    """Draws what is not ink onto the paper: edge, table, lines or box."""
    draw, (width, tall) = ImageDraw.Draw(sheet), sheet.size
    gray, step, tilt = rng.randint(30, 110), rng.uniform(0.07, 0.13) * tall, rng.uniform(-0.04, 0.04)
    if kind == "edge":
        edge = width * rng.uniform(0.08, 0.18)
        draw.polygon([(0, 0), (edge, 0), (edge + tilt * tall, tall), (0, tall)], fill=gray)
    elif kind == "table":
        table = paper(rng, sheet.size, gray, 8, 12)
        size = (int(width * rng.uniform(0.65, 0.85)), int(tall * rng.uniform(0.65, 0.85)))
        mask = Image.new("L", sheet.size, 255)
        mask.paste(0, ((width - size[0]) // 2, (tall - size[1]) // 2, (width + size[0]) // 2, (tall + size[1]) // 2))
        sheet.paste(table, mask=mask.rotate(math.degrees(tilt), fillcolor=255))
    elif kind in ("ruled", "squared"):
        for at in (step * line - 0.1 * tall for line in range(20)):
            draw.line([(0, at), (width, at + tilt * width)], fill=gray + 60, width=2)
            if kind == "squared":
                draw.line([(at, 0), (at - tilt * tall, tall)], fill=gray + 60, width=2)
    elif kind == "boxed":
        half = tall * rng.uniform(0.29, 0.36)
        draw.rectangle((width / 2 - half, tall / 2 - half, width / 2 + half, tall / 2 + half), outline=gray, width=3)


def picture(rng, kind, digit, way):
    size, of_paper, height, pen, gray, _ = KINDS[kind]
    at, angle, mask = (0.5, 0.5), 0.0, None
    if kind == "rotated":
        angle = rng.choice([-1, 1]) * rng.uniform(8, 15)
    elif kind == "corner":
        at = (rng.choice([0.2, 0.8]), rng.choice([0.22, 0.78]))
    elif kind == "blackboard":  # chalk leaves gaps
        mask = ImageChops.multiply(ink(rng, size, digit, way, height, pen), paper(rng, size, 215, 25))
    drawn_at = (600, 600) if kind == "large" else size
    sheet = (paper(rng, drawn_at, *of_paper) if of_paper else Image.new("L", size, 255)).resize(size, Image.BICUBIC)
    around(rng, sheet, kind)
    if kind == "photograph":
        angle = rng.uniform(-6, 6)
    mask = mask or ink(rng, size, digit, way, height, pen, at, angle)
    if kind == "transparent":
        sheet = Image.new("RGB", size, (255, 255, 255) if way % 2 else (20, 40, 160))
        sheet.putalpha(mask)
        return sheet
    sheet = Image.composite(Image.new("L", size, gray), sheet, mask)
    if kind == "photograph":
        sheet = ImageChops.multiply(sheet, light(rng, size, 0.55)).filter(ImageFilter.GaussianBlur(1.2))
        return Image.merge("RGB", [sheet.point(lambda v, f=f: int(v * f)) for f in (1.0, 0.96, 0.86)])
    return sheet


def draw(folder, seed):
    for kind, (*_, ending) in KINDS.items():
        (folder / kind).mkdir(parents=True)
        for digit in range(10):
            for way in range(2):
                rng = random.Random(f"{seed} {kind} {digit} {way}")
                if digit == 1 and kind in ("textured", "corner", "pencil"):
                    way += 1
                file = folder / kind / f"{way}-{digit}.{ending}"
                picture(rng, kind, digit, way).save(file, quality=80)


def count(folder, answers):
    """The true digit is the last character of the file stem. Pictures without an answer count as wrong."""
    answered = {Path(answer["file"]): str(answer["predicted"]) for answer in map(json.loads, answers.read_text().splitlines())}
    correct = [file for file, predicted in answered.items() if file.stem[-1] == predicted]
    for kind in [*sorted(KINDS), "*"]:
        found, pictures = sum(file.parent.match(kind) for file in correct), len(list(folder.glob(f"{kind}/*")))
        print(f"{kind:<12} {found:>4} of {pictures}: {found / pictures:.3f}")
    wrong = sorted(f"{file.parent.name}/{file.name} as {answered[file]}" for file in answered if file not in correct)
    print("wrong: " + (", ".join(wrong) or "none"))


if sys.argv[1] == "draw":
    draw(Path(sys.argv[2]), int(sys.argv[3]))
else:
    count(Path(sys.argv[2]), Path(sys.argv[3]))
