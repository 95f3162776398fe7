#!/bin/bash
# `tojson` in a chat template gives another text in transformers than in jinja2, with the same jinja2 underneath.
#
# jinja2 3.1.6 makes JSON for a page: members sorted by name, and < > & ' and all letters outside ASCII escaped. transformers 5.24.0
# replaces the filter for chat templates: members in their given order, nothing escaped but what JSON needs. A template that
# lists tools, rendered with plain jinja2, is another prompt than the reference's. So: a renderer of chat templates, in any
# language, must follow transformers here and not jinja2's manual.
#
# Seen, for {"type": "function", "name": "größe", "description": "a < b & 'c'"}:
#   jinja2:       {"description": "a \u003c b \u0026 \u0027c\u0027", "name": "gr\u00f6\u00dfe", "type": "function"}
#   transformers: {"type": "function", "name": "größe", "description": "a < b & 'c'"}
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
export HF_HOME="$folder/hub" HF_HUB_OFFLINE=1 PYTHONUTF8=1
unset PYTHONPATH
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --no-compile \
    jinja2==3.1.6 transformers==5.24.0 huggingface_hub==2.4.0 tokenizers==0.23.3 numpy==2.4.6
cat > "$folder/check.py" <<'PYTHON'
import jinja2
import tokenizers
import transformers

assert (jinja2.__version__, transformers.__version__) == ("3.1.6", "5.24.0")
template = "{% for tool in tools %}{{ tool | tojson }}{% endfor %}"
tool = {"type": "function", "name": "größe", "description": "a < b & 'c'"}
plain = jinja2.Environment().from_string(template).render(tools=[tool], messages=[])
backend = tokenizers.Tokenizer(tokenizers.models.WordLevel({"a": 0}, unk_token="a"))
tokenizer = transformers.PreTrainedTokenizerFast(tokenizer_object=backend, chat_template=template)
messages = [{"role": "user", "content": "Hello"}]
chat = tokenizer.apply_chat_template(messages, tools=[tool], tokenize=False)
print("jinja2:      ", plain)
print("transformers:", chat)
assert plain == (
    r'{"description": "a \u003c b \u0026 \u0027c\u0027", "name": "gr\u00f6\u00dfe", "type": "function"}'
)
assert chat == """{"type": "function", "name": "größe", "description": "a < b & 'c'"}"""
print("as described")
PYTHON
"$folder/venv/bin/python" "$folder/check.py"
