"""What the evaluation set is made of: pictures, the questions about them, and handwriting."""
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from drawing import font, power_noise


@dataclass
class Posed:
    """Pictures by the names of their files, and the conversations that each begin with them."""
    pictures: dict[str, Image.Image]
    conversations: list[dict]


def answered(*turns):
    """Questions and answers in turn."""
    return {"messages": [{"role": ("user", "assistant")[number % 2], "content": words} for number, words in enumerate(turns)]}


def expects(question, *accepted, after=()):
    """A question with the short answers that are right; `after` are questions and answers before it."""
    return answered(*after, question) | {"expected": accepted[0] if len(accepted) == 1 else list(accepted)}


def locates(question, *boxes):
    """A question for places: x1, y1, x2, y2 of each in pixels of the last picture."""
    return answered(question) | {"expected_boxes": [[int(value) for value in box] for box in boxes]}


def handwriting(image, place, rows, size, color, seed, leading=1.6):
    """Thin slanted letters, each a little off its line, bent by smooth noise."""
    rng = np.random.default_rng(seed)
    mask = Image.new("L", image.size)
    canvas = ImageDraw.Draw(mask)
    for number, row in enumerate(rows):
        x, y = place[0], place[1] + number * size * leading
        for letter in row:
            own = font(int(size * rng.uniform(0.94, 1.06)), "DejaVuSans-ExtraLight")
            canvas.text((x, y + rng.normal(0, size * 0.035)), letter, font=own, fill=255, anchor="ls", stroke_width=0.5)
            x += own.getlength(letter) * rng.uniform(0.9, 1.0)
    slant = Image.new("L", image.size)
    for number in range(len(rows)):
        base = place[1] + number * size * leading
        top, bottom = int(base - size * 1.05), int(base + size * 0.4)
        band = mask.crop((0, top, image.width, bottom))
        band = band.transform(band.size, Image.Transform.AFFINE, (1, 0.24, -0.24 * (base - top), 0, 1, 0),
                              Image.Resampling.BICUBIC)
        slant.paste(band, (0, top))
    height, width = image.height, image.width
    rows_at, columns_at = np.mgrid[:height, :width].astype(float)
    rows_at += (power_noise(height, width, 1.9, seed + 1) - 0.5) * size * 0.9
    columns_at += (power_noise(height, width, 1.9, seed + 2) - 0.5) * size * 0.9
    ink = np.asarray(slant)[np.clip(rows_at.round().astype(int), 0, height - 1),
                            np.clip(columns_at.round().astype(int), 0, width - 1)]
    image.paste(Image.new("RGB", image.size, color), mask=Image.fromarray(ink).filter(ImageFilter.GaussianBlur(0.6)))
