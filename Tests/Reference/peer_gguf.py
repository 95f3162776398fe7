#!/usr/bin/env python3
"""Convert a checkpoint with llama.cpp's own converter: peer_gguf.py LLAMA_CPP CHECKPOINT OUT.gguf [TYPE] [--mmproj]

The converter knows a tokenizer by a hash of what it makes of a sample, and refuses others. The checkpoint that is measured has
Qwen2's pre-tokenizer with another vocabulary, so the converter is told "qwen2" in place of looking that up. Whether the tokens
are the same is seen where they are counted (peer_table.py compares them). float32 unless told otherwise: products with bf16
weights would round their inputs to bf16, in the base too. --mmproj converts the vision part.
"""

import pathlib
import runpy
import sys

arguments = [argument for argument in sys.argv[1:] if argument != "--mmproj"]
if not 3 <= len(arguments) <= 4:
    sys.exit(__doc__)
source, checkpoint, out = arguments[:3]
kind = arguments[3] if len(arguments) == 4 else "f32"
vision = ["--mmproj"] if "--mmproj" in sys.argv else []
sys.path[:0] = [source, str(pathlib.Path(source) / "gguf-py")]

from conversion.base import TextModel  # noqa: E402

TextModel.get_vocab_base_pre = lambda self, tokenizer: "qwen2"
sys.argv = ["convert_hf_to_gguf.py", checkpoint, "--outtype", kind, "--outfile", out, *vision]
runpy.run_path(str(pathlib.Path(source) / "convert_hf_to_gguf.py"), run_name="__main__")
