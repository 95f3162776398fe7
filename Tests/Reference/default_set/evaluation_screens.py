"""Screens with places to click, and code on a screen."""
from drawing import INK, bold, page, text
from evaluation import Posed, answered, expects, locates

GREY, MONO = (120, 124, 132), "DejaVuSansMono"


def mail():
    """A program for mail, with a row of buttons."""
    image, canvas = page(1008, 644, (244, 245, 248))
    canvas.rectangle([0, 0, 1008, 58], fill=(58, 46, 92))
    buttons = {}
    for number, name in enumerate(["Write", "Reply", "Forward", "Archive", "Spam", "Delete"]):
        box = (226 + 108 * number, 12, 322 + 108 * number, 46)
        buttons[name] = box
        canvas.rounded_rectangle(box, 6, fill=(92, 78, 134))
        text(canvas, ((box[0] + box[2]) / 2, 29), name, 15, (255, 255, 255), anchor="mm")
    bold(canvas, (20, 18), "Postbird", 20, (255, 255, 255))
    canvas.rectangle([0, 58, 200, 644], fill=(230, 228, 238))
    folders = [("Inbox", 17), ("Drafts", 3), ("Sent", 0), ("Garden club", 5), ("Taxes", 0), ("Bin", 42)]
    for number, (name, unread) in enumerate(folders):
        y = 84 + 46 * number
        if number == 0:
            canvas.rounded_rectangle([10, y - 8, 190, y + 30], 6, fill=(206, 200, 226))
        text(canvas, (24, y), name, 16)
        if unread:
            bold(canvas, (178, y), str(unread), 15, (90, 70, 160), "ra")
    letters = [("Hanne Lund", "Keys for the boathouse", "09:41", True), ("City Library", "Two loans end on Friday", "08:15", True),
               ("Mateo Ruiz", "Re: drill and ladder", "Tue", False), ("Orchard & Co", "Your order 77-3120 is on its way", "Tue", False),
               ("Hanne Lund", "Photographs of the regatta (14)", "Mon", True), ("Ferry Office", "New departures from 1 June", "Mon", False),
               ("Ines Okoro", "Minutes, please check page 3", "Sun", False), ("Mateo Ruiz", "Can I borrow the ladder?", "Sat", False)]
    for number, (sender, subject, when, unread) in enumerate(letters):
        y = 66 + 70 * number
        canvas.rectangle([210, y, 996, y + 62], fill=(255, 255, 255))
        write = bold if unread else text
        write(canvas, (250, y + 10), sender, 16)
        write(canvas, (250, y + 34), subject, 14, INK if unread else GREY)
        text(canvas, (980, y + 10), when, 14, GREY, anchor="ra")
        if unread:
            canvas.ellipse([226, y + 24, 238, y + 36], fill=(90, 70, 160))
    return Posed({"mail.png": image}, [
        locates("I want to archive a message. Locate the button for it. Answer with its bounding box as JSON.", buttons["Archive"]),
        expects("How many messages in the list are unread, marked by a dot? Answer with a number.", str(sum(row[3] for row in letters)), "three"),
        answered("What did Mateo Ruiz write about, and when? Start with the oldest.",
                 "On Saturday he asked whether he could borrow the ladder; on Tuesday he answered about the drill and the ladder.")])


def alarms():
    """A telephone with switches."""
    entries = [("5:20", "milk the goats", True), ("6:45", "bus, on weekdays", False), ("7:10", "second try", True), ("12:30", "pills", True),
               ("21:00", "call Mum", False)]
    image, canvas = page(392, 784, (18, 20, 28))
    text(canvas, (24, 14), "16:03", 15, (230, 232, 240))
    text(canvas, (368, 14), "38 %", 15, (230, 232, 240), anchor="ra")
    bold(canvas, (24, 58), "Alarms", 32, (240, 242, 250))
    boxes = {}
    for number, (time, label, on) in enumerate(entries):
        y = 124 + 106 * number
        canvas.rounded_rectangle([16, y, 376, y + 94], 16, fill=(36, 40, 54))
        text(canvas, (34, y + 12), time, 34, (240, 242, 250) if on else (130, 134, 150))
        text(canvas, (34, y + 60), label, 15, (160, 164, 180))
        boxes[time] = (296, y + 30, 356, y + 62)
        canvas.rounded_rectangle(boxes[time], 16, fill=(240, 150, 60) if on else (84, 88, 104))
        x = 340 if on else 312
        canvas.ellipse([x - 13, y + 33, x + 13, y + 59], fill=(255, 255, 255))
    canvas.ellipse([166, 690, 226, 750], fill=(240, 150, 60))
    text(canvas, (196, 718), "+", 40, (18, 20, 28), anchor="mm")
    return Posed({"alarms.png": image}, [
        locates("Locate the switch that turns on the alarm at 6:45. Answer with its bounding box as JSON.", boxes["6:45"]),
        locates("Locate the button that adds an alarm. Answer with its bounding box as JSON.", (166, 690, 226, 750)),
        answered("Which alarms are off? Give the times and labels.",
                 " and ".join(f"{time} ({label})" for time, label, on in entries if not on) + " are off.")])


def terminal():
    """Code and the error that it gave, light on dark."""
    code = ["stock = {\"bolt\": 40, \"nut\": 25}", "", "def take(name, count):", "    left = stock[name] - count", "    if left < 0:",
            "        raise ValueError(f\"{name}: {-left} short\")", "    stock[name] = left", "    return left", "", "print(take(\"bolt\", 15))",
            "print(take(\"nut\", 10))", "print(take(\"nut\", 22))"]
    output = ["$ python3 stock.py", "25", "15", "Traceback (most recent call last):", "  File \"stock.py\", line 12, in <module>",
              "  File \"stock.py\", line 6, in take", "ValueError: nut: 7 short"]
    image, canvas = page(700, 616, (250, 248, 240))
    for number, words in enumerate(code):
        y = 16 + 26 * number
        text(canvas, (38, y), str(number + 1), 16, (170, 166, 150), MONO, "ra")
        text(canvas, (56, y), words, 17, (60, 70, 90), MONO)
    canvas.rectangle([0, 344, 700, 616], fill=(24, 26, 30))
    for number, words in enumerate(output):
        color = (240, 120, 110) if words.startswith("ValueError") else (200, 214, 200)
        text(canvas, (20, 366 + 32 * number), words, 17, color, MONO)
    return Posed({"terminal.png": image}, [
        expects("In which line of the file was the error raised? Answer with the line number.", "6", "line 6"),
        expects("By how many nuts was the stock short? Answer with a number.", "7", "seven", after=(
            "Transcribe the function take from the upper part.", "```python\n" + "\n".join(code[2:8]) + "\n```"))])


def sheet():
    """A spreadsheet with a marked cell."""
    heads = ["Species", "North", "East", "South", "West"]
    rows = [("Heron", 14, 9, 22, 31), ("Coot", 108, 87, 64, 95), ("Grebe", 27, 41, 18, 36), ("Teal", 73, 52, 59, 418), ("Snipe", 6, 11, 3, 8),
            ("Lapwing", 155, 132, 97, 121), ("Dunlin", 240, 0, 312, 66)]
    image, canvas = page(784, 448)
    canvas.rectangle([0, 0, 784, 40], fill=(236, 240, 236))
    text(canvas, (20, 11), "D8", 16, name=MONO)
    text(canvas, (92, 11), "ƒ   312", 16, name=MONO)
    canvas.rectangle([0, 40, 784, 72], fill=(222, 228, 222))
    for column, letter in enumerate("ABCDE"):
        text(canvas, (48 + 147 * column + 73, 56), letter, 15, GREY, anchor="mm")
    for row in range(9):
        y = 72 + 41 * row
        canvas.rectangle([0, y, 48, y + 41], fill=(222, 228, 222), outline=(200, 206, 200))
        text(canvas, (24, y + 20), str(row + 1), 15, GREY, anchor="mm")
        for column in range(5):
            x = 48 + 147 * column
            canvas.rectangle([x, y, x + 147, y + 41], outline=(206, 210, 206))
            if row == 0:
                bold(canvas, (x + 10, y + 11), heads[column], 17)
            elif row <= len(rows):
                value = rows[row - 1][column]
                text(canvas, (x + (10 if column == 0 else 136), y + 11), str(value), 17, anchor="la" if column == 0 else "ra")
    canvas.rectangle([48 + 147 * 3, 72 + 41 * 7, 48 + 147 * 4, 72 + 41 * 8], outline=(20, 120, 60), width=3)
    return Posed({"sheet.png": image}, [
        expects("In which cell does 418 stand? Answer with the address of the cell.", "E5"),
        expects("What is the sum of cells B2 to E2? Answer with a number.", str(sum(rows[0][1:]))),
        locates("Locate the cell that is marked by a green frame. Answer with its bounding box as JSON.",
                (48 + 147 * 3, 72 + 41 * 7, 48 + 147 * 4, 72 + 41 * 8))])


ALL = [mail, alarms, terminal, sheet]
