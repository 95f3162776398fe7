#!/bin/sh
# Three-bit weights of one format name lie in two ways, and the newer reader takes the older one for its own without a word.
#
# compressed-tensors 0.12.2 packs codes of 3 bits ten to a 32-bit word (two bits stay empty); 0.20.0 packs them densely, 32 codes
# in 3 words, some across words. Both call it pack-quantized. 0.12.2 refuses what 0.20.0 packed, since the shapes do not fit; 0.20.0
# unpacks what 0.12.2 packed into the right shape, and three of four codes are wrong. A W3A16 checkpoint that was published before
# 0.19 answers garbage under a current library; the number of words in a row (10 or 9 for 96 columns) is what tells them apart.
#
# Seen, 96 columns:
#   packed by 0.12.2, 10 words a row: 0.12.2 unpacks 0 % wrong, 0.20.0 unpacks 78 % wrong
#   packed by 0.20.0,  9 words a row: 0.20.0 unpacks 0 % wrong, 0.12.2 raises RuntimeError
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q compressed-tensors==0.20.0 torch==2.15.0 transformers==5.24.0 numpy==2.4.6
"$folder/venv/bin/pip" install -q --no-deps -t "$folder/old" compressed-tensors==0.12.2
cat > "$folder/check.py" <<'PYTHON'
import sys

import torch
from compressed_tensors.compressors import pack_to_int32, unpack_from_int32

path, task = sys.argv[1:]
codes = torch.randint(-4, 4, (64, 96), dtype=torch.int8, generator=torch.Generator().manual_seed(0))
if task == "pack":
    torch.save(pack_to_int32(codes, 3), path)
    print(torch.load(path).shape[1], "words", end=": ")
else:
    try:
        print(round((unpack_from_int32(torch.load(path), 3, codes.shape) != codes).float().mean().item(), 2), end=" ")
    except RuntimeError:
        print("RuntimeError", end=" ")
PYTHON
seen=$(
    for writer in "$folder/old" ""; do
        PYTHONPATH=$writer "$folder/venv/bin/python" "$folder/check.py" "$folder/packed.pt" pack 2>/dev/null
        for reader in "$folder/old" ""; do
            PYTHONPATH=$reader "$folder/venv/bin/python" "$folder/check.py" "$folder/packed.pt" unpack 2>/dev/null
        done
    done
)
echo "$seen"
[ "$seen" = "10 words: 0.0 0.78 9 words: RuntimeError 0.0 " ]
