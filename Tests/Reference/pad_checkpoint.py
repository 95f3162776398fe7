#!/usr/bin/env python3
"""Write a copy of a Qwen2, Qwen2-VL or Qwen2.5-VL checkpoint that is wider and computes the same:

    pad_checkpoint.py CHECKPOINT OUT [--multiple 256]

Formats with blocks of 256 weights, such as llama.cpp's K-quants, need widths that are multiples of 256. The copy's hidden width is
the smallest multiple of it, and of the width of all key-value heads, that holds the hidden width and the heads; the width of the
MLP is rounded up too. What is added is zero:

- channels at the end of the hidden states: columns and rows of the weights, channels of embedding and norms;
- after the query heads of each key-value head, as many heads more as the width asks for: their rows of q and columns of o;
- channels at the end of the MLP: rows of gate and up, columns of down.

An RMS norm divides by the root of the mean square, which more channels lower by r = old width / new width. So gains are multiplied
by √r and ε by r. The copy is float32, where that rounds least, and its vision tower gives features of the new width.

Where torch and transformers are installed the logits of both are compared on random tokens; a difference of more than 10⁻⁴ of
the largest logit is an error. Needs numpy and safetensors. Takes memory for the whole copy.
"""

import argparse
import json
import math
import pathlib
import re
import shutil
import sys

import numpy as np
from safetensors.numpy import save_file

TOLERANCE = 1e-4
BLOCK = re.compile(r"(?:^|\.)layers\.\d+\.(?:self_attn|mlp)\.(\w)\w*_proj\.(weight|bias)$")


def read(folder):
    """Every tensor as float32. Read by hand: numpy has no bfloat16."""
    kinds = {"F32": ("<f4", 4), "F16": ("<f2", 2), "BF16": ("<u2", 2)}
    for path in sorted(folder.glob("*.safetensors")):
        raw = np.memmap(path, np.uint8, "r")
        start = 8 + int.from_bytes(raw[:8].tobytes(), "little")
        header = json.loads(raw[8:start].tobytes())
        header.pop("__metadata__", None)
        for name, entry in header.items():
            kind, (low, high) = kinds[entry["dtype"]][0], entry["data_offsets"]
            values = raw[start + low : start + high].view(kind).reshape(entry["shape"])
            if entry["dtype"] == "BF16":
                values = (values.astype(np.uint32) << 16).view(np.float32)
            yield name, values.astype(np.float32)


class Widths:
    """The widths of a checkpoint's language model and those of its copy."""

    def __init__(self, config, multiple):
        self.hidden, self.heads = config["hidden_size"], config["num_attention_heads"]
        self.shared, self.ffn = config["num_key_value_heads"], config["intermediate_size"]
        self.head = config.get("head_dim") or self.hidden // self.heads
        step = math.lcm(multiple, self.shared * self.head)
        self.new_hidden = step * math.ceil(max(self.hidden, self.heads * self.head) / step)
        self.new_heads = self.new_hidden // self.head
        self.new_ffn = multiple * math.ceil(self.ffn / multiple)
        self.ratio = self.hidden / self.new_hidden

    def hidden_end(self, values, axis):
        return grow(values, axis, self.new_hidden)

    def ffn_end(self, values, axis):
        return grow(values, axis, self.new_ffn)

    def query_heads(self, values, axis):
        """Zero heads after those of each key-value head."""
        values = np.moveaxis(values, axis, 0)
        grouped = values.reshape(self.shared, self.heads // self.shared * self.head, *values.shape[1:])
        grouped = grow(grouped, 1, self.new_heads // self.shared * self.head)
        return np.moveaxis(grouped.reshape(self.new_heads * self.head, *values.shape[1:]), 0, axis)


def grow(values, axis, length):
    """Zeros at the end of an axis."""
    room = [(0, 0)] * values.ndim
    room[axis] = (0, length - values.shape[axis])
    return np.pad(values, room)


def padded(name, values, widths):
    """A tensor of the copy."""
    if match := BLOCK.search(name):
        which, kind = match.groups()
        rows = {"q": widths.query_heads, "o": widths.hidden_end, "g": widths.ffn_end, "u": widths.ffn_end,
                "d": widths.hidden_end}.get(which)
        columns = {"o": widths.query_heads, "d": widths.ffn_end}.get(which, widths.hidden_end)
        if rows:
            values = rows(values, 0)
        return columns(values, 1) if kind == "weight" else values
    if "visual." in name:
        last = re.search(r"merger\.mlp\.2\.(weight|bias)$", name)
        return widths.hidden_end(values, 0) if last else values
    if name.endswith("norm.weight"):
        return widths.hidden_end(values, 0) * np.float32(math.sqrt(widths.ratio))
    if name.endswith(("embed_tokens.weight", "lm_head.weight")):
        return widths.hidden_end(values, 1)
    sys.exit(f"pad_checkpoint.py: does not know what {name} is")


def padded_config(config, widths):
    config = config | {
        "hidden_size": widths.new_hidden, "num_attention_heads": widths.new_heads, "intermediate_size": widths.new_ffn,
        "rms_norm_eps": config["rms_norm_eps"] * widths.ratio, "torch_dtype": "float32",
    }
    if vision := config.get("vision_config"):
        key = "out_hidden_size" if "out_hidden_size" in vision else "hidden_size"
        config["vision_config"] = vision | {key: widths.new_hidden}
    return config


def largest_difference(first, second, vocabulary):
    """Of the logits of two checkpoints, relative to the largest; nil without torch and transformers."""
    try:
        import torch
        from transformers import AutoModelForCausalLM, AutoModelForImageTextToText
    except ImportError:
        return None
    tokens = torch.from_numpy(np.random.default_rng(0).integers(0, vocabulary, (2, 64)))
    # Ids of pictures would ask for pixels.
    special = json.loads((first / "config.json").read_text())
    for key in ("image_token_id", "video_token_id", "vision_start_token_id"):
        tokens[tokens == special.get(key, -1)] = vocabulary // 2
    logits = []
    for folder in (first, second):
        kind = AutoModelForImageTextToText if "vision_config" in special else AutoModelForCausalLM
        model = kind.from_pretrained(folder, dtype=torch.float32)
        with torch.no_grad():
            logits.append(model(input_ids=tokens).logits)
    return float((logits[0] - logits[1]).abs().max() / logits[0].abs().max())


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint", type=pathlib.Path)
    parser.add_argument("out", type=pathlib.Path)
    parser.add_argument("--multiple", type=int, default=256, help="of which widths shall be multiples")
    options = parser.parse_args()
    source, out = options.checkpoint, options.out
    if source.resolve() == out.resolve():
        sys.exit("pad_checkpoint.py: the copy needs a folder of its own")
    config = json.loads((source / "config.json").read_text())
    widths = Widths(config, options.multiple)

    out.mkdir(parents=True, exist_ok=True)
    # save_file takes the bytes as they lie, whatever the strides.
    tensors = {name: np.ascontiguousarray(padded(name, values, widths)) for name, values in read(source)}
    save_file(tensors, out / "model.safetensors", metadata={"format": "pt"})
    for path in source.iterdir():
        if path.is_file() and "safetensors" not in path.name:
            shutil.copy(path, out)
    (out / "config.json").write_text(json.dumps(padded_config(config, widths), indent=2))
    print(f"hidden {widths.hidden} -> {widths.new_hidden}, heads {widths.heads} -> {widths.new_heads}, "
          f"MLP {widths.ffn} -> {widths.new_ffn}", file=sys.stderr)

    difference = largest_difference(source, out, config["vocab_size"])
    if difference is None:
        print("without torch and transformers the logits were not compared", file=sys.stderr)
    elif not difference <= TOLERANCE:
        sys.exit(f"pad_checkpoint.py: the logits differ by {difference:.1e} of the largest")
    else:
        print(f"the logits differ by {difference:.1e} of the largest", file=sys.stderr)


if __name__ == "__main__":
    main()
