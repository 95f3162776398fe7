"""Windows and screens."""
from drawing import Drawn, INK, bold, page, text

GREY, BLUE = (120, 124, 132), (38, 110, 214)


def settings():
    image, canvas = page(1024, 640, (196, 206, 220))
    canvas.rounded_rectangle([112, 60, 912, 580], 12, fill=(250, 250, 252), outline=(150, 156, 166))
    canvas.rounded_rectangle([112, 60, 912, 104], 12, fill=(232, 234, 239))
    text(canvas, (512, 82), "Settings", 17, anchor="mm")
    for index, color in enumerate([(236, 95, 86), (244, 190, 60), (98, 196, 84)]):
        canvas.ellipse([130 + 24 * index, 74, 146 + 24 * index, 90], fill=color)
    canvas.rectangle([112, 104, 312, 568], fill=(240, 242, 246))
    for index, name in enumerate(["General", "Display", "Sound", "Network", "Updates"]):
        if name == "Display":
            canvas.rounded_rectangle([124, 176, 300, 212], 6, fill=BLUE)
        text(canvas, (140, 130 + 54 * index), name, 17, (255, 255, 255) if name == "Display" else INK)
    bold(canvas, (348, 128), "Display", 24)
    text(canvas, (348, 190), "Brightness", 17)
    canvas.line([520, 200, 860, 200], (200, 204, 212), 6)
    canvas.line([520, 200, 775, 200], BLUE, 6)
    canvas.ellipse([764, 189, 786, 211], fill=(255, 255, 255), outline=BLUE, width=3)
    text(canvas, (870, 190), "75 %", 15, GREY)
    for row, (name, on) in enumerate([("Night mode", True), ("Adjust brightness automatically", False), ("Large text", False)]):
        y = 250 + 56 * row
        text(canvas, (348, y), name, 17)
        canvas.rounded_rectangle([800, y - 2, 852, y + 24], 13, fill=(76, 180, 92) if on else (196, 200, 208))
        x = 840 if on else 812
        canvas.ellipse([x - 11, y, x + 11, y + 22], fill=(255, 255, 255))
    text(canvas, (348, 424), "Resolution", 17)
    canvas.rounded_rectangle([640, 414, 852, 450], 6, outline=(170, 174, 182), fill=(255, 255, 255))
    text(canvas, (656, 423), "1920 × 1080", 16)
    canvas.polygon([(824, 427), (840, 427), (832, 438)], fill=GREY)
    for x, word, color, ink in [(660, "Cancel", (226, 229, 234), INK), (776, "Apply", BLUE, (255, 255, 255))]:
        canvas.rounded_rectangle([x, 510, x + 100, 546], 6, fill=color)
        text(canvas, (x + 50, 528), word, 16, ink, anchor="mm")
    return Drawn(image, [
        ("Which page of the settings is open, and which switches are on?",
         "The page Display is open. Only the switch for night mode is on; automatic brightness and large text are off."),
        ("What are the brightness and the resolution?", "The brightness is 75 %, the resolution 1920 × 1080.")])


def chat():
    image, canvas = page(364, 644, (236, 240, 234))
    canvas.rectangle([0, 0, 364, 60], fill=(34, 94, 84))
    bold(canvas, (20, 20), "Grandma", 20, (255, 255, 255))
    messages = [(False, "Did you get the photos?", "18:02"), (True, "Yes! The cat looks huge", "18:05"),
                (False, "He weighs 7 kg now", "18:05"), (True, "Is he on a diet?", "18:06"),
                (False, "We both are :-)", "18:09"), (True, "See you Sunday at 3?", "18:10"), (False, "Make it 4, please", "18:11")]
    for row, (mine, words, time) in enumerate(messages):
        x, y = (92 if mine else 16), 84 + 76 * row
        canvas.rounded_rectangle([x, y, x + 256, y + 60], 12, fill=(214, 246, 198) if mine else (255, 255, 255))
        text(canvas, (x + 14, y + 10), words, 17)
        text(canvas, (x + 242, y + 36), time, 12, GREY, anchor="ra")
    return Drawn(image, [
        ("When do the two meet, and what do we learn about the cat?",
         "On Sunday at 4: three o'clock was suggested, but Grandma asked for four. The cat weighs 7 kg now and is on a diet.")])


def editor():
    code = [("def", " total(prices, discount=0.1):"), ("", "    subtotal = sum(prices)"),
            ("    if", " subtotal > 100:"), ("        return", " subtotal * (1 - discount)"),
            ("    return", " subtotal"), ("", ""), ("print", "(total([80, 40]))"), ("print", "(total([60, 30]))")]
    image, canvas = page(812, 448, (30, 32, 44))
    canvas.rectangle([0, 0, 812, 40], fill=(44, 47, 62))
    canvas.rectangle([0, 0, 150, 40], fill=(30, 32, 44))
    text(canvas, (24, 11), "prices.py", 16, (220, 222, 230))
    for row, (word, rest) in enumerate(code):
        y = 66 + 40 * row
        text(canvas, (44, y), str(row + 1), 20, (96, 100, 122), "DejaVuSansMono", "ra")
        text(canvas, (70, y), word, 20, (222, 140, 196), "DejaVuSansMono")
        text(canvas, (70 + 12.04 * len(word), y), rest, 20, (220, 222, 230), "DejaVuSansMono")
    canvas.rectangle([0, 420, 812, 448], fill=(38, 110, 214))
    text(canvas, (14, 425), "Line 8, column 24     Python     UTF-8", 14, (255, 255, 255))
    return Drawn(image, [
        ("What does this program print?",
         "108.0 and 90, each on a line. The first sum is 120, above 100, so 10 % is taken off: 120 × 0.9 = 108.0. The second sum is 90, "
         "which stays as it is.")])
