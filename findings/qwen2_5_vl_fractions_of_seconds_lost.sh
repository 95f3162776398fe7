#!/bin/bash
# Qwen2.5-VL in transformers 4.57.6 sees all frames of a video at one moment when pairs of frames are less than a second apart.
#
# `second_per_grid_ts`, the seconds between temporal patches, is made a tensor of the type of the grid, which is whole numbers: 0.75
# becomes 0 and 1.5 becomes 1. Videos sampled at the usual 2 frames a second have 1.0 and are well; at 4 frames a second, with 0.5,
# temporal positions do not move at all. No warning is given. 5.24.0 keeps the fraction. So: reference values for videos sampled
# otherwise must say which version made them, and whoever serves such a model through 4.57 should sample at 2 frames a second.
#
# Seen, temporal positions of four frames of one token each: 4.57.6 with 0.75 s: 2 2 2 2, with 1.0: 2 4 6 8, with 1.5: 2 4 6 8;
# 5.24.0: 2 3 5 6, 2 4 6 8, 2 5 8 11.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
export HF_HOME="$folder/hub" HF_HUB_OFFLINE=1 TRANSFORMERS_VERBOSITY=error
unset PYTHONPATH
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q torch==2.15.0 numpy==2.4.6
install() { "$folder/venv/bin/pip" install -q --no-compile --target "$folder/$1" numpy==2.4.6 "${@:2}"; }
install old transformers==4.57.6 huggingface_hub==0.36.2 tokenizers==0.22.2
install new transformers==5.24.0 huggingface_hub==2.4.0 tokenizers==0.23.3
cat > "$folder/check.py" <<'PYTHON'
import inspect
import sys

import torch
import transformers
from transformers import Qwen2_5_VLConfig
from transformers.models.qwen2_5_vl.modeling_qwen2_5_vl import Qwen2_5_VLModel

version, expected = sys.argv[1], eval(sys.argv[2])
assert transformers.__version__ == version
start, video, end = 20, 21, 23
config = Qwen2_5_VLConfig(
    vision_config=dict(
        depth=1, hidden_size=16, num_heads=2, intermediate_size=16, out_hidden_size=16, fullatt_block_indexes=[0],
        tokens_per_second=2),
    text_config=dict(
        vocab_size=64, hidden_size=16, intermediate_size=16, num_hidden_layers=1, num_attention_heads=2,
        num_key_value_heads=1, rope_scaling={"type": "mrope", "mrope_section": [2, 1, 1]}, bos_token_id=1, eos_token_id=2),
    image_token_id=22, video_token_id=video, vision_start_token_id=start, vision_end_token_id=end)
model = Qwen2_5_VLModel(config)
ids = torch.tensor([[1, start] + 4 * [video] + [end, 2]])
for seconds in (0.75, 1.0, 1.5):
    arguments = dict(
        input_ids=ids, video_grid_thw=torch.tensor([[4, 2, 2]]), second_per_grid_ts=torch.tensor([seconds]))
    if "mm_token_type_ids" in inspect.signature(model.get_rope_index).parameters:
        arguments["mm_token_type_ids"] = 2 * (ids == video).int()
    times = model.get_rope_index(**arguments)[0][0, 0, 2:6].tolist()
    print(version, "seconds", seconds, "times", times)
    assert times == expected[seconds]
PYTHON
PYTHONPATH="$folder/old" "$folder/venv/bin/python" "$folder/check.py" 4.57.6 \
    "{0.75: [2, 2, 2, 2], 1.0: [2, 4, 6, 8], 1.5: [2, 4, 6, 8]}"
PYTHONPATH="$folder/new" "$folder/venv/bin/python" "$folder/check.py" 5.24.0 \
    "{0.75: [2, 3, 5, 6], 1.0: [2, 4, 6, 8], 1.5: [2, 5, 8, 11]}"
echo "as described"
