#!/bin/sh
# A valid .bin whose zip records all state the CRC-32 0.
#
# torch 2.15.0: torch.serialization.set_crc32_options(False) is a documented switch that makes saving faster. What it does to
# the file is not obvious: every record of the zip, pickle and tensors alike, states a CRC-32 of 0. zipfile.testzip() calls the
# first record bad, torch.load reads the file without a word. A reader of .bin checkpoints that checks CRCs (as it should:
# torch.load does not, so nobody else will notice a flipped bit) must take "0 in every record" as "not stated", and 0 in some
# records only as damage.
#
# Seen:
#   switch on : stated e0e8bbe7 is e0e8bbe7 ... testzip None
#   switch off: stated 0 is e0e8bbe7 ... testzip archive/data.pkl; torch.load gives the tensor back
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q torch==2.15.0 numpy==2.4.6
cat > "$folder/check.py" <<'PYTHON'
import sys
import zipfile
import zlib

import torch

tensor = torch.arange(64, dtype=torch.float32)
for compute in (True, False):
    torch.serialization.set_crc32_options(compute)
    path = f"{sys.argv[1]}/archive.pt"
    torch.save({"w": tensor}, path)
    archive = zipfile.ZipFile(path)
    stated = {entry.filename: entry.CRC for entry in archive.infolist()}
    with open(path, "rb") as file:
        data = file.read()
    real = {}
    for entry in archive.infolist():
        start = entry.header_offset
        names = int.from_bytes(data[start + 26 : start + 28], "little") + int.from_bytes(data[start + 28 : start + 30], "little")
        real[entry.filename] = zlib.crc32(data[start + 30 + names :][: entry.file_size])
    bad = archive.testzip()
    print("switch", "on" if compute else "off", {name: (hex(stated[name]), hex(real[name])) for name in stated}, "testzip", bad)
    assert torch.equal(torch.load(path)["w"], tensor)
    if compute:
        assert stated == real and bad is None
    else:
        assert set(stated.values()) == {0} and all(real.values()) and bad is not None
print(torch.__version__, "as described")
PYTHON
"$folder/venv/bin/python" "$folder/check.py" "$folder"
