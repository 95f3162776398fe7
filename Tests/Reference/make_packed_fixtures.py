#!/usr/bin/env python3
"""Write small checkpoints as GPTQ, AWQ, compressed-tensors and FP8 publish them: make_packed_fixtures.py ORACLES OUTDIR

Every folder holds config.json, model.safetensors and expected.safetensors, the weights as the method's own code
dequantizes them: float32, or bfloat16 for FP8 blocks.  ORACLES holds these packages, unpacked:

    pip download --no-deps -d ORACLES auto-gptq==0.7.1 autoawq==0.2.9 compressed-tensors==0.20.0
    (then unzip the two wheels and `tar x` the third within ORACLES)

Needs torch 2.13, transformers 5.23, safetensors, pydantic and loguru.  The same bytes at every run.
"""
import importlib.util
import json
import os
import sys

import torch
from safetensors.torch import save_file

oracles, target = sys.argv[1:]
sys.path.insert(0, oracles)


def module(path):
    spec = importlib.util.spec_from_file_location(os.path.basename(path)[:-3], os.path.join(oracles, path))
    loaded = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loaded)
    return loaded


gptq_old = module("auto_gptq/nn_modules/qlinear/qlinear_cuda_old.py")
gptq_new = module("auto_gptq/nn_modules/qlinear/qlinear_cuda.py")
awq = module("autoawq-0.2.9/awq/utils/packing_utils.py")

from compressed_tensors.compressors.pack_quantized import PackedQuantizationCompressor, unpack_from_int32  # noqa: E402
from compressed_tensors.compressors.naive_quantized import NaiveQuantizationCompressor  # noqa: E402
from compressed_tensors.entrypoints.convert.converters.fp8block_dequantizer import FP8BlockDequantizer  # noqa: E402
from compressed_tensors.quantization import QuantizationArgs, QuantizationScheme  # noqa: E402

LINEAR = "model.layers.0.mlp.up_proj"
generator = torch.Generator().manual_seed(7)


def integers(low, high, shape, dtype=torch.int32):
    return torch.randint(low, high, shape, generator=generator).to(dtype)


def words(*shape):
    return integers(-2**31, 2**31, shape)


def scales(*shape, dtype=torch.float16):
    return (torch.rand(shape, generator=generator) * 0.02 + 0.001).to(dtype)


def write(name, config, tensors, expected):
    folder = os.path.join(target, name)
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, "config.json"), "w") as out:
        json.dump({"quantization_config": config}, out, indent=1)
        out.write("\n")
    plain = {"model.norm.weight": torch.arange(4, dtype=torch.float16), LINEAR + ".bias": scales(3)}
    named = {f"{LINEAR}.{suffix}": tensor.contiguous() for suffix, tensor in tensors.items()}
    save_file({**plain, **named}, os.path.join(folder, "model.safetensors"))
    save_file({LINEAR + ".weight": expected.contiguous()}, os.path.join(folder, "expected.safetensors"))


def gptq_config(bits, group, **more):
    return {"bits": bits, "group_size": group, "desc_act": False, "sym": False, "damp_percent": 0.1,
            "true_sequential": True, "quant_method": "gptq", **more}


def gptq_weight(layer, K):
    """What the layer multiplies by: its product with the identity, exact since each sum has one term that is not 0."""
    layer.scales = layer.scales.float()
    return layer(torch.eye(K)).t()


def gptq(name, bits, group, K, N, oracle=gptq_old, order=None, **more):
    layer = oracle.QuantLinear(bits, group, K, N, bias=False)
    ones = (1 << bits) - 1
    layer.qweight = words(K * bits // 32, N)
    # Stored zero points below the greatest, which is what a 0 less one becomes.
    fields = integers(0, ones, (layer.qzeros.shape[0], layer.qzeros.shape[1], 32 // bits), torch.int64)
    packed = sum(fields[..., i] << (bits * i) for i in range(32 // bits))
    layer.qzeros = (packed - (packed >= 2**31) * 2**32).to(torch.int32)
    layer.scales = scales(*layer.scales.shape)
    if order is not None:
        layer.g_idx = order
    tensors = {"qweight": layer.qweight, "qzeros": layer.qzeros, "scales": layer.scales, "g_idx": layer.g_idx}
    expected = gptq_weight(layer, K)
    write(name, gptq_config(bits, group, **more), tensors, expected)


gptq("gptq-int4", 4, 32, 128, 32)
gptq("gptq-int8", 8, 64, 128, 32)
gptq("gptq-row", 4, -1, 96, 32)
gptq("gptq-desc-act", 4, 32, 128, 32, gptq_new, integers(0, 4, (128,)), desc_act=True)


def gptq_versions():
    """The same weight in both versions, with zero points of 0: words less 0x11111111 borrow across codes."""
    K, N, group = 64, 32, 32
    qweight, zeros, scale = words(K // 8, N), integers(0, 16, (K // group, N), torch.int64), scales(K // group, N)
    fields = zeros.reshape(K // group, N // 8, 8)
    second = sum(fields[..., i] << (4 * i) for i in range(8))
    first = (second - 0x11111111) % 2**32
    q = (qweight.unsqueeze(1) >> (4 * torch.arange(8)).reshape(1, 8, 1) & 15).reshape(K, N)
    expected = ((q - zeros.repeat_interleave(group, 0)).float() * scale.float().repeat_interleave(group, 0)).t()
    for name, packed, version in (("gptq-v1-zeros", first, "gptq"), ("gptq-v2", second, "gptq_v2")):
        stored = (packed - (packed >= 2**31) * 2**32).to(torch.int32)
        write(name, gptq_config(4, group, checkpoint_format=version),
              {"qweight": qweight, "qzeros": stored, "scales": scale}, expected)


gptq_versions()


def awq_gemm():
    K, N, group = 128, 40, 64
    qweight, qzeros, scale = words(K, N // 8), words(K // group, N // 8), scales(K // group, N)
    expected = awq.dequantize_gemm(qweight, qzeros, scale.float(), 4, group).t()
    config = {"bits": 4, "group_size": group, "modules_to_not_convert": ["visual"], "quant_method": "awq",
              "version": "gemm", "zero_point": True}
    write("awq", config, {"qweight": qweight, "qzeros": qzeros, "scales": scale}, expected)


awq_gemm()


def compressed(name, form, arguments, tensors, compressor, inputs=None, order=None):
    scheme = QuantizationScheme(targets=["Linear"], weights=QuantizationArgs(**arguments))
    tensors = dict(tensors)
    exact = {key: value.float() if value.dtype in (torch.bfloat16, torch.float16) else value
             for key, value in tensors.items()}
    exact["weight_shape"] = torch.Size(tensors["weight_shape"].tolist()) if "weight_shape" in tensors else None
    if order is None:
        expected = compressor.decompress(exact, scheme)["weight"]
    else:  # compressed-tensors 0.9 sorts columns by group, scales them in runs and sorts them back: the same as this
        tensors["weight_g_idx"] = order
        codes = unpack_from_int32(tensors["weight_packed"], 4, exact["weight_shape"])
        expected = codes.float() * exact["weight_scale"][:, order.long()]
    config = {"config_groups": {"group_0": {"input_activations": inputs, "output_activations": None,
                                            "targets": ["Linear"], "weights": arguments}},
              "format": form, "ignore": ["lm_head", "re:visual.*"], "kv_cache_scheme": None,
              "quant_method": "compressed-tensors", "quantization_status": "compressed"}
    write(name, config, tensors, expected)


def packed(name, bits, N, K, group, symmetric, dtype, order=None):
    groups = 1 if group is None else K // group
    per_word = 32 // bits
    tensors = {"weight_packed": words(N, -(-K // per_word)), "weight_scale": scales(N, groups, dtype=dtype),
               "weight_shape": torch.tensor([N, K])}
    if not symmetric:
        tensors["weight_zero_point"] = words(-(-N // per_word), groups)
    arguments = {"num_bits": bits, "type": "int", "symmetric": symmetric, "group_size": group,
                 "strategy": "channel" if group is None else "group", "dynamic": False, "actorder": None}
    compressed(name, "pack-quantized", arguments, tensors, PackedQuantizationCompressor, order=order)


packed("packed-int4", 4, 21, 96, 32, True, torch.bfloat16)
packed("packed-int4-asymmetric", 4, 21, 96, 32, False, torch.float16)
packed("packed-int4-order", 4, 5, 96, 32, True, torch.bfloat16, integers(0, 3, (96,)))
packed("packed-int8-row", 8, 19, 45, None, True, torch.float16)

dynamic = {"num_bits": 8, "type": "int", "symmetric": True, "strategy": "token", "dynamic": True}
for symmetric in (True, False):
    tensors = {"weight": integers(-128, 128, (19, 45), torch.int8), "weight_scale": scales(19, 1, dtype=torch.bfloat16)}
    if not symmetric:
        tensors["weight_zero_point"] = integers(-128, 128, (19, 1), torch.int8)
    compressed("bytes-symmetric" if symmetric else "bytes", "int-quantized",
               {"num_bits": 8, "type": "int", "symmetric": symmetric, "strategy": "channel", "dynamic": False},
               tensors, NaiveQuantizationCompressor, dynamic)


def floats(N, K):
    """Every byte but the two NaNs."""
    octets = integers(0, 254, (N, K), torch.int16)
    return (octets + (octets >= 127)).to(torch.uint8).view(torch.float8_e4m3fn)


dynamic = {**dynamic, "type": "float"}
for strategy, extents in (("channel", (19, 1)), ("tensor", (1,))):
    compressed(f"fp8-{strategy}", "float-quantized",
               {"num_bits": 8, "type": "float", "symmetric": True, "strategy": strategy, "dynamic": False},
               {"weight": floats(19, 45), "weight_scale": scales(*extents, dtype=torch.bfloat16)},
               NaiveQuantizationCompressor, dynamic)


def fp8_blocks():
    """Neither extent a multiple of the block's."""
    weight, scale = floats(130, 140), scales(2, 2, dtype=torch.float32)
    config = {"activation_scheme": "dynamic", "fmt": "e4m3", "quant_method": "fp8", "weight_block_size": [128, 128],
              "modules_to_not_convert": ["visual"]}
    expected = FP8BlockDequantizer()._create_dequantized_weight(weight, scale)
    write("fp8-blocks", config, {"weight": weight, "weight_scale_inv": scale}, expected)


fp8_blocks()
