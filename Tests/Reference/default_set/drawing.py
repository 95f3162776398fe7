"""What the pictures of the default set are drawn with: fonts, noise, light."""
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageFilter, ImageFont

FONTS = "/usr/share/fonts/truetype/dejavu/"
INK = (30, 32, 38)


@dataclass
class Drawn:
    """A picture, and what is said about it: pairs of a question and its answer."""
    image: Image.Image
    turns: list[tuple[str, str]]


def font(size, name="DejaVuSans"):
    """A font of the Debian package fonts-dejavu; no other is needed."""
    return ImageFont.truetype(f"{FONTS}{name}.ttf", size)


def page(width, height, color=(255, 255, 255)):
    image = Image.new("RGB", (width, height), color)
    return image, ImageDraw.Draw(image)


def text(canvas, place, words, size=16, color=INK, name="DejaVuSans", anchor="la"):
    canvas.text(place, words, font=font(size, name), fill=color, anchor=anchor)


def bold(canvas, place, words, size=16, color=INK, anchor="la"):
    text(canvas, place, words, size, color, "DejaVuSans-Bold", anchor)


def lines(canvas, place, rows, size=16, leading=1.5, **options):
    """Rows of text below each other; returns where the next would stand."""
    x, y = place
    for row in rows:
        text(canvas, (x, y), row, size, **options)
        y += int(size * leading)
    return y


def power_noise(height, width, exponent, seed):
    """Noise whose amplitudes fall with frequency as f^-exponent, scaled to 0 ... 1; 1 is that of natural pictures."""
    rng = np.random.default_rng(seed)
    fy, fx = np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width)[None, :]
    frequency = np.hypot(fy, fx)
    frequency[0, 0] = 1
    spectrum = frequency ** -exponent * np.exp(2j * np.pi * rng.random(frequency.shape))
    spectrum[0, 0] = 0
    field = np.fft.irfft2(spectrum, s=(height, width))
    return (field - field.min()) / (field.max() - field.min())


def mix(first, second, share):
    """Between two colours, by an array of shares."""
    share = np.asarray(share)[..., None]
    return np.array(first, float) * (1 - share) + np.array(second, float) * share


def finish(values, seed, grain=2.5):
    """An array of colours as a picture, with the grain of a sensor."""
    rng = np.random.default_rng(seed)
    noisy = values + rng.normal(0, grain, values.shape)
    return Image.fromarray(np.clip(noisy, 0, 255).astype(np.uint8))


def shade_ball(values, x, y, radius, color):
    """Lays a lit ball with a soft shadow into an array of colours."""
    height, width = values.shape[:2]
    shadow = Image.new("L", (width, height))
    ImageDraw.Draw(shadow).ellipse(
        [x - radius * 0.9, y + radius * 0.72, x + radius * 1.5, y + radius * 1.12], fill=150)
    dark = np.asarray(shadow.filter(ImageFilter.GaussianBlur(radius * 0.16))) / 255
    values *= (1 - 0.7 * dark)[..., None]
    rows, columns = np.mgrid[:height, :width]
    dx, dy = (columns - x) / radius, (rows - y) / radius
    distance = dx * dx + dy * dy
    dz = np.sqrt(np.clip(1 - distance, 0, 1))
    light = np.clip(-0.5 * dx - 0.6 * dy + 0.62 * dz, 0, 1)
    gloss = np.clip(-0.42 * dx - 0.5 * dy + 0.75 * dz, 0, 1) ** 40
    surface = np.array(color, float) * (0.22 + 0.85 * light)[..., None] + 190 * gloss[..., None]
    edge = np.clip((1 - np.sqrt(distance)) * radius, 0, 1)[..., None]
    values[:] = values * (1 - edge) + surface * edge
