"""Plausible documents of comparisons, for looking at reports: nothing in them was measured."""

import math
import random
import struct
from pathlib import Path

PICTURES = Path(__file__).resolve().parents[2] / "Fixtures" / "demo-pictures"
MODULES = {
    "text": ["attention.q+k+v", "attention.o", "mlp.gate+up", "mlp.down"],
    "vision": ["attention.qkv", "attention.o", "mlp.up", "mlp.down"],
}
WORDS = (
    "The picture shows one red circle on a light background with the digit 2 at the top left . "
    "It is followed by two green squares , and a line that begins at the left edge and ends at 1 280 px ; "
    "the user is asked to click the button named Save as … in the upper right corner of the window .\n"
).split(" ")


def png_size(path):
    return struct.unpack(">II", path.read_bytes()[16:24])


def error(random_, relative):
    return {
        "relative_l2": relative, "relative_maximum": relative * 1.7, "sqnr_db": -20 * math.log10(relative),
        "cosine": 1 - relative * relative / 2, "largest": 10 ** random_.uniform(0, 2), "non_finite": 0,
        "first_non_finite": None,
    }


def stages(random_, blocks):
    all_ = []
    for graph, count in blocks.items():
        accumulated = 0.004
        for block in range(count):
            for module in MODULES[graph]:
                own = random_.uniform(0.01, 0.02) * (1.8 if module == "mlp.down" else 1)
                if graph == "text" and block == 2 and module == "mlp.down":
                    own *= 5
                accumulated = math.hypot(accumulated * 0.99, own * 0.35)
                stage = {"name": f"{graph}.block.{block}.{module}", "graph": graph, "block": block, "module": module}
                stage.update(error(random_, accumulated))
                stage["accumulated"] = error(random_, accumulated)
                stage["own"] = error(random_, own) | {"expected": 0.016 * (1.8 if module == "mlp.down" else 1)}
                if graph == "text":
                    stage["visual"] = error(random_, accumulated * random_.uniform(1.2, 1.6))
                    stage["text"] = error(random_, accumulated * random_.uniform(0.7, 0.9))
                    stage["worst_row"] = {"sample": "line 3 of set.jsonl", "row": 17, "relative_l2": accumulated * 4}
                all_.append(stage)
        out = {"name": f"{graph}.out", "graph": graph, "block": None, "module": None}
        all_.append(out | error(random_, accumulated) | {"accumulated": error(random_, accumulated)})
    return all_


def divergence(random_, mean, positions):
    one = {
        "positions": positions, "mean": mean, "standard_error": mean / 25, "median": mean / 8, "p95": mean * 4,
        "p99": mean * 12, "p999": mean * 40, "maximum": mean * 160,
    }
    return one | {
        "same_top1": 0.9712, "same_top1_error": 0.0011, "base_perplexity": 8.214, "other_perplexity": 8.377,
        "non_finite": 0, "first_non_finite": None, "reverse": {k: v * 1.06 for k, v in list(one.items())[1:]},
        "rms_probability_change": 0.0312, "rms_probability_change_error": 0.0009,
    }


def scored(random_, count, level):
    tokens = []
    for index in range(count):
        kl = level * math.exp(random_.gauss(-1, 1.8))
        p = min(0.999, max(0.001, random_.betavariate(2, 1)))
        word = WORDS[index % len(WORDS)]
        tokens.append({
            "text": (" " if index else "") + word, "kl": kl, "base_probability": p,
            "other_probability": min(0.9999, max(0.0001, p * math.exp(random_.gauss(0, math.sqrt(kl))))),
            "same": random_.random() > min(0.5, kl), "answer": index >= count * 0.6,
        })
    return tokens


def picture(random_, number):
    path = PICTURES / f"scene_{number % 8}.png"
    width, height = png_size(path)
    rows, columns = height // 14, width // 14
    errors = [
        0.03 + 0.12 * math.exp(-((r - rows / 3) ** 2 + (c - columns / 2) ** 2) / 6) + random_.uniform(0, 0.02)
        for r in range(rows) for c in range(columns)
    ]
    box = [width * 0.2, height * 0.25, width * 0.7, height * 0.8]
    other = [value + random_.uniform(-0.08, 0.08) * width for value in box]
    return {
        "path": str(path), "medium": "image/png", "width": width, "height": height, "grid": [1, rows, columns],
        "error": errors, "boxes": {"base": [box], "other": [other]},
    }


def sample(random_, number, tokens):
    level = 0.02 * math.exp(random_.gauss(0, 1))
    base = "One red circle on a light background, with the digit 2 at the top left."
    parts = number == 0 or random_.random() < 0.3
    one = {
        "name": f"line {number + 1} of set.jsonl", "tokens": 340 + number % 200, "visual_tokens": 64 if number % 3 == 0 else 0,
        "mean": level, "standard_error": level / 9, "same_top1": 1 - min(0.4, level), "prompt": "Describe the picture.",
        "base_answer": base, "other_answer": base.replace("2 at the top left", "7 in the middle") if parts else base,
        "first_difference": None, "scored": scored(random_, tokens, level),
    }
    if parts:
        five = [("2", 0.61), (" 7", 0.18), (" 3", 0.09), ("\n", 0.04), (" the digit", 0.01)]
        one["first_difference"] = {
            "token": 5,
            "base": [{"token": 17 + i, "text": t, "probability": p} for i, (t, p) in enumerate(five)],
            "other": [{"token": 17 + i, "text": t, "probability": p * 0.9} for i, (t, p) in enumerate(five[::-1])],
        }
    if number % 3 == 0:
        one["pictures"] = [picture(random_, number)]
    return one


def attribution(random_, blocks):
    modules, whole = [], 0.0412
    for graph, count in blocks.items():
        for block in range(count):
            for role in MODULES[graph]:
                only = 10 ** random_.uniform(-5, -3.4) * (3 if role == "mlp.down" else 1) * (30 if block == 2 else 1)
                modules.append({
                    "name": f"{graph}.block.{block}.{role}", "graph": graph, "block": block, "role": f"{graph}.{role}",
                    "only": only, "without": max(0, whole - only * random_.uniform(0.8, 1.1)),
                })
    modules.append({"name": "text.head", "graph": "text", "block": None, "role": "text.head", "only": 0.0011, "without": 0.0402})
    total = sum(module["only"] for module in modules)

    def by(keys):
        groups = {}
        for module in modules:
            key = tuple(module[k] for k in keys)
            groups.setdefault(key, []).append(module)
        return [
            dict(zip(keys, key)) | {"only": sum(m["only"] for m in ms), "without": whole - 0.9 * sum(m["only"] for m in ms)}
            for key, ms in groups.items() if None not in key
        ]

    return {
        "samples": 48, "tokens": 20344, "whole": whole, "sum": total, "modules": modules,
        "blocks": by(["graph", "block"]), "roles": by(["role"]), "weights": 0.0331, "activations": 0.0398, "cache": 0.0412,
    }


def tensors(random_, blocks):
    all_ = []
    for graph, count in blocks.items():
        for block in range(count):
            for role in ["attention.q", "attention.k", "attention.v", "attention.o", "mlp.gate", "mlp.up", "mlp.down"]:
                worse = 3.4 if (block, role) == (2, "mlp.down") else 1
                error_ = random_.uniform(0.070, 0.082) * worse
                one = {
                    "name": f"{graph}.block.{block}.{role}.weight", "role": f"{graph}.{role}", "shape": [1536, 8960],
                    "base_encoding": "bf16", "other_encoding": "int4-g32", "base_bytes": 27525120, "other_bytes": 8601600,
                    "error": error_, "expected": 0.0777, "role_median": 0.0765, "cosine": 1 - error_ * error_ / 2,
                    "worst_row": {"row": 812, "error": error_ * 1.4}, "worst_group": {"row": 812, "group": 31, "error": error_ * 3},
                    "rewritten": False,
                }
                if block < 3 and graph == "text" and role == "mlp.down":
                    bins = 96
                    base = [int(40000 * math.exp(-((i - bins / 2) / 9) ** 2)) + (3 if i % 17 == 0 else 0) for i in range(bins)]
                    other = [0 if i % 4 else sum(base[i:i + 4]) for i in range(bins)]
                    one["histogram"] = {"from": -0.41, "to": 0.41, "base": base, "other": other}
                all_.append(one)
    return all_


def document(samples=40, blocks=None, tokens=300):
    random_ = random.Random(7)
    blocks = blocks or {"vision": 32, "text": 28}
    worst = "text.block.2.mlp.down"
    return {
        "verdict": f"The answers diverge by 0.0412 nats; {worst} alone costs 38 % of it, 3.4 times what its format does elsewhere.",
        "findings": [
            {"kind": "differs", "tensor": f"{worst}.weight", "stage": None, "figure": 0.264, "expected": 0.0777,
             "words": f"{worst}.weight is further away than its format and other weights of its role explain.",
             "remedy": "Keep it in int8: --keep 'text.block.2.mlp.down=int8' costs 6.1 MiB and saves an expected 0.0144 nats."},
            {"kind": "stage", "tensor": None, "stage": f"{worst}", "figure": 0.18, "expected": 0.029,
             "words": "Outliers of its inputs are rounded: one channel is 212 times the median.",
             "remedy": "Let the recipe smooth it: the step \"smooth\" moves the outlier into the weights."},
        ] + [
            {"kind": "group-scaled", "tensor": f"text.block.{i}.attention.k.weight", "stage": None, "figure": 1.08, "expected": 1,
             "words": f"A group of columns of row {9 * i} is the base's times 1.08.", "remedy": None} for i in range(12)
        ],
        "base": {"path": "models/qwen2-vl-2b.tessera", "bytes": 4429185024, "weights": 4418560000, "bits": 16.0,
                 "encodings": [{"encoding": "bf16", "tensors": 729, "bytes": 4418560000}], "seconds": 412.5, "tokens_per_second": 41.2},
        "other": {"path": "models/qwen2-vl-2b-int4-best-of-the-budget-of-1300-megabytes.tessera", "bytes": 1331691520, "weights": 1320000000,
                  "bits": 4.78, "encodings": [{"encoding": "int4-g32", "tensors": 392, "bytes": 1100000000},
                                              {"encoding": "f32", "tensors": 337, "bytes": 2200000}],
                  "seconds": 133.1, "tokens_per_second": 127.9},
        "gates": [
            {"name": "max-kl", "limit": 0.03, "figure": 0.0412, "passed": False, "words": "the mean KL divergence is 0.0412, above 0.03"},
            {"name": "max-drop", "limit": 2, "figure": 1.4, "passed": True, "words": "answers dropped by 1.4 points, at most 2 are allowed"},
        ],
        "tensors": tensors(random_, blocks),
        "stages": stages(random_, blocks),
        "divergence": divergence(random_, 0.0412, 20344),
        "answer_divergence": divergence(random_, 0.0287, 5120),
        "positions": [
            {"from": 64 * i, "to": 64 * (i + 1), "positions": 2400 - 100 * i, "mean": 0.03 + 0.0022 * i + random_.uniform(0, 0.004),
             "standard_error": 0.001 + 0.0004 * i} for i in range(20)
        ],
        "samples": [sample(random_, number, tokens) for number in range(samples)],
        "attribution": attribution(random_, blocks),
        "accuracy": {
            "questions": 500, "base_right": 431, "other_right": 424, "drop": 1.4, "drop_error": 0.8, "p_value": 0.118,
            "only_base": 12, "only_other": 5,
            "wrong": [
                {"image": f"{PICTURES.name}/scene_{i % 8}.png", "question": "Where is the digit?", "expected": "top left",
                 "base_answer": "top left" if i % 2 else "bottom right", "other_answer": "in the middle", "iou": 0.4, "click_distance": 31.5}
                for i in range(76)
            ],
        },
    }


HOSTILE = "</script></style></svg><img src=x onerror=alert(1)><script>alert(2)</script>\"'&<!-- ]]> \u202e\u0007 @all [x](javascript:alert(3)) | `"


def hostile():
    """The same with every text replaced by one that tries to get out of where it stands."""
    def spoil(value, key=""):
        if isinstance(value, dict):
            return {k: spoil(v, k) for k, v in value.items()}
        if isinstance(value, list):
            return [spoil(v, key) for v in value]
        return HOSTILE if isinstance(value, str) and key not in ("graph", "role") else value
    return spoil(document(samples=6, blocks={"vision": 2, "text": 2}, tokens=40))


def small():
    """What Tests/Fixtures/diff/report.json holds: all parts, little of each, and no more digits than a test needs."""
    def short(value):
        if isinstance(value, dict):
            return {k: short(v) for k, v in value.items()}
        if isinstance(value, list):
            return [short(v) for v in value]
        if isinstance(value, float):
            return float(f"{value:.3g}")
        return Path(value).name if isinstance(value, str) and value.endswith(".png") else value
    made = document(samples=3, blocks={"vision": 1, "text": 3}, tokens=16)
    made["findings"], made["accuracy"]["wrong"] = made["findings"][:3], made["accuracy"]["wrong"][:3]
    return short(made)


MADE = {
    "plain": document,
    "deep": lambda: document(blocks={"vision": 27, "text": 80}),
    "hostile": hostile,
    "large": lambda: document(samples=2000, tokens=120),
}
