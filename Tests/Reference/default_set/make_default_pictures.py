#!/usr/bin/env python3
"""Draw the pictures of the default calibration set, and write what is asked about them: make_default_pictures.py OUTDIR

OUTDIR is Sources/CDefaultSet/set: the pictures, as PNG where they are flat and as JPEG where they have noise, and
pictures.jsonl. The conversations without pictures in the other files there are written by hand.
The same bytes come out wherever the same versions are installed: Pillow 13.0, numpy 2.4, and the fonts of Debian's fonts-dejavu.
"""
import json
import os
import sys

import charts
import documents
import scenes
import screens

# Small and large in turn, and no two of a kind in a row: a set that is cut short has some of each.
ORDER = [
    scenes.balls, documents.road_sign, charts.bars, scenes.clock, scenes.mountains, documents.receipt, scenes.warning,
    screens.settings, "pair", charts.pie, documents.letter, scenes.shapes, scenes.skyline, charts.curves, documents.form,
    scenes.stone, screens.editor,
    "three", documents.timetable, scenes.evening_sky, charts.scatter, scenes.pebbles, charts.flow, documents.poster,
    screens.chat, scenes.blackboard, documents.invoice, charts.map_of_valley, documents.banner,
    documents.calendar,
]
# With light, texture or noise.
PHOTOGRAPHIC = {"balls", "road_sign", "mountains", "skyline", "stone", "evening_sky", "pebbles", "poster", "blackboard", "before",
                "after"}


def save(image, name, folder):
    """Writes a picture, and gives its file's name."""
    if name in PHOTOGRAPHIC:
        file = f"{name}.jpg"
        image.save(os.path.join(folder, file), quality=80, optimize=True, subsampling=0 if name == "balls" else 2)
    else:
        file = f"{name}.png"
        image.quantize(48, dither=0).save(os.path.join(folder, file), optimize=True)
    return file


def conversation(files, turns):
    messages = []
    for number, (question, answer) in enumerate(turns):
        content = question
        if number == 0:
            content = [{"type": "image", "image": file} for file in files] + [{"type": "text", "text": question}]
        messages += [{"role": "user", "content": content}, {"role": "assistant", "content": answer}]
    return {"messages": messages}


def main(folder):
    lines = []
    for entry in ORDER:
        if entry == "pair":
            files = [save(scenes.before(), "before", folder), save(scenes.after(), "after", folder)]
            turns = [("What has changed from the first picture to the second?",
                      "The orange ball on the right is now purple, and a small red ball has been added in front, between the two "
                      "others. The green ball on the left is as it was.")]
        elif entry == "three":
            files = [save(card, f"card{number + 1}", folder) for number, card in enumerate(scenes.cards())]
            turns = [("Welches der drei Bilder zeigt keinen Kreis? Und welches hat eine andere Farbe als die anderen?",
                      "Das zweite Bild zeigt keinen Kreis, sondern ein Quadrat. Das dritte hat eine andere Farbe: Es ist violett, die "
                      "beiden anderen sind orange.")]
        else:
            drawn = entry()
            files, turns = [save(drawn.image, entry.__name__, folder)], drawn.turns
        lines.append(json.dumps(conversation(files, turns), ensure_ascii=False))
    with open(os.path.join(folder, "pictures.jsonl"), "w", encoding="utf-8") as file:
        file.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main(sys.argv[1])
