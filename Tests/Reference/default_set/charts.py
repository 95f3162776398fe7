"""Charts, diagrams and maps."""
import math

import numpy as np

from drawing import Drawn, INK, bold, page, text

GRID = (220, 223, 228)
SERIES = [(52, 101, 164), (214, 112, 38), (78, 154, 84), (146, 92, 164), (196, 60, 70)]


def bars():
    values = {"Jan": 42, "Feb": 35, "Mar": 58, "Apr": 71, "May": 64, "Jun": 49}
    image, canvas = page(560, 420)
    bold(canvas, (280, 30), "Bicycles sold", 20, anchor="mm")
    for tick in range(0, 81, 20):
        y = 360 - tick * 3.6
        canvas.line([60, y, 540, y], GRID)
        text(canvas, (50, y), str(tick), 14, anchor="rm")
    for index, (month, value) in enumerate(values.items()):
        x = 82 + 78 * index
        canvas.rectangle([x, 360 - value * 3.6, x + 48, 360], fill=SERIES[0])
        text(canvas, (x + 24, 360 - value * 3.6 - 12), str(value), 14, anchor="mm")
        text(canvas, (x + 24, 380), month, 15, anchor="mm")
    return Drawn(image, [
        ("In which month were most bicycles sold, and how many more than in the worst month?",
         "Most were sold in April, 71. The worst month was February with 35, so April had 36 more."),
        ("List all values as CSV.", "month,sold\n" + "\n".join(f"{month},{value}" for month, value in values.items()))])


def curves():
    first, second = [4, 5, 9, 13, 17, 21, 25, 24], [9, 10, 12, 14, 17, 20, 23, 23]
    months = ["janv.", "févr.", "mars", "avr.", "mai", "juin", "juil.", "août"]
    image, canvas = page(700, 392)
    bold(canvas, (350, 26), "Température moyenne (°C)", 19, anchor="mm")
    def place(index, value):
        return 70 + 82 * index, 330 - value * 10
    for tick in range(0, 31, 10):
        canvas.line([60, 330 - tick * 10, 660, 330 - tick * 10], GRID)
        text(canvas, (50, 330 - tick * 10), str(tick), 14, anchor="rm")
    for index, month in enumerate(months):
        text(canvas, (place(index, 0)[0], 350), month, 14, anchor="mm")
    for values, color, name, y in [(first, SERIES[0], "Valmont", 62), (second, SERIES[1], "Port-Azur", 86)]:
        canvas.line([place(index, value) for index, value in enumerate(values)], color, 3)
        for index, value in enumerate(values):
            x, at = place(index, value)
            canvas.ellipse([x - 4, at - 4, x + 4, at + 4], fill=color)
        canvas.line([90, y, 120, y], color, 3)
        text(canvas, (130, y), name, 14, anchor="lm")
    return Drawn(image, [
        ("Quelle ville est la plus froide en janvier, et en quel mois les deux courbes se rejoignent-elles ?",
         "En janvier, Valmont est la plus froide, avec environ 4 °C contre 9 °C à Port-Azur. Les deux courbes se rejoignent en mai, "
         "à 17 °C.")])


def pie():
    shares = [("solar", 40), ("hydro", 30), ("wind", 20), ("other", 10)]
    image, canvas = page(448, 392)
    bold(canvas, (224, 28), "Electricity by source", 19, anchor="mm")
    start = -90.0
    for index, (name, share) in enumerate(shares):
        end = start + share * 3.6
        canvas.pieslice([84, 66, 364, 346], start, end, fill=SERIES[index], outline=(255, 255, 255), width=3)
        angle = math.radians((start + end) / 2)
        text(canvas, (224 + 96 * math.cos(angle), 206 + 96 * math.sin(angle)), f"{name}\n{share} %", 14, (255, 255, 255), anchor="mm")
        start = end
    return Drawn(image, [
        ("ما أكبر مصدر للكهرباء في هذا الرسم، وكم نسبة الرياح؟",
         "أكبر مصدر هو الطاقة الشمسية بنسبة 40 %، ونسبة طاقة الرياح 20 %.")])


def scatter():
    rng = np.random.default_rng(121)
    image, canvas = page(476, 476)
    canvas.line([60, 420, 450, 420], INK, 2)
    canvas.line([60, 420, 60, 30], INK, 2)
    for tick in range(0, 11, 2):
        text(canvas, (60 + 38 * tick, 438), str(tick), 13, anchor="mm")
        text(canvas, (48, 420 - 38 * tick), str(10 * tick), 13, anchor="rm")
    for _ in range(70):
        hours = 9.6 * rng.random()
        points = np.clip(25 + 6.6 * hours + rng.normal(0, 7), 2, 99)
        x, y = 60 + 38 * hours, 420 - 3.8 * points
        canvas.ellipse([x - 4, y - 4, x + 4, y + 4], fill=SERIES[2])
    x, y = 60 + 38 * 8.5, 420 - 3.8 * 12
    canvas.ellipse([x - 5, y - 5, x + 5, y + 5], fill=SERIES[4])
    text(canvas, (255, 462), "hours of practice", 15, anchor="mm")
    text(canvas, (66, 16), "points", 15)
    return Drawn(image, [
        ("What does the chart show? Is there an outlier?",
         "It plots points against hours of practice. The more hours, the more points: the green dots rise roughly along a line from "
         "about 25 points at 0 hours to about 90 at 10 hours. The red dot is an outlier, with only some 12 points after 8.5 hours.")])


def flow():
    image, canvas = page(784, 420, (250, 251, 253))
    def box(x, y, words, color, diamond=False):
        if diamond:
            canvas.polygon([(x, y - 58), (x + 96, y), (x, y + 58), (x - 96, y)], fill=color, outline=INK, width=2)
        else:
            canvas.rounded_rectangle([x - 84, y - 32, x + 84, y + 32], 10, fill=color, outline=INK, width=2)
        text(canvas, (x, y), words, 16, anchor="mm")
    def arrow(x0, y0, x1, y1):
        canvas.line([x0, y0, x1, y1], INK, 2)
        angle = math.atan2(y1 - y0, x1 - x0)
        tips = [(x1 - 11 * math.cos(angle + side), y1 - 11 * math.sin(angle + side)) for side in (-0.45, 0.45)]
        canvas.polygon([(x1, y1), *tips], fill=INK)
    box(110, 120, "order comes in", (222, 235, 247))
    box(370, 120, "in stock?", (255, 242, 204), diamond=True)
    box(650, 120, "pack and ship", (218, 240, 218))
    box(370, 320, "order from maker", (248, 220, 215))
    box(650, 320, "tell customer", (222, 235, 247))
    arrow(194, 120, 274, 120)
    arrow(466, 120, 566, 120)
    arrow(370, 178, 370, 288)
    arrow(454, 320, 566, 320)
    arrow(650, 288, 650, 152)
    text(canvas, (512, 106), "yes", 15, anchor="mm")
    text(canvas, (388, 232), "no", 15, anchor="lm")
    return Drawn(image, [
        ("What happens when something is not in stock?",
         "Then it is ordered from the maker, the customer is told, and afterwards it is packed and shipped.")])


def map_of_valley():
    image, canvas = page(504, 504, (226, 236, 214))
    rng = np.random.default_rng(131)
    for _ in range(90):
        x, y = rng.integers(300, 500), rng.integers(10, 190)
        canvas.ellipse([x - 7, y - 7, x + 7, y + 7], fill=(140, 178, 122))
    river = [(0, 330), (90, 300), (170, 320), (260, 270), (350, 290), (430, 250), (504, 262)]
    canvas.line(river, (110, 160, 214), 18, joint="curve")
    canvas.line([(120, 504), (150, 380), (170, 240), (200, 110), (190, 0)], (250, 250, 250), 9, joint="curve")
    for x, y, name in [(190, 120, "Oakham"), (160, 400, "Lowfield"), (400, 330, "Ferris")]:
        canvas.ellipse([x - 8, y - 8, x + 8, y + 8], fill=(190, 40, 40))
        bold(canvas, (x + 16, y), name, 18, anchor="lm")
    text(canvas, (330, 226), "River Sile", 15, (40, 90, 160), "DejaVuSans-Oblique")
    text(canvas, (372, 100), "Ard Wood", 15, (40, 90, 40), "DejaVuSans-Oblique")
    canvas.line([460, 480, 460, 430], INK, 3)
    canvas.polygon([(460, 418), (452, 436), (468, 436)], fill=INK)
    bold(canvas, (478, 428), "N", 16, anchor="lm")
    return Drawn(image, [
        ("Which villages lie south of the river? Which one has no road?",
         "Lowfield and Ferris lie south of the River Sile, Oakham north of it. Ferris has no road on this map; the road runs through "
         "Lowfield and Oakham.")])
