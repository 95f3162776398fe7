"""Makes a checkpoint that computes the same and quantizes badly, for docs/accuracy.md.

    plant_outliers.py CHECKPOINT OUTPUT [--block 1] [--factor 1024]

In one block of the tower every other channel of the values is made FACTOR times as large (a power of two, so that bfloat16 loses
nothing), and the columns of the attention's output that read them as much smaller. Beside their neighbours these columns are nothing
to a group of 4 bits, and the channels that they are multiplied by are large: what weights that grew so do in published models.

Reads Qwen2-VL checkpoints in one safetensors file of BF16. Needs numpy.
"""

import argparse
import json
import pathlib
import shutil
import struct

import numpy as np


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("checkpoint", type=pathlib.Path)
    parser.add_argument("output", type=pathlib.Path)
    parser.add_argument("--block", type=int, default=1)
    parser.add_argument("--factor", type=float, default=1024)
    options = parser.parse_args()
    shutil.copytree(options.checkpoint, options.output)
    path = options.output / "model.safetensors"
    data = bytearray(path.read_bytes())
    length = struct.unpack("<Q", data[:8])[0]
    header = json.loads(data[8 : 8 + length])

    def scale(name, factor, places):
        tensor = header[name]
        start, end = (8 + length + offset for offset in tensor["data_offsets"])
        halves = np.frombuffer(bytes(data[start:end]), dtype="<u2").astype(np.uint32)
        values = (halves << 16).view(np.float32).reshape(tensor["shape"]).copy()
        values[places(values)] *= factor
        data[start:end] = (values.view(np.uint32) >> 16).astype("<u2").tobytes()

    stem = f"visual.blocks.{options.block}.attn."
    stem = next(n for n in header if n.endswith(stem + "qkv.weight"))[: -len("qkv.weight")]

    def large(values):
        # Values come after queries and keys.
        return slice(2 * len(values) // 3, None, 2)

    scale(stem + "qkv.weight", options.factor, large)
    scale(stem + "qkv.bias", options.factor, large)
    scale(stem + "proj.weight", 1 / options.factor, lambda _: (slice(None), slice(0, None, 2)))
    path.write_bytes(data)


if __name__ == "__main__":
    main()
