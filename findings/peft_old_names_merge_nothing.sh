#!/bin/sh
# An adapter trained under transformers 4 merges into nothing under transformers 5, and the merged model is saved without an error.
#
# transformers 5 calls a Qwen2.5-VL's modules model.language_model.… and model.visual.… in memory; 4.51 and earlier called them
# model.… and visual.…. It maps old names of checkpoints; PEFT does not map those of adapters. PeftModel.from_pretrained warns of missing
# keys, leaves every matrix B at its start (zeros), and merge_and_unload gives back the base model, bit for bit.
#
# Seen, peft 0.21.2 with transformers 5.24.0: names of 5: 2 of 2 weights changed; names of 4: 0 of 2, and one warning.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q peft==0.21.2 transformers==5.24.0 torch==2.15.0 safetensors==0.8.0 numpy==2.4.6
cat > "$folder/check.py" <<'PYTHON'
import sys
import warnings

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from safetensors.torch import load_file, save_file
from transformers import Qwen2_5_VLConfig, Qwen2_5_VLForConditionalGeneration

path = sys.argv[1]
config = Qwen2_5_VLConfig(
    text_config=dict(hidden_size=32, intermediate_size=48, num_hidden_layers=1, num_attention_heads=2, num_key_value_heads=1,
                     vocab_size=64, max_position_embeddings=64,
                     rope_parameters={"rope_type": "default", "rope_theta": 1e4, "mrope_section": [2, 3, 3]}),
    vision_config=dict(hidden_size=16, intermediate_size=24, depth=1, num_heads=2, out_hidden_size=32, fullatt_block_indexes=[0]))
torch.manual_seed(0)
base = Qwen2_5_VLForConditionalGeneration(config)
start = {name: value.clone() for name, value in base.state_dict().items()}
model = get_peft_model(base, LoraConfig(r=2, target_modules=["q_proj", "qkv"]))
for name, value in model.named_parameters():
    if "lora_B" in name:
        torch.nn.init.normal_(value)
model.save_pretrained(path)
tensors = load_file(f"{path}/adapter_model.safetensors")
old = {name.replace(".model.language_model.", ".model.", 1).replace(".model.visual.", ".visual.", 1): value
       for name, value in tensors.items()}
old = {name.replace("base_model.visual", "base_model.model.visual"): value for name, value in old.items()}


def changed(names):
    save_file(names, f"{path}/adapter_model.safetensors")
    fresh = Qwen2_5_VLForConditionalGeneration(config)
    fresh.load_state_dict(start)
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        merged = PeftModel.from_pretrained(fresh, path).merge_and_unload().state_dict()
    missing = sum("missing" in str(item.message) for item in seen)
    return sum(not torch.equal(merged[name], start[name]) for name in start), missing


print(sorted(old)[:2])
print("names of transformers 5: weights changed, warnings:", changed(tensors))
print("names of transformers 4: weights changed, warnings:", changed(old))
assert changed(tensors) == (2, 0) and changed(old)[0] == 0
PYTHON
"$folder/venv/bin/python" "$folder/check.py" "$folder/adapter"
