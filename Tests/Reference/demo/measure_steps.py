#!/usr/bin/env python3
"""What each step of quantization costs a model with pictures in its prompts.

    measure_steps.py BIN WORK

BIN has Tessera's programs. Draws 24 scenes to calibrate with and 32 others, held out, converts the checkpoint in
Tests/Fixtures/demo-qwen2-vl, quantizes it in several ways, with the vision tower and without, and prints a table in Markdown: bits a
weight, the mean KL divergence over the prompts that ask to describe the held-out pictures and the base's answers, and how
many answers to all questions about them are right.
"""
import json
import os
import subprocess
import sys

import demo_scenes as scenes

BIN, WORK = sys.argv[1:]
FIXTURES = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "Fixtures")
CALIBRATION_SEED, HELD_OUT_SEED = 7001, 9001


def tool(name, *arguments, parse=False):
    done = subprocess.run([os.path.join(BIN, "tessera-" + name), *arguments], check=True,
                          stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    return json.loads(done.stdout) if parse else done.stdout


def path(name):
    return os.path.join(WORK, name)


def recipe(name, text, vision, solver):
    def choice(encoding):
        return {"encoding": encoding} if encoding == "keep" else {"encoding": encoding, "solver": solver}
    rules = [{"roles": ["vision.*"], **choice(vision)}, {"roles": ["text.*"], **choice(text)}]
    with open(path(name), "w") as file:
        json.dump({"name": "step", "rules": rules}, file)
    return path(name)


os.makedirs(WORK, exist_ok=True)
calibration = list(scenes.pictures(CALIBRATION_SEED, 24))
held_out = list(scenes.pictures(HELD_OUT_SEED, 32))
scenes.write_pictures(WORK, calibration, "calibration")
scenes.write_pictures(WORK, held_out, "held_out")  # answers.json is theirs
with open(path("calibration.jsonl"), "w") as file:
    for index, (scene, _) in enumerate(calibration):
        for question in scenes.QUESTIONS:
            parts = [{"type": "image", "image": f"calibration_{index}.png"}, {"type": "text", "text": question}]
            file.write(json.dumps({"messages": [
                {"role": "user", "content": parts},
                {"role": "assistant", "content": scene.answer(question)}]}) + "\n")

base = path("base.tessera")
tool("from-qwen2-vl", os.path.join(FIXTURES, "demo-qwen2-vl"), "-o", base, "--force")
tool("calibrate", base, "--data", path("calibration.jsonl"), "-o", path("demo.cal"), "--force")
four = {"bits": 4, "group": 32}
calibrated = ["--calibration", path("demo.cal")]
ways = [("as published", None)]
for solver, more in [("rtn", []), ("search", []), ("search, calibrated", calibrated), ("gptq", calibrated), ("refit", calibrated)]:
    for vision, words in [("keep", "kept"), (four, "int4-g32")]:
        file = recipe(f"{solver.split(',')[0]}-{words}.json", four, vision, solver.split(",")[0])
        ways.append((f"language int4-g32, vision {words}, `{solver}`", ["--recipe", file, *more]))
for bits in ["5.33", "4.9"]:
    ways.append((f"`--bits {bits}`, vision takes part", [*calibrated, "--bits", bits]))

print("| | bits | mean KL | right of", len(held_out) * len(scenes.QUESTIONS), "|\n|---|---|---|---|")
for words, arguments in ways:
    bundle, bits, divergence = base, 16.0, 0.0
    if arguments is not None:
        bundle = path("way.tessera")
        bits = tool("quantize", base, "-o", bundle, "--force", "--json", *arguments, parse=True)["effective_bits"]
        total = count = 0
        for index in range(len(held_out)):
            figures = tool("diff", base, bundle, "--image", path(f"held_out_{index}.png"), "-p", scenes.DESCRIBE,
                           "--json", parse=True)["divergence"]
            total += figures["mean"] * figures["positions"]
            count += figures["positions"]
        divergence = total / count
    right = tool("diff", bundle, "--answers", path("answers.json"), "--json", parse=True)["right"]
    print(f"| {words} | {bits:.2f} | {divergence:.4g} | {right} |", flush=True)
