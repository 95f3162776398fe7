#!/usr/bin/env python3
"""Trim reference activations of a small random Qwen-VL (2023): make_qwen_vl_goldens.py SOURCE OUTDIR

SOURCE/hf-bin is the checkpoint in the published layout, SOURCE/golden/<case>.safetensors what the model's own published
code computed from it in float32.  Kept are, under the names that `tessera-diff --golden` knows: the inputs (of `image_raw`
without pixels, which the tests make from the picture), the last block and the output of each part, the logits of the last eight
positions and greedy tokens.  Ids between <img> and </img> are a file's name there and do not enter the numbers; here they
are the filler's.  The cases `stretched3` and `stretched7`, prompts beyond the trained length, are computed by the numpy
decoder below in float64.  Needs numpy, safetensors and torch.
"""
import json
import math
import os
import shutil
import sys

import numpy as np
import torch
from safetensors.numpy import load_file, save_file

source, target = sys.argv[1:]
checkpoint = os.path.join(source, "hf-bin")
config = json.load(open(os.path.join(checkpoint, "config.json")))
manifest = json.load(open(os.path.join(source, "golden", "manifest.json")))["cases"]
visual = config["visual"]
start, queries = visual["image_start_id"], visual["n_queries"]
layers = config["num_hidden_layers"]


def fill(ids):
    ids = ids.copy()
    for at in np.flatnonzero(ids == start):
        ids[at + 1:at + 1 + queries] = start + 2
    return ids


def kept(case):
    tensors = load_file(os.path.join(source, "golden", case + ".safetensors"))
    names = {"llm.embeds": "llm.inputs_embeds", f"llm.block{layers - 1}.out": f"llm.layer{layers - 1}.out",
             "llm.ln_f": "llm.norm", f"vit.block{visual['layers'] - 1}.out": f"image.block{visual['layers'] - 1}",
             "vit.features": "image.out"}
    out = {new: tensors[old].reshape(-1, tensors[old].shape[-1]).copy() for old, new in names.items() if old in tensors}
    out["input_ids"] = fill(tensors["input_ids"].reshape(-1).astype(np.int64))
    out["logits_last"] = tensors["logits"].reshape(-1, tensors["logits"].shape[-1])[-8:].copy()
    out["greedy.ids"] = np.array(manifest[case]["greedy_new_ids"], dtype=np.int64)
    return out


def pixels(case):
    """The pictures of a case as patches: row by row, each (channel, row, column)."""
    size, side = visual["image_size"], visual["patch_size"]
    values = load_file(os.path.join(source, "golden", case + ".safetensors"))["vit.pixel_values"]
    rows = size // side
    values = values.reshape(-1, 3, rows, side, rows, side).transpose(0, 2, 4, 1, 3, 5)
    return {"pixel_values": np.ascontiguousarray(values.reshape(-1, 3 * side * side)),
            "image_grid_thw": np.array([[1, rows, rows]] * len(values), dtype=np.int64)}


class Decoder:
    def __init__(self):
        self.weights = {}
        for name in sorted(os.listdir(checkpoint)):
            if name.endswith(".bin"):
                shard = torch.load(os.path.join(checkpoint, name), weights_only=True)
                self.weights.update({key: value.double().numpy() for key, value in shard.items()})

    def norm(self, x, name):
        return x / np.sqrt((x * x).mean(-1, keepdims=True) + config["layer_norm_epsilon"]) * self.weights[name]

    def rotate(self, x, angles):
        a, b = np.split(x, 2, axis=-1)
        cos, sin = np.cos(angles)[:, None], np.sin(angles)[:, None]
        return np.concatenate([a * cos - b * sin, b * cos + a * sin], -1)

    def __call__(self, ids, prompt_length):
        heads, width, trained = config["num_attention_heads"], config["kv_channels"], config["seq_length"]
        alpha = max(1, 2 ** math.ceil(math.log2(prompt_length / trained) + 1) - 1)
        theta = config["rotary_emb_base"] * alpha ** (width / (width - 2))
        positions = np.arange(len(ids))
        angles = np.outer(positions, theta ** (-np.arange(0, width, 2) / width))
        scale = np.maximum(1, np.log(positions + 1) / math.log(trained))[:, None, None]
        hidden = np.triu(np.full((len(ids), len(ids)), -np.inf), 1)
        x = self.weights["transformer.wte.weight"][ids]
        for layer in range(layers):
            name = f"transformer.h.{layer}."
            y = self.norm(x, name + "ln_1.weight")
            qkv = y @ self.weights[name + "attn.c_attn.weight"].T + self.weights[name + "attn.c_attn.bias"]
            q, k, v = (part.reshape(len(ids), heads, width) for part in np.split(qkv, 3, axis=-1))
            q, k = self.rotate(q, angles) * scale, self.rotate(k, angles)
            scores = np.einsum("qhd,khd->hqk", q, k) / math.sqrt(width) + hidden
            weights = np.exp(scores - scores.max(-1, keepdims=True))
            weights /= weights.sum(-1, keepdims=True)
            mixed = np.einsum("hqk,khd->qhd", weights, v).reshape(len(ids), -1)
            x = x + mixed @ self.weights[name + "attn.c_proj.weight"].T
            y = self.norm(x, name + "ln_2.weight")
            gate = y @ self.weights[name + "mlp.w2.weight"].T
            up = y @ self.weights[name + "mlp.w1.weight"].T
            x = x + (gate / (1 + np.exp(-gate)) * up) @ self.weights[name + "mlp.c_proj.weight"].T
        return x, self.norm(x, "transformer.ln_f.weight") @ self.weights["lm_head.weight"].T


def stretched(decoder, length, seed):
    ids = np.random.default_rng(seed).integers(0, 500, length)
    x, logits = decoder(ids, length)
    answer = []
    while len(answer) < 8:
        answer.append(int(decoder(np.append(ids, answer).astype(int), length)[1][-1].argmax()))
    return {"input_ids": ids.astype(np.int64), f"llm.layer{layers - 1}.out": x[-16:].astype(np.float32),
            "logits_last": logits[-8:].astype(np.float32), "greedy.ids": np.array(answer, dtype=np.int64)}


published, golden = os.path.join(target, "published"), os.path.join(target, "golden")
os.makedirs(golden, exist_ok=True)
shutil.copytree(checkpoint, published, dirs_exist_ok=True)
for case, extra in (("text_raw", {}), ("image_raw", {}), ("two_images_chat", pixels("two_images_chat"))):
    save_file(kept(case) | extra, os.path.join(golden, case + ".safetensors"))
shutil.copy(os.path.join(source, "images", "img0.png"), golden)
decoder = Decoder()
for case, length in (("stretched3", 129), ("stretched7", 300)):
    result = stretched(decoder, length, length)
    del result[f"llm.layer{layers - 1}.out"]
    save_file(result, os.path.join(golden, case + ".safetensors"))
