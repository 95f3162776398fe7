"""Pages to be read: print of all sizes, tables, forms, handwriting, several alphabets."""
import json

import numpy as np
from PIL import Image

from drawing import INK, bold, finish, font, lines, mix, page, power_noise, text
from evaluation import Posed, answered, expects, handwriting

GREY = (120, 124, 132)
MONO = "DejaVuSansMono"


def medicine():
    """The side of a carton, in print of 10 to 12 pixels."""
    facts = {"LOT": "LK-40827", "EXP": "03/2031", "PC": "0538 1197 2264"}
    image, canvas = page(448, 308, (250, 251, 250))
    canvas.rectangle([0, 0, 448, 64], fill=(22, 120, 130))
    bold(canvas, (18, 12), "Sorvexin 40 mg", 22, (255, 255, 255))
    text(canvas, (18, 40), "28 film-coated tablets · oral use", 12, (220, 244, 244))
    lines(canvas, (18, 76), [
        "Each tablet contains 40 mg sorvexine and 12.5 mg lactose monohydrate.",
        "Adults: one tablet in the evening, swallowed whole, with or after food.",
        "Do not take more than 2 tablets within 24 hours. Not for children under 14.",
        "Do not store above 25 °C. Keep in the carton to protect from light.",
        "Read the leaflet before use. Keep out of the sight and reach of children."], 11, 1.55)
    canvas.line([18, 172, 430, 172], (200, 206, 208))
    for row, (name, value) in enumerate(facts.items()):
        text(canvas, (18, 186 + 22 * row), name, 12, GREY, MONO)
        text(canvas, (62, 186 + 22 * row), value, 12, INK, MONO)
    text(canvas, (18, 278), "Halden Pharma AS, Storgata 61, 1767 Halden", 10, GREY)
    rng = np.random.default_rng(1201)
    x = 270
    while x < 425:
        wide = int(rng.integers(1, 5))
        canvas.rectangle([x, 184, x + wide - 1, 252], fill=INK)
        x += wide + int(rng.integers(1, 4))
    return Posed({"medicine.png": image}, [
        expects("What is the lot number on this package? Answer with the number only.", facts["LOT"]),
        answered("Transcribe the dosage line for adults, and say below which age the medicine must not be taken.",
                 "“Adults: one tablet in the evening, swallowed whole, with or after food.” It is not for children under 14.")])


def slip():
    """A long narrow till slip with quantities, a discount and several taxes."""
    goods = [("WINDOW PUTTY 500G", 1, 7.49), ("SANDPAPER P120", 6, 0.85), ("BRASS HINGE 60MM", 4, 2.30), ("WOOD GLUE 250ML", 1, 5.99),
             ("PAINT ROLLER 18CM", 2, 6.75), ("MASKING TAPE 25M", 3, 2.10), ("HOOK SET OF 8", 1, 3.65)]
    amount = sum(round(count * price * 100) for _, count, price in goods)
    off = amount // 10
    total, given = amount - off, 6000
    def money(cents):
        return f"{cents / 100:.2f}"
    image, canvas = page(364, 644, (252, 251, 247))
    text(canvas, (182, 34), "TANNER & DAUGHTERS", 21, name="DejaVuSansMono-Bold", anchor="mm")
    text(canvas, (182, 62), "HARDWARE  -  9 MILL ROW", 15, name=MONO, anchor="mm")
    text(canvas, (182, 84), "TILL 2   17 SEP 2025  16:58", 15, name=MONO, anchor="mm")
    y = 122
    def row(left, right, size=16, name=MONO):
        text(canvas, (24, y), left, size, name=name)
        text(canvas, (340, y), right, size, name=name, anchor="ra")
    for label, count, price in goods:
        row(label, "" if count > 1 else money(round(price * 100)))
        y += 24
        if count > 1:
            row(f"  {count} x {price:.2f}", money(round(count * price * 100)))
            y += 24
    y += 8
    for label, value in [("SUBTOTAL", money(amount)), ("MEMBER 10%", "-" + money(off))]:
        row(label, value)
        y += 26
    row("TOTAL", money(total), 22, "DejaVuSansMono-Bold")
    y += 40
    row("CASH", money(given))
    y += 26
    row("CHANGE", money(given - total))
    y += 50
    for words in ["Returns within 30 days", "with this slip.", "No. 004-71936"]:
        text(canvas, (182, y), words, 14, GREY, MONO, "mm")
        y += 24
    return Posed({"slip.png": image}, [
        expects("What is the total that had to be paid? Answer with the amount only.", money(total)),
        answered("List everything that was bought more than once as a JSON array of objects with the keys name, count and price of one. "
                 "Nothing but JSON.",
                 json.dumps([{"name": label, "count": count, "price": price} for label, count, price in goods if count > 1]))])


def claim():
    """A filled form in German, at the size of a scan."""
    entries = [("Name, Vorname", "Brückner, Annegret"), ("Versicherungsnummer", "HR 5582-016"), ("Kennzeichen", "GÖ-TK 394"),
               ("Tag und Uhrzeit des Schadens", "27.11.2025, 7:50 Uhr"), ("Ort", "Parkhaus Lindenhof, Ebene 2")]
    causes = ["Auffahrunfall", "Parkschaden", "Hagel", "Wildunfall", "Glasbruch"]
    image, canvas = page(756, 980, (253, 252, 249))
    bold(canvas, (56, 48), "Schadenmeldung Kraftfahrzeug", 30)
    text(canvas, (56, 92), "Bitte in Druckschrift ausfüllen. Zutreffendes ankreuzen.", 15, GREY)
    y = 140
    for number, (label, value) in enumerate(entries):
        canvas.rectangle([56, y, 700, y + 66], outline=(150, 156, 166))
        text(canvas, (64, y + 5), label, 13, GREY)
        handwriting(image, (78, y + 52), [value], 30, (24, 44, 130), 1300 + 10 * number)
        y += 80
    bold(canvas, (56, y + 12), "Art des Schadens", 18)
    for number, cause in enumerate(causes):
        x, top = 56 + 220 * (number % 3), y + 50 + 44 * (number // 3)
        canvas.rectangle([x, top, x + 22, top + 22], outline=INK, width=2)
        text(canvas, (x + 32, top + 2), cause, 17)
        if cause == "Parkschaden":
            canvas.line([x + 2, top + 3, x + 21, top + 19], (24, 44, 130), 3)
            canvas.line([x + 20, top + 1, x + 3, top + 22], (24, 44, 130), 3)
    y += 160
    bold(canvas, (56, y), "Schilderung", 18)
    handwriting(image, (70, y + 62), ["Wagen war abgestellt. Als ich zurückkam,", "war die linke hintere Tür eingedrückt.",
                                      "Kein Zettel, keine Zeugen."], 27, (24, 44, 130), 1390)
    canvas.line([56, 920, 330, 920], INK)
    text(canvas, (56, 926), "Datum, Unterschrift", 13, GREY)
    handwriting(image, (70, 910), ["28.11.25  A. Brückner"], 25, (24, 44, 130), 1399)
    return Posed({"claim.png": image}, [
        expects("Welches Kennzeichen steht im Formular? Antworte nur mit dem Kennzeichen.", "GÖ-TK 394"),
        expects("Welche Art des Schadens ist angekreuzt? Antworte mit einem Wort.", "Parkschaden", after=(
            "Was ist passiert, und welcher Teil des Wagens ist beschädigt? Antworte in einem Satz.",
            "Der abgestellte Wagen wurde in Abwesenheit der Halterin beschädigt, ohne Zettel oder Zeugen: Die linke hintere Tür ist "
            "eingedrückt."))])


def league():
    """A dense table; every figure follows from wins, draws and goals."""
    rows = [("Harrow Vale", 14, 3, 3, 41, 18), ("Union Kestrel", 12, 6, 2, 38, 17), ("Port Sabine", 12, 2, 6, 36, 27),
            ("Redgate", 10, 5, 5, 29, 21), ("Ashby Rovers", 9, 4, 7, 33, 30), ("Millbrook", 7, 9, 4, 25, 22),
            ("St. Oswin", 8, 3, 9, 27, 31), ("Tarrant Town", 6, 5, 9, 22, 28), ("Fenwick", 4, 4, 12, 19, 39), ("Lower Quay", 2, 3, 15, 15, 52)]
    image, canvas = page(784, 504)
    bold(canvas, (28, 22), "Coastal League, Division Two, after 20 rounds", 21)
    heads = ["", "Club", "W", "D", "L", "For", "Agst", "Diff", "Pts"]
    at = [52, 72, 344, 400, 456, 522, 592, 664, 740]
    canvas.rectangle([20, 62, 764, 96], fill=(40, 52, 84))
    for x, word in zip(at, heads):
        bold(canvas, (x, 70), word, 16, (255, 255, 255), "la" if word == "Club" else "ra")
    for number, (club, won, drawn, lost, scored, against) in enumerate(rows):
        y = 100 + 39 * number
        if number % 2:
            canvas.rectangle([20, y, 764, y + 38], fill=(236, 240, 248))
        values = [number + 1, club, won, drawn, lost, scored, against, f"{scored - against:+d}", 3 * won + drawn]
        for x, value in zip(at, values):
            text(canvas, (x, y + 9), str(value), 17, anchor="la" if value == club else "ra")
    most = max(rows, key=lambda row: row[2])
    top = [{"club": row[0], "points": 3 * row[1] + row[2]} for row in rows[:3]]
    return Posed({"league.png": image}, [
        expects("Which club has drawn most often? Answer with its name only.", most[0]),
        answered("Give the first three clubs and their points as a JSON array with the keys club and points. No other text.",
                 json.dumps(top))])


BYLAWS = [
    ("1. Plots",
     "Each plot is let to one member, who works it in person. A plot may be shared with one helper whose name is on "
     "the list at the gate. Plots are not sublet. A plot left unworked for eight weeks between March and October is "
     "offered to the next name on the waiting list, after one written reminder."),
    ("2. Rent",
     "The rent is 46 crowns a year for a whole plot and 25 crowns for a half. It is due on the first of February. "
     "Whoever pays after the twentieth of February adds 5 crowns. Members over seventy pay half."),
    ("3. Water",
     "The tanks are filled on Monday and Thursday. Hoses are used before nine in the morning and after seven in the "
     "evening only. Nobody draws more than 120 litres a day from the tanks while the blue flag is up."),
    ("4. Sheds",
     "A shed covers at most six square metres and is no higher than 2.20 metres. Before it is built a sketch is shown "
     "to the warden, who answers within ten days. Concrete floors are not allowed."),
    ("5. Fires",
     "Dry garden waste may be burnt on the gravel by the south wall on the last Saturday of a month from October to "
     "March, never in wind. Two buckets of water stand ready. Treated wood, plastic and weeds in seed are taken home."),
    ("6. Animals",
     "Hens are kept with the consent of all neighbours, at most five on a plot, and no cocks. Bees stand along the "
     "north hedge; their keeper puts up a sign. Dogs are on a lead."),
    ("7. Paths",
     "Every member mows the path on the east side of the plot. Barrows are not left on paths overnight. The middle "
     "gate stays open until dusk; who leaves last locks it."),
    ("8. Common work",
     "Each member gives nine hours of common work a year or pays 8 crowns for each missing hour. Hours are entered in "
     "the green book in the hut on the same day and are signed by the warden."),
    ("9. Leaving",
     "A member who gives up a plot says so in writing by the end of September. Trees and bushes stay. For a shed in "
     "good order the next member pays what the committee thinks fair, and not more than 300 crowns."),
    ("10. Disputes",
     "Members first talk to each other, then to the warden. The committee hears both sides within three weeks and "
     "decides by majority. Against its decision the yearly meeting may be called upon once."),
    ("11. Keys",
     "A member gets one key to the outer gate and one to the tool house against a deposit of 15 crowns. Lost keys are "
     "reported at once. No copies are made; whoever needs a second key asks the warden."),
    ("12. Tools",
     "The two mowers and the shredder are lent for a day at most. They are brought back clean, with a full can. The "
     "shredder is not used on Sundays or between noon and two o'clock."),
]


def bylaws():
    """Two columns of small print on a large page."""
    image, canvas = page(1008, 1008, (254, 253, 250))
    text(canvas, (504, 50), "RULES OF THE QUARRY LANE GARDENS", 26, name="DejaVuSerif-Bold", anchor="mm")
    text(canvas, (504, 84), "as agreed at the yearly meeting of 14 January", 14, GREY, "DejaVuSerif-Italic", "mm")
    body = font(14, "DejaVuSerif")
    x, y = 48, 124
    for number, (title, words) in enumerate(BYLAWS):
        if number == 6:
            x, y = 528, 124
        text(canvas, (x, y), title, 16, name="DejaVuSerif-Bold")
        y += 27
        line = ""
        for word in words.split() + [None]:
            if word is None or body.getlength(f"{line} {word}") > 432:
                text(canvas, (x, y), line, 14, name="DejaVuSerif")
                y, line = y + 21, word
            else:
                line = f"{line} {word}".strip()
        y += 20
    canvas.line([504, 124, 504, 950], (205, 200, 190))
    text(canvas, (48, 978), "Form 12-B · third printing, 400 copies · Corran & Sons, printers, 3 Weir Street", 10, GREY)
    return Posed({"bylaws.png": image}, [
        expects("What is the most that is paid for a shed when a member leaves? Answer with the amount.", "300 crowns", "300",
                "not more than 300 crowns"),
        expects("The last line is in very small print. How many copies were printed? Answer with a number.", "400", "400 copies"),
        expects("What is the colour of the flag that limits how much water may be drawn? Answer with one word.", "blue", after=(
            "Transcribe section 4.", BYLAWS[3][0] + "\n" + BYLAWS[3][1]))])


def postcard():
    """Handwriting on paper with light and grain."""
    rows = ["Dear Wilma,", "the hut stands at 2140 m and has", "eleven beds, all taken. Yesterday we", "saw three ibex by the tarn. My left",
            "boot has lost its sole, so Otto glued", "it with pine resin. It holds!", "Back on the 9th. Love, Jette"]
    height, width = 448, 644
    paper = mix((238, 228, 204), (250, 244, 230), power_noise(height, width, 1.5, 1401))
    columns = np.linspace(0, 1, width)[None, :, None]
    image = Image.fromarray(np.clip(paper * (1.03 - 0.16 * columns), 0, 255).astype(np.uint8))
    handwriting(image, (44, 74), rows, 31, (34, 36, 66), 1410, 1.72)
    return Posed({"postcard.jpg": finish(np.asarray(image, float), 1402, 2)}, [
        answered("Write out what the card says, line by line.", "\n".join(rows)),
        expects("At what height does the hut stand, according to the card? Answer with the height only.", "2140 m", "2140",
                "2,140 m", "2140 meters", "2140 metres")])


def taverna():
    """A Greek menu in two columns."""
    dishes = [("Φακές", "5,50"), ("Γεμιστά", "8,20"), ("Μουσακάς", "9,80"), ("Σαρδέλες σχάρας", "11,40"),
              ("Χόρτα", "4,70"), ("Γιαούρτι με μέλι", "4,30")]
    image, canvas = page(476, 560, (244, 248, 252))
    canvas.rectangle([14, 14, 462, 546], outline=(28, 84, 150), width=4)
    bold(canvas, (238, 66), "ΤΑΒΕΡΝΑ Ο ΠΛΑΤΑΝΟΣ", 28, (28, 84, 150), "mm")
    text(canvas, (238, 106), "Σήμερα, Τετάρτη", 18, GREY, "DejaVuSerif-Italic", "mm")
    for number, (dish, price) in enumerate(dishes):
        y = 158 + 54 * number
        text(canvas, (52, y), dish, 23, name="DejaVuSerif")
        text(canvas, (424, y), price, 23, name="DejaVuSerif", anchor="ra")
    text(canvas, (238, 512), "ψωμί και νερό: δωρεάν", 16, GREY, anchor="mm")
    return Posed({"taverna.png": image}, [
        expects("Πόσο κοστίζει ο μουσακάς; Απάντησε μόνο με την τιμή.", "9,80", "9,80 ευρώ"),
        answered("Translate the menu into English, with the prices.",
                 "Lentils 5.50\nStuffed vegetables 8.20\nMoussaka 9.80\nGrilled sardines 11.40\nBoiled greens 4.70\nYoghurt with honey 4.30\n"
                 "Bread and water are free.")])


def doorbells():
    """Name plates beside buttons, with the letters of Polish."""
    floors = [("3", "Żółkiewska", "Wójcik / Mazur"), ("2", "dr Ślęzak", "Grzegorz Bąk"), ("1", "Nowak-Cieśla", "Pracownia »Iskra«"),
              ("0", "Dozorca", "Przychodnia")]
    image, canvas = page(420, 448, (148, 150, 156))
    canvas.rounded_rectangle([16, 16, 404, 432], 16, fill=(206, 208, 212), outline=(96, 98, 104), width=3)
    for row, (floor, left, right) in enumerate(floors):
        y = 44 + 98 * row
        bold(canvas, (40, y + 27), floor, 24, (70, 72, 78), "mm")
        for x, name in [(66, left), (236, right)]:
            canvas.rectangle([x, y, x + 152, y + 32], fill=(252, 252, 248), outline=(110, 112, 118))
            text(canvas, (x + 76, y + 16), name, 14, anchor="mm")
            canvas.ellipse([x + 62, y + 42, x + 90, y + 70], fill=(232, 232, 236), outline=(80, 82, 88), width=2)
    return Posed({"doorbells.png": image}, [
        expects("Czyje nazwisko jest po lewej stronie na drugim piętrze? Podaj samo nazwisko.", "dr Ślęzak", "Ślęzak"),
        answered("Wypisz wszystkie nazwiska i napisy od góry do dołu, piętro po piętrze.",
                 "\n".join(f"{floor}: {left}, {right}" for floor, left, right in floors))])


def boarding():
    """A ticket on a table, a little turned and in poor light."""
    image, canvas = page(700, 280, (250, 250, 252))
    canvas.rectangle([0, 0, 700, 50], fill=(150, 30, 62))
    bold(canvas, (24, 13), "LOMBARD AIR", 22, (255, 255, 255))
    text(canvas, (676, 14), "BOARDING PASS", 19, (255, 255, 255), anchor="ra")
    for x, y, label, value in [(24, 70, "PASSENGER", "YILDIRIM / ÇAĞLA"), (24, 136, "FROM", "İZMİR  ADB"), (250, 136, "TO", "ĐÀ NẴNG  DAD"),
                               (24, 204, "FLIGHT", "LM 2906"), (170, 204, "DATE", "05 JUL"), (290, 204, "BOARDING", "22:35")]:
        text(canvas, (x, y), label, 12, GREY)
        bold(canvas, (x, y + 17), value, 23)
    for y in range(56, 280, 12):
        canvas.line([500, y, 500, y + 6], (150, 152, 160), 2)
    for y, label, value in [(66, "GATE", "C17"), (166, "SEAT", "31F")]:
        text(canvas, (526, y), label, 13, GREY)
        bold(canvas, (526, y + 18), value, 52)
    height, width = 420, 784
    table = mix((92, 66, 48), (134, 100, 72), power_noise(height, width, 1.3, 1501))
    ground = Image.fromarray(np.clip(table, 0, 255).astype(np.uint8))
    turned = image.convert("RGBA").rotate(-4.5, Image.Resampling.BICUBIC, expand=True)
    ground.paste(turned, ((width - turned.width) // 2, (height - turned.height) // 2), turned)
    light = 0.62 + 0.34 * np.linspace(1, 0, width)[None, :, None]
    return Posed({"boarding.jpg": finish(np.asarray(ground, float) * light, 1502, 3)}, [
        expects("What is the seat on this boarding pass? Answer with the seat only.", "31F", "31 F"),
        expects("When does boarding begin? Answer with the time only.", "22:35", "10:35 pm", after=(
            "Read out the passenger's name, the flight and where it goes from and to.",
            "Passenger: YILDIRIM / ÇAĞLA. Flight LM 2906 on 05 JUL, from İZMİR (ADB) to ĐÀ NẴNG (DAD)."))])


ALL = [medicine, slip, claim, league, bylaws, postcard, taverna, doorbells, boarding]
