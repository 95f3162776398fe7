#!/bin/bash
# The ids that a tokenizer folder states for its special tokens are no more than an order, and without them the order is odd.
#
# Where tokenizer.json lacks the special tokens, transformers 5.24.0 appends them to its vocabulary one after the other. Ids in
# added_tokens.json or in tokenizer_config.json's `added_tokens_decoder` only sort them: a gap (a vocabulary padded to a round
# size) is closed, and each token gets an id that the folder does not state, hence another row of the embedding. If only
# special_tokens_map.json names them, they are numbered by role: the end token first, then the padding token, then the rest, which
# permutes the published order of Qwen (endoftext, im_start, im_end). Nothing is logged. So: compare ids after loading.
#
# Seen, for a vocabulary of 256 (ids of <|endoftext|>, <|im_start|>, <|im_end|>):
#   stated 256, 257, 258, in either file -> 256, 257, 258
#   stated 300, 301, 302, in either file -> 256, 257, 258
#   only special_tokens_map.json         -> 257, 258, 256
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
export HF_HOME="$folder/hub" HF_HUB_OFFLINE=1
unset PYTHONPATH
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --no-compile \
    transformers==5.24.0 huggingface_hub==2.4.0 tokenizers==0.23.3 numpy==2.4.6
cat > "$folder/check.py" <<'PYTHON'
import json
import logging
import os
import sys

import tokenizers
import transformers

assert (transformers.__version__, tokenizers.__version__) == ("5.24.0", "0.23.3")
messages = []
handler = logging.Handler()
handler.emit = lambda record: messages.append(record.getMessage())
transformers.logging.add_handler(handler)

published = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
roles = {"eos_token": published[2], "pad_token": published[0], "additional_special_tokens": published[1:]}


def ids(name, **files):
    path = f"{sys.argv[1]}/{name}"
    os.makedirs(path)
    vocabulary = {letter: id for id, letter in enumerate(sorted(tokenizers.pre_tokenizers.ByteLevel.alphabet()))}
    bytewise = tokenizers.Tokenizer(tokenizers.models.BPE(vocabulary, []))
    bytewise.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    bytewise.save(f"{path}/tokenizer.json")
    files.setdefault("tokenizer_config", {})["tokenizer_class"] = "Qwen2Tokenizer"
    for file_name, content in files.items():
        with open(f"{path}/{file_name}.json", "w") as file:
            json.dump(content, file)
    tokenizer = transformers.AutoTokenizer.from_pretrained(path)
    seen = tokenizer.convert_tokens_to_ids(published)
    print(name, seen)
    assert seen == [tokenizer(token)["input_ids"][0] for token in published]
    return seen


def token(content):
    plain = dict.fromkeys(("lstrip", "rstrip", "normalized", "single_word"), False)
    return {"content": content, "special": True, **plain}


for first in (256, 300):
    stated = {name: first + place for place, name in enumerate(published)}
    decoder = {str(id): token(name) for name, id in stated.items()}
    added = ids(f"added_tokens-{first}", added_tokens=stated, special_tokens_map=roles)
    decoded = ids(f"added_tokens_decoder-{first}", tokenizer_config={**roles, "added_tokens_decoder": decoder})
    assert added == decoded == [256, 257, 258]
assert ids("special_tokens_map", special_tokens_map=roles) == [257, 258, 256]
assert messages == [], messages
print("as described")
PYTHON
"$folder/venv/bin/python" "$folder/check.py" "$folder"
