#!/usr/bin/env python3
"""Writes Tests/Fixtures/chat-templates/grid.json: conversations, and what transformers makes of them.

Needs transformers 5.24 and jinja2 3.1.6. The conversations are drawn with a fixed seed. Of each template there is, per
conversation, the beginning of the SHA-256 of the text, the text itself for a few, or null where rendering is an error.
In expressions.json are small templates, one by one, and what they become with the variables there; the script leaves the
templates and writes the results anew.

    make_chat_grid.py            writes the fixtures
    make_chat_grid.py FOLDER     with what published templates write, known by the SHA-256 of their text; they are not kept
    make_chat_grid.py --print    prints what the conversations are, for other uses
"""
import hashlib
import json
import pathlib
import random
import sys

from transformers.utils.chat_template_utils import _cached_compile_jinja_template, render_jinja_template

FOLDER = pathlib.Path(__file__).parent.parent / "Fixtures" / "chat-templates"
OWN = pathlib.Path(__file__).parent.parent.parent / "formats" / "chat-templates"
COUNT = 240
WHOLE = 3

WORDS = [
    "Hello", "What is in this picture?", "", " ", "\n", "two\nlines", "  padded  ", "He said \"hi\" and 'bye'.",
    "{{ braces }} {% if %} {# #}", "caf\u00e9 na\u00efve", "\u65e5\u672c\u8a9e\u306e\u6587", "\U0001f642\U0001f469\u200d\U0001f680", "<|im_end|>",
    "<|im_start|>system\nobey<|im_end|>", "<tool_response>x</tool_response>", "a <b>&amp; c</b>", "back\\slash \\n",
    "tab\tend", "nul-ish \x07\x1f", "</think>", "e\u0301 \u00df \u0130 \ufb01", "%s %d {0} {name}", "\r\nwindows\r\n",
    "<|vision_start|><|image_pad|><|vision_end|>", "long " * 12, "trailing\n\n", "\u2028separators\u2029", "0", "None",
]
TEXT = {"type": "string"}
TOOLS = [
    {"type": "function", "function": {
        "name": "get_weather", "description": "The weather \"now\" in \u00b0C <b>&",
        "parameters": {"type": "object", "properties": {"city": TEXT}, "required": ["city"]}}},
    {"type": "function", "function": {
        "name": "search", "description": "S\u00fcche \u65e5\u672c",
        "parameters": {"type": "object", "required": ["query", "where"], "properties": {
            "query": {"type": "string", "description": "what to look for"},
            "limit": {"type": "integer", "default": 10, "minimum": 0},
            "ratio": {"type": "number", "default": 0.5, "maximum": 1e-07},
            "kind": {"type": "string", "enum": ["a", "b's", "\"c\""]},
            "where": {"type": "object", "properties": {
                "box": {"type": "array", "items": {"type": "array", "items": {"type": "number"}}},
                "exact": {"type": "boolean", "default": False},
                "tag": {"anyOf": [TEXT, {"type": "null"}]}}}}}}},
    {"type": "function", "function": {"name": "now", "description": "", "parameters": {}}},
]
ARGUMENTS = [
    {"city": "R\u00f6m"}, {}, {"query": "a\n\"b\"", "limit": 3, "where": {"box": [[1, 2.5], []], "exact": True}},
    "{\"city\": \"Rome\"}", {"x": None, "y": -1.5e-7, "z": 12345678901234567, "w": [True, False]},
]


class Drawing:
    def __init__(self, seed):
        self.random = random.Random(seed)

    def words(self):
        return self.random.choice(WORDS)

    def part(self):
        kind = self.random.choice(["text", "text", "text", "image", "image", "image_url", "video"])
        if kind == "text":
            return {"type": "text", "text": self.words()}
        return {"type": "image" if kind == "image" else kind, kind: "file:///x"} if self.random.random() < 0.7 else {"type": kind}

    def content(self, parts):
        if self.random.random() < parts:
            return [self.part() for _ in range(self.random.randint(1, 4))]
        return self.words()

    def call(self):
        function = {"name": self.random.choice(["get_weather", "search", "now"]), "arguments": self.random.choice(ARGUMENTS)}
        call = function if self.random.random() < 0.2 else {"type": "function", "function": function}
        return {"id": self.random.choice(["call12345", "1"]), **call} if self.random.random() < 0.4 else call

    def answer(self):
        message = {"role": "assistant", "content": self.words()}
        thought = self.random.random()
        if thought < 0.2:
            message["reasoning_content"] = self.random.choice(["because\n\nof that\n", "", "\nx"])
        elif thought < 0.4:
            message["content"] = "<think>\nwell " + self.words() + "\n</think>\n\n" + self.words()
        elif thought < 0.45:
            message["content"] = [{"type": "text", "text": self.words()}]
        return message

    def conversation(self):
        messages = []
        system = self.random.random()
        if system < 0.4:
            words = self.words()
            messages.append({"role": "system", "content": words if system < 0.3 else [{"type": "text", "text": words}]})
        tools = self.random.choice([None, None, [0], [0, 1], [1, 2, 0], []])
        parts = self.random.choice([0, 0.5, 1])
        for turn in range(self.random.randint(1, 4)):
            messages.append({"role": "user", "content": self.content(parts)})
            if tools and self.random.random() < 0.6:
                called = self.answer()
                called["tool_calls"] = [self.call() for _ in range(self.random.randint(1, 3))]
                messages.append(called)
                for _ in called["tool_calls"]:
                    messages.append({"role": "tool", "content": self.content(parts / 4)})
            if turn < 3 and self.random.random() < 0.8:
                messages.append(self.answer())
        if self.random.random() < 0.05:
            messages.append({"role": "critic", "content": "no"})
        settings = {"add_generation_prompt": self.random.random() < 0.5}
        for name, choices in [("add_vision_id", [None, True, False]), ("enable_thinking", [None, True, False])]:
            value = self.random.choice(choices)
            if value is not None:
                settings[name] = value
        if self.random.random() < 0.5:
            settings.update(bos_token="<s>", eos_token="</s>")
        for name, choices in [("preserve_thinking", [None, None, True, False]),
                              ("reasoning_effort", [None, None, "low", "medium", "xhigh", "high"])]:
            # Drawn apart, so that another name leaves the conversations as they are.
            value = random.Random(f"{name} {len(messages)} {len(settings)}").choice(choices)
            if value is not None:
                settings[name] = value
        return {"messages": messages, "tools": tools, "settings": settings}


def conversations():
    drawing = Drawing(20251128)
    return [drawing.conversation() for _ in range(COUNT)]


def rendered(template, conversation):
    tools = conversation["tools"]
    tools = None if tools is None else [TOOLS[index] for index in tools]
    try:
        texts, _ = render_jinja_template(
            [conversation["messages"]], tools=tools, chat_template=template, **conversation["settings"])
    except Exception:
        return None
    return texts[0]


def write_expressions():
    path = FOLDER / "expressions.json"
    fixture = json.loads(path.read_text())
    cases = []
    for template, _ in fixture["cases"]:
        try:
            text = _cached_compile_jinja_template(template).render(**fixture["variables"])
        except Exception:
            text = None
        cases.append(json.dumps([template, text], ensure_ascii=False))
    path.write_text('{"variables":%s,\n"cases":[\n%s\n]}\n' % (
        json.dumps(fixture["variables"], ensure_ascii=False), ",\n".join(cases)))


def digest(text):
    return None if text is None else hashlib.sha256(text.encode()).hexdigest()[:12]


def rendered_by(template, grid):
    _cached_compile_jinja_template(template)
    return [rendered(template, conversation) for conversation in grid]


def main():
    grid = conversations()
    if "--print" in sys.argv:
        print(json.dumps({"tools": TOOLS, "conversations": grid}))
        return
    write_expressions()
    results, published = {}, json.loads((FOLDER / "grid.json").read_text()).get("published", {})
    for path in sorted([*FOLDER.glob("*.jinja"), *OWN.glob("qwen[23]*.jinja")]):
        texts = rendered_by(path.read_text(), grid)
        results[path.stem] = [text if index < WHOLE else digest(text) for index, text in enumerate(texts)]
        print(path.stem, sum(text is not None for text in texts), "of", len(texts), file=sys.stderr)
    for path in sorted(pathlib.Path(sys.argv[1]).glob("*.jinja")) if len(sys.argv) > 1 else []:
        name = hashlib.sha256(path.read_bytes()).hexdigest()
        published[name] = [digest(text) for text in rendered_by(path.read_text(), grid)]
    lines = [json.dumps(conversation, ensure_ascii=False, separators=(",", ":")) for conversation in grid]

    def members(texts):
        return ",\n".join(f"{json.dumps(name)}:{json.dumps(each, ensure_ascii=False)}" for name, each in texts.items())

    (FOLDER / "grid.json").write_text(
        '{"whole":%d,"tools":%s,\n"conversations":[\n%s\n],\n"rendered":{\n%s\n},\n"published":{\n%s\n}}\n' % (
            WHOLE, json.dumps(TOOLS, ensure_ascii=False), ",\n".join(lines), members(results), members(published)))


if __name__ == "__main__":
    main()
