#!/bin/bash
# The pixel limits of a Qwen3-VL preprocessor_config.json are dropped when torchvision is missing.
#
# transformers 4.57.6 then falls back to its slow image processor. That class checks `size` and puts the limits of Qwen2-VL in
# its place, so that a file as published (`size` alone, no min_pixels and max_pixels) is read as 3136..1003520 pixels instead
# of 65536..16777216. The one warning says only that the slow class is used. This picture gets a third of its patches, and a
# saved copy states the wrong limits from then on, also for newer versions. transformers 5.24.0 on the published file keeps the
# limits. So: a reference run must print the grid it used, and a checkpoint that states 1003520 may have been through this.
#
# Seen, for a picture of 2000 x 1500:
#   4.57.6, the file:        3136..1003520,  grid [1, 54, 72]
#   4.57.6, its saved copy:  states "shortest_edge": 3136, "longest_edge": 1003520
#   5.24.0, the file:        65536..16777216, grid [1, 94, 124]
#   5.24.0, that saved copy: 3136..1003520,  grid [1, 54, 72]
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
export HF_HOME="$folder/hub" HF_HUB_OFFLINE=1
unset PYTHONPATH
python3 -m venv "$folder/venv"
install() { "$folder/venv/bin/pip" install -q --no-compile --target "$folder/$1" numpy==2.4.6 pillow==13.0.0 "${@:2}"; }
install old transformers==4.57.6 huggingface_hub==0.36.2 tokenizers==0.22.2
install new transformers==5.24.0 huggingface_hub==2.4.0 tokenizers==0.23.3
mkdir "$folder/published"
cat > "$folder/published/preprocessor_config.json" <<'JSON'
{"size": {"shortest_edge": 65536, "longest_edge": 16777216}, "patch_size": 16, "temporal_patch_size": 2, "merge_size": 2,
 "image_mean": [0.5, 0.5, 0.5], "image_std": [0.5, 0.5, 0.5],
 "processor_class": "Qwen3VLProcessor", "image_processor_type": "Qwen2VLImageProcessorFast"}
JSON
cat > "$folder/check.py" <<'PYTHON'
import json
import sys

import transformers
from PIL import Image

version, source, least, most, rows, columns, copy = sys.argv[1:]
assert transformers.__version__ == version
processor = transformers.AutoImageProcessor.from_pretrained(source)
limits = [processor.size["shortest_edge"], processor.size["longest_edge"]]
grid = processor(images=[Image.new("RGB", (2000, 1500))], return_tensors="np")["image_grid_thw"].tolist()
processor.save_pretrained(copy)
with open(f"{copy}/preprocessor_config.json") as file:
    saved = json.load(file)["size"]
print(version, type(processor).__name__, limits, grid, "saves", saved)
assert limits == [int(least), int(most)]
assert grid == [[1, int(rows), int(columns)]]
assert saved == {"shortest_edge": int(least), "longest_edge": int(most)}
PYTHON
check() { PYTHONPATH="$folder/$1" "$folder/venv/bin/python" "$folder/check.py" "${@:2}"; }
check old 4.57.6 "$folder/published" 3136 1003520 54 72 "$folder/copy"
check new 5.24.0 "$folder/published" 65536 16777216 94 124 "$folder/unharmed"
check new 5.24.0 "$folder/copy" 3136 1003520 54 72 "$folder/again"
echo "as described"
