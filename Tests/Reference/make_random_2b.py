#!/usr/bin/env python3
"""Write a random checkpoint of Qwen2-VL-2B's shapes, in the published layout: make_random_2b.py OUTDIR [--layers N]

729 tensors, 4.4 GB, two shards, bf16, tied head.  The weights are noise of the size that trained ones have, so speed and
memory can be measured without the real model; what it says is meaningless.  Needs numpy.

The tokenizer has the 256 bytes, one merge (some readers want to see any) and Qwen2's special tokens at their published ids.
"""
import argparse
import json
import os

import numpy as np

H, LAYERS, HEADS, KV, HEAD, FFN, VOCAB = 1536, 28, 12, 2, 128, 8960, 151936
D, DEPTH = 1280, 32


def shapes(layers):
    """Every published tensor with its shape, in the order of execution."""
    yield "visual.patch_embed.proj.weight", (D, 3, 2, 14, 14)
    for b in range(DEPTH):
        p = f"visual.blocks.{b}."
        for norm in ("norm1", "norm2"):
            yield p + norm + ".weight", (D,)
            yield p + norm + ".bias", (D,)
        for name, rows, columns in (("attn.qkv", 3 * D, D), ("attn.proj", D, D), ("mlp.fc1", 4 * D, D), ("mlp.fc2", D, 4 * D)):
            yield p + name + ".weight", (rows, columns)
            yield p + name + ".bias", (rows,)
    yield "visual.merger.ln_q.weight", (D,)
    yield "visual.merger.ln_q.bias", (D,)
    for name, rows in (("mlp.0", 4 * D), ("mlp.2", H)):
        yield f"visual.merger.{name}.weight", (rows, 4 * D)
        yield f"visual.merger.{name}.bias", (rows,)
    yield "model.embed_tokens.weight", (VOCAB, H)
    for b in range(layers):
        p = f"model.layers.{b}."
        yield p + "input_layernorm.weight", (H,)
        for name, rows in (("q", HEADS * HEAD), ("k", KV * HEAD), ("v", KV * HEAD)):
            yield p + f"self_attn.{name}_proj.weight", (rows, H)
            yield p + f"self_attn.{name}_proj.bias", (rows,)
        yield p + "self_attn.o_proj.weight", (H, HEADS * HEAD)
        yield p + "post_attention_layernorm.weight", (H,)
        yield p + "mlp.gate_proj.weight", (FFN, H)
        yield p + "mlp.up_proj.weight", (FFN, H)
        yield p + "mlp.down_proj.weight", (H, FFN)
    yield "model.norm.weight", (H,)


def bf16(values):
    """Round to nearest even."""
    bits = values.view(np.uint32).astype(np.uint64)
    return ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype("<u2")


# One long run of noise, read from a different place for every tensor: drawing 2.2 thousand million normals takes minutes.
rng = np.random.default_rng(1)
NOISE = rng.standard_normal(1 << 24).astype(np.float32)


def write_tensor(out, name, shape):
    count = int(np.prod(shape))
    if len(shape) == 1:
        out.write(bf16(np.full(count, 1.0 if name.endswith("weight") else 0.0, np.float32)).tobytes())
        return
    noise = bf16(NOISE * np.float32(0.7 * (count / shape[0]) ** -0.5))
    at = int(rng.integers(len(noise)))
    while count > 0:
        part = noise[at : at + count]
        out.write(part.tobytes())
        count, at = count - len(part), 0


def write_tokenizer(put):
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    rest = [b for b in range(256) if b not in printable]
    letter = {b: chr(b) for b in printable} | {b: chr(256 + i) for i, b in enumerate(rest)}
    vocab = {letter[b]: i for i, b in enumerate(printable + rest)} | {"th": 256}
    special = {"<|endoftext|>": 151643, "<|im_start|>": 151644, "<|im_end|>": 151645, "<|vision_start|>": 151652,
               "<|vision_end|>": 151653, "<|vision_pad|>": 151654, "<|image_pad|>": 151655, "<|video_pad|>": 151656}
    pattern = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+"
               r"|\s+(?!\S)|\s+")
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



def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("outdir")
    parser.add_argument("--layers", type=int, default=LAYERS, help="decoder layers, for quicker trials")
    args = parser.parse_args()
    os.makedirs(args.outdir, exist_ok=True)

    def put(name, value):
        with open(os.path.join(args.outdir, name), "w", encoding="utf-8") as out:
            json.dump(value, out, indent=2, ensure_ascii=False)

    tensors = list(shapes(args.layers))
    total = sum(2 * int(np.prod(s)) for _, s in tensors)
    shards, size = [[], []], 0
    for name, shape in tensors:
        shards[min(1, size * 2 // total)].append((name, shape))
        size += 2 * int(np.prod(shape))
    index = {}
    for number, shard in enumerate(shards, 1):
        file = f"model-{number:05d}-of-00002.safetensors"
        header, at = {"__metadata__": {"format": "pt"}}, 0
        for name, shape in shard:
            end = at + 2 * int(np.prod(shape))
            header[name] = {"dtype": "BF16", "shape": shape, "data_offsets": [at, end]}
            index[name], at = file, end
        text = json.dumps(header, separators=(",", ":")).encode()
        text += b" " * (-len(text) % 8)
        with open(os.path.join(args.outdir, file), "wb") as out:
            out.write(len(text).to_bytes(8, "little") + text)
            for name, shape in shard:
                write_tensor(out, name, shape)
    put("model.safetensors.index.json", {"metadata": {"total_size": total}, "weight_map": index})
    put("config.json", {
        "architectures": ["Qwen2VLForConditionalGeneration"], "model_type": "qwen2_vl", "attention_dropout": 0.0,
        "bos_token_id": 151643, "eos_token_id": 151645, "vision_start_token_id": 151652, "vision_end_token_id": 151653,
        "vision_token_id": 151654, "image_token_id": 151655, "video_token_id": 151656, "hidden_act": "silu",
        "hidden_size": H, "initializer_range": 0.02, "intermediate_size": FFN, "max_position_embeddings": 32768,
        "max_window_layers": args.layers, "num_attention_heads": HEADS, "num_hidden_layers": args.layers,
        "num_key_value_heads": KV, "rms_norm_eps": 1e-06, "rope_theta": 1000000.0, "sliding_window": 32768,
        "tie_word_embeddings": True, "torch_dtype": "bfloat16", "use_cache": True, "use_sliding_window": False,
        "vocab_size": VOCAB, "rope_scaling": {"type": "mrope", "mrope_section": [16, 24, 24]},
        "vision_config": {"depth": DEPTH, "embed_dim": D, "mlp_ratio": 4, "num_heads": 16, "in_chans": 3,
                          "hidden_size": H, "patch_size": 14, "spatial_merge_size": 2, "spatial_patch_size": 14,
                          "temporal_patch_size": 2}})
    put("generation_config.json", {"bos_token_id": 151643, "pad_token_id": 151643, "eos_token_id": [151645, 151643],
                                   "do_sample": True, "temperature": 0.01, "top_p": 0.001, "top_k": 1})
    put("preprocessor_config.json", {
        "min_pixels": 3136, "max_pixels": 12845056, "patch_size": 14, "temporal_patch_size": 2, "merge_size": 2,
        "image_mean": [0.48145466, 0.4578275, 0.40821073], "image_std": [0.26862954, 0.26130258, 0.27577711],
        "image_processor_type": "Qwen2VLImageProcessor"})
    write_tokenizer(put)
    print(f"{args.outdir}: {len(tensors)} tensors, {total / 1e9:.2f} GB")


if __name__ == "__main__":
    main()
