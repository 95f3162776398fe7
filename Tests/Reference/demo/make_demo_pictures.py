#!/usr/bin/env python3
"""Pick the demo's pictures and compute reference outputs of the exported checkpoint.

    make_demo_pictures.py CHECKPOINT OUTDIR

Writes eight PNG files, answers.json, and for two of them <name>.safetensors with what
transformers computes for "Describe the picture." in float32 from the bf16 weights:
input_ids, image_grid_thw, image.out (the vision tower's output after the merger), logits_last
(logits at the prompt's last position) and greedy.ids (the answer, with its end token).

It uses only the exported files, through transformers' own tokenizer and image processor, and
checks them against the training script's: loading, the prompt, the pixels.
"""
import argparse
import os
import random

import torch
from safetensors.torch import save_file
from transformers import AutoTokenizer, Qwen2VLForConditionalGeneration
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil

import demo_scenes as scenes
import train_demo_checkpoint as training

SIZES = [(112, 112), (168, 112), (140, 140), (224, 224),
         (112, 140), (112, 168), (196, 196), (140, 112)]
GOLDENS = [0, 1]

parser = argparse.ArgumentParser(description="Write the demo's pictures and reference outputs.")
parser.add_argument("checkpoint")
parser.add_argument("outdir")
arguments = parser.parse_args()
torch.set_num_threads(2)

tokenizer = AutoTokenizer.from_pretrained(arguments.checkpoint)
processor = Qwen2VLImageProcessorPil.from_pretrained(arguments.checkpoint)
model, loading = Qwen2VLForConditionalGeneration.from_pretrained(
    arguments.checkpoint, dtype=torch.float32, output_loading_info=True)
model.eval()
assert not any(loading.values()), loading
IMAGE = model.config.image_token_id


def prepare(image, question):
    """Prompt and pixels the way the published processor prepares them."""
    messages = [{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": question}]}]
    text = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
    pixels = processor(images=[image], return_tensors="pt")
    tokens = int(pixels["image_grid_thw"].prod()) // processor.merge_size ** 2
    text = text.replace("<|image_pad|>", "<|image_pad|>" * tokens)
    ids = tokenizer(text, return_tensors="pt")["input_ids"]

    expected, grid = training.patchify(image)
    assert pixels["image_grid_thw"].tolist() == [list(grid)]
    assert (pixels["pixel_values"] - torch.from_numpy(expected)).abs().max() < 1e-5
    assert ids[0].tolist() == training.prompt_head(grid) + training.question_tail(question)
    return dict(input_ids=ids, attention_mask=torch.ones_like(ids), **pixels,
                mm_token_type_ids=(ids == IMAGE).int())


@torch.no_grad()
def answer(inputs):
    output = model.generate(**inputs, max_new_tokens=32)
    return output[0, inputs["input_ids"].shape[1]:]


def all_right(scene, image) -> bool:
    said = lambda q: tokenizer.decode(answer(prepare(image, q)), skip_special_tokens=True)
    return all(said(question) == scene.answer(question) for question in scenes.QUESTIONS)


def wanted(scene, index: int) -> bool:
    """Pictures as different as possible: each color, shape, corner and background in turn."""
    return (scene.count == index % 4 + 1 and scene.corner == (index * 3 + index // 4) % 4
            and scene.color == list(scenes.COLORS)[index % 6] and scene.dark == (index % 2 == 1)
            and scene.shape == scenes.SHAPES[index % 3])


rng, chosen, seen = random.Random(scenes.SHOWCASE_SEED), [], set()
while len(chosen) < len(SIZES):
    index = len(chosen)
    scene = scenes.random_scene(rng, SIZES[index])
    image = scenes.draw(scene, rng)
    if scene.digit in seen or not wanted(scene, index):
        continue
    if not all_right(scene, image):
        print("passed over:", scene)
        continue
    seen.add(scene.digit)
    chosen.append((scene, image))
scenes.write_pictures(arguments.outdir, chosen, "scene")

for index in GOLDENS:
    scene, image = chosen[index]
    inputs = prepare(image, scenes.DESCRIBE)
    with torch.no_grad():
        vision = model.model.visual(inputs["pixel_values"], grid_thw=inputs["image_grid_thw"])
        features = vision if isinstance(vision, torch.Tensor) else vision.pooler_output
        logits = model(**inputs).logits[0, -1]
    golden = os.path.join(arguments.outdir, f"scene_{index}.safetensors")
    save_file({"input_ids": inputs["input_ids"], "image_grid_thw": inputs["image_grid_thw"],
               "image.out": features.contiguous(), "logits_last": logits.contiguous(),
               "greedy.ids": answer(inputs).contiguous()},
              golden)
    os.chmod(golden, 0o644)
for scene, _ in chosen:
    print(scene.size, scene.answer(scenes.DESCRIBE))
