"""Writes formats/checkpoints/*.json: the tensors of every published model, without their weights.

    python3 make_manifests.py [FOLDER]

Each generation has one rule, from the members of config.json to names and shapes. Counts of tensors, parameters and
bytes are compared with what is known of the published files; nothing is written if one differs.
"""

import json
import math
import sys
from pathlib import Path

FOLDER = Path(__file__).parents[2] / "formats" / "checkpoints"

# Tensors, parameters; the bytes are two each, all being bfloat16.
TOTALS = {
    "Qwen-VL": (853, 9_656_935_168),
    "Qwen-VL-Chat": (853, 9_656_935_168),
    "Qwen2-VL-2B": (729, 2_208_985_600),
    "Qwen2-VL-7B": (730, 8_291_375_616),
    "Qwen2-VL-72B": (1354, 73_405_560_320),
    "Qwen2.5-VL-3B": (824, 3_754_622_976),
    "Qwen2.5-VL-7B": (729, 8_292_166_656),
    "Qwen2.5-VL-32B": (1161, 33_452_718_336),
    "Qwen2.5-VL-72B": (1353, 73_410_777_344),
    "Qwen3-VL-2B": (625, 2_127_532_032),
    "Qwen3-VL-4B": (713, 4_437_815_808),
    "Qwen3-VL-8B": (750, 8_767_123_696),
    "Qwen3-VL-32B": (1058, 33_357_390_064),
    "Qwen3-VL-30B-A3B": (882, 31_070_754_032),
    "Qwen3-VL-235B-A22B": (1388, 235_670_022_896),
    "Qwen3.5-0.8B": (488, 873_438_784),
    "Qwen3.5-2B": (632, 2_274_069_824),
    "Qwen3.5-4B": (738, 4_659_865_088),
    "Qwen3.5-9B": (775, 9_653_104_368),
    "Qwen3.5-27B": (1199, 27_781_427_952),
    "Qwen3.5-35B-A3B": (1045, 35_951_822_704),
}

# Whose total was compared with the `total_size` of the published index.
INDEXED = {
    "Qwen-VL", "Qwen-VL-Chat", "Qwen2-VL-7B", "Qwen2.5-VL-7B", "Qwen2.5-VL-32B", "Qwen3-VL-4B", "Qwen3-VL-8B", "Qwen3-VL-32B",
    "Qwen3-VL-30B-A3B",
}

# Bytes of the published file, where there is one that is known.
FILES = {"Qwen3.5-0.8B": 1746942600, "Qwen3.5-2B": 4548221488}


class Tensors(list):
    """Names, shapes and counts in the order of the model; {i} in a name is the number of its repetition."""

    def add(self, name, *shape, count=None):
        """`count` is how often, or which numbers."""
        entry = {"name": name, "shape": list(shape)}
        self.append(entry | ({"count": count} if isinstance(count, int) else {"numbers": count} if count else {}))

    def linear(self, name, rows, columns, count=None, bias=True):
        self.add(name + ".weight", rows, columns, count=count)
        if bias:
            self.add(name + ".bias", rows, count=count)

    def norm(self, name, width, count=None, bias=False):
        self.add(name + ".weight", width, count=count)
        if bias:
            self.add(name + ".bias", width, count=count)


def qwen_vl(config):
    tensors = Tensors()
    width, depth = config["hidden_size"], config["num_hidden_layers"]
    inner, mlp = config["num_attention_heads"] * config["kv_channels"], config["intermediate_size"] // 2
    tensors.add("transformer.wte.weight", config["vocab_size"], width)
    layer = "transformer.h.{i}."
    tensors.norm(layer + "ln_1", width, depth)
    tensors.linear(layer + "attn.c_attn", 3 * inner, width, depth)
    tensors.linear(layer + "attn.c_proj", width, inner, depth, bias=False)
    tensors.norm(layer + "ln_2", width, depth)
    tensors.linear(layer + "mlp.w1", mlp, width, depth, bias=False)
    tensors.linear(layer + "mlp.w2", mlp, width, depth, bias=False)
    tensors.linear(layer + "mlp.c_proj", width, mlp, depth, bias=False)
    tensors.norm("transformer.ln_f", width)
    tensors.linear("lm_head", config["vocab_size"], width, bias=False)
    qwen_vl_tower(tensors, config["visual"])
    return tensors


def qwen_vl_tower(tensors, visual):
    tower, width, depth = "transformer.visual.", visual["width"], visual["layers"]
    output, patch, queries = visual["output_dim"], visual["patch_size"], 256
    mlp = int(width * visual["mlp_ratio"])
    tensors.add(tower + "conv1.weight", width, 3, patch, patch)
    tensors.add(tower + "positional_embedding", 256, width)
    tensors.norm(tower + "ln_pre", width, bias=True)
    block = tower + "transformer.resblocks.{i}."
    tensors.norm(block + "ln_1", width, depth, bias=True)
    tensors.linear(block + "attn.in_proj", 3 * width, width, depth)
    tensors.linear(block + "attn.out_proj", width, width, depth)
    tensors.norm(block + "ln_2", width, depth, bias=True)
    tensors.linear(block + "mlp.c_fc", mlp, width, depth)
    tensors.linear(block + "mlp.c_proj", width, mlp, depth)
    pool = tower + "attn_pool."
    tensors.add(pool + "query", queries, output)
    tensors.add(pool + "pos_embed", queries, output)
    tensors.linear(pool + "kv_proj", output, width, bias=False)
    tensors.norm(pool + "ln_q", output, bias=True)
    tensors.norm(pool + "ln_kv", output, bias=True)
    tensors.add(pool + "attn.in_proj_weight", 3 * output, output)
    tensors.add(pool + "attn.in_proj_bias", 3 * output)
    tensors.linear(pool + "attn.out_proj", output, output)
    tensors.norm(tower + "ln_post", output, bias=True)
    tensors.add(tower + "proj", output, output)


def decoder(tensors, text, prefix, tied, qkv_bias, head_norms):
    """What Qwen2 and Qwen3 have in common."""
    width, depth, mlp = text["hidden_size"], text["num_hidden_layers"], text["intermediate_size"]
    heads, keys = text["num_attention_heads"], text["num_key_value_heads"]
    head = text.get("head_dim", width // heads)
    tensors.add(prefix + "embed_tokens.weight", text["vocab_size"], width)
    layer = prefix + "layers.{i}."
    tensors.norm(layer + "input_layernorm", width, depth)
    for name, count in [("q", heads), ("k", keys), ("v", keys)]:
        tensors.linear(layer + f"self_attn.{name}_proj", count * head, width, depth, bias=qkv_bias)
    if head_norms:
        tensors.norm(layer + "self_attn.q_norm", head, depth)
        tensors.norm(layer + "self_attn.k_norm", head, depth)
    tensors.linear(layer + "self_attn.o_proj", width, heads * head, depth, bias=False)
    tensors.norm(layer + "post_attention_layernorm", width, depth)
    if experts := text.get("num_experts"):
        inner = text["moe_intermediate_size"]
        tensors.linear(layer + "mlp.gate", experts, width, depth, bias=False)
        tensors.add(layer + "mlp.experts.gate_up_proj", experts, width, 2 * inner, count=depth)
        tensors.add(layer + "mlp.experts.down_proj", experts, inner, width, count=depth)
    else:
        tensors.linear(layer + "mlp.gate_proj", mlp, width, depth, bias=False)
        tensors.linear(layer + "mlp.up_proj", mlp, width, depth, bias=False)
        tensors.linear(layer + "mlp.down_proj", width, mlp, depth, bias=False)
    tensors.norm(prefix + "norm", width)
    if not tied:
        tensors.linear("lm_head", text["vocab_size"], width, bias=False)


def tower(tensors, vision, prefix, width, bias, norm_bias, networks):
    """What the towers from 2024 on have in common; `networks` are the linears of a block: name, rows, columns."""
    depth, patch = vision["depth"], vision["patch_size"]
    kernel = (vision.get("in_chans", 3), vision["temporal_patch_size"], patch, patch)
    tensors.add(prefix + "patch_embed.proj.weight", width, *kernel)
    if bias:
        tensors.add(prefix + "patch_embed.proj.bias", width)
    block = prefix + "blocks.{i}."
    tensors.norm(block + "norm1", width, depth, norm_bias)
    tensors.linear(block + "attn.qkv", 3 * width, width, depth)
    tensors.linear(block + "attn.proj", width, width, depth)
    tensors.norm(block + "norm2", width, depth, norm_bias)
    for name, rows, columns in networks:
        tensors.linear(block + f"mlp.{name}", rows, columns, depth)


def qwen2_vl(config):
    tensors, vision = Tensors(), config["vision_config"]
    width = vision["embed_dim"]
    mlp, merged = width * vision["mlp_ratio"], width * vision["spatial_merge_size"] ** 2
    tower(tensors, vision, "visual.", width, False, True, [("fc1", mlp, width), ("fc2", width, mlp)])
    tensors.norm("visual.merger.ln_q", width, bias=True)
    tensors.linear("visual.merger.mlp.0", merged, merged)
    tensors.linear("visual.merger.mlp.2", vision["hidden_size"], merged)
    decoder(tensors, config, "model.", config["tie_word_embeddings"], qkv_bias=True, head_norms=False)
    return tensors


def qwen25_vl(config):
    tensors, vision = Tensors(), config["vision_config"]
    width, mlp = vision["hidden_size"], vision["intermediate_size"]
    merged = width * vision["spatial_merge_size"] ** 2
    networks = [("gate_proj", mlp, width), ("up_proj", mlp, width), ("down_proj", width, mlp)]
    tower(tensors, vision, "visual.", width, False, False, networks)
    tensors.norm("visual.merger.ln_q", width)
    tensors.linear("visual.merger.mlp.0", merged, merged)
    tensors.linear("visual.merger.mlp.2", vision["out_hidden_size"], merged)
    decoder(tensors, config, "model.", config["tie_word_embeddings"], qkv_bias=True, head_norms=False)
    return tensors


def qwen3_vl(config):
    tensors, vision, prefix = Tensors(), config["vision_config"], "model.visual."
    width, mlp = vision["hidden_size"], vision["intermediate_size"]
    merged = width * vision["spatial_merge_size"] ** 2
    networks = [("linear_fc1", mlp, width), ("linear_fc2", width, mlp)]
    tower(tensors, vision, prefix, width, True, True, networks)
    tensors.add(prefix + "pos_embed.weight", vision["num_position_embeddings"], width)
    features = len(vision["deepstack_visual_indexes"])
    for name, norm, count in [("merger", width, None), ("deepstack_merger_list.{i}", merged, features)]:
        tensors.norm(f"{prefix}{name}.norm", norm, count, bias=True)
        tensors.linear(f"{prefix}{name}.linear_fc1", merged, merged, count)
        tensors.linear(f"{prefix}{name}.linear_fc2", vision["out_hidden_size"], merged, count)
    text = config["text_config"]
    decoder(
        tensors, text, "model.language_model.", config["tie_word_embeddings"], qkv_bias=False, head_norms=True)
    return tensors


def qwen35(config):
    tensors, vision, text, prefix = Tensors(), config["vision_config"], config["text_config"], "model.visual."
    width, mlp = vision["hidden_size"], vision["intermediate_size"]
    merged = width * vision["spatial_merge_size"] ** 2
    tower(tensors, vision, prefix, width, True, True, [("linear_fc1", mlp, width), ("linear_fc2", width, mlp)])
    tensors.add(prefix + "pos_embed.weight", vision["num_position_embeddings"], width)
    tensors.norm(prefix + "merger.norm", width, bias=True)
    tensors.linear(prefix + "merger.linear_fc1", merged, merged)
    tensors.linear(prefix + "merger.linear_fc2", vision["out_hidden_size"], merged)
    hidden, kinds, prefix = text["hidden_size"], text["layer_types"], "model.language_model."
    tensors.add(prefix + "embed_tokens.weight", text["vocab_size"], hidden)
    linear = [index for index, kind in enumerate(kinds) if kind == "linear_attention"]
    full = [index for index, kind in enumerate(kinds) if kind == "full_attention"]
    name, keys = prefix + "layers.{i}.linear_attn.", text["linear_num_key_heads"] * text["linear_key_head_dim"]
    heads, values = text["linear_num_value_heads"], text["linear_num_value_heads"] * text["linear_value_head_dim"]
    for part, rows in [("qkv", 2 * keys + values), ("z", values), ("b", heads), ("a", heads)]:
        tensors.linear(f"{name}in_proj_{part}", rows, hidden, linear, bias=False)
    tensors.add(name + "conv1d.weight", 2 * keys + values, 1, text["linear_conv_kernel_dim"], count=linear)
    tensors.add(name + "A_log", heads, count=linear)
    tensors.add(name + "dt_bias", heads, count=linear)
    tensors.norm(name + "norm", text["linear_value_head_dim"], linear)
    tensors.linear(name + "out_proj", hidden, values, linear, bias=False)
    gated_block(tensors, text, prefix + "layers.{i}.", full, list(range(len(kinds))))
    tensors.norm(prefix + "norm", hidden)
    if not config["tie_word_embeddings"]:
        tensors.add("lm_head.weight", text["vocab_size"], hidden)
    if text["mtp_num_hidden_layers"]:
        tensors.linear("mtp.fc", hidden, 2 * hidden, bias=False)
        for part in ["pre_fc_norm_embedding", "pre_fc_norm_hidden", "norm"]:
            tensors.norm("mtp." + part, hidden)
        gated_block(tensors, text, "mtp.layers.{i}.", 1, 1)
    return tensors


def gated_block(tensors, text, prefix, full, layers):
    """Gated attention in the layers `full`; norms and a network, of experts perhaps, in `layers`."""
    hidden, head = text["hidden_size"], text["head_dim"]
    heads, keys = text["num_attention_heads"] * head, text["num_key_value_heads"] * head
    for part, rows, columns in [("q", 2 * heads, hidden), ("k", keys, hidden), ("v", keys, hidden), ("o", hidden, heads)]:
        tensors.linear(f"{prefix}self_attn.{part}_proj", rows, columns, full, bias=False)
    for part in ["q_norm", "k_norm"]:
        tensors.norm(f"{prefix}self_attn.{part}", head, full)
    for part in ["input_layernorm", "post_attention_layernorm"]:
        tensors.norm(prefix + part, hidden, layers)
    networks = [("mlp.", text.get("intermediate_size"))]
    if "num_experts" in text:
        count, width = text["num_experts"], text["moe_intermediate_size"]
        tensors.linear(prefix + "mlp.gate", count, hidden, layers, bias=False)
        tensors.add(prefix + "mlp.experts.gate_up_proj", count, 2 * width, hidden, count=layers)
        tensors.add(prefix + "mlp.experts.down_proj", count, hidden, width, count=layers)
        tensors.linear(prefix + "mlp.shared_expert_gate", 1, hidden, layers, bias=False)
        networks = [("mlp.shared_expert.", text["shared_expert_intermediate_size"])]
    for name, width in networks:
        for part, rows, columns in [("gate", width, hidden), ("up", width, hidden), ("down", hidden, width)]:
            tensors.linear(f"{prefix}{name}{part}_proj", rows, columns, layers, bias=False)


def qwen_vl_config():
    return {
        "architectures": ["QWenLMHeadModel"], "model_type": "qwen", "hidden_size": 4096,
        "num_hidden_layers": 32, "num_attention_heads": 32, "kv_channels": 128, "intermediate_size": 22016,
        "vocab_size": 151936, "seq_length": 2048, "max_position_embeddings": 8192,
        "layer_norm_epsilon": 1e-6, "no_bias": True, "rotary_emb_base": 10000, "rotary_pct": 1.0,
        "scale_attn_weights": True, "use_dynamic_ntk": True, "use_logn_attn": True,
        "tie_word_embeddings": False, "torch_dtype": "bfloat16",
        "visual": {
            "heads": 16, "image_size": 448, "image_start_id": 151857, "layers": 48, "mlp_ratio": 4.9231,
            "output_dim": 4096, "patch_size": 14, "width": 1664,
        },
    }


def qwen2_config(kind, context, hidden, layers, heads, keys, mlp, vocabulary, tied, vision):
    return {
        "architectures": [kind + "ForConditionalGeneration"],
        "model_type": {"Qwen2VL": "qwen2_vl", "Qwen2_5_VL": "qwen2_5_vl"}[kind], "hidden_act": "silu",
        "hidden_size": hidden, "intermediate_size": mlp, "num_hidden_layers": layers,
        "num_attention_heads": heads, "num_key_value_heads": keys, "vocab_size": vocabulary,
        "max_position_embeddings": context, "rms_norm_eps": 1e-6, "rope_theta": 1000000.0,
        "rope_scaling": {"type": "mrope", "mrope_section": [16, 24, 24]}, "use_sliding_window": False,
        "tie_word_embeddings": tied, "torch_dtype": "bfloat16", "vision_start_token_id": 151652,
        "vision_end_token_id": 151653, "image_token_id": 151655, "video_token_id": 151656,
        "vision_config": vision,
    }


def qwen2_vl_config(hidden, *decoder):
    return qwen2_config("Qwen2VL", 32768, hidden, *decoder, vision={
        "depth": 32, "embed_dim": 1280, "mlp_ratio": 4, "num_heads": 16, "in_chans": 3, "hidden_size": hidden,
        "patch_size": 14, "spatial_merge_size": 2, "temporal_patch_size": 2,
    })


def qwen25_vl_config(tower_mlp, hidden, *decoder):
    return qwen2_config("Qwen2_5_VL", 128000, hidden, *decoder, vision={
        "depth": 32, "hidden_act": "silu", "hidden_size": 1280, "intermediate_size": tower_mlp,
        "num_heads": 16, "in_chans": 3, "out_hidden_size": hidden, "patch_size": 14, "spatial_merge_size": 2,
        "temporal_patch_size": 2, "window_size": 112, "fullatt_block_indexes": [7, 15, 23, 31],
        "tokens_per_second": 2,
    })


def qwen3_vl_config(hidden, layers, heads, keys, mlp, tied=False, small_tower=False, expert_width=None):
    kind, text, extra = "Qwen3VL", "qwen3_vl", {}
    if expert_width:
        kind, text = "Qwen3VLMoe", "qwen3_vl_moe"
        extra = {
            "num_experts": 128, "num_experts_per_tok": 8, "moe_intermediate_size": expert_width,
            "norm_topk_prob": True, "decoder_sparse_step": 1, "mlp_only_layers": [],
        }
    depth, width, inner, blocks = (24, 1024, 4096, [5, 11, 17]) if small_tower else (27, 1152, 4304, [8, 16, 24])
    return {
        "architectures": [kind + "ForConditionalGeneration"], "model_type": text,
        "tie_word_embeddings": tied, "vision_start_token_id": 151652, "vision_end_token_id": 151653,
        "image_token_id": 151655, "video_token_id": 151656,
        "text_config": {
            "model_type": text + "_text", "attention_bias": False, "dtype": "bfloat16", "head_dim": 128,
            "hidden_act": "silu", "hidden_size": hidden, "intermediate_size": mlp, "num_hidden_layers": layers,
            "num_attention_heads": heads, "num_key_value_heads": keys, "vocab_size": 151936,
            "max_position_embeddings": 262144, "rms_norm_eps": 1e-6, "rope_theta": 5000000,
            "rope_scaling": {"rope_type": "default", "mrope_interleaved": True, "mrope_section": [24, 20, 20]},
        } | extra,
        "vision_config": {
            "model_type": text, "depth": depth, "hidden_act": "gelu_pytorch_tanh", "hidden_size": width,
            "intermediate_size": inner, "num_heads": 16, "in_channels": 3, "num_position_embeddings": 2304,
            "out_hidden_size": hidden, "patch_size": 16, "spatial_merge_size": 2, "temporal_patch_size": 2,
            "deepstack_visual_indexes": blocks,
        },
    }


def qwen35_config(hidden, layers, heads, keys, linear_heads, tower, mlp=None, experts=None, tied=False, mtp=1):
    """`tower` is its width, depth and the width of its networks; `experts` their number."""
    kind, text, network = "Qwen3_5", "qwen3_5", {"intermediate_size": mlp}
    if experts:
        kind, text, network = "Qwen3_5Moe", "qwen3_5_moe", {
            "moe_intermediate_size": 512, "shared_expert_intermediate_size": 512, "num_experts": experts,
            "num_experts_per_tok": 8}
    width, depth, inner = tower
    return {
        "architectures": [kind + "ForConditionalGeneration"], "model_type": text, "tie_word_embeddings": tied,
        "vision_start_token_id": 248053, "vision_end_token_id": 248054, "image_token_id": 248056,
        "video_token_id": 248057,
        "text_config": {
            "model_type": text + "_text", "attention_bias": False, "attn_output_gate": True, "dtype": "bfloat16",
            "full_attention_interval": 4, "head_dim": 256, "hidden_act": "silu", "hidden_size": hidden,
            "layer_types": [
                "linear_attention" if (index + 1) % 4 else "full_attention" for index in range(layers)],
            "linear_conv_kernel_dim": 4, "linear_key_head_dim": 128, "linear_num_key_heads": 16,
            "linear_num_value_heads": linear_heads, "linear_value_head_dim": 128, "mamba_ssm_dtype": "float32",
            "mtp_num_hidden_layers": mtp, "mtp_use_dedicated_embeddings": False, "num_attention_heads": heads,
            "num_hidden_layers": layers, "num_key_value_heads": keys, "vocab_size": 248320,
            "max_position_embeddings": 262144, "rms_norm_eps": 1e-6,
            "rope_parameters": {
                "rope_type": "default", "rope_theta": 10000000, "partial_rotary_factor": 0.25,
                "mrope_interleaved": True, "mrope_section": [11, 11, 10]},
        } | network,
        "vision_config": {
            "model_type": text, "depth": depth, "hidden_act": "gelu_pytorch_tanh", "hidden_size": width,
            "intermediate_size": inner, "num_heads": 12 if width == 768 else 16, "in_channels": 3,
            "num_position_embeddings": 2304, "out_hidden_size": hidden, "patch_size": 16, "spatial_merge_size": 2,
            "temporal_patch_size": 2, "deepstack_visual_indexes": [],
        },
    }


# Towers: width, depth, width of the networks.
SMALL, MIDDLE, LARGE = (768, 12, 3072), (1024, 24, 4096), (1152, 27, 4304)

# Decoders: width, layers, heads, heads of keys, width of the network, rows of the vocabulary, whether the head is tied.
QWEN2_7B = (3584, 28, 28, 4, 18944, 152064, False)
QWEN2_72B = (8192, 80, 64, 8, 29568, 152064, False)

MODELS = {
    "Qwen-VL": (qwen_vl, qwen_vl_config()),
    "Qwen-VL-Chat": (qwen_vl, qwen_vl_config()),
    "Qwen2-VL-2B": (qwen2_vl, qwen2_vl_config(1536, 28, 12, 2, 8960, 151936, True)),
    "Qwen2-VL-7B": (qwen2_vl, qwen2_vl_config(*QWEN2_7B)),
    "Qwen2-VL-72B": (qwen2_vl, qwen2_vl_config(*QWEN2_72B)),
    "Qwen2.5-VL-3B": (qwen25_vl, qwen25_vl_config(3420, 2048, 36, 16, 2, 11008, 151936, True)),
    "Qwen2.5-VL-7B": (qwen25_vl, qwen25_vl_config(3420, *QWEN2_7B)),
    "Qwen2.5-VL-32B": (qwen25_vl, qwen25_vl_config(3456, 5120, 64, 40, 8, 27648, 152064, False)),
    "Qwen2.5-VL-72B": (qwen25_vl, qwen25_vl_config(3456, *QWEN2_72B)),
    "Qwen3-VL-2B": (qwen3_vl, qwen3_vl_config(2048, 28, 16, 8, 6144, tied=True, small_tower=True)),
    "Qwen3-VL-4B": (qwen3_vl, qwen3_vl_config(2560, 36, 32, 8, 9728, tied=True, small_tower=True)),
    "Qwen3-VL-8B": (qwen3_vl, qwen3_vl_config(4096, 36, 32, 8, 12288)),
    "Qwen3-VL-32B": (qwen3_vl, qwen3_vl_config(5120, 64, 64, 8, 25600)),
    "Qwen3-VL-30B-A3B": (qwen3_vl, qwen3_vl_config(2048, 48, 32, 4, 6144, expert_width=768)),
    "Qwen3-VL-235B-A22B": (qwen3_vl, qwen3_vl_config(4096, 94, 64, 4, 12288, expert_width=1536)),
    "Qwen3.5-0.8B": (qwen35, qwen35_config(1024, 24, 8, 2, 16, SMALL, 3584, tied=True)),
    "Qwen3.5-2B": (qwen35, qwen35_config(2048, 24, 8, 2, 16, MIDDLE, 6144, tied=True)),
    "Qwen3.5-4B": (qwen35, qwen35_config(2560, 32, 16, 4, 32, MIDDLE, 9216, tied=True)),
    "Qwen3.5-9B": (qwen35, qwen35_config(4096, 32, 16, 4, 32, LARGE, 12288)),
    "Qwen3.5-27B": (qwen35, qwen35_config(5120, 64, 24, 4, 48, LARGE, 17408)),
    "Qwen3.5-35B-A3B": (qwen35, qwen35_config(2048, 40, 16, 2, 32, LARGE, experts=256)),
}


def describe(name):
    if name in INDEXED:
        return "The total is that of the published index."
    if name in FILES:
        return f"The total follows from the configuration; the published file of {FILES[name]} bytes is it and a header."
    if name == "Qwen2.5-VL-72B":
        return (
            "The total follows from the configuration. Uncertain: the tower's intermediate_size, 3456 here as in 32B, "
            "is given as 3420 by some accounts; 146812702720 bytes then.")
    return "The total follows from the configuration."


def source(name):
    return f"Qwen/{name}" if name.startswith(("Qwen-VL", "Qwen3.5")) else f"Qwen/{name}-Instruct"


def text(manifest):
    """Compact JSON that is read and compared line by line: a member, a member of the configuration, a tensor."""
    def lines(values):
        return ",\n".join("    " + value for value in values)

    members = [f"  {json.dumps(key)}: {json.dumps(manifest[key])}"
               for key in ["name", "source", "description", "dtype", "total_size"]]
    config = lines(f"{json.dumps(key)}: {json.dumps(value)}" for key, value in manifest["config"].items())
    tensors = lines(json.dumps(tensor) for tensor in manifest["tensors"])
    members += [f'  "config": {{\n{config}\n  }}', f'  "tensors": [\n{tensors}\n  ]']
    return "{\n" + ",\n".join(members) + "\n}\n"


def repetitions(tensor):
    return tensor.get("count") or len(tensor.get("numbers", [0]))


def main():
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER
    texts = {}
    for name, (rule, config) in MODELS.items():
        tensors = rule(config)
        count = sum(map(repetitions, tensors))
        parameters = sum(math.prod(tensor["shape"]) * repetitions(tensor) for tensor in tensors)
        if (count, parameters) != TOTALS[name]:
            sys.exit(f"{name}: {count} tensors of {parameters} parameters, not {TOTALS[name]}")
        texts[name] = text({
            "name": name, "source": source(name), "description": describe(name), "dtype": "BF16",
            "total_size": 2 * parameters, "config": config, "tensors": tensors,
        })
    folder.mkdir(exist_ok=True)
    for name, content in texts.items():
        (folder / f"{name}.json").write_text(content)


main()
