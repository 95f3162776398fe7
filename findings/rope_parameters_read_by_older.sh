#!/bin/bash
# A config.json saved by transformers 5 is read by transformers 4.57.6 with another rope base, without a word.
#
# 5.24.0 writes the base inside `rope_parameters` and no `rope_theta` beside it. 4.57.6 keeps that member as an unknown one and
# takes its class's default base: 10,000 for a Qwen3 that states 1,000,000. A Qwen3-VL loses its mrope sections as well. Every
# rotary angle of the model hangs on that number. So: a writer whose files older readers may open must state `rope_theta` (and
# `rope_scaling`) too, and a reader must look in both places.
#
# Seen, after 4.57.6 -> 5.24.0 -> 4.57.6 with a stated base of 1,000,000:
#   qwen3:    5.24.0 takes 1000000.0, 4.57.6 takes 10000.0
#   qwen3_vl: 5.24.0 takes 1000000.0, 4.57.6 takes 5000000.0 and rope_scaling None
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
export HF_HOME="$folder/hub" HF_HUB_OFFLINE=1
unset PYTHONPATH
python3 -m venv "$folder/venv"
install() { "$folder/venv/bin/pip" install -q --no-compile --target "$folder/$1" numpy==2.4.6 "${@:2}"; }
install old transformers==4.57.6 huggingface_hub==0.36.2 tokenizers==0.22.2
install new transformers==5.24.0 huggingface_hub==2.4.0 tokenizers==0.23.3
cat > "$folder/check.py" <<'PYTHON'
import json
import os
import sys

import transformers

step, folder = sys.argv[1:]
sections = {"rope_type": "default", "mrope_section": [24, 20, 20], "mrope_interleaved": True}
stated = {
    "qwen3": {"model_type": "qwen3", "rope_theta": 1e6},
    "qwen3_vl": {
        "model_type": "qwen3_vl",
        "text_config": {"model_type": "qwen3_vl_text", "rope_theta": 1e6, "rope_scaling": sections},
    },
}
for kind, members in stated.items():
    first, second = f"{folder}/{kind}-old", f"{folder}/{kind}-new"
    if step == "write":
        os.makedirs(first)
        with open(f"{first}/config.json", "w") as file:
            json.dump(members, file)
    config = transformers.AutoConfig.from_pretrained(second if step == "read" else first)
    text = config.get_text_config()
    if step == "write":
        assert transformers.__version__ == "4.57.6" and text.rope_theta == 1e6
        config.save_pretrained(first)
    elif step == "convert":
        assert transformers.__version__ == "5.24.0" and text.rope_parameters["rope_theta"] == 1e6
        config.save_pretrained(second)
        with open(f"{second}/config.json") as file:
            written = json.load(file)
        written = written.get("text_config", written)
        print("5.24.0 writes", kind, {name: written[name] for name in written if "rope" in name})
        assert "rope_theta" not in written and written["rope_parameters"]["rope_theta"] == 1e6
    else:
        print("4.57.6 reads", kind, text.rope_theta, "rope_scaling", text.rope_scaling)
        assert text.rope_theta == {"qwen3": 1e4, "qwen3_vl": 5e6}[kind] and text.rope_scaling is None
PYTHON
step() { PYTHONPATH="$folder/$1" "$folder/venv/bin/python" "$folder/check.py" "$2" "$folder"; }
step old write
step new convert
step old read
echo "as described"
