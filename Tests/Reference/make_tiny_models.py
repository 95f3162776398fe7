#!/usr/bin/env python3
"""Make a tiny random model in its published layout, and what transformers computes from it: make_tiny_models.py MODEL OUTDIR

MODEL is qwen2.5-vl, qwen3-vl, qwen3-vl-moe, qwen3.5 or qwen3.5-moe; OUTDIR gets `published` (bf16, two shards), `nested` (the
configuration as transformers saves it) and `golden`.  For qwen2-vl, whose checkpoint is there, only the case `video` is made.

Weights are rounded to bfloat16 and used in float32; goldens are float32.
golden/cases.json names the pictures and the video's frames of each case, relative to it, and the digests of their pixels;
golden/CASE.safetensors holds the other inputs, some stages, the logits of the last eight positions, and 16 greedy tokens.
Positions are those of the training code (`position_ids_legacy`: what follows a video goes on behind its last frame), passed
explicitly, since transformers 5 goes on elsewhere after long videos.

Needs torch, torchvision, transformers 5 and Pillow.
"""
import copy
import hashlib
import json
import os
import sys

os.environ.setdefault("HF_HUB_OFFLINE", "1")

import numpy as np
import torch
import transformers
from PIL import Image
from safetensors.torch import save_file
from transformers.vision_utils import get_vision_window_index

from tiny_configurations import BOS, MODELS

FIXTURES = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "Fixtures")
GREEDY_TOKENS = 16
# The smallest lead of a greedily chosen token over the next: others' float32 must choose the same.
LEAD = 0.05


# The checkpoint.

def build(config, seed):
    """A model whose every weight matters: weights scaled by their inputs, biases and norms away from 0 and 1."""
    model_class = getattr(transformers, config["architectures"][0])
    options = {key: value for key, value in config.items() if key not in ("architectures", "transformers_version")}
    # The class writes into what it is given.
    model = model_class(model_class.config_class(**copy.deepcopy(options))).float().eval()
    model.set_attn_implementation("eager")
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, weight in sorted(model.named_parameters()):
            noise = torch.randn(weight.shape, generator=generator)
            if name.endswith("bias"):
                values = 0.2 * noise
            elif weight.ndim == 1 and is_zero_centred(name, config):
                values = 0.2 * noise
            elif weight.ndim == 1:
                values = 1 + 0.2 * noise
            elif "embed_tokens" in name:
                values = noise * (0.3 if config["tie_word_embeddings"] else 1)
            elif "pos_embed" in name:
                values = 0.5 * noise
            elif "experts" in name:
                values = noise / weight.shape[2] ** 0.5
            else:
                values = noise / weight[0].numel() ** 0.5
            if "lm_head" in name or name.endswith("mlp.gate.weight"):
                values = 2 * values
            weight.copy_(values.to(torch.bfloat16).float())
    return model


def is_zero_centred(name, config):
    """Whether what is stored is what a norm's weight differs from 1 by."""
    return (config["model_type"].startswith("qwen3_5") and "language_model" in name and "norm" in name
            and "linear_attn.norm" not in name)


def published(model, config):
    """The tensors under the names, and the experts in the orientation, of the published checkpoints."""
    tensors = {}
    for name, value in model.state_dict().items():
        if name == "lm_head.weight" and config["tie_word_embeddings"]:
            continue
        if config["model_type"] == "qwen2_5_vl":
            name = name.replace("model.language_model.", "model.").replace("model.visual.", "visual.")
        if "mlp.experts." in name and config["model_type"] == "qwen3_vl_moe":
            value = value.transpose(1, 2)
        tensors[name] = value.to(torch.bfloat16).contiguous()
    if config["model_type"] == "qwen3_5":
        # Of the heads that draft: transformers reads none of them, converters say that they are left out.
        width = config["text_config"]["hidden_size"]
        tensors["mtp.fc.weight"] = torch.zeros(width, 2 * width, dtype=torch.bfloat16)
        tensors["mtp.norm.weight"] = torch.zeros(width, dtype=torch.bfloat16)
    return dict(sorted(tensors.items()))


def write_json(path, value):
    with open(path, "w") as out:
        json.dump(value, out, indent=2)
        out.write("\n")


def write_checkpoint(folder, model, config, files):
    os.makedirs(folder, exist_ok=True)
    tensors = published(model, config)
    total = sum(tensor.numel() * 2 for tensor in tensors.values())
    shards, size = ({}, {}), 0
    for name, tensor in tensors.items():
        shards[0 if size < total / 2 else 1][name] = tensor
        size += tensor.numel() * 2
    places = {}
    for number, shard in enumerate(shards, 1):
        file = f"model-{number:05}-of-{len(shards):05}.safetensors"
        save_file(shard, os.path.join(folder, file), metadata={"format": "pt"})
        places.update({name: file for name in shard})
    write_json(
        os.path.join(folder, "model.safetensors.index.json"),
        {"metadata": {"total_size": total}, "weight_map": places})
    write_json(os.path.join(folder, "config.json"), config)
    for name, content in files.items():
        write_json(os.path.join(folder, name), content)


# Prompts.

class Prompt:
    """Token ids, pictures and videos of a case."""

    def __init__(self, config, pixels, seed):
        self.config, self.pixels = config, pixels
        self.is_qwen3 = config["model_type"].startswith("qwen3")
        self.random = np.random.default_rng(seed)
        self.ids, self.pictures, self.frames, self.seconds, self.inputs = [], [], [], [], {}

    def text(self, count):
        self.ids += self.random.integers(3, BOS, count).tolist()
        return self

    def image(self, path):
        self.pictures.append(path)
        values, grid = self.pixels.image(path)
        self.append("pixel_values", values, "image_grid_thw", grid)
        self.placeholders(self.config["image_token_id"], int(grid.prod()) // 4)
        return self

    def video(self, frames, seconds):
        """Frames of `seconds` each pair; Qwen3-VL has a timestamp, here of 5 tokens, before each pair."""
        self.frames += frames
        self.seconds.append(seconds)
        values, grid = self.pixels.video(frames)
        self.append("pixel_values_videos", values, "video_grid_thw", grid)
        times, per_frame = int(grid[0, 0]), int(grid[0, 1:].prod()) // 4
        if self.is_qwen3:
            for _ in range(times):
                self.text(5).placeholders(self.config["video_token_id"], per_frame)
        else:
            self.placeholders(self.config["video_token_id"], times * per_frame)
        return self

    def placeholders(self, token, count):
        self.ids += [self.config["vision_start_token_id"]] + [token] * count + [self.config["vision_end_token_id"]]

    def append(self, *pairs):
        for name, value in zip(pairs[::2], pairs[1::2]):
            self.inputs[name] = torch.cat([self.inputs[name], value]) if name in self.inputs else value

    def positions(self):
        """Text counts up on all axes; a run of a picture or video starts there, and text goes on behind its largest."""
        def grids(name):
            return self.inputs[name].tolist() if name in self.inputs else []
        runs = {self.config["image_token_id"]: [(grid, 0) for grid in grids("image_grid_thw")]}
        # Qwen2-VL counts frames, Qwen2.5-VL time.
        rate = self.config["vision_config"].get("tokens_per_second")
        videos = []
        for (times, height, width), seconds in zip(grids("video_grid_thw"), self.seconds):
            if self.is_qwen3:
                videos += [((1, height, width), 0)] * times
            else:
                videos.append(((times, height, width), seconds * rate if rate else 1))
        runs[self.config["video_token_id"]] = videos
        rows, following, index = [], 0, 0
        while index < len(self.ids):
            token = self.ids[index]
            if token not in runs:
                rows.append([following] * 3)
                following, index = following + 1, index + 1
                continue
            (times, height, width), step = runs[token].pop(0)
            run = [
                [following + int(t * step), following + y, following + x]
                for t in range(times) for y in range(height // 2) for x in range(width // 2)]
            rows += run
            following, index = max(map(max, run)) + 1, index + len(run)
        return torch.tensor(rows).T[:, None].contiguous(), following

    def reroll(self):
        """Other text."""
        special = {self.config[key] for key in self.config if key.endswith("_token_id")}
        self.ids = [token if token in special else int(self.random.integers(3, BOS)) for token in self.ids]


class Pixels:
    """Pictures and videos as the published processors cut them."""

    def __init__(self, folder, is_qwen3):
        def options(name):
            with open(os.path.join(folder, name)) as file:
                return {
                    key: value for key, value in json.load(file).items()
                    if not key.endswith("_type") and key != "processor_class"}
        images = options("preprocessor_config.json")
        self.images = transformers.Qwen2VLImageProcessor(**images)
        if is_qwen3:
            self.videos = transformers.Qwen3VLVideoProcessor(**options("video_preprocessor_config.json"))
        else:
            self.videos = transformers.Qwen2VLVideoProcessor(**images)

    def image(self, path):
        picture = Image.open(path).convert("RGB")
        result = self.images([picture], return_tensors="pt")
        return result["pixel_values"], result["image_grid_thw"]

    def video(self, paths):
        frames = np.stack([np.asarray(Image.open(path).convert("RGB")) for path in paths])
        video = torch.from_numpy(frames).permute(0, 3, 1, 2)
        result = self.videos([video], return_tensors="pt", do_sample_frames=False)
        return result["pixel_values_videos"], result["video_grid_thw"]


def prompts(config, pixels, seed):
    def prompt(offset):
        return Prompt(config, pixels, seed + offset)
    def picture(name):
        return os.path.normpath(os.path.join(FIXTURES, name))
    wide = picture("qwen2-vl/golden/image_c.png")
    grey, tall = picture("preprocessing/gray_130x90.png"), picture("preprocessing/bankers_70x266.png")
    frames = [picture(f"preprocessing/v_98x70_7_{number:02}.png") for number in range(7)]
    # There and back: longer in time than it is wide.
    long_video = prompt(4).text(6).video(frames + frames[::-1], 1.0).text(7)
    if config["model_type"] == "qwen2_vl":
        return {"video": long_video}
    return {
        "text": prompt(1).text(23),
        "image1": prompt(2).text(7).image(wide).text(9),
        "image2": prompt(3).text(5).image(grey).text(4).image(tall).text(8),
        "video": long_video,
        # An odd number of frames.  Qwen2.5-VL counts 2 × 0.75 positions a pair, rounded down.
        "mix": prompt(5).text(5).video(frames[:5], 0.75).text(6).image(grey).text(8),
    }


# Goldens.

class Capture:
    """Records the outputs of modules during one forward pass."""

    def __init__(self, model, prompt):
        self.values, self.handles = {}, []
        media = [name for name in ("image", "video") if name + "_grid_thw" in prompt.inputs]
        calls = iter(media)
        visual, text = model.model.visual, model.model.language_model
        self.medium = None

        def start(*_):
            self.medium = next(calls)
        self.handles.append(visual.register_forward_pre_hook(start))
        for index, block in enumerate(visual.blocks):
            self.visual(block, f"block{index}")
        for index, merger in enumerate(getattr(visual, "deepstack_merger_list", [])):
            self.visual(merger, f"deepstack{index}")
        self.handles.append(visual.register_forward_hook(
            lambda _, __, output: self.put(f"{self.medium}.out", output.pooler_output)))
        for index, layer in enumerate(text.layers):
            mixer = ("self_attn", "attn") if hasattr(layer, "self_attn") else ("linear_attn", "linear_attn")
            for module, name in ((getattr(layer, mixer[0]), mixer[1]), (layer.mlp, "mlp"), (layer, "out")):
                self.text(module, f"llm.layer{index}.{name}")
        self.text(text.norm, "llm.norm")

    def visual(self, module, name):
        self.handles.append(module.register_forward_hook(
            lambda _, __, output: self.put(f"{self.medium}.{name}", output)))

    def text(self, module, name):
        self.handles.append(module.register_forward_hook(lambda _, __, output: self.put(name, output)))

    def put(self, name, value):
        value = value[0] if isinstance(value, tuple) else value
        self.values[name] = value.detach().clone().contiguous()

    def close(self):
        for handle in self.handles:
            handle.remove()
        return self.values


def run(model, prompt):
    """Stages and logits of one forward pass, and the greedy continuation with the least lead of a token in it."""
    ids = torch.tensor([prompt.ids])
    positions, following = prompt.positions()
    kinds = (ids == prompt.config["image_token_id"]) + 2 * (ids == prompt.config["video_token_id"])
    inputs = {**prompt.inputs, **({"mm_token_type_ids": kinds.int()} if prompt.inputs else {})}
    capture = Capture(model, prompt)
    with torch.no_grad():
        output = model(input_ids=ids, position_ids=positions, use_cache=True, **inputs)
    stages = capture.close()
    logits, lead, tokens = output.logits[0, -8:].clone(), float("inf"), []
    last = output.logits[0, -1]
    for step in range(GREEDY_TOKENS):
        best = last.topk(2)
        lead = min(lead, float(best.values[0] - best.values[1]))
        tokens.append(int(best.indices[0]))
        position = torch.full((3, 1, 1), following + step)
        with torch.no_grad():
            output = model(
                input_ids=torch.tensor([tokens[-1:]]), position_ids=position, past_key_values=output.past_key_values,
                use_cache=True)
        last = output.logits[0, -1]
    return stages, logits, torch.tensor([tokens]), lead


# What the files keep of the stages: all where it costs little, the ends of the parts elsewhere.
KEPT = {
    "text": ["llm."],
    "image1": ["image.block2", "image.deepstack", "image.out", "llm.norm"],
    "image2": ["image.out"],
    "video": ["video.out", "llm.norm"],
    "mix": ["image.out", "video.out"],
}


def make_case(model, prompt, name):
    """The tensors that a golden file holds; text is rerolled until greedy tokens have a clear lead."""
    for _ in range(40):
        stages, logits, greedy, lead = run(model, prompt)
        if lead > LEAD:
            break
        prompt.reroll()
    else:
        sys.exit(f"{name}: no prompt with a clear lead")
    kept = {stage: value for stage, value in stages.items() if stage.startswith(tuple(KEPT[name]))}
    kept.update({"input_ids": torch.tensor([prompt.ids]), "logits_last": logits, "greedy.ids": greedy})
    kept["position_ids_legacy"] = prompt.positions()[0]
    for key, value in prompt.inputs.items():
        if not key.startswith("pixel_values"):
            kept[key] = value
    if prompt.config["model_type"] == "qwen2_5_vl":
        vision = prompt.config["vision_config"]
        for medium in ("image", "video"):
            if medium + "_grid_thw" in prompt.inputs:
                kept[medium + ".window_index"] = get_vision_window_index(
                    prompt.inputs[medium + "_grid_thw"], 2, vision["window_size"], vision["patch_size"])[0]
    print(f"{name}: {len(prompt.ids)} tokens, lead {lead:.3f}")
    return {key: (value.float() if value.is_floating_point() else value.long()).contiguous()
            for key, value in kept.items()}


def write_goldens(folder, model, config, checkpoint, seed):
    os.makedirs(folder, exist_ok=True)
    pixels = Pixels(checkpoint, config["model_type"].startswith("qwen3"))
    path = os.path.join(folder, "cases.json")
    cases = json.load(open(path)) if os.path.exists(path) else {}
    for name, prompt in prompts(config, pixels, seed).items():
        save_file(make_case(model, prompt, name), os.path.join(folder, name + ".safetensors"))
        def relative(paths):
            return [os.path.relpath(path, folder) for path in paths]
        cases[name] = {"pictures": relative(prompt.pictures)}
        if prompt.frames:
            cases[name].update({"frames": relative(prompt.frames), "seconds_per_frame": prompt.seconds[0]})
        for key in ("pixel_values", "pixel_values_videos"):
            if key in prompt.inputs:
                values = prompt.inputs[key].numpy().astype("<f4").tobytes()
                cases[name][key + "_sha256"] = hashlib.sha256(values).hexdigest()
    write_json(path, cases)


def main():
    name, target = sys.argv[1:]
    torch.set_num_threads(2)
    checkpoint, seed = os.path.join(target, "published"), 20250
    if name in MODELS:
        config, files = MODELS[name]
        model = build(config, seed)
        write_checkpoint(checkpoint, model, config, files)
        model.config.architectures = config["architectures"]
        model.config.save_pretrained(os.path.join(target, "nested"))
    else:
        with open(os.path.join(checkpoint, "config.json")) as file:
            config = json.load(file)
        model = transformers.Qwen2VLForConditionalGeneration.from_pretrained(
            checkpoint, dtype=torch.float32, attn_implementation="eager").eval()
    write_goldens(os.path.join(target, "golden"), model, config, checkpoint, seed)


if __name__ == "__main__":
    main()
