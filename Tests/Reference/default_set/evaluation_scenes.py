"""Scenes to count, compare and find things in."""
import math

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from drawing import bold, finish, mix, page, power_noise, text
from evaluation import Posed, answered, expects, locates

CARS = {"white": (238, 238, 236), "black": (34, 34, 38), "red": (190, 36, 40), "blue": (40, 84, 190), "yellow": (236, 196, 50)}


def parking():
    """Cars from above: colours in marked places, and places that are free."""
    plan = {"A": ["red", "white", None, "blue", "black", "white", None], "B": ["white", None, "yellow", "red", None, "blue", "black"],
            "C": [None, "black", "red", "white", "white", None, "blue"]}
    height, width = 616, 784
    ground = 92 + 26 * (power_noise(height, width, 0.9, 1601) - 0.5)
    image = Image.fromarray(np.clip(np.repeat(ground[..., None], 3, 2), 0, 255).astype(np.uint8))
    canvas = ImageDraw.Draw(image)
    for row, (name, places) in enumerate(plan.items()):
        y = 28 + 196 * row
        for column, color in enumerate(places):
            x = 62 + 100 * column
            canvas.line([x, y, x, y + 150], (226, 226, 220), 4)
            bold(canvas, (x + 50, y + 160), f"{name}{column + 1}", 17, (236, 232, 190), "mm")
            if color:
                body, dark = CARS[color], tuple(int(value * 0.45) for value in CARS[color])
                canvas.rounded_rectangle([x + 20, y + 10, x + 82, y + 142], 20, fill=body, outline=(20, 20, 22), width=2)
                glass = (70, 92, 108) if color != "black" else (120, 140, 152)
                canvas.polygon([(x + 27, y + 52), (x + 75, y + 52), (x + 69, y + 70), (x + 33, y + 70)], fill=glass)
                canvas.polygon([(x + 33, y + 108), (x + 69, y + 108), (x + 75, y + 122), (x + 27, y + 122)], fill=glass)
                canvas.line([x + 34, y + 72, x + 34, y + 106], dark, 2)
                canvas.line([x + 68, y + 72, x + 68, y + 106], dark, 2)
        canvas.line([62 + 700, y, 62 + 700, y + 150], (226, 226, 220), 4)
    image = finish(np.asarray(image.filter(ImageFilter.GaussianBlur(0.6)), float), 1602, 2)
    white = sum(places.count("white") for places in plan.values())
    free = [f"{name}{column + 1}" for name, places in plan.items() for column, color in enumerate(places) if color is None]
    return Posed({"parking.jpg": image}, [
        expects("How many white cars are there? Answer with a number.", str(white), "five"),
        expects("What colour is the car in B3? Answer with one word.", plan["B"][2], after=(
            "Which places are free? Give their numbers, separated by commas.", ", ".join(free)))])


def meadow():
    """A large picture with small things: a kite with a mark, a hut, three sheep."""
    height, width = 756, 1008
    rows = np.linspace(0, 1, height)[:, None] * np.ones((1, width))
    values = mix((132, 178, 226), (222, 234, 242), np.clip(rows * 2.2, 0, 1))
    ridge = power_noise(1, width, 1.3, 1701)[0]
    top = (0.40 + 0.12 * (0.5 - ridge)) * height
    inside = np.arange(height)[:, None] > top[None, :]
    grass = mix((112, 158, 84), (62, 112, 48), rows) + 26 * (power_noise(height, width, 1.1, 1702) - 0.5)[..., None]
    image = Image.fromarray(np.clip(np.where(inside[..., None], grass, values), 0, 255).astype(np.uint8))
    canvas = ImageDraw.Draw(image)
    hut = (710, 372, 766, 414)
    canvas.rectangle([716, 390, 760, 414], fill=(132, 84, 56))
    canvas.polygon([(710, 392), (738, 372), (766, 392)], fill=(120, 40, 36))
    canvas.rectangle([732, 400, 742, 414], fill=(50, 34, 26))
    for x, y in [(212, 560), (268, 586), (420, 524)]:
        canvas.ellipse([x - 15, y - 10, x + 15, y + 9], fill=(240, 238, 230))
        canvas.ellipse([x + 11, y - 11, x + 22, y], fill=(40, 36, 36))
        for dx in (-8, 8):
            canvas.line([x + dx, y + 8, x + dx, y + 16], (40, 36, 36), 3)
    canvas.polygon([(172, 96), (196, 122), (172, 160), (148, 122)], fill=(214, 40, 44))
    bold(canvas, (172, 124), "K7", 16, (255, 255, 255), "mm")
    tail = [(172 + 12 * math.sin(step / 3), 160 + 7 * step) for step in range(14)]
    canvas.line(tail, (120, 30, 32), 2)
    rng = np.random.default_rng(1703)
    for _ in range(70):
        x, y = rng.uniform(20, 990), rng.uniform(620, 748)
        canvas.ellipse([x - 2, y - 2, x + 2, y + 2], fill=(246, 226, 90))
    return Posed({"meadow.jpg": finish(np.asarray(image, float), 1704, 2)}, [
        expects("What is written on the kite? Answer with the writing only.", "K7"),
        locates("Locate the hut. Answer with its bounding box as JSON.", hut)])


def dice():
    """Five dice of two colours on felt."""
    spots = {1: [(0, 0)], 2: [(-1, -1), (1, 1)], 3: [(-1, -1), (0, 0), (1, 1)], 4: [(-1, -1), (-1, 1), (1, -1), (1, 1)],
             5: [(-1, -1), (-1, 1), (0, 0), (1, -1), (1, 1)], 6: [(-1, -1), (-1, 0), (-1, 1), (1, -1), (1, 0), (1, 1)]}
    thrown = [(80, 110, 12, "ivory", 5), (190, 84, -20, "green", 3), (292, 128, 31, "ivory", 6), (396, 92, -8, "green", 2),
              (492, 124, 18, "ivory", 4)]
    height, width = 224, 560
    felt = mix((94, 30, 46), (128, 44, 62), power_noise(height, width, 0.8, 1801))
    image = Image.fromarray(np.clip(felt, 0, 255).astype(np.uint8))
    for x, y, turn, color, points in thrown:
        face, spot = ((244, 238, 222), (30, 28, 28)) if color == "ivory" else ((34, 120, 74), (248, 248, 244))
        side = 78
        die = Image.new("RGBA", (4 * side, 4 * side))
        draw = ImageDraw.Draw(die)
        draw.rounded_rectangle([8, 8, 4 * side - 8, 4 * side - 8], 48, fill=face + (255,))
        for dx, dy in spots[points]:
            cx, cy = 2 * side + 80 * dx, 2 * side + 80 * dy
            draw.ellipse([cx - 30, cy - 30, cx + 30, cy + 30], fill=spot + (255,))
        die = die.rotate(turn, Image.Resampling.BICUBIC, expand=True)
        die = die.resize((die.width // 4, die.height // 4), Image.Resampling.LANCZOS)
        shadow = Image.new("RGBA", die.size)
        shadow.putalpha(die.getchannel("A").point(lambda value: value * 130 // 255))
        shadow = shadow.filter(ImageFilter.GaussianBlur(3))
        image.paste(shadow, (x - die.width // 2 + 6, y - die.height // 2 + 8), shadow)
        image.paste(die, (x - die.width // 2, y - die.height // 2), die)
    greens = [points for *_, color, points in thrown if color == "green"]
    total = sum(points for *_, points in thrown)
    return Posed({"dice.jpg": finish(np.asarray(image, float), 1802, 2)}, [
        expects("What do the green dice show together? Answer with a number.", str(sum(greens)), "five"),
        answered("Read the dice from left to right, and add them up.",
                 "From left to right they show " + ", ".join(str(points) for *_, points in thrown[:-1])
                 + f" and {thrown[-1][-1]}, together {total}.")])


def _shelf(seed, things):
    height, width = 308, 420
    rows = np.linspace(0, 1, height)[:, None] * np.ones((1, width))
    wall = mix((206, 214, 204), (188, 196, 188), rows) + 8 * (power_noise(height, width, 1.4, seed) - 0.5)[..., None]
    image = Image.fromarray(np.clip(wall, 0, 255).astype(np.uint8))
    canvas = ImageDraw.Draw(image)
    for y in (146, 276):
        canvas.rectangle([16, y, 404, y + 12], fill=(150, 108, 70))
    for kind, x, base, color in things:
        if kind == "vase":
            canvas.polygon([(x - 12, base - 86), (x + 12, base - 86), (x + 26, base - 44), (x + 14, base), (x - 14, base),
                            (x - 26, base - 44)], fill=color)
        elif kind == "books":
            for number, tall in enumerate((88, 74, 96)):
                left = x - 33 + 22 * number
                canvas.rectangle([left, base - tall, left + 20, base], fill=color[number], outline=(40, 40, 40))
        elif kind == "bowl":
            canvas.pieslice([x - 40, base - 78, x + 40, base], 0, 180, fill=color)
        elif kind == "candle":
            canvas.rectangle([x - 9, base - 62, x + 9, base], fill=color)
            canvas.ellipse([x - 5, base - 80, x + 5, base - 62], fill=(248, 190, 70))
        elif kind == "box":
            canvas.rectangle([x - 42, base - 52, x + 42, base], fill=color, outline=(50, 44, 40), width=2)
            canvas.line([x - 42, base - 36, x + 42, base - 36], (50, 44, 40), 2)
    return finish(np.asarray(image.filter(ImageFilter.GaussianBlur(0.5)), float), seed + 1, 2)


def shelves():
    """The same shelf twice, with three things changed."""
    books = [(150, 50, 50), (60, 90, 140), (210, 180, 90)]
    blue, teal, cream, wood = (60, 90, 170), (30, 140, 140), (236, 226, 200), (176, 132, 90)
    first = _shelf(1901, [("vase", 70, 146, blue), ("books", 190, 146, books), ("bowl", 330, 146, teal), ("box", 90, 276, wood),
                          ("candle", 220, 276, cream), ("candle", 262, 276, cream)])
    second = _shelf(1903, [("vase", 70, 146, (196, 70, 60)), ("books", 190, 146, books), ("box", 90, 276, wood), ("bowl", 330, 276, teal),
                           ("candle", 220, 276, cream)])
    return Posed({"shelf_a.jpg": first, "shelf_b.jpg": second}, [
        expects("What colour is the vase in the second picture? Answer with one word.", "red"),
        answered("Three things differ between the two pictures. Which?",
                 "1. The vase on the upper shelf is blue in the first picture and red in the second.\n2. The bowl has moved from the upper "
                 "shelf to the lower one.\n3. Of the two candles only one is left.")])


def thermometers():
    """Three thermometers, a picture each."""
    values = [14, -6, 23]
    pictures = {}
    for number, value in enumerate(values):
        image, canvas = page(140, 336, (246, 248, 250))
        bold(canvas, (70, 22), "ABC"[number], 20, anchor="mm")
        for tick in range(-20, 41, 2):
            y = 250 - 3.4 * tick - 40
            canvas.line([76, y, 96 if tick % 10 == 0 else 86, y], (60, 64, 72), 2)
            if tick % 10 == 0:
                text(canvas, (102, y), str(tick).replace("-", "−"), 14, anchor="lm")
        canvas.rounded_rectangle([54, 64, 70, 300], 8, fill=(255, 255, 255), outline=(60, 64, 72), width=2)
        canvas.ellipse([44, 284, 80, 320], fill=(206, 40, 44))
        canvas.rectangle([58, 210 - 3.4 * value, 66, 300], fill=(206, 40, 44))
        pictures[f"thermometer_{'abc'[number]}.png"] = image
    coldest = "ABC"[values.index(min(values))]
    return Posed(pictures, [
        expects("Which thermometer shows the lowest temperature? Answer with its letter.", coldest),
        expects("What does thermometer A show? Answer with a number.", str(values[0]), f"{values[0]} °C")])


ALL = [parking, meadow, dice, shelves, thermometers]
