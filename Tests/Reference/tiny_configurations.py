"""Configurations of tiny models, with the keys and the nesting of the published files."""

BOS, EOS, VISION_START, VISION_END, IMAGE, VIDEO = 190, 191, 193, 194, 195, 196


def qwen25_config():
    return {
        "architectures": ["Qwen2_5_VLForConditionalGeneration"], "attention_dropout": 0.0, "bos_token_id": BOS,
        "eos_token_id": EOS, "vision_start_token_id": VISION_START, "vision_end_token_id": VISION_END,
        "vision_token_id": 197, "image_token_id": IMAGE, "video_token_id": VIDEO, "hidden_act": "silu",
        "hidden_size": 48, "initializer_range": 0.02, "intermediate_size": 56, "max_position_embeddings": 128000,
        "max_window_layers": 2, "model_type": "qwen2_5_vl", "num_attention_heads": 3, "num_hidden_layers": 2,
        "num_key_value_heads": 1, "rms_norm_eps": 1e-06, "rope_theta": 1000000.0, "sliding_window": 32768,
        "tie_word_embeddings": False, "torch_dtype": "bfloat16", "transformers_version": "4.41.2", "use_cache": True,
        "use_sliding_window": False, "rope_scaling": {"type": "mrope", "mrope_section": [2, 3, 3]}, "vocab_size": 200,
        "vision_config": {
            "depth": 3, "hidden_act": "silu", "hidden_size": 24, "intermediate_size": 36, "num_heads": 2, "in_chans": 3,
            "out_hidden_size": 48, "patch_size": 14, "spatial_merge_size": 2, "spatial_patch_size": 14,
            "window_size": 112, "fullatt_block_indexes": [1], "tokens_per_second": 2, "temporal_patch_size": 2,
        },
    }


def qwen3_config(model_type, tied, **text):
    architecture = {"qwen3_vl": "Qwen3VL", "qwen3_vl_moe": "Qwen3VLMoe"}[model_type]
    return {
        "architectures": [architecture + "ForConditionalGeneration"], "image_token_id": IMAGE, "model_type": model_type,
        "text_config": {
            "attention_bias": False, "attention_dropout": 0.0, "bos_token_id": BOS, "dtype": "bfloat16",
            "eos_token_id": EOS, "head_dim": 16, "hidden_act": "silu", "hidden_size": 48, "initializer_range": 0.02,
            "intermediate_size": 56, "max_position_embeddings": 262144, "model_type": model_type + "_text",
            "num_attention_heads": 4, "num_hidden_layers": 2, "num_key_value_heads": 2, "rms_norm_eps": 1e-06,
            "rope_scaling": {"mrope_interleaved": True, "mrope_section": [4, 2, 2], "rope_type": "default"},
            "rope_theta": 5000000, "use_cache": True, "vocab_size": 200, **text,
        },
        "tie_word_embeddings": tied, "transformers_version": "4.57.0.dev0", "video_token_id": VIDEO,
        "vision_config": {
            "deepstack_visual_indexes": [0, 2], "depth": 3, "hidden_act": "gelu_pytorch_tanh",
            "hidden_size": 16, "in_channels": 3, "initializer_range": 0.02, "intermediate_size": 36,
            "model_type": model_type, "num_heads": 2, "num_position_embeddings": 36, "out_hidden_size": 48,
            "patch_size": 16, "spatial_merge_size": 2, "temporal_patch_size": 2,
        },
        "vision_end_token_id": VISION_END, "vision_start_token_id": VISION_START,
    }


def qwen35_config(model_type, tied, **text):
    architecture = {"qwen3_5": "Qwen3_5", "qwen3_5_moe": "Qwen3_5Moe"}[model_type]
    return {
        "architectures": [architecture + "ForConditionalGeneration"], "image_token_id": IMAGE, "model_type": model_type,
        "text_config": {
            "attention_bias": False, "attention_dropout": 0.0, "attn_output_gate": True, "dtype": "bfloat16",
            "eos_token_id": EOS, "full_attention_interval": 4, "head_dim": 32, "hidden_act": "silu", "hidden_size": 48,
            "initializer_range": 0.02,
            "layer_types": ["linear_attention", "linear_attention", "linear_attention", "full_attention"],
            "linear_conv_kernel_dim": 4, "linear_key_head_dim": 8, "linear_num_key_heads": 2,
            "linear_num_value_heads": 4, "linear_value_head_dim": 20, "mamba_ssm_dtype": "float32",
            "max_position_embeddings": 262144, "mlp_only_layers": [], "model_type": model_type + "_text",
            "mtp_num_hidden_layers": 1, "mtp_use_dedicated_embeddings": False, "num_attention_heads": 4,
            "num_hidden_layers": 4, "num_key_value_heads": 2, "rms_norm_eps": 1e-06,
            "rope_parameters": {
                "mrope_interleaved": True, "mrope_section": [3, 3, 2], "partial_rotary_factor": 0.5,
                "rope_theta": 10000000, "rope_type": "default"},
            "tie_word_embeddings": tied, "use_cache": True, "vocab_size": 200, **text,
        },
        "tie_word_embeddings": tied, "transformers_version": "4.57.0.dev0", "video_token_id": VIDEO,
        "vision_config": {
            "deepstack_visual_indexes": [], "depth": 3, "hidden_act": "gelu_pytorch_tanh", "hidden_size": 16,
            "in_channels": 3, "initializer_range": 0.02, "intermediate_size": 36, "model_type": model_type,
            "num_heads": 2, "num_position_embeddings": 36, "out_hidden_size": 48, "patch_size": 16,
            "spatial_merge_size": 2, "temporal_patch_size": 2,
        },
        "vision_end_token_id": VISION_END, "vision_start_token_id": VISION_START,
    }


QWEN2_IMAGES = {
    "min_pixels": 3136, "max_pixels": 12845056, "patch_size": 14, "temporal_patch_size": 2, "merge_size": 2,
    "image_mean": [0.48145466, 0.4578275, 0.40821073], "image_std": [0.26862954, 0.26130258, 0.27577711],
    "image_processor_type": "Qwen2VLImageProcessor", "processor_class": "Qwen2_5_VLProcessor",
}
QWEN3_IMAGES = {
    "size": {"longest_edge": 16777216, "shortest_edge": 65536}, "patch_size": 16, "temporal_patch_size": 2,
    "merge_size": 2, "image_mean": [0.5, 0.5, 0.5], "image_std": [0.5, 0.5, 0.5], "processor_class": "Qwen3VLProcessor",
    "image_processor_type": "Qwen2VLImageProcessorFast",
}
QWEN3_VIDEOS = {
    **{key: value for key, value in QWEN3_IMAGES.items() if key != "image_processor_type"},
    "size": {"longest_edge": 25165824, "shortest_edge": 4096}, "video_processor_type": "Qwen3VLVideoProcessor",
}
SAMPLING = {
    "bos_token_id": BOS, "pad_token_id": BOS, "do_sample": True, "eos_token_id": [EOS, BOS],
}
QWEN25_FILES = {
    "preprocessor_config.json": QWEN2_IMAGES,
    "generation_config.json": {**SAMPLING, "repetition_penalty": 1.05, "temperature": 0.000001},
}
QWEN3_FILES = {
    "preprocessor_config.json": QWEN3_IMAGES, "video_preprocessor_config.json": QWEN3_VIDEOS,
    "generation_config.json": {
        **SAMPLING, "top_p": 0.8, "top_k": 20, "temperature": 0.7, "repetition_penalty": 1.0},
}
MODELS = {
    "qwen2.5-vl": (qwen25_config(), QWEN25_FILES),
    "qwen3-vl": (qwen3_config("qwen3_vl", True, tie_word_embeddings=True), QWEN3_FILES),
    "qwen3-vl-moe": (
        qwen3_config(
            "qwen3_vl_moe", False, decoder_sparse_step=1, mlp_only_layers=[], moe_intermediate_size=40,
            norm_topk_prob=True, num_experts=5, num_experts_per_tok=3, router_aux_loss_coef=0.001), QWEN3_FILES),
    "qwen3.5": (qwen35_config("qwen3_5", True, intermediate_size=56), QWEN3_FILES),
    "qwen3.5-moe": (
        qwen35_config(
            "qwen3_5_moe", False, moe_intermediate_size=40, num_experts=5, num_experts_per_tok=3,
            router_aux_loss_coef=0.001, shared_expert_intermediate_size=24), QWEN3_FILES),
}
