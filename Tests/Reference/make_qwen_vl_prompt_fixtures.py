#!/usr/bin/env python3
"""Trim what the published code of Qwen-VL (2023) makes of texts, conversations and pictures to what the tests compare:
make_qwen_vl_prompt_fixtures.py SOURCE OUTDIR

SOURCE is a small random checkpoint: SOURCE/golden/tokenizer.json and manifest.json have tokens, preprocess.safetensors the
resized pictures of SOURCE/images with rows first and as Pillow 13 does it.  Ids between <img> and </img> are a file's
name there and do not enter the numbers; here they are the filler's.  Needs numpy, safetensors and torch.
"""
import hashlib
import json
import os
import re
import shutil
import sys

import numpy as np
import torch
from safetensors.numpy import load_file

PICTURES = ["gray.png", "img0.png", "rgba.png", "tall.png"]
MEAN, STD = [0.48145466, 0.4578275, 0.40821073], [0.26862954, 0.26130258, 0.27577711]
PATCH = 14

source, target = sys.argv[1:]
tokens = json.load(open(os.path.join(source, "golden", "tokenizer.json")))
cases = json.load(open(os.path.join(source, "golden", "manifest.json")))["cases"]
special = tokens["special"]


def filled(ids):
    """Ids with the filler in the place of names."""
    inside, out = False, []
    for token in ids:
        inside = inside and token != special["</img>"]
        out.append(special["<imgpad>"] if inside else token)
        inside = inside or token == special["<img>"]
    return out


def parts(text):
    """The parts of a message: pictures as numbers of tokens."""
    label = r"(?:Picture \d+: )?<img>[^<]*</img>\n?"
    return [16 if re.fullmatch(label, part) else part for part in re.split(f"({label})", text) if part]


def turns(text):
    """The messages of a conversation, the system's and the last prompt left out."""
    found = re.findall(r"<\|im_start\|>(\w+)\n(.*?)<\|im_end\|>\n(?=<\|im_start\|>)", text, re.S)
    return [{"role": role, "parts": parts(content)} for role, content in found if role != "system"]


texts = []
for (text, parsed), (_, as_text) in zip(tokens["encode_all"], tokens["encode_image_st_only"]):
    entry = {"text": text, "parsed": filled(parsed)}
    if "<img>" in text:
        continue
    texts.append(entry | {"as_text": as_text})

chats = [(entry["raw_text"], entry["ids"]) for entry in tokens["chat"]]
chats += [(cases[name]["text"], cases[name]["input_ids"]) for name in ["text_chat", "two_images_chat"]]
expected = {
    "special": special,
    "texts": texts,
    "chat": [{"messages": turns(text), "ids": filled(ids)} for text, ids in chats],
    "raw": [{"messages": [{"role": "user", "parts": parts(cases[name]["text"])}], "ids": filled(cases[name]["input_ids"])}
            for name in ["text_raw", "image_raw"]],
    "pictures": {},
}
arrays = load_file(os.path.join(source, "golden", "preprocess.safetensors"))
for name in PICTURES:
    resized = arrays[name + ".resized_u8_hfirst"]
    values = torch.from_numpy(resized.copy()).permute(2, 0, 1).float().div(255)
    values = values.sub(torch.tensor(MEAN)[:, None, None]).div(torch.tensor(STD)[:, None, None]).numpy()
    if (resized == arrays[name + ".resized_u8"]).all():
        assert (values == arrays[name + ".pixel_values"]).all(), name
    side = resized.shape[0] // PATCH
    rows = values.reshape(3, side, PATCH, side, PATCH).transpose(1, 3, 0, 2, 4)
    digest = hashlib.sha256(np.ascontiguousarray(rows).astype("<f4").tobytes()).hexdigest()
    expected["pictures"][name] = {"side": resized.shape[0], "sha256": digest}
    shutil.copy(os.path.join(source, "images", name), os.path.join(target, name))
with open(os.path.join(target, "expected.json"), "w") as out:
    json.dump(expected, out, ensure_ascii=False, separators=(",", ":"))
