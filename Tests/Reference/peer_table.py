#!/usr/bin/env python3
"""What peer.sh asks of Python:

    peer_table.py tokens KL_BASE TEXT TOKENIZER_JSON     are the windows of llama.cpp's file those of the text?
    peer_table.py table WORK FORMATS BITS GENRES         what was measured, in Markdown

`tokens` compares what llama-perplexity wrote at the start of its file with what Hugging Face's tokenizer makes of the text.
`table` refuses to print figures unless, over each text, both tools scored as many positions and agree on the base's perplexity
to a thousandth: then the tokens, the windows and the positions are the same, and so is the model.
"""

import json
import pathlib
import re
import struct
import sys

AGREEMENT = 1e-3


def tokens(base, text, tokenizer):
    from tokenizers import Tokenizer

    with open(base, "rb") as file:
        magic, window, _, windows = struct.unpack("<8sIii", file.read(20))
        if magic != b"_logits_":
            sys.exit(f"{base}: is not a file of llama-perplexity's")
        theirs = struct.unpack(f"<{window * windows}i", file.read(4 * window * windows))
    reference = Tokenizer.from_file(tokenizer).encode(pathlib.Path(text).read_text(encoding="utf-8"), add_special_tokens=False).ids
    for place, (their, ours) in enumerate(zip(theirs, reference)):
        if their != ours:
            sys.exit(f"{text}: token {place} is {their} in llama.cpp, {ours} by the tokenizer")
    print(f"{len(theirs)} tokens in {windows} windows are equal; the text has {len(reference)}")


def number(pattern, text, path):
    match = re.search(pattern, text)
    if not match:
        sys.exit(f"{path}: no {pattern}")
    return float(match[1])


class Peer:
    """Results of llama.cpp's tools."""

    def __init__(self, work, format):
        self.folder, self.format = work / "peer", format
        name, _, plain = format.partition(":")
        self.name = f"llama.cpp {name}" + (", no importance matrix" if plain else "")

    def bits(self):
        path = self.folder / f"quantize-{self.format}.txt"
        return number(r"quant size *=.*\((\S+) BPW\)", path.read_text(), path)

    def over(self, genre):
        path = self.folder / f"{genre}-{self.format}.txt"
        text = path.read_text()
        find = lambda pattern: number(pattern, text, path)  # noqa: E731
        windows, window = find(r"over (\d+) chunks"), find(r"n_ctx=(\d+)")
        # Not the base's perplexity in the comparison: that one is of probabilities cut off 16 nats below the largest.
        base = self.folder / f"{genre}-base.txt"
        return {
            "positions": int(windows * (window - window // 2 - 1)),
            "base": number(r"Final estimate: PPL = (\S+)", base.read_text(), base),
            "mean": find(r"Mean +KLD: *(\S+)"), "error": find(r"Mean +KLD: *\S+ ± *(\S+)"),
            "p999": find(r"99\.9% +KLD: *(\S+)"), "top": find(r"Same top p: *(\S+)"),
        }


class Ours:
    """Results of tessera-quantize and tessera-diff."""

    def __init__(self, work, bits):
        self.folder, self.target, self.name = work / "ours", bits, f"**`--bits {bits}`**"

    def bits(self):
        return json.loads((self.folder / f"quantize-{self.target}.json").read_text())["effective_bits"]

    def over(self, genre):
        found = json.loads((self.folder / f"{genre}-{self.target}.json").read_text())["divergence"]
        return {
            "positions": found["positions"], "base": found["base_perplexity"], "mean": found["mean"],
            "error": found["standard_error"], "p999": found["p999"], "top": 100 * found["same_top1"],
        }


def significant(value):
    """Three digits, none of them in an exponent."""
    return f"{value:#.3g}" if value >= 1e-4 else f"{value:.6f}"


def cell(found):
    return f"{significant(found['mean'])} / {significant(found['p999'])} / {found['top']:.1f} %"


def check(genre, rows):
    """Both tools scored the same positions of the same model."""
    first = rows[0]
    for row in rows[1:]:
        if row["positions"] != first["positions"]:
            sys.exit(f"{genre}: {row['positions']} positions, not {first['positions']}")
        if abs(row["base"] / first["base"] - 1) > AGREEMENT:
            sys.exit(f"{genre}: the base's perplexity is {row['base']}, not {first['base']}")


def table(work, formats, bits, genres):
    work, genres = pathlib.Path(work), genres.split()
    systems = [Peer(work, name) for name in formats.split()] + [Ours(work, target) for target in bits.split()]
    systems.sort(key=lambda system: system.bits())
    found = {genre: [system.over(genre) for system in systems] for genre in genres}
    for genre in genres:
        check(genre, found[genre])
    print("Mean KL divergence / 99.9 % / same top-1:\n")
    print("| | bits | " + " | ".join(genres) + " |")
    print("|---" * (2 + len(genres)) + "|")
    for index, system in enumerate(systems):
        cells = " | ".join(cell(found[genre][index]) for genre in genres)
        print(f"| {system.name} | {system.bits():.2f} | {cells} |")
    print("\nThe base's perplexity by both tools, and the positions that both scored:\n")
    print("| | llama.cpp | Tessera | positions |\n|---|---|---|---|")
    for genre in genres:
        by_tool = {type(system): row for system, row in zip(systems, found[genre])}
        bases = " | ".join(f"{by_tool[kind]['base']:.3f}" if kind in by_tool else "" for kind in (Peer, Ours))
        print(f"| {genre} | {bases} | {found[genre][0]['positions']} |")


if __name__ == "__main__":
    commands = {"tokens": (tokens, 3), "table": (table, 4)}
    function, count = commands.get(sys.argv[1] if len(sys.argv) > 1 else "", (None, 0))
    if function is None or len(sys.argv) != count + 2:
        sys.exit(__doc__)
    function(*sys.argv[2:])
