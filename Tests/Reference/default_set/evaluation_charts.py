"""Charts and diagrams with values to be read off."""
import heapq

from drawing import INK, bold, page, text
from evaluation import Posed, answered, expects

GRID = (218, 220, 226)
GREY = (120, 124, 132)
TONES = [(20, 110, 120), (230, 160, 60), (120, 80, 150), (200, 70, 90)]


def stacked():
    """Columns of three parts, the parts labelled, the sums not."""
    years = ["2019", "2020", "2021", "2022", "2023"]
    parts = {"rail": [34, 21, 28, 37, 45], "barge": [52, 47, 49, 41, 38], "lorry": [63, 58, 66, 72, 69]}
    image, canvas = page(644, 504)
    bold(canvas, (322, 28), "Freight through the port of Lisse, thousand tonnes", 18, anchor="mm")
    for number, (name, _) in enumerate(parts.items()):
        x = 170 + 120 * number
        canvas.rectangle([x, 54, x + 18, 72], fill=TONES[number])
        text(canvas, (x + 26, 63), name, 16, anchor="lm")
    for tick in range(0, 161, 40):
        y = 460 - tick * 2.3
        canvas.line([64, y, 620, y], GRID)
        text(canvas, (56, y), str(tick), 14, anchor="rm")
    for column, year in enumerate(years):
        x, y = 90 + 108 * column, 460
        for number, values in enumerate(parts.values()):
            top = y - values[column] * 2.3
            canvas.rectangle([x, top, x + 66, y], fill=TONES[number])
            text(canvas, (x + 33, (top + y) / 2), str(values[column]), 16, (255, 255, 255), anchor="mm")
            y = top
        text(canvas, (x + 33, 480), year, 16, anchor="mm")
    sums = {year: sum(values[column] for values in parts.values()) for column, year in enumerate(years)}
    return Posed({"stacked.png": image}, [
        expects("What is the sum of all three parts in 2022? Answer with a number.", str(sums["2022"])),
        answered("In which year did rail pass barge for the first time? Say both values.",
                 f"In 2023: rail carried {parts['rail'][4]} thousand tonnes, barge {parts['barge'][4]}. The year before it was still "
                 f"{parts['rail'][3]} against {parts['barge'][3]}.")])


def lengths():
    """Lying bars without labels: the grid gives the values."""
    values = {"Adda": 65, "Brenn": 20, "Culm": 90, "Dove": 45, "Esk": 75, "Fal": 30, "Glen": 55}
    image, canvas = page(588, 420, (252, 252, 250))
    bold(canvas, (294, 26), "Length of footpaths, km", 18, anchor="mm")
    for tick in range(0, 101, 5):
        x = 96 + 4.6 * tick
        canvas.line([x, 52, x, 374], GRID if tick % 10 else (176, 180, 188))
        if tick % 10 == 0:
            text(canvas, (x, 390), str(tick), 14, anchor="mm")
    for row, (name, value) in enumerate(values.items()):
        y = 66 + 44 * row
        text(canvas, (86, y + 14), name, 16, anchor="rm")
        canvas.rectangle([96, y, 96 + 4.6 * value, y + 28], fill=TONES[2])
    return Posed({"lengths.png": image}, [
        expects("What is the value for Dove in this chart? Answer with a number.", str(values["Dove"]), f"{values['Dove']} km"),
        answered("Give all names from the longest to the shortest bar, with their values.",
                 ", ".join(f"{name} {value}" for name, value in sorted(values.items(), key=lambda pair: -pair[1])))])


def tides():
    """Four lines that cross, told apart by colour and mark."""
    hours = [6, 8, 10, 12, 14, 16, 18]
    series = {"Aust": [2, 4, 7, 9, 8, 5, 3], "Bere": [8, 6, 4, 3, 2, 4, 7], "Crane": [5, 5, 6, 6, 7, 8, 9], "Deal": [3, 2, 1, 4, 5, 6, 5]}
    image, canvas = page(728, 448)
    bold(canvas, (364, 26), "Water level at four piers (m)", 18, anchor="mm")
    def place(hour, value):
        return 70 + 44 * (hour - 6), 400 - 34 * value
    for tick in range(0, 11, 2):
        y = place(6, tick)[1]
        canvas.line([60, y, 620, y], GRID)
        text(canvas, (48, y), str(tick), 14, anchor="rm")
    for hour in hours:
        text(canvas, (place(hour, 0)[0], 420), f"{hour}:00", 14, anchor="mm")
    for number, (name, values) in enumerate(series.items()):
        points = [place(hour, value) for hour, value in zip(hours, values)]
        canvas.line(points, TONES[number], 3)
        for x, y in points:
            mark = [[x - 6, y - 6, x + 6, y + 6]]
            if number == 0:
                canvas.ellipse(mark[0], fill=TONES[0])
            elif number == 1:
                canvas.rectangle(mark[0], fill=TONES[1])
            elif number == 2:
                canvas.polygon([(x, y - 8), (x - 7, y + 6), (x + 7, y + 6)], fill=TONES[2])
            else:
                canvas.polygon([(x, y - 8), (x - 8, y), (x, y + 8), (x + 8, y)], fill=TONES[3])
        text(canvas, (points[-1][0] + 16, points[-1][1]), name, 16, TONES[number], anchor="lm")
    at12 = max(series, key=lambda name: series[name][3])
    return Posed({"tides.png": image}, [
        expects("Which pier has the highest water at 12:00? Answer with its name.", at12),
        answered("Which pier's level never falls over the day, and from what to what does it rise?",
                 f"Crane: it never falls, and rises from {series['Crane'][0]} m at 6:00 to {series['Crane'][-1]} m at 18:00.")])


def visits():
    """A heat map with a number in each cell."""
    days = ["Mo", "Tu", "We", "Th", "Fr", "Sa"]
    hours = ["9", "11", "13", "15", "17", "19"]
    counts = [[12, 18, 25, 21, 33, 14], [15, 22, 19, 24, 31, 17], [9, 16, 27, 46, 28, 11], [13, 20, 23, 26, 35, 38],
              [17, 29, 41, 30, 36, 44], [32, 47, 39, 34, 10, 6]]
    image, canvas = page(532, 532)
    bold(canvas, (280, 26), "Visitors by day and hour", 18, anchor="mm")
    for row, hour in enumerate(hours):
        text(canvas, (60, 112 + 68 * row), f"{hour}:00", 15, anchor="rm")
    for column, day in enumerate(days):
        text(canvas, (110 + 74 * column, 62), day, 16, anchor="mm")
        for row in range(len(hours)):
            value = counts[column][row]
            share = value / 50
            fill = tuple(int(250 - share * drop) for drop in (200, 120, 60))
            x, y = 74 + 74 * column, 80 + 68 * row
            canvas.rectangle([x, y, x + 72, y + 66], fill=fill)
            text(canvas, (x + 36, y + 33), str(value), 19, (255, 255, 255) if share > 0.7 else INK, anchor="mm")
    return Posed({"visits.png": image}, [
        expects("How many visitors came on Thursday at 19:00? Answer with a number.", str(counts[3][5])),
        answered("When did most visitors come, and when fewest? Give the day, the hour and the number of each.",
                 "Most came on Saturday at 11:00, 47 visitors. Fewest came on Saturday at 19:00, 6 visitors.")])


def network():
    """A diagram of stations and minutes; the answers come from a search for the shortest way."""
    places = {"A": (70, 220), "B": (210, 80), "C": (220, 350), "D": (370, 210), "E": (510, 80), "F": (520, 350), "G": (650, 210)}
    links = [("A", "B", 7), ("A", "C", 4), ("B", "D", 3), ("C", "D", 9), ("B", "E", 12), ("C", "F", 11), ("D", "E", 6), ("D", "F", 5),
             ("E", "G", 4), ("F", "G", 8)]
    image, canvas = page(728, 434, (250, 250, 246))
    for first, second, minutes in links:
        (x0, y0), (x1, y1) = places[first], places[second]
        canvas.line([x0, y0, x1, y1], (90, 100, 120), 4)
        x, y = (x0 + x1) / 2, (y0 + y1) / 2
        canvas.ellipse([x - 15, y - 15, x + 15, y + 15], fill=(250, 250, 246))
        text(canvas, (x, y), str(minutes), 18, (170, 40, 40), anchor="mm")
    for name, (x, y) in places.items():
        canvas.ellipse([x - 26, y - 26, x + 26, y + 26], fill=TONES[0], outline=(255, 255, 255), width=3)
        bold(canvas, (x, y), name, 22, (255, 255, 255), "mm")
    ways, done = [(0, "A")], {}
    while ways:
        cost, way = heapq.heappop(ways)
        if way[-1] in done:
            continue
        done[way[-1]] = (cost, way)
        for first, second, minutes in links:
            for here, there in [(first, second), (second, first)]:
                if here == way[-1] and there not in done:
                    heapq.heappush(ways, (cost + minutes, way + there))
    cost, way = done["G"]
    return Posed({"network.png": image}, [
        expects("The numbers are minutes. How many minutes does the fastest way from A to G take? Answer with a number.", str(cost)),
        answered("Name the fastest way from A to G node by node, with the sum.",
                 " – ".join(way) + f": {' + '.join(minutes_of(links, way))} = {cost} minutes.")])


def minutes_of(links, way):
    """The minutes of each step of a way, as text."""
    steps = {frozenset(link[:2]): link[2] for link in links}
    return [str(steps[frozenset(pair)]) for pair in zip(way, way[1:])]


def floor_plan():
    """Rooms with doors and sizes."""
    rooms = {"Kitchen": (40, 40, 260, 220, 3.6, 3.0), "Living room": (260, 40, 600, 300, 5.7, 4.3), "Bath": (40, 220, 160, 300, 2.0, 1.3),
             "Hall": (40, 300, 600, 372, 9.3, 1.2), "Bedroom": (40, 372, 330, 560, 4.8, 3.1), "Study": (330, 372, 600, 560, 4.5, 3.1)}
    image, canvas = page(644, 602)
    for name, (x0, y0, x1, y1, wide, deep) in rooms.items():
        canvas.rectangle([x0, y0, x1, y1], outline=INK, width=5, fill=(248, 246, 240))
    store = (160, 220, 260, 300)
    canvas.rectangle(store, outline=INK, width=5, fill=(232, 230, 224))
    text(canvas, (210, 260), "Store", 15, anchor="mm")
    for name, (x0, y0, x1, y1, wide, deep) in rooms.items():
        x, y = (x0 + x1) / 2, (y0 + y1) / 2
        if name == "Hall":
            bold(canvas, (x, y), "Hall  9.3 × 1.2 m", 16, anchor="mm")
        else:
            bold(canvas, (x, y - 12), name, 17, anchor="mm")
            text(canvas, (x, y + 12), f"{wide} × {deep} m", 15, GREY, anchor="mm")
    # Doors: gaps in the walls.
    for x0, y0, x1, y1 in [(258, 100, 263, 150), (80, 298, 120, 303), (190, 298, 230, 303), (420, 298, 480, 303), (150, 370, 210, 375),
                           (440, 370, 500, 375), (598, 316, 603, 356)]:
        canvas.rectangle([x0, y0, x1, y1], fill=(206, 150, 90))
    text(canvas, (618, 336), "◀", 18, (206, 110, 40), anchor="mm")
    area = {name: wide * deep for name, (_, _, _, _, wide, deep) in rooms.items()}
    largest = max(area, key=area.get)
    return Posed({"floor_plan.png": image}, [
        expects("Doors are marked in orange. The kitchen has one door: into which room does it lead? Answer with the name of the room.",
                "Living room", "the living room"),
        answered("What is the largest room, and how large is it in square metres?",
                 f"The {largest.lower()}: 5.7 m × 4.3 m = {area[largest]:.2f} square metres.")])


ALL = [stacked, lengths, tides, visits, network, floor_plan]
