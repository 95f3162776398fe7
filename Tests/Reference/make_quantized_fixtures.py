#!/usr/bin/env python3
"""Write small checkpoints as bitsandbytes, MLX, compressed-tensors, torchao, gptqmodel, auto-round and modelopt store them:

    make_quantized_fixtures.py ORACLES OUTDIR

Every folder holds config.json, model.safetensors and expected.safetensors, float32 weights as the tool's own code dequantizes
them with float32 scales.  For auto-round and modelopt, whose kernels need a GPU, it is their formula.  ORACLES holds, unpacked:

    pip download --no-deps -d ORACLES gptqmodel==7.7.0
    pip install --no-deps -t ORACLES/old compressed-tensors==0.12.2

Needs torch 2.15, mlx 0.32.4 (mlx[cpu]), bitsandbytes 0.50.2, compressed-tensors 0.20.0, torchao 0.18.0.  The same bytes at
every run.
"""
import functools
import glob
import importlib.util
import json
import os
import subprocess
import sys
import tempfile

import bitsandbytes.functional as bnb
import compressed_tensors.compressors.nvfp4.base as nvfp4
import mlx.core as mx
import numpy as np
import torch
from compressed_tensors.compressors.mxfp4.base import MXFP4PackedCompressor
from compressed_tensors.compressors.mxfp8.base import MXFP8QuantizationCompressor
from compressed_tensors.compressors.pack_quantized.base import PackedQuantizationCompressor
from compressed_tensors.quantization import QuantizationArgs, QuantizationScheme
from safetensors.torch import save_file

oracles, target = sys.argv[1:]
LINEAR = "model.layers.0.mlp.up_proj"
generator = torch.Generator().manual_seed(11)


def module(pattern):
    path, = glob.glob(os.path.join(oracles, pattern))
    spec = importlib.util.spec_from_file_location(os.path.basename(path)[:-3], path)
    loaded = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loaded)
    return loaded


planar = module("gptqmodel-7.7.0/gptqmodel/utils/planar_packing.py")


def integers(low, high, shape, dtype=torch.int64):
    return torch.randint(low, high, shape, generator=generator).to(dtype)


def numbers(*shape):
    return torch.randn(shape, generator=generator) * 0.05


def scales(*shape, dtype=torch.float16, signed=False):
    values = torch.rand(shape, generator=generator) * 0.02 + 0.001
    if signed:
        values *= integers(0, 2, shape) * 2 - 1
    return values.to(dtype)


def write(name, config, tensors, expected):
    folder = os.path.join(target, name)
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, "config.json"), "w") as out:
        json.dump(config, out, indent=1)
        out.write("\n")
    save_file({key: value.contiguous() for key, value in tensors.items()}, os.path.join(folder, "model.safetensors"))
    save_file({key: value.contiguous() for key, value in expected.items()}, os.path.join(folder, "expected.safetensors"))


def linear(name, config, tensors, expected):
    write(name, {"quantization_config": config}, {f"{LINEAR}.{key}": value for key, value in tensors.items()},
          {f"{LINEAR}.weight": expected})


# bitsandbytes. 27 · 40 elements: the last block is not full, and blocks run over the ends of rows.
def four_bits(name, kind, nested, N, K):
    weight = numbers(N, K)
    packed, state = bnb.quantize_4bit(weight, blocksize=64, compress_statistics=nested, quant_type=kind)
    tensors = {"weight": packed}
    for key, value in state.as_dict(packed=True).items():
        tensors[f"weight.{key}"] = value
    linear(name, {"quant_method": "bitsandbytes", "load_in_4bit": True, "load_in_8bit": False,
                  "bnb_4bit_quant_type": kind, "bnb_4bit_use_double_quant": nested, "llm_int8_skip_modules": ["visual"]},
           tensors, bnb.dequantize_4bit(packed, state).float())


four_bits("bnb-nf4", "nf4", False, 27, 40)
four_bits("bnb-nf4-double", "nf4", True, 96, 180)
four_bits("bnb-fp4", "fp4", False, 27, 40)

codes, scb = integers(-127, 128, (19, 45), torch.int8), scales(19, dtype=torch.float32) * 127
linear("bnb-int8", {"quant_method": "bitsandbytes", "load_in_4bit": False, "load_in_8bit": True},
       {"weight": codes, "SCB": scb, "weight_format": torch.tensor(0, dtype=torch.uint8)},
       bnb.int8_vectorwise_dequant(codes, scb))


# MLX: names, order of channels and words of its own.
def to_torch(array):
    if array.dtype == mx.bfloat16:
        return torch.from_numpy(np.array(array.view(mx.uint16)).copy()).view(torch.bfloat16)
    return torch.from_numpy(np.array(array).copy())


def from_torch(tensor):
    return mx.array(tensor.numpy())


def mlx(name, mode, bits, size, dtype, N, K, more=None):
    quantized = {"group_size": size, "bits": bits, "mode": mode, **(more or {})}
    weight = from_torch(numbers(N, K)).astype(dtype)
    parts = mx.quantize(weight, group_size=size, bits=bits, mode=mode)
    exact = [parts[0]] + [part.astype(mx.float32) if part.dtype != mx.uint8 else part for part in parts[1:]]
    expected = mx.dequantize(*exact, group_size=size, bits=bits, mode=mode, dtype=mx.float32)
    kernel = numbers(3, 2, 3, 4, 5).to(torch.bfloat16)
    mine = f"language_model.{LINEAR}"
    tensors = {f"{mine}.{key}": to_torch(part) for key, part in zip(("weight", "scales", "biases"), parts)}
    tensors["vision_tower.patch_embed.proj.weight"] = kernel
    write(name, {"quantization": quantized, "quantization_config": quantized}, tensors,
          {"model.language_model.layers.0.mlp.up_proj.weight": to_torch(expected),
           "model.visual.patch_embed.proj.weight": kernel.permute(0, 4, 1, 2, 3)})


for bits, size, dtype in ((2, 64, mx.bfloat16), (3, 32, mx.float16), (4, 64, mx.bfloat16), (5, 64, mx.bfloat16),
                          (6, 128, mx.float32), (8, 32, mx.bfloat16)):
    mlx(f"mlx-affine{bits}", "affine", bits, size, dtype, 21, 128)
mlx("mlx-mxfp4", "mxfp4", 4, 32, mx.bfloat16, 21, 96)
mlx("mlx-mxfp8", "mxfp8", 8, 32, mx.bfloat16, 21, 96)
mlx("mlx-nvfp4", "nvfp4", 4, 16, mx.bfloat16, 21, 96)
# The table of modules says 6 bits of this one, in the order of words that another tool has.
mlx("mlx-own", "affine", 6, 64, mx.bfloat16, 21, 128,
    {"bits": 4, f"model.language_model.{LINEAR[6:]}": {"group_size": 64, "bits": 6}})


# compressed-tensors.
def compressed(name, form, arguments, weight, compressor, dtype=torch.bfloat16, version="0.20.0", **parts):
    scheme = QuantizationScheme(targets=["Linear"], weights=QuantizationArgs(**arguments), format=form)
    stored = compressor.compress({"weight": weight, **parts}, scheme)
    stored = {key: value for key, value in stored.items() if value is not None}
    exact = {key: value.float() if value.dtype in (torch.bfloat16, torch.float16) else value
             for key, value in stored.items()}
    expected = compressor.decompress(dict(exact), scheme)["weight"]
    linear(name, {"quant_method": "compressed-tensors", "format": form, "version": version,
                  "config_groups": {"group_0": {"targets": ["Linear"], "weights": arguments, "format": form}}},
           stored, expected.float())


def packed(name, bits, N, K, size):
    scale = scales(N, K // size, dtype=torch.bfloat16)
    codes = integers(-2**(bits - 1), 2**(bits - 1), (N, K)).float()
    compressed(name, "pack-quantized",
               {"num_bits": bits, "type": "int", "symmetric": True, "strategy": "group", "group_size": size},
               codes * scale.float().repeat_interleave(size, 1), PackedQuantizationCompressor, weight_scale=scale)


for bits in (2, 3, 5, 6, 7):
    packed(f"packed-int{bits}", bits, 21, 96, 32)


def padded():
    """Three bits as compressed-tensors packed them before 0.19: ten codes to a word."""
    codes = integers(-4, 4, (21, 96), torch.int8)
    program = ("import sys, torch; from compressed_tensors.compressors import pack_to_int32;"
               "torch.save(pack_to_int32(torch.load(sys.argv[1]), 3), sys.argv[1])")
    with tempfile.NamedTemporaryFile() as file:
        torch.save(codes, file.name)
        subprocess.run([sys.executable, "-c", program, file.name], check=True,
                       env={**os.environ, "PYTHONPATH": os.path.join(oracles, "old")})
        words = torch.load(file.name)
    scale = scales(21, 3, dtype=torch.bfloat16)
    linear("packed-int3-padded",
           {"quant_method": "compressed-tensors", "format": "pack-quantized", "version": "0.12.2",
            "config_groups": {"group_0": {"targets": ["Linear"], "weights": {
                "num_bits": 3, "type": "int", "symmetric": True, "strategy": "group", "group_size": 32}}}},
           {"weight_packed": words, "weight_scale": scale,
            "weight_shape": torch.tensor([21, 96])}, codes.float() * scale.float().repeat_interleave(32, 1))


float4 = {"num_bits": 4, "type": "float", "symmetric": True}
# It answers in bfloat16 unless the codes are unpacked as float32.
nvfp4.unpack_fp4_from_uint8 = functools.partial(nvfp4.unpack_fp4_from_uint8, dtype=torch.float32)
weight = numbers(21, 96)
shared = torch.tensor([448 * 6 / 0.2], dtype=torch.float32)
compressed("nvfp4", "nvfp4-pack-quantized", {**float4, "strategy": "tensor_group", "group_size": 16}, weight,
           nvfp4.NVFP4PackedCompressor, weight_scale=(scales(21, 6).float() * shared / 6).to(torch.float8_e4m3fn).float(),
           weight_global_scale=shared)
exponents = 2.0 ** integers(-9, -4, (21, 3)).float()
compressed("mxfp4", "mxfp4-pack-quantized", {**float4, "strategy": "group", "group_size": 32}, weight,
           MXFP4PackedCompressor, weight_scale=exponents)
compressed("mxfp8", "mxfp8-quantized", {**float4, "num_bits": 8, "strategy": "group", "group_size": 32}, weight,
           MXFP8QuantizationCompressor, weight_scale=exponents / 64)
padded()


# GPTQ and auto-round: words along K.
def stream(codes, bits):
    """The codes of each column as one stream of bits."""
    spread = (codes.unsqueeze(1) >> torch.arange(bits).reshape(1, bits, 1)) & 1
    flat = spread.reshape(-1, 32, codes.shape[1])
    words = (flat << torch.arange(32).reshape(1, 32, 1)).sum(1)
    return (words - (words >= 2**31) * 2**32).to(torch.int32)


def gptq(name, config, bits, size, pack, less, signed=False):
    K, N = 128, 32
    codes, zeros = integers(0, 1 << bits, (K, N)), integers(less, 1 << bits, (K // size, N))
    scale = scales(K // size, N, signed=signed)
    stored = (zeros - less) % (1 << bits)
    linear(name, config, {"qweight": pack(codes, bits), "qzeros": pack(stored.t().contiguous(), bits).t(), "scales": scale},
           ((codes - zeros.repeat_interleave(size, 0)).float() * scale.float().repeat_interleave(size, 0)).t())


def plain(bits, **more):
    return {"quant_method": "gptq", "bits": bits, "group_size": 64, "desc_act": False, "sym": False, **more}


gptq("gptq-int2", plain(2, checkpoint_format="gptq_v2"), 2, 64, stream, 0)
gptq("gptq-int3", plain(3), 3, 64, stream, 1)
for bits in (3, 5, 6, 7):
    gptq(f"gptq-planes{bits}", plain(bits, checkpoint_format="gptq_p"), bits, 64,
         lambda codes, bits: planar.planar_pack_rows(codes, bits), 0)
gptq("gptq-dynamic", plain(4, dynamic={"-:.*o_proj": {}, "+:.*up_proj": {"bits": 8, "group_size": 32}}), 8, 32, stream, 1)
rounded = {"quant_method": "auto-round", "bits": 4, "group_size": 32, "data_type": "int"}
gptq("auto-round-asym", {**rounded, "sym": False, "packing_format": "auto_round"}, 4, 32, stream, 0)
gptq("auto-round-sym", {**rounded, "sym": True, "packing_format": "auto_round:auto_gptq"}, 4, 32, stream, 1, signed=True)
gptq("auto-round-mixed", {**rounded, "sym": False, "packing_format": "auto_round",
                          "extra_config": {LINEAR: {"bits": 3}, "lm_head": {"bits": 16}}}, 3, 32, stream, 0)


# 8-bit floats, torchao and modelopt.
def floats(N, K):
    """Every byte but the two NaNs."""
    octets = integers(0, 254, (N, K), torch.int16)
    return (octets + (octets >= 127)).to(torch.uint8).view(torch.float8_e4m3fn)


weight, powers = floats(130, 140), integers(115, 125, (2, 2), torch.uint8)
blocks = torch.exp2(powers.float() - 127).repeat_interleave(128, 0).repeat_interleave(128, 1)[:130, :140]
linear("fp8-exponents", {"quant_method": "fp8", "fmt": "e4m3", "activation_scheme": "dynamic", "scale_fmt": "ue8m0",
                         "weight_block_size": [128, 128]},
       {"weight": weight, "weight_scale_inv": powers.view(torch.float8_e8m0fnu)}, weight.float() * blocks)

weight, scale = floats(19, 45), torch.tensor(0.0123)
linear("modelopt-fp8", {"quant_method": "modelopt", "quant_algo": "FP8"},
       {"weight": weight, "weight_scale": scale, "input_scale": torch.tensor(0.5)}, weight.float() * scale)

codes, scale, pre = integers(-8, 8, (22, 96)), scales(22, 3, dtype=torch.float32), scales(96, dtype=torch.bfloat16) * 60
linear("modelopt-awq", {"quant_method": "modelopt", "quant_algo": "W4A16_AWQ"},
       {"weight": (codes[0::2] & 15 | (codes[1::2] & 15) << 4).to(torch.uint8), "weight_scale": scale,
        "pre_quant_scale": pre}, codes.float() * scale.repeat_interleave(32, 1) * pre.float())

E2M1 = torch.tensor([0, .5, 1, 1.5, 2, 3, 4, 6, -0., -.5, -1, -1.5, -2, -3, -4, -6])
codes, scale, shared = integers(0, 16, (21, 96)), scales(21, 6).float().mul(2000).to(torch.float8_e4m3fn), torch.tensor(3.1e-4)
linear("modelopt-nvfp4", {"quant_method": "modelopt", "quant_algo": "NVFP4"},
       {"weight": (codes[:, 0::2] | codes[:, 1::2] << 4).to(torch.uint8), "weight_scale": scale, "weight_scale_2": shared,
        "input_scale": torch.tensor(1.0)}, E2M1[codes] * (scale.float() * shared).repeat_interleave(16, 1))

codes, scale = integers(-128, 128, (19, 45), torch.int8), scales(19, 1, dtype=torch.float32)
zeros = integers(-3, 4, (19, 1), torch.int8)
linear("torchao-int8", {"quant_method": "torchao"},
       {"_weight_qdata": codes, "_weight_scale": scale, "_weight_zero_point": zeros},
       (codes.float() - zeros.float()) * scale)
weight = floats(19, 45)
linear("torchao-float8", {"quant_method": "torchao"}, {"_weight_qdata": weight, "_weight_scale": scale},
       weight.float() * scale)
