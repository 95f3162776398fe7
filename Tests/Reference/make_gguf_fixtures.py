#!/usr/bin/env python3
"""Write a GGUF file with blocks of every kind and what they stand for: make_gguf_fixtures.py OUTDIR

blocks.gguf holds a tensor for each kind of blocks, named after it; expected.safetensors holds the same tensors as gguf's own
dequantizer reads them, in float32.  Blocks are random bytes whose scales are finite.  Needs gguf 0.19 and safetensors.
The same bytes at every run.
"""
import os
import sys

import numpy as np
from gguf import GGUFWriter, quants
from gguf.constants import GGML_QUANT_SIZES, GGMLQuantizationType
from safetensors.numpy import save_file

# Where a block has float16 numbers: scales and minima.
HALVES = {
    "Q4_0": [0], "Q4_1": [0, 2], "Q5_0": [0], "Q5_1": [0, 2], "Q8_0": [0], "Q2_K": [80, 82], "Q3_K": [108],
    "Q4_K": [0, 2], "Q5_K": [0, 2], "Q6_K": [208], "IQ4_NL": [0], "IQ4_XS": [0], "MXFP4": [],
}
ROWS = 3

target = sys.argv[1]
os.makedirs(target, exist_ok=True)
random = np.random.default_rng(19)
writer = GGUFWriter(os.path.join(target, "blocks.gguf"), "none")
writer.add_type("blocks")
expected = {}
for name, halves in HALVES.items():
    kind = GGMLQuantizationType[name]
    elements, size = GGML_QUANT_SIZES[kind]
    perRow = 1 if elements == 256 else 2
    blocks = random.integers(0, 256, (ROWS, perRow, size), dtype=np.uint8)
    for place in halves:
        bits = blocks[..., place:place + 2].copy().view(np.uint16)
        # The exponent of infinities and NaN loses a bit; one scale is subnormal, one is -0.
        bits[(bits & 0x7c00) == 0x7c00] ^= 0x4000
        bits[0, 0], bits[1, 0] = 0x0123, 0x8000
        blocks[..., place:place + 2] = bits.view(np.uint8)
    if name == "MXFP4":
        blocks[:, :, 0] = [[0, 1], [2, 127], [128, 200]]
    rows = blocks.reshape(ROWS, -1)
    writer.add_tensor(name, rows, raw_dtype=kind)
    expected[name] = quants.dequantize(rows, kind).astype(np.float32)
writer.write_header_to_file()
writer.write_kv_data_to_file()
writer.write_tensors_to_file()
writer.close()
save_file(expected, os.path.join(target, "expected.safetensors"))
