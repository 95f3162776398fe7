#!/usr/bin/env python3
"""Make the adapters in Tests/Fixtures/adapters, and what PEFT merges of them: make_adapter_fixtures.py

The base is the tiny Qwen3-VL of Tests/Fixtures/qwen3-vl (tied), loaded in float32 with its head untied, as PEFT itself advises:
merged while tied, a change of the embedding would change the head too, which the model that was trained does not have.
`lora` has patterns of ranks and alphas, an embedding, and norms saved whole; `dora` is in bfloat16, with
rank-stabilised scales and the names that transformers 4 gave; `merged.safetensors` holds the weights that both, one after the other,
change, in float32 under their published names.

Needs torch, transformers 5, peft 0.21 and safetensors.
"""
import os
import shutil

os.environ.setdefault("HF_HUB_OFFLINE", "1")

import torch
from peft import LoraConfig, get_peft_model
from safetensors.torch import load_file, save_file
from transformers import Qwen3VLForConditionalGeneration

FIXTURES = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "Fixtures")
OUT = os.path.join(FIXTURES, "adapters")
LORA = {
    "r": 3, "lora_alpha": 5,
    "target_modules": r".*(language_model\.layers\.0\.(self_attn\.[qv]_proj|mlp\.down_proj)|embed_tokens)",
    "rank_pattern": {r"layers\.[0-9]+\.mlp\.\w+": 2, "down_proj": 7},
    "alpha_pattern": {r"^self_attn\.q_proj": 50, r"(k|v)_proj": 4, "self_attn.v_proj": 60},
    "modules_to_save": ["q_norm"],
}
DORA = {
    "r": 4, "lora_alpha": 3, "use_dora": True, "use_rslora": True,
    "target_modules": r".*(language_model\.layers\.0\.self_attn\.[qk]_proj|visual\.blocks\.1\.attn\.qkv)",
}


def train(model, config, seed):
    """The model with an adapter of random values."""
    model = get_peft_model(model, LoraConfig(**config))
    generator = torch.Generator().manual_seed(seed)
    for name, weight in model.named_parameters():
        noise = torch.randn(weight.shape, generator=generator)
        if "lora_magnitude" in name or "modules_to_save" in name:
            weight.data.mul_(1 + 0.2 * noise)
        elif "lora_" in name:
            weight.data.copy_((0.2 * noise).bfloat16() if config.get("use_dora") else 0.2 * noise)
    return model


def save(model, name, change=lambda key, value: (key, value)):
    folder = os.path.join(OUT, name)
    model.save_pretrained(folder, save_embedding_layers=False)
    file = os.path.join(folder, "adapter_model.safetensors")
    save_file(dict(change(*item) for item in load_file(file).items()), file)
    os.remove(os.path.join(folder, "README.md"))
    config = os.path.join(folder, "adapter_config.json")
    with open(config, encoding="utf-8") as source:
        text = source.read()
    with open(config, "w", encoding="utf-8") as target:
        target.write(text.replace(BASE, "qwen3-vl"))


def earlier(key, value):
    """As transformers 4 named modules, and matrices in bfloat16."""
    key = key.replace(".model.language_model.", ".model.").replace(".model.model.visual.", ".model.visual.")
    return key, value if "magnitude" in key else value.bfloat16()


BASE = os.path.join(FIXTURES, "qwen3-vl", "published")
shutil.rmtree(OUT, ignore_errors=True)
model = Qwen3VLForConditionalGeneration.from_pretrained(BASE, dtype=torch.float32)
model.lm_head.weight = torch.nn.Parameter(model.lm_head.weight.detach().clone())
model.config.tie_word_embeddings = model.config.text_config.tie_word_embeddings = False
before = {name: value.clone() for name, value in model.state_dict().items()}
for name, config, seed, change in [("lora", LORA, 1, lambda *item: item), ("dora", DORA, 2, earlier)]:
    adapted = train(model, config, seed)
    save(adapted, name, change)
    model = adapted.merge_and_unload()
merged = {name: value for name, value in model.state_dict().items() if not torch.equal(value, before[name])}
save_file({name: value.float().contiguous() for name, value in merged.items()}, os.path.join(OUT, "merged.safetensors"))
