#!/usr/bin/env python3
"""Save small tensors as PyTorch does, and beside them what they are: make_pickle_fixtures.py OUTDIR

tensors.bin is a plain dictionary, module.bin the state of a module (an OrderedDict with _metadata, of Parameters); each
NAME.safetensors holds the same tensors, contiguous.  protocol4.bin and protocol5.bin are written with those versions of
pickle, training.bin is what a training loop saves around a model's state, legacy.bin is in the format of before 1.6, newer.bin holds types that the storages of old
have no name for.  Needs torch and safetensors.
"""
import os
import sys

import torch
from safetensors.torch import save_file

target = sys.argv[1]
os.makedirs(target, exist_ok=True)
torch.manual_seed(7)


def save(name, tensors, whole=None, protocol=2, known=None, zipped=True):
    torch.save(whole or tensors, os.path.join(target, name + ".bin"), pickle_protocol=protocol,
               _use_new_zipfile_serialization=zipped)
    copies = {key: tensor.detach().clone(memory_format=torch.contiguous_format)
              for key, tensor in tensors.items() if known is None or key in known}
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

small = {"a.weight": torch.randn(2, 3).to(torch.bfloat16), "a.bias": torch.randn(2)}
save("protocol4", small, protocol=4)
save("protocol5", {key: torch.nn.Parameter(tensor) for key, tensor in small.items()}, protocol=5)
save("training", small, {
    "model": small, "epoch": 3, "loss": 0.25, "args": {"lr": 1e-4, "betas": (0.9, 0.999), "name": "x", "none": None},
    "optimizer": {"state": {0: {"step": torch.tensor(3.0), "exp_avg": small["a.bias"] / 2}}, "param_groups": [{"lr": 1e-4}]},
})
save("legacy", {"table": table, "table.rows": table[2:5], "half": small["a.bias"].half(), "bf16": small["a.weight"]}, zipped=False)
save("newer", {
    "e4m3": torch.arange(6).reshape(2, 3).to(torch.float8_e4m3fn), "e5m2": torch.ones(2).to(torch.float8_e5m2),
    "e8m0": torch.ones(3).to(torch.float8_e8m0fnu), "u16": torch.ones(2, dtype=torch.uint16),
    "c64": torch.ones(2, dtype=torch.complex64), "rows": torch.arange(6).reshape(2, 3).to(torch.float8_e4m3fn)[1],
}, known=["e4m3", "rows"])
