#!/usr/bin/env python3
"""Draw the pictures of the evaluation set, and write what is asked about them: make_evaluation_set.py OUTDIR

OUTDIR is Sources/CDefaultSet/evaluation. A file of conversations comes of each kind of picture; those without pictures in the
other files there are written by hand. Answers are made of the values that are drawn. The same bytes come out wherever the
same versions are installed: Pillow 13.0, numpy 2.4, and the fonts of Debian's fonts-dejavu.
"""
import json
import os
import sys

import evaluation_charts
import evaluation_documents
import evaluation_scenes
import evaluation_screens

KINDS = {"charts": evaluation_charts, "documents": evaluation_documents, "scenes": evaluation_scenes, "screens": evaluation_screens}


def save(image, path):
    if path.endswith(".jpg"):
        image.save(path, quality=74, optimize=True)
    else:
        image.quantize(24, dither=0).save(path, optimize=True)


def in_turn(lists):
    """The first of each list, then the second of each that has one: a beginning has something of all."""
    return [items[turn] for turn in range(max(map(len, lists))) for items in lists if turn < len(items)]


def main(folder):
    for kind, module in KINDS.items():
        lists = []
        for draw in module.ALL:
            posed = draw()
            for file, image in posed.pictures.items():
                save(image, os.path.join(folder, file))
            for conversation in posed.conversations:
                first = conversation["messages"][0]
                shown = [{"type": "image", "image": file} for file in posed.pictures]
                first["content"] = shown + [{"type": "text", "text": first["content"]}]
            lists.append(posed.conversations)
        with open(os.path.join(folder, f"{kind}.jsonl"), "w", encoding="utf-8") as file:
            for conversation in in_turn(lists):
                file.write(json.dumps(conversation, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main(sys.argv[1])
