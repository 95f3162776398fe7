#!/usr/bin/env python3
"""Synthetic pictures with questions and answers for the demo checkpoint.

A picture shows one to four shapes of one kind and one color on a plain light or dark background,
and one digit in a corner.  Everything is drawn from a seeded generator, so the same seed gives
the same pictures wherever the same Pillow is installed.

    demo_scenes.py OUTDIR N       write N held-out pictures and answers.json
"""
import argparse
import json
import os
import random
from dataclasses import dataclass

from PIL import Image, ImageDraw, ImageFont

COLORS = {"red": (220, 40, 40), "green": (40, 170, 60), "blue": (50, 80, 220),
          "yellow": (235, 200, 30), "purple": (150, 50, 170), "orange": (240, 130, 30)}
SHAPES = ["circle", "square", "triangle"]
COUNTS = ["one", "two", "three", "four"]
CORNERS = ["top left", "top right", "bottom left", "bottom right"]
DIGIT_POINTS = 36

# (width, height); all are multiples of 28, so that no preprocessor resizes them.  Small pictures
# are the common case because they are the cheap one; the first list is drawn four times in five.
SMALL_SIZES = [(112, 112), (112, 112), (140, 112), (112, 140), (140, 140)]
LARGE_SIZES = [(168, 112), (112, 168), (168, 140), (168, 168), (196, 196), (224, 168), (224, 224)]

TRAINING_SEED, VALIDATION_SEED, HELD_OUT_SEED, SHOWCASE_SEED = 11, 22, 33, 44

DESCRIBE = "Describe the picture."
QUESTIONS = [DESCRIBE, "How many shapes are there?", "What color are the shapes?",
             "What kind of shape is shown?", "What digit is written?", "Where is the digit?"]


@dataclass(frozen=True)
class Scene:
    size: tuple[int, int]
    count: int
    color: str
    shape: str
    digit: int
    corner: int     # index into CORNERS: bit 0 is right, bit 1 is bottom
    dark: bool

    def answer(self, question: str) -> str:
        plural = self.shape + ("s" if self.count > 1 else "")
        background = "dark" if self.dark else "light"
        return dict(zip(QUESTIONS, [
            f"{COUNTS[self.count - 1].capitalize()} {self.color} {plural} on a {background} "
            f"background, with the digit {self.digit} at the {CORNERS[self.corner]}.",
            COUNTS[self.count - 1], self.color, self.shape, str(self.digit),
            CORNERS[self.corner]]))[question]


def random_size(rng: random.Random) -> tuple[int, int]:
    return rng.choice(SMALL_SIZES if rng.random() < 0.8 else LARGE_SIZES)


def random_scene(rng: random.Random, size: tuple[int, int]) -> Scene:
    return Scene(size, rng.randint(1, 4), rng.choice(list(COLORS)), rng.choice(SHAPES),
                 rng.randrange(10), rng.randrange(4), rng.random() < 0.5)


def draw(scene: Scene, rng: random.Random) -> Image.Image:
    """Draws a scene; `rng` decides what no question asks about (exact places, sizes, shades)."""
    width, height = scene.size
    shade = (lambda: rng.randint(0, 40)) if scene.dark else (lambda: rng.randint(220, 255))
    image = Image.new("RGB", scene.size, (shade(), shade(), shade()))
    canvas = ImageDraw.Draw(image)

    # The shapes stand in different cells of a 3 x 3 grid; the digit has its corner cell alone.
    cell_w, cell_h = width // 3, height // 3
    corner_cell = (2 * (scene.corner & 1), 2 * (scene.corner >> 1))
    cells = [(i, j) for j in range(3) for i in range(3) if (i, j) != corner_cell]
    color = tuple(max(0, min(255, v + rng.randint(-12, 12))) for v in COLORS[scene.color])
    for i, j in rng.sample(cells, scene.count):
        radius = rng.randint(11, min(20, min(cell_w, cell_h) // 2 - 2))
        slack_x, slack_y = cell_w // 2 - radius - 1, cell_h // 2 - radius - 1
        x = i * cell_w + cell_w // 2 + rng.randint(-slack_x, slack_x)
        y = j * cell_h + cell_h // 2 + rng.randint(-slack_y, slack_y)
        box = [x - radius, y - radius, x + radius, y + radius]
        if scene.shape == "circle":
            canvas.ellipse(box, fill=color)
        elif scene.shape == "square":
            canvas.rectangle(box, fill=color)
        else:
            canvas.polygon([(x, y - radius), (x - radius, y + radius), (x + radius, y + radius)],
                           fill=color)

    font = ImageFont.load_default(size=DIGIT_POINTS)
    text, stroke = str(scene.digit), 1
    left, top, right, bottom = canvas.textbbox((0, 0), text, font=font, stroke_width=stroke)
    margin_x, margin_y = rng.randint(3, 5), rng.randint(3, 5)
    x = width - margin_x - (right - left) if scene.corner & 1 else margin_x
    y = height - margin_y - (bottom - top) if scene.corner >> 1 else margin_y
    ink = (255, 255, 255) if scene.dark else (0, 0, 0)
    canvas.text((x - left, y - top), text, font=font, fill=ink, stroke_width=stroke, stroke_fill=ink)
    return image


def pictures(seed: int, count: int):
    """Yields `count` (scene, image) pairs of mixed sizes."""
    rng = random.Random(seed)
    for _ in range(count):
        scene = random_scene(rng, random_size(rng))
        yield scene, draw(scene, rng)


def write_pictures(outdir: str, items, prefix: str) -> None:
    """Writes PNG files and answers.json, one entry for each question about each picture."""
    os.makedirs(outdir, exist_ok=True)
    answers = []
    for index, (scene, image) in enumerate(items):
        name = f"{prefix}_{index}.png"
        image.save(os.path.join(outdir, name), optimize=True)
        answers += [{"image": name, "question": q, "answer": scene.answer(q)} for q in QUESTIONS]
    with open(os.path.join(outdir, "answers.json"), "w") as file:
        json.dump(answers, file, indent=1)
        file.write("\n")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Write held-out pictures with their answers.")
    parser.add_argument("outdir")
    parser.add_argument("count", type=int)
    arguments = parser.parse_args()
    write_pictures(arguments.outdir, pictures(HELD_OUT_SEED, arguments.count), "heldout")
