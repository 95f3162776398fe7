"""A checkpoint of the demo's kind that is large enough for a conversion to be met in its midst: more layers, wider MLPs."""

import json
import random
import re
import shutil
import struct

LAYERS = 32
FFN = 6144
LAYER = re.compile(r"model\.layers\.0\.(.*)")


def write(bench):
    """Writes the checkpoint where it is not there yet; gives its folder."""
    folder = bench.work / "large"
    if folder.exists():
        return folder
    partial = bench.work / "large.unfinished"
    shutil.rmtree(partial, ignore_errors=True)
    shutil.copytree(bench.fixtures / "demo-qwen2-vl", partial)

    config = json.loads((partial / "config.json").read_text())
    config |= {"intermediate_size": FFN, "num_hidden_layers": LAYERS, "max_window_layers": LAYERS}
    (partial / "config.json").write_text(json.dumps(config))

    file = partial / "model.safetensors"
    data = file.read_bytes()
    (length,) = struct.unpack_from("<Q", data)
    header, body = json.loads(data[8:8 + length]), data[8 + length:]
    dice = random.Random(0)
    tensors = {}
    for name, entry in header.items():
        if name == "__metadata__" or name.startswith("model.layers.") and not LAYER.match(name):
            continue
        kept = body[slice(*entry["data_offsets"])]
        layer = LAYER.match(name)
        for number in range(LAYERS if layer else 1):
            copy = f"model.layers.{number}.{layer[1]}" if layer else name
            shape = list(entry["shape"])
            if ".mlp." in copy and layer:
                shape[1 if "down_proj" in copy else 0] = FFN
            tensors[copy] = (shape, kept if shape == entry["shape"] else _noise(dice, shape))
    _write(file, tensors)
    partial.rename(folder)
    return folder


def _noise(dice, shape):
    """bfloat16 values of either sign, between 0.008 and 0.125."""
    low = dice.randbytes(shape[0] * shape[1])
    high = bytes.maketrans(bytes(range(256)), bytes(0x3C | byte & 1 | byte & 0x80 for byte in range(256)))
    values = bytearray(2 * len(low))
    values[::2], values[1::2] = low, low.translate(high)
    return bytes(values)


def _write(file, tensors):
    header, end = {}, 0
    for name, (shape, data) in tensors.items():
        header[name] = {"dtype": "BF16", "shape": shape, "data_offsets": [end, end + len(data)]}
        end += len(data)
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(file, "wb") as output:
        output.write(struct.pack("<Q", len(text)) + text)
        for _, data in tensors.values():
            output.write(data)
