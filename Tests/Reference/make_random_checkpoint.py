#!/usr/bin/env python3
"""Write a random checkpoint of a published model's shapes, in its layout: make_random_checkpoint.py NAME OUTDIR

NAME is one of formats/checkpoints, such as Qwen2-VL-2B; bf16, in two shards.  The weights are noise of the size that trained
ones have, so speed and memory can be measured without the real model; what it says is meaningless.  Needs numpy.  --layers
writes fewer layers of the decoder, for quicker trials or where only the tower is measured.

The tokenizer has the 256 bytes, one merge (some readers want to see any) and the special tokens at their published ids.
"""
import argparse
import json
import os
import pathlib
import re

import numpy as np

CHECKPOINTS = pathlib.Path(__file__).resolve().parents[2] / "formats/checkpoints"
MERGE = 2
# Behind the first special token of a vocabulary.
SPECIAL = {"endoftext": 0, "im_start": 1, "im_end": 2, "vision_start": 9, "vision_end": 10, "vision_pad": 11, "image_pad": 12,
           "video_pad": 13}
# Of Qwen3.5: 1 is added to these before they multiply.
ZERO_CENTRED = re.compile(r"(layernorm|(q|k)_norm|language_model\.norm)\.weight$")


def read_manifest(name, layers):
    """The configuration and every tensor with its shape, in the order of execution; of `layers` decoder layers, if given."""
    manifest = json.loads((CHECKPOINTS / f"{name}.json").read_text())
    config = manifest["config"]
    text = config.get("text_config", config)
    tensors = []
    for tensor in manifest["tensors"]:
        numbers = tensor.get("numbers", range(tensor.get("count", 1)))
        if layers and "layers.{i}." in tensor["name"]:
            numbers = [number for number in numbers if number < layers]
        tensors += [(tensor["name"].replace("{i}", str(number)), tensor["shape"]) for number in numbers]
    if layers:
        text["num_hidden_layers"] = layers
        if "layer_types" in text:
            text["layer_types"] = text["layer_types"][:layers]
    return config, tensors


def bf16(values):
    """Round to nearest even."""
    bits = values.view(np.uint32).astype(np.uint64)
    return ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype("<u2")


# One long run of noise, read from a different place for every tensor: drawing 2.2 thousand million normals takes minutes.
rng = np.random.default_rng(1)
NOISE = rng.standard_normal(1 << 24).astype(np.float32)


def write_tensor(out, name, shape, zero_centred):
    count = int(np.prod(shape))
    if len(shape) == 1:
        is_factor = name.endswith("weight") and not (zero_centred and ZERO_CENTRED.search(name))
        out.write(bf16(np.full(count, 1.0 if is_factor else 0.0, np.float32)).tobytes())
        return
    noise = bf16(NOISE * np.float32(0.7 * (count / shape[0]) ** -0.5))
    at = int(rng.integers(len(noise)))
    while count > 0:
        part = noise[at : at + count]
        out.write(part.tobytes())
        count, at = count - len(part), 0


def write_tokenizer(put, first_special, letters):
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    rest = [b for b in range(256) if b not in printable]
    letter = {b: chr(b) for b in printable} | {b: chr(256 + i) for i, b in enumerate(rest)}
    vocab = {letter[b]: i for i, b in enumerate(printable + rest)} | {"th": 256}
    special = {f"<|{name}|>": first_special + offset for name, offset in SPECIAL.items()}
    word = letters if len(letters) == 5 else f"[{letters}]"
    pattern = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?" + word + r"+|\p{N}| ?[^\s" + letters
               + r"\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+")
    put("tokenizer.json", {
        "version": "1.0",
        "added_tokens": [{"id": i, "content": t, "single_word": False, "lstrip": False, "rstrip": False,
                          "normalized": False, "special": True} for t, i in special.items()],
        "normalizer": {"type": "NFC"},
        "pre_tokenizer": {"type": "Sequence", "pretokenizers": [
            {"type": "Split", "pattern": {"Regex": pattern}, "behavior": "Isolated", "invert": False},
            {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": False, "use_regex": False}]},
        "decoder": {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": False, "use_regex": False},
        "model": {"type": "BPE", "vocab": vocab, "merges": ["t h"]}})
    put("vocab.json", vocab)


def write_shards(outdir, tensors, zero_centred):
    """Writes the tensors in two files and gives what the index says."""
    total = sum(2 * int(np.prod(shape)) for _, shape in tensors)
    shards, size, index = [[], []], 0, {}
    for name, shape in tensors:
        shards[min(1, size * 2 // total)].append((name, shape))
        size += 2 * int(np.prod(shape))
    for number, shard in enumerate(shards, 1):
        file = f"model-{number:05d}-of-00002.safetensors"
        header, at = {"__metadata__": {"format": "pt"}}, 0
        for name, shape in shard:
            end = at + 2 * int(np.prod(shape))
            header[name] = {"dtype": "BF16", "shape": shape, "data_offsets": [at, end]}
            index[name], at = file, end
        text = json.dumps(header, separators=(",", ":")).encode()
        text += b" " * (-len(text) % 8)
        with open(os.path.join(outdir, file), "wb") as out:
            out.write(len(text).to_bytes(8, "little") + text)
            for name, shape in shard:
                write_tensor(out, name, shape, zero_centred)
    return {"metadata": {"total_size": total}, "weight_map": index}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", metavar="NAME", choices=sorted(path.stem for path in CHECKPOINTS.glob("*.json")))
    parser.add_argument("outdir", metavar="OUTDIR")
    parser.add_argument("--layers", type=int, help="decoder layers instead of all")
    args = parser.parse_args()
    os.makedirs(args.outdir, exist_ok=True)

    def put(name, value):
        with open(os.path.join(args.outdir, name), "w", encoding="utf-8") as out:
            json.dump(value, out, indent=2, ensure_ascii=False)

    config, tensors = read_manifest(args.name, args.layers)
    first_special = config.get("vision_start_token_id", 151652) - SPECIAL["vision_start"]
    hybrid = config["model_type"].startswith("qwen3_5")
    put("model.safetensors.index.json", write_shards(args.outdir, tensors, zero_centred=hybrid))
    put("config.json", config)
    put("generation_config.json", {"bos_token_id": first_special, "eos_token_id": first_special + SPECIAL["im_end"],
                                   "do_sample": False})
    side = config["vision_config"]["patch_size"] * MERGE
    put("preprocessor_config.json", {
        "min_pixels": 4 * side * side, "max_pixels": 16384 * side * side, "patch_size": side // MERGE,
        "temporal_patch_size": 2, "merge_size": MERGE, "image_mean": [0.5, 0.5, 0.5], "image_std": [0.5, 0.5, 0.5],
        "image_processor_type": "Qwen2VLImageProcessor"})
    write_tokenizer(put, first_special, r"\p{L}\p{M}" if hybrid else r"\p{L}")


if __name__ == "__main__":
    main()
