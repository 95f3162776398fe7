#!/bin/bash
# A Qwen3-VL config.json that states no rope base is two models.
#
# The base that stands in for a missing `rope_theta` is 5,000,000 in transformers 4.57.6 and 500,000 in 5.24.0, for the dense
# text model and for the mixture of experts. No warning is given, and each version writes its own number when it saves, so the
# first one that touches the file decides. So: a reader should ask for the base rather than assume one, and a config made for
# a small test model must state it, or the reference values change with the version that computed them.
#
# Seen, for one file: 4.57.6 takes 5000000.0, 5.24.0 takes 500000.0; both take a stated 7000000.0 as it stands.
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

version, expected, folder = sys.argv[1], float(sys.argv[2]), sys.argv[3]
assert transformers.__version__ == version


def base(config):
    """The rope base: a member of its own in 4.57.6, one of `rope_parameters` in 5.24.0."""
    return config.rope_theta if hasattr(config, "rope_theta") else config.rope_parameters["rope_theta"]


def read(kind, **members):
    path = f"{folder}/{version}-{kind}"
    os.makedirs(path, exist_ok=True)
    with open(f"{path}/config.json", "w") as file:
        json.dump({"model_type": kind, "text_config": {"model_type": f"{kind}_text", **members}}, file)
    return transformers.AutoConfig.from_pretrained(path)


for kind in ("qwen3_vl", "qwen3_vl_moe"):
    config = read(kind)
    missing = base(config.text_config)
    config.save_pretrained(f"{folder}/saved")
    with open(f"{folder}/saved/config.json") as file:
        text = json.load(file)["text_config"]
    saved = text.get("rope_theta") or text["rope_parameters"]["rope_theta"]
    stated = base(read(kind, rope_theta=7e6).text_config)
    print(version, kind, "not stated:", missing, "saved as:", saved, "stated 7e6:", stated)
    assert missing == saved == expected and stated == 7e6
PYTHON
PYTHONPATH="$folder/old" "$folder/venv/bin/python" "$folder/check.py" 4.57.6 5e6 "$folder"
PYTHONPATH="$folder/new" "$folder/venv/bin/python" "$folder/check.py" 5.24.0 5e5 "$folder"
echo "as described"
