#!/bin/bash
# In a chat template, the `else` of a `for` runs although the loop ran, when every iteration left by `break` or `continue`.
#
# jinja2 3.1.6 documents this `else` as the branch for a loop with nothing to go through. What it tracks is whether one iteration
# reached its end, so leaving each of them early counts as none. That is neither the documented rule nor Python's (there `break`
# skips the `else` and `continue` does not matter). transformers switches `break` and `continue` on for chat templates: "find
# the system message, else use the default" prints both texts, or none. So: set a variable, do not use `else` with these two,
# and a renderer in another language has to copy this to give the prompts of the reference.
#
# Seen with transformers 5.24.0:
#   [system, user] -> "Be brief. Default."   (found, and the default too)
#   [user, system] -> "Be brief."
#   [user]         -> ""                     (not found, and no default)
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
export HF_HOME="$folder/hub" HF_HUB_OFFLINE=1
unset PYTHONPATH
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --no-compile \
    jinja2==3.1.6 transformers==5.24.0 huggingface_hub==2.4.0 tokenizers==0.23.3 numpy==2.4.6
cat > "$folder/check.py" <<'PYTHON'
import jinja2
import tokenizers
import transformers

assert (jinja2.__version__, transformers.__version__) == ("3.1.6", "5.24.0")
environment = jinja2.Environment(extensions=["jinja2.ext.loopcontrols"])
for leave, items, expected in [
    ("continue", [], "else"),
    ("continue", [1, 2], "12else"),
    ("break", [1, 2], "1else"),
    ("if item == 1 %}{% continue %}{% endif", [1, 2], "12"),
    ("if item == 2 %}{% break %}{% endif", [1, 2], "12"),
]:
    text = "{% for item in items %}{{ item }}{% LEAVE %}{% else %}else{% endfor %}".replace("LEAVE", leave)
    seen = environment.from_string(text).render(items=items)
    print(f"{text} with {items}: {seen!r}")
    assert seen == expected

template = (
    "{% for m in messages %}{% if m.role == 'system' %}{{ m.content }}{% break %}{% endif %}{% else %} Default.{% endfor %}"
)
backend = tokenizers.Tokenizer(tokenizers.models.WordLevel({"a": 0}, unk_token="a"))
tokenizer = transformers.PreTrainedTokenizerFast(tokenizer_object=backend, chat_template=template)
system, user = {"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hello"}
for messages, expected in [([system, user], "Be brief. Default."), ([user, system], "Be brief."), ([user], "")]:
    seen = tokenizer.apply_chat_template(messages, tokenize=False)
    print([message["role"] for message in messages], repr(seen))
    assert seen == expected
print("as described")
PYTHON
"$folder/venv/bin/python" "$folder/check.py"
