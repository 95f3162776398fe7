"""Scenes with light, texture and noise, and flat shapes."""
import math

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from drawing import Drawn, bold, finish, font, mix, page, power_noise, shade_ball, text

COLORS = {"red": (205, 45, 40), "green": (50, 150, 70), "blue": (45, 85, 200), "yellow": (230, 190, 40),
          "purple": (125, 60, 160), "orange": (235, 125, 35)}


def balls():
    height = width = 224
    rows = np.linspace(0, 1, height)[:, None] * np.ones((1, width))
    floor = mix((232, 226, 214), (170, 150, 128), np.clip((rows - 0.45) * 1.8, 0, 1))
    floor += 14 * (power_noise(height, width, 1.2, 5) - 0.5)[..., None]
    for x, y, radius, color in [(52, 130, 34, "blue"), (118, 148, 26, "yellow"), (176, 122, 38, "red")]:
        shade_ball(floor, x, y, radius, COLORS[color])
    return Drawn(finish(floor, 6), [
        ("What colours are the balls, from left to right, and which is the smallest?",
         "From left to right they are blue, yellow and red. The yellow one in the middle is the smallest.")])


def mountains():
    height, width = 448, 768
    rows = np.linspace(0, 1, height)[:, None] * np.ones((1, width))
    values = mix((96, 140, 200), (250, 214, 170), np.clip(rows * 1.5, 0, 1))
    clouds = np.clip(power_noise(height, width, 1.7, 11) * 2 - 0.9, 0, 1) * np.clip(1.2 - rows * 2, 0, 1)
    values = values * (1 - 0.7 * clouds[..., None]) + 250 * 0.7 * clouds[..., None]
    for layer, (base, reach, color) in enumerate(
            [(0.38, 0.30, (140, 150, 178)), (0.52, 0.26, (92, 112, 128)), (0.68, 0.18, (52, 82, 66))]):
        ridge = power_noise(1, width, 1.1, 20 + layer)[0]
        top = (base + reach * (0.5 - ridge)) * height
        inside = np.arange(height)[:, None] > top[None, :]
        bumps = power_noise(height, width, 1.0, 30 + layer) - 0.5
        slope = np.array(color, float) + 70 * bumps[..., None]
        values = np.where(inside[..., None], slope, values)
    lake = rows > 0.86
    shine = mix((70, 96, 130), (190, 180, 170), np.clip(power_noise(height, width, 1.3, 44), 0, 1))
    return Drawn(finish(np.where(lake[..., None], shine, values), 45), [
        ("Describe the picture.",
         "A landscape with mountains. Behind a lake in the foreground stand three ranges, one behind the other: the nearest is "
         "dark green, the next grey-green, and the farthest pale and bluish in the haze. The sky above turns from blue to a warm "
         "light near the horizon, with some clouds.")])


def stone():
    side = 308
    warp = power_noise(side, side, 2.3, 51)
    columns = np.arange(side)[None, :] / side
    veins = np.abs(np.sin(2 * np.pi * (1.5 * columns + 2.5 * warp)))
    values = mix((110, 104, 112), (236, 232, 226), np.clip(veins * 1.25, 0, 1))
    values += 18 * (power_noise(side, side, 0.9, 52) - 0.5)[..., None]
    return Drawn(finish(values, 53), [
        ("Which material could this be?",
         "It looks like polished marble: a light, creamy ground crossed by soft, wavy grey veins.")])


def evening_sky():
    side = 420
    rows, columns = np.mgrid[:side, :side] / side
    values = mix((40, 52, 96), (246, 150, 90), np.clip(rows * 1.15, 0, 1))
    glow = np.exp(-(((columns - 0.3) ** 2 + (rows - 0.72) ** 2) / 0.012))
    values += 120 * glow[..., None]
    clouds = np.clip(power_noise(side, side, 1.8, 61) * 2.2 - 1, 0, 1) * np.clip(1.1 - rows, 0, 1)
    values = values * (1 - 0.6 * clouds[..., None]) + np.array((214, 140, 140)) * 0.6 * clouds[..., None]
    sea = rows > 0.8
    ripple = power_noise(side, side, 1.0, 62)
    water = mix((28, 38, 66), (240, 160, 100), np.clip(ripple - 0.25, 0, 1) * np.exp(-((columns - 0.3) ** 2) / 0.03) * 1.6)
    return Drawn(finish(np.where(sea[..., None], water, values), 63), [
        ("这张照片大概是什么时候拍的?你怎么看出来的?",
         "应该是傍晚,太阳快要落到海面的时候。天空从上方的深蓝渐渐变成地平线附近的橙色,太阳在左下方,低低地挂在海面上,水面上有它的反光。")])


def skyline():
    height, width = 400, 640
    rng = np.random.default_rng(71)
    rows = np.linspace(0, 1, height)[:, None] * np.ones((1, width))
    values = mix((10, 14, 38), (70, 52, 92), rows)
    image = finish(values + 10 * (power_noise(height, width, 1.5, 72) - 0.5)[..., None], 73)
    canvas = ImageDraw.Draw(image)
    tops = [210, 120, 250, 80, 180, 230]
    for index, top in enumerate(tops):
        left = 24 + index * 100
        shade = int(18 + 12 * rng.random())
        canvas.rectangle([left, top, left + 88, height], fill=(shade, shade, shade + 10))
        for y in range(top + 14, height - 16, 24):
            for x in range(left + 10, left + 76, 18):
                if rng.random() < 0.45:
                    canvas.rectangle([x, y, x + 9, y + 12], fill=(250, int(190 + 50 * rng.random()), 110))
    canvas.ellipse([540, 36, 592, 88], fill=(244, 240, 220))
    image = image.filter(ImageFilter.GaussianBlur(0.7))
    return Drawn(image, [
        ("How many buildings are there, and which is the tallest?",
         "There are six buildings. The fourth from the left is the tallest."),
        ("What time of day is it?", "Night: the sky is dark, the moon is out, and many windows are lit.")])


def pebbles():
    height, width = 476, 644
    rng = np.random.default_rng(141)
    values = mix((120, 110, 96), (176, 164, 144), power_noise(height, width, 1.1, 142))
    tones = [(150, 146, 140), (112, 108, 106), (176, 160, 138), (132, 98, 80), (196, 190, 180)]
    for _ in range(90):
        x, y, radius = rng.uniform(0, width), rng.uniform(0, height), rng.uniform(16, 58)
        shade_ball(values, x, y, radius, tones[rng.integers(len(tones))])
    shade_ball(values, 392, 250, 46, (64, 120, 130))
    values += 34 * (power_noise(height, width, 0.8, 143) - 0.5)[..., None]
    return Drawn(finish(values, 144), [
        ("What do you see, and which one stands out?",
         "Many round, polished pebbles, almost like balls, of different sizes, in grey, brown and beige, lit from the top left. One near the "
         "middle, a little to the right, stands out: it is blue-green.")])


def shapes():
    image, canvas = page(280, 280, (245, 243, 238))
    for x, y, color in [(60, 60, "red"), (150, 70, "red"), (220, 200, "red")]:
        canvas.ellipse([x - 30, y - 30, x + 30, y + 30], fill=COLORS[color])
    for x, y in [(70, 170), (225, 60)]:
        canvas.rectangle([x - 26, y - 26, x + 26, y + 26], fill=COLORS["blue"])
    canvas.polygon([(145, 250), (110, 190), (180, 190)], fill=COLORS["green"])
    return Drawn(image, [
        ("도형이 모두 몇 개 있나요? 종류와 색깔별로 말해 주세요.",
         "모두 여섯 개입니다. 빨간 원이 세 개, 파란 정사각형이 두 개, 초록 삼각형이 한 개 있습니다.")])


def clock():
    image, canvas = page(252, 252, (226, 232, 236))
    canvas.ellipse([16, 16, 236, 236], fill=(255, 255, 255), outline=(40, 44, 52), width=6)
    for hour in range(12):
        angle = math.radians(30 * (hour + 1) - 90)
        text(canvas, (126 + 88 * math.cos(angle), 126 + 88 * math.sin(angle)), str(hour + 1), 20, anchor="mm")
    for turn, length, thickness in [((10 + 10 / 60) / 12, 56, 8), (10 / 60, 82, 5)]:
        angle = 2 * math.pi * turn - math.pi / 2
        canvas.line([126, 126, 126 + length * math.cos(angle), 126 + length * math.sin(angle)], (40, 44, 52), thickness)
    canvas.ellipse([119, 119, 133, 133], fill=COLORS["red"])
    return Drawn(image, [("時計は何時何分を指していますか。", "時計は10時10分を指しています。")])


def warning():
    image, canvas = page(112, 112)
    canvas.polygon([(56, 12), (6, 100), (106, 100)], fill=COLORS["yellow"], outline=(20, 20, 20), width=5)
    bold(canvas, (56, 70), "!", 48, (20, 20, 20), "mm")
    return Drawn(image, [("What does this symbol mean?", "It is a warning sign, a yellow triangle with an exclamation mark: caution, danger.")])


def blackboard():
    height, width = 360, 640
    dust = power_noise(height, width, 1.4, 81)
    board = Image.fromarray(np.clip(mix((28, 58, 46), (58, 88, 76), dust), 0, 255).astype(np.uint8))
    chalk = Image.new("L", board.size)
    canvas = ImageDraw.Draw(chalk)
    for row, formula in enumerate(["3x + 7 = 22", "y = 2x − 4", "y = ?"]):
        canvas.text((60, 50 + 88 * row), formula, font=font(52, "DejaVuSans-Oblique"), fill=235)
    rough = np.asarray(chalk.filter(ImageFilter.GaussianBlur(0.8))) / 255 * (0.65 + 0.35 * power_noise(height, width, 0.3, 82))
    values = np.asarray(board) * (1 - rough[..., None]) + 238 * rough[..., None]
    return Drawn(finish(values, 83), [
        ("Solve what is on the board, step by step.",
         "From 3x + 7 = 22 follows 3x = 15, so x = 5. Put into the second line: y = 2 · 5 − 4 = 6. So y = 6.")])


def _room(seed, objects):
    side = 196
    rows = np.linspace(0, 1, side)[:, None] * np.ones((1, side))
    values = mix((214, 220, 226), (176, 160, 140), np.clip((rows - 0.5) * 4, 0, 1))
    values += 10 * (power_noise(side, side, 1.3, seed) - 0.5)[..., None]
    for x, y, radius, color in objects:
        shade_ball(values, x, y, radius, COLORS[color])
    return finish(values, seed + 1)


def before():
    return _room(91, [(50, 120, 28, "green"), (140, 126, 30, "orange")])


def after():
    return _room(92, [(50, 120, 28, "green"), (140, 126, 30, "purple"), (98, 150, 16, "red")])


def _card(shape, color):
    image, canvas = page(168, 168, (250, 250, 250))
    if shape == "circle":
        canvas.ellipse([34, 34, 134, 134], fill=COLORS[color])
    else:
        canvas.rectangle([40, 40, 128, 128], fill=COLORS[color])
    return image


def cards():
    return [_card("circle", "orange"), _card("square", "orange"), _card("circle", "purple")]
