#!/bin/bash
# Every Qwen3.5 that mlx-vlm converts has other norms than the published model.
#
# The published checkpoints hold a norm's w, in bfloat16, and multiply by 1 + w, computed in float32. mlx-vlm 0.7.10 stores 1 + w under
# the same name, and adds the 1 in the tensor's own bfloat16, whose numbers between 1 and 2 are 1/128 apart: what w has below that is
# gone, in every copy, of whatever width its matrices are. The 1 is added only where a convolution kernel still lies as in the
# published files, so that w and 1 + w look alike to whoever reads such a file by its names alone. A reader that takes a copy for the
# published file adds 1 again.
#
# Seen, of 1000 values of w between -0.25 and 0.25:
#   distinct in the published file 756, in the copy 97; the largest difference of a factor 0.3800 %
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
unset PYTHONPATH
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q "mlx[cpu]==0.32.4" mlx-lm==0.32.2 mlx-vlm==0.7.10
cat > "$folder/check.py" <<'PYTHON'
import mlx.core as mx
from mlx_vlm.models import qwen3_5

NORM, KERNEL = "model.language_model.layers.0.input_layernorm.weight", "model.language_model.layers.0.linear_attn.conv1d.weight"
published = mx.linspace(-0.25, 0.25, 1000).astype(mx.bfloat16)
config = qwen3_5.ModelConfig.from_dict({
    "model_type": "qwen3_5", "tie_word_embeddings": True,
    "text_config": {"model_type": "qwen3_5_text", "num_hidden_layers": 1, "vocab_size": 64, "hidden_size": 64, "intermediate_size": 64,
                    "num_attention_heads": 1, "num_key_value_heads": 1, "head_dim": 64, "linear_num_value_heads": 1,
                    "linear_num_key_heads": 1, "linear_key_head_dim": 16, "linear_value_head_dim": 16,
                    "linear_conv_kernel_dim": 4, "rms_norm_eps": 1e-6, "max_position_embeddings": 64},
    "vision_config": {"model_type": "qwen3_5", "depth": 1, "hidden_size": 64, "intermediate_size": 64, "num_heads": 1,
                      "out_hidden_size": 64}})
if isinstance(config.text_config, dict):
    config.text_config = qwen3_5.TextConfig.from_dict(config.text_config)
    config.vision_config = qwen3_5.VisionConfig.from_dict(config.vision_config)
# The array itself is added to: what it was is kept before.
exact = 1 + published.astype(mx.float32)
before = len(set(published.astype(mx.float32).tolist()))
weights = qwen3_5.Model(config).sanitize({NORM: published, KERNEL: mx.zeros((48, 1, 4), mx.bfloat16)})
copy = next(value for name, value in weights.items() if name.endswith("input_layernorm.weight"))
assert copy.dtype == mx.bfloat16
kept = copy.astype(mx.float32)
difference = 100 * mx.max(mx.abs(kept / exact - 1)).item()
print(f"distinct in the published file {before}, in the copy {len(set(kept.tolist()))}; the largest difference of a factor {difference:.4f} %")
PYTHON
seen=$("$folder/venv/bin/python" "$folder/check.py")
echo "$seen"
[[ $seen == "distinct in the published file 756, in the copy 97; the largest difference of a factor 0.3800 %" ]]
echo "as described"
