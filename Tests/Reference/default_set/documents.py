"""Pages: letters, receipts, invoices, forms, tables, signs, posters."""
import numpy as np
from PIL import Image, ImageDraw

from drawing import Drawn, INK, bold, lines, mix, page, power_noise, text

GREY = (120, 124, 132)


def letter():
    rows = ["Dear Mr. Halloran,", "", "thank you for the parcel with the seeds. They arrived",
            "on Tuesday, dry and well packed. I have sown the", "first row of beans behind the shed, where the wall",
            "keeps the wind off, and shall plant the rest when", "the nights are milder.", "",
            "You asked about the well. The water is clear again", "since we cleaned the pipe, and the pump no longer",
            "rattles. Please come and see for yourself; the guest", "room is free from the 12th of May.", "",
            "With kind regards,", "Edith Marlow"]
    image, canvas = page(560, 728, (252, 250, 244))
    text(canvas, (490, 60), "Thornby, 21 April", 16, name="DejaVuSerif", anchor="ra")
    lines(canvas, (60, 120), rows, 16, 1.75, name="DejaVuSerif")
    body = "\n".join(rows)
    return Drawn(image, [("Transcribe the letter.", f"Thornby, 21 April\n\n{body}")])


def receipt():
    items = [("Vollkornbrot", 3.80), ("Milch 1 l", 1.29), ("Äpfel 1,5 kg", 4.05), ("Käse", 5.40), ("Tee", 2.95)]
    total = sum(price for _, price in items)
    def euros(value):
        return f"{value:.2f}".replace(".", ",")
    image, canvas = page(336, 504, (248, 248, 246))
    bold(canvas, (168, 36), "Hofladen Brandt", 22, anchor="mm")
    text(canvas, (168, 66), "Mühlweg 3 · 37154 Northeim", 14, GREY, anchor="mm")
    text(canvas, (168, 88), "06.06.2024   10:42", 14, GREY, anchor="mm")
    y = 124
    for item, price in items:
        text(canvas, (28, y), item, 18, name="DejaVuSansMono")
        text(canvas, (308, y), euros(price), 18, name="DejaVuSansMono", anchor="ra")
        y += 34
    canvas.line([28, y + 4, 308, y + 4], INK, 2)
    bold(canvas, (28, y + 18), "SUMME", 20)
    bold(canvas, (308, y + 18), f"{euros(total)} €", 20, anchor="ra")
    text(canvas, (28, y + 62), "gegeben bar", 16)
    text(canvas, (308, y + 62), "20,00", 16, anchor="ra")
    text(canvas, (28, y + 90), "zurück", 16)
    text(canvas, (308, y + 90), euros(20 - total), 16, anchor="ra")
    text(canvas, (168, y + 146), "Vielen Dank!", 16, GREY, anchor="mm")
    return Drawn(image, [
        ("Was wurde gekauft, und wie hoch ist die Summe?",
         "Gekauft wurden " + ", ".join(f"{item} ({euros(price)} €)" for item, price in items[:-1])
         + f" und {items[-1][0]} ({euros(items[-1][1])} €). Die Summe beträgt {euros(total)} €."),
        ("Wie viel Geld gab es zurück?", f"Bei 20,00 € bar gab es {euros(20 - total)} € zurück.")])


def invoice():
    rows = [("Oak shelf, 120 cm", 2, 84.50), ("Brackets, pair", 4, 12.25), ("Delivery", 1, 30.00)]
    net = sum(count * price for _, count, price in rows)
    image, canvas = page(616, 784)
    canvas.rectangle([0, 0, 616, 92], fill=(38, 70, 83))
    bold(canvas, (40, 30), "NORTHGATE JOINERY", 26, (255, 255, 255))
    bold(canvas, (40, 130), "Invoice 2024-0317", 22)
    lines(canvas, (40, 176), ["Date: 14 March 2024", "Due: 28 March 2024", "Customer: Priya Raman, 8 Elm Court"], 15)
    canvas.rectangle([40, 270, 576, 302], fill=(228, 233, 235))
    for x, word, anchor in [(50, "Item", "la"), (350, "Count", "ra"), (460, "Price", "ra"), (566, "Amount", "ra")]:
        bold(canvas, (x, 277), word, 15, anchor=anchor)
    y = 316
    for item, count, price in rows:
        text(canvas, (50, y), item)
        for x, word in [(350, str(count)), (460, f"{price:.2f}"), (566, f"{count * price:.2f}")]:
            text(canvas, (x, y), word, anchor="ra")
        y += 36
    canvas.line([300, y + 8, 576, y + 8], INK)
    for label, value in [("Subtotal", net), ("Tax 20 %", net * 0.2)]:
        y += 28
        text(canvas, (310, y), label)
        text(canvas, (566, y), f"{value:.2f}", anchor="ra")
    bold(canvas, (310, y + 36), "Total", 20)
    bold(canvas, (566, y + 36), f"£{net * 1.2:.2f}", 20, anchor="ra")
    text(canvas, (40, 730), "Please quote the number of the invoice when you pay.", 13, GREY)
    return Drawn(image, [
        ("What is the invoice number, who is the customer, and how much is due by when?",
         f"Invoice 2024-0317, for Priya Raman of 8 Elm Court. £{net * 1.2:.2f} including 20 % tax is due by 28 March 2024."),
        ("Give me the items as JSON.",
         "[" + ", ".join(f'{{"item": "{item}", "count": {count}, "price": {price:.2f}}}' for item, count, price in rows) + "]")])


def form():
    image, canvas = page(504, 672)
    bold(canvas, (40, 36), "Inscripción al curso", 24)
    y = 96
    for label, value in [("Nombre", "Lucía Ferrer Mora"), ("Fecha de nacimiento", "09/11/1996"), ("Teléfono", "600 555 017"),
                         ("Curso", "Cerámica II")]:
        text(canvas, (40, y), label, 14, GREY)
        canvas.rectangle([40, y + 22, 464, y + 56], outline=(170, 174, 180))
        text(canvas, (52, y + 30), value, 16, (20, 40, 120), "DejaVuSerif-Italic")
        y += 78
    for label, marked in [("lunes por la tarde", False), ("miércoles por la tarde", True), ("sábado por la mañana", False)]:
        canvas.rectangle([42, y + 6, 60, y + 24], outline=INK, width=2)
        if marked:
            canvas.line([45, y + 9, 57, y + 21], (20, 40, 120), 3)
            canvas.line([57, y + 9, 45, y + 21], (20, 40, 120), 3)
        text(canvas, (74, y + 5), label, 16)
        y += 38
    text(canvas, (40, 620), "Firma:", 14, GREY)
    canvas.line([100, 640, 360, 640], INK)
    return Drawn(image, [
        ("¿Qué curso ha elegido y qué horario está marcado? ¿Falta algo?",
         "Ha elegido el curso Cerámica II, en el horario del miércoles por la tarde. Falta la firma.")])


def timetable():
    stations = ["Alford", "Bruton Mill", "Castle Cross", "Denby", "Eastwick"]
    trains = [("R1", ["7:05", "7:18", "7:31", "—", "7:52"]), ("R3", ["7:40", "7:53", "—", "8:15", "8:27"]),
              ("X2", ["8:10", "—", "—", "—", "8:41"])]
    image, canvas = page(644, 448)
    bold(canvas, (32, 28), "Alford – Eastwick, weekdays", 22)
    for column, (name, _) in enumerate(trains):
        bold(canvas, (340 + 110 * column, 84), name, 18, anchor="ma")
    for row, station in enumerate(stations):
        y = 122 + 58 * row
        if row % 2 == 0:
            canvas.rectangle([24, y - 12, 620, y + 40], fill=(238, 241, 246))
        text(canvas, (40, y), station, 18)
        for column, (_, times) in enumerate(trains):
            text(canvas, (340 + 110 * column, y), times[row], 18, anchor="ma")
    return Drawn(image, [
        ("I want to get from Alford to Denby. Which train do I take, and when am I there?",
         "Take R3: it leaves Alford at 7:40 and is in Denby at 8:15. R1 and X2 do not stop in Denby."),
        ("Make a Markdown table of the fastest train.",
         "| station | X2 |\n|---|---|\n| Alford | 8:10 |\n| Eastwick | 8:41 |")])


def road_sign():
    height = width = 336
    rows = np.linspace(0, 1, height)[:, None] * np.ones((1, width))
    sky = mix((150, 186, 222), (226, 234, 240), rows) + 16 * (power_noise(height, width, 1.6, 101) - 0.5)[..., None]
    image = Image.fromarray(np.clip(sky, 0, 255).astype(np.uint8))
    canvas = ImageDraw.Draw(image)
    canvas.rectangle([156, 210, 180, 336], fill=(120, 122, 126))
    canvas.rounded_rectangle([30, 50, 306, 220], 14, fill=(235, 125, 35), outline=(20, 20, 20), width=5)
    for row, words in enumerate(["ROAD CLOSED", "BRIDGE OUT", "2 km AHEAD"]):
        bold(canvas, (168, 88 + 46 * row), words, 30, (20, 20, 20), "mm")
    return Drawn(image, [
        ("What is written on the sign?", "ROAD CLOSED\nBRIDGE OUT\n2 km AHEAD"),
        ("Can I drive to the village 5 km along this road?",
         "No. According to the sign the road is closed because the bridge is out two kilometres ahead, so you need another way.")])


def poster():
    height, width = 588, 420
    rows, columns = np.mgrid[:height, :width] / height
    values = mix((60, 20, 70), (210, 80, 70), np.clip(rows + 0.2 * columns, 0, 1))
    values += 40 * (power_noise(height, width, 1.8, 111) - 0.5)[..., None]
    image = Image.fromarray(np.clip(values, 0, 255).astype(np.uint8))
    canvas = ImageDraw.Draw(image)
    white = (255, 244, 226)
    bold(canvas, (210, 110), "КОНЦЕРТ", 58, white, "mm")
    text(canvas, (210, 190), "струнного квартета «Нева»", 22, white, anchor="mm")
    for x in (120, 180, 240, 300):
        canvas.ellipse([x - 14, 300, x + 14, 330], fill=white)
        canvas.line([x + 12, 314, x + 12, 240], white, 5)
    text(canvas, (210, 420), "12 октября, 19:30", 28, white, anchor="mm")
    text(canvas, (210, 466), "Малый зал филармонии", 22, white, anchor="mm")
    text(canvas, (210, 530), "билеты от 600 ₽", 20, white, anchor="mm")
    return Drawn(image, [
        ("Что, где и когда? Ответь одним предложением.",
         "Концерт струнного квартета «Нева» состоится 12 октября в 19:30 в Малом зале филармонии, билеты стоят от 600 рублей.")])


def banner():
    image, canvas = page(1008, 168, (24, 92, 84))
    for x in range(-168, 1008, 84):
        canvas.polygon([(x, 168), (x + 42, 168), (x + 210, 0), (x + 168, 0)], fill=(30, 104, 95))
    bold(canvas, (504, 62), "SPRING MARKET ON THE QUAY", 46, (255, 250, 235), "mm")
    text(canvas, (504, 124), "Saturday 4 May  ·  9 am – 2 pm  ·  free entry", 26, (255, 224, 150), anchor="mm")
    return Drawn(image, [("When does the market end, and what does it cost to go in?",
                          "It ends at 2 pm on Saturday, 4 May. Entry is free.")])


def calendar():
    image, canvas = page(532, 420)
    bold(canvas, (266, 34), "Setembro 2025", 24, anchor="mm")
    notes = {4: "dentista", 12: "viagem", 13: "viagem", 14: "viagem", 25: "prova"}
    for column, day in enumerate(["seg", "ter", "qua", "qui", "sex", "sáb", "dom"]):
        text(canvas, (52 + 71 * column, 72), day, 15, GREY, anchor="mm")
    for day in range(1, 31):
        column, row = (day - 1) % 7, (day - 1) // 7
        x, y = 17 + 71 * column, 92 + 62 * row
        canvas.rectangle([x, y, x + 70, y + 61], outline=(205, 208, 214), fill=(255, 240, 214) if day in notes else None)
        text(canvas, (x + 7, y + 5), str(day), 15)
        if day in notes:
            text(canvas, (x + 35, y + 44), notes[day], 13, (170, 70, 20), anchor="mm")
    return Drawn(image, [
        ("Quando é a viagem e em que dia da semana é a prova?",
         "A viagem vai de sexta-feira, 12, a domingo, 14 de setembro. A prova é numa quinta-feira, dia 25.")])
