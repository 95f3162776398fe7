#!/usr/bin/env python3
"""Trim reference activations of a small random Qwen2-VL to what the tests compare: trim_goldens.py GOLDEN_DIR OUTDIR

GOLDEN_DIR/golden/<case>.safetensors holds what transformers computed in float32 (inputs, stages, logits, greedy tokens).
Kept are the inputs without pixels (the tests make those from the pictures and check their digest), the last block and the
output of each part, the logits of the last eight positions, positions and greedy tokens.  Needs numpy and safetensors.
"""
import hashlib
import json
import os
import sys

from safetensors.numpy import load_file, save_file

CASES = {"text": [], "image1": ["image_a"], "image2": ["image_b", "image_c"]}
KEPT = ["input_ids", "image_grid_thw", "position_ids_legacy", "image.block2", "image.out", "llm.layer2.out", "llm.norm",
        "greedy.ids"]

source, target = sys.argv[1:]
os.makedirs(target, exist_ok=True)
path = os.path.join(target, "cases.json")
cases = json.load(open(path)) if os.path.exists(path) else {}
for case, pictures in CASES.items():
    tensors = load_file(os.path.join(source, "golden", case + ".safetensors"))
    kept = {name: tensors[name] for name in KEPT if name in tensors}
    kept["logits_last"] = tensors["logits"][0, -8:].copy()
    save_file(kept, os.path.join(target, case + ".safetensors"))
    cases[case] = {"pictures": [name + ".png" for name in pictures]}
    if pictures:
        cases[case]["pixel_values_sha256"] = hashlib.sha256(tensors["pixel_values"].astype("<f4").tobytes()).hexdigest()
with open(path, "w") as out:
    json.dump(cases, out, indent=2)
