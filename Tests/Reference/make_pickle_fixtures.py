#!/usr/bin/env python3
"""Save small tensors as PyTorch does, and beside them what they are: make_pickle_fixtures.py OUTDIR

tensors.bin is a plain dictionary, module.bin the state of a module (an OrderedDict with _metadata, of Parameters); each
NAME.safetensors holds the same tensors, contiguous.  Needs torch and safetensors.
"""
import os
import sys

import torch
from safetensors.torch import save_file

target = sys.argv[1]
os.makedirs(target, exist_ok=True)
torch.manual_seed(7)


def save(name, tensors):
    torch.save(tensors, os.path.join(target, name + ".bin"))
    copies = {key: tensor.detach().clone(memory_format=torch.contiguous_format) for key, tensor in tensors.items()}
    save_file(copies, os.path.join(target, name + ".safetensors"))


table = torch.randn(6, 4)
save("tensors", {
    "bf16": torch.randn(3, 4).to(torch.bfloat16),
    "f16": torch.randn(2, 3, 2).to(torch.float16),
    "f64": torch.randn(2, dtype=torch.float64),
    "i64": torch.tensor([-1, 1 << 40]),
    "i32": torch.tensor([-2, 70000], dtype=torch.int32),
    "i16": torch.tensor([[-3], [300]], dtype=torch.int16),
    "i8": torch.tensor([-4, 4, 5], dtype=torch.int8),
    "u8": torch.tensor([0, 255], dtype=torch.uint8),
    "bool": torch.tensor([True, False, True]),
    "scalar": torch.tensor(2.5),
    "empty": torch.zeros(0, 7),
    "table": table,
    "table.rows": table[2:5],  # the same storage from element 8 on
    "table.row": torch.as_strided(table, (1, 4), (77, 1), 20),  # the stride of an extent of 1 does not matter
    "ünï/ж": table.half(),
})

module = torch.nn.Sequential(torch.nn.Linear(4, 3), torch.nn.LayerNorm(3), torch.nn.Linear(3, 4, bias=False))
module.add_module("tied", torch.nn.Linear(3, 4, bias=False))
module.tied.weight = module[2].weight
save("module", module.to(torch.bfloat16).state_dict(keep_vars=True))
