#!/usr/bin/env python3
"""Write down what transformers computes from a prompt, for `tessera-diff BUNDLE --reference FILE`.

    python reference_dump.py MODEL_DIR -o ref.safetensors --prompt "What is this?" --image photo.jpg

MODEL_DIR is a folder of Qwen2-VL, Qwen2.5-VL or Qwen3-VL (dense or of experts).  The model is run once, with hooks on its
modules, and then on for a greedy answer.  FILE holds what the model was fed (ids, pixels, grids), its positions, the values
between its blocks, logits, and the answer's ids, under the names that are listed at the end of docs/accuracy.md.

Needs torch, transformers 4.51 or later, safetensors, numpy, Pillow; for videos 4.57 or later, torchvision, and for files of
videos av or another decoder that transformers knows.
"""
import argparse
import glob
import importlib.util
import inspect
import os
import sys

import numpy as np
import torch
import transformers
from PIL import Image, ImageOps
from safetensors.torch import save_file


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("model", help="the checkpoint's folder")
    parser.add_argument("-o", "--output", required=True, help="the safetensors file to write")
    parser.add_argument("--prompt", help="what to ask; through the model's chat template")
    parser.add_argument("--system", help="a system message")
    parser.add_argument(
        "--ids", help="instead of a prompt: a file of token ids as the model gets them, every placeholder written out")
    parser.add_argument("--image", action="append", default=[], help="a picture; repeat for more")
    parser.add_argument(
        "--video", action="append", default=[], help="a video, or a folder of frames in the order of their names; repeat")
    parser.add_argument("--fps", type=float, default=2.0, help="frames a second of a folder of frames (default: 2)")
    parser.add_argument("--max-new-tokens", type=int, default=16, help="of the greedy answer; 0 for none (default: 16)")
    parser.add_argument("--dtype", choices=["float32", "bfloat16", "float16"], default="float32")
    parser.add_argument("--device", default="cpu")
    parser.add_argument(
        "--stages", choices=["all", "blocks"], default="all", help="blocks leaves out their attention and network")
    parser.add_argument("--logits", type=int, default=8, help="of the last so many positions; 0 for all (default: 8)")
    options = parser.parse_args()
    if (options.prompt is None) == (options.ids is None):
        parser.error("give --prompt or --ids")
    return options


# What the model is fed.

def upright(path):
    """A picture as people see it."""
    return ImageOps.exif_transpose(Image.open(path)).convert("RGB")


def frames(path, fps):
    """The frames of a video, and what is known of their times."""
    if not os.path.isdir(path):
        from transformers.video_utils import load_video
        backends = [name for name in ("torchcodec", "av", "decord", "cv2") if importlib.util.find_spec(name)]
        if not backends:
            sys.exit(f"{path}: nothing here decodes videos: install av, or give a folder of frames")
        return load_video(path, backend={"av": "pyav", "cv2": "opencv"}.get(backends[0], backends[0]))
    names = sorted(glob.glob(os.path.join(glob.escape(path), "*")))
    stacked = np.stack([np.array(upright(name)) for name in names])
    return torch.from_numpy(stacked).permute(0, 3, 1, 2).contiguous(), {"total_num_frames": len(names), "fps": fps, "duration": len(names) / fps,
                     "frames_indices": list(range(len(names)))}


def video_settings(options, metadata):
    """Frames of a folder are all taken; those of a file are sampled as the model's processor does."""
    if not all(os.path.isdir(path) for path in options.video):
        return {"video_metadata": metadata}
    return {"video_metadata": metadata, "do_sample_frames": False}


def inputs_of_prompt(options):
    processor = transformers.AutoProcessor.from_pretrained(options.model)
    content = [{"type": "image"} for _ in options.image] + [{"type": "video"} for _ in options.video]
    content.append({"type": "text", "text": options.prompt})
    messages = [{"role": "system", "content": [{"type": "text", "text": options.system}]}] if options.system else []
    text = processor.apply_chat_template(
        messages + [{"role": "user", "content": content}], tokenize=False, add_generation_prompt=True)
    settings = {}
    if options.image:
        settings["images"] = [upright(path) for path in options.image]
    if options.video:
        videos, metadata = zip(*(frames(path, options.fps) for path in options.video))
        settings.update(videos=list(videos), videos_kwargs=video_settings(options, list(metadata)))
    return dict(processor(text=[text], return_tensors="pt", **settings))


def inputs_of_ids(options, config):
    """For models without a tokenizer, and to repeat a prompt to the letter."""
    with open(options.ids) as file:
        ids = [int(word) for word in file.read().replace("[", " ").replace("]", " ").replace(",", " ").split()]
    inputs = {"input_ids": torch.tensor([ids]), "attention_mask": torch.ones(1, len(ids), dtype=torch.long)}
    if options.image:
        processor = transformers.AutoImageProcessor.from_pretrained(options.model)
        inputs.update(processor(images=[upright(path) for path in options.image], return_tensors="pt"))
    if options.video:
        processor = transformers.AutoVideoProcessor.from_pretrained(options.model)
        videos, metadata = zip(*(frames(path, options.fps) for path in options.video))
        made = processor(videos=list(videos), return_tensors="pt", **video_settings(options, list(metadata)))
        inputs.update({key: made[key] for key in ("pixel_values_videos", "video_grid_thw")})
        if hasattr(config.vision_config, "tokens_per_second"):
            seconds = processor.temporal_patch_size / options.fps
            inputs["second_per_grid_ts"] = [seconds] * len(options.video)
    return inputs


def for_model(model, inputs, device):
    """Those that this version's model takes, where it runs."""
    known = inspect.signature(model.forward).parameters
    if "mm_token_type_ids" in known and "mm_token_type_ids" not in inputs:
        ids, config = inputs["input_ids"], model.config
        inputs["mm_token_type_ids"] = (ids == config.image_token_id).int() + 2 * (ids == config.video_token_id).int()
    if "second_per_grid_ts" in inputs:
        inputs["second_per_grid_ts"] = torch.as_tensor(inputs["second_per_grid_ts"], dtype=torch.float32)
    return {key: value.to(device) for key, value in inputs.items() if key in known}


# What the model computes.

class Recorder:
    """Values of a run by their names, from hooks on the modules that stand between them."""

    def __init__(self, model, inputs, all_stages):
        self.values, self.handles, self.inputs = {}, [], inputs
        self.all_stages = all_stages
        modules = dict(model.named_modules())
        # By what they have: names have changed from version to version.
        tower = next(m for m in modules.values() if hasattr(m, "patch_embed") and hasattr(m, "blocks"))
        decoder = next(m for m in modules.values() if hasattr(m, "embed_tokens") and hasattr(m, "layers"))
        self.watch_tower(tower)
        self.watch_decoder(decoder)

    def watch_tower(self, tower):
        self.window = window_of(tower)
        self.handles.append(tower.register_forward_pre_hook(self.begin_visuals, with_kwargs=True))
        self.after(tower.patch_embed, lambda: f"{self.medium}.patch_embed")
        for index, block in enumerate(tower.blocks):
            if self.all_stages:
                self.after(block.attn, lambda index=index: f"{self.medium}.block{index}.attn")
            self.after(block, lambda index=index: f"{self.medium}.block{index}")
        self.handles.append(tower.merger.register_forward_hook(self.end_visuals))
        for index, merger in enumerate(getattr(tower, "deepstack_merger_list", [])):
            self.after(merger, lambda index=index: f"{self.medium}.deepstack{index}")

    def watch_decoder(self, decoder):
        self.handles.append(decoder.register_forward_pre_hook(self.begin_text, with_kwargs=True))
        for index, layer in enumerate(decoder.layers):
            if self.all_stages:
                self.after(layer.self_attn, lambda index=index: f"llm.layer{index}.attn")
                self.after(layer.mlp, lambda index=index: f"llm.layer{index}.mlp")
            self.after(layer, lambda index=index: f"llm.layer{index}.out")
        self.after(decoder.norm, lambda: "llm.norm")

    def after(self, module, name):
        def hook(_module, _inputs, output):
            self.put(name(), output[0] if isinstance(output, (tuple, list)) else output)
        self.handles.append(module.register_forward_hook(hook))

    def put(self, name, value):
        if name in self.values:
            sys.exit(f"{name} was computed twice: this version of transformers runs otherwise than this script knows")
        self.values[name] = value.detach().to("cpu", copy=True).contiguous()

    def begin_visuals(self, _module, positional, named):
        """The tower runs once for all pictures and once for all videos: which is it?"""
        grid = named.get("grid_thw", positional[1] if len(positional) > 1 else None)
        patches = positional[0] if positional else named["hidden_states"]
        kinds = [("image", "pixel_values", "image_grid_thw"), ("video", "pixel_values_videos", "video_grid_thw")]
        self.medium = next(
            medium for medium, pixels, grids in kinds
            if grids in self.inputs and torch.equal(self.inputs[grids].cpu(), grid.cpu())
            and torch.equal(self.inputs[pixels].to(patches.dtype).cpu().flatten(), patches.cpu().flatten()))
        self.grid = grid.cpu()

    def end_visuals(self, _module, _inputs, output):
        """Rows come out of the merger window by window; `out` has them in the picture's order."""
        order = window_order(self.grid, *self.window) if self.window else None
        if order is None:
            return self.put(f"{self.medium}.out", output)
        rows = torch.empty_like(output)
        rows[order.to(output.device)] = output
        self.put(f"{self.medium}.out", rows)
        self.values[f"{self.medium}.window_index"] = order

    def begin_text(self, _module, _positional, named):
        self.put("llm.inputs_embeds", named["inputs_embeds"])
        positions = named["position_ids"]
        if positions is None:
            positions = torch.arange(named["inputs_embeds"].shape[1]).view(1, 1, -1).expand(3, 1, -1)
        # Some versions put positions for packed texts before those of time, height and width.
        self.values["llm.position_ids"] = positions[-3:].to("cpu", torch.int64, copy=True).contiguous()

    def stop(self):
        for handle in self.handles:
            handle.remove()


def window_of(tower):
    """Tokens along a window's side, and patches along a token's; None for towers without windows."""
    config = tower.config
    if not getattr(config, "window_size", None):
        return None
    return config.window_size // config.spatial_merge_size // config.patch_size, config.spatial_merge_size


def window_order(grids, side, merge):
    """The number in raster order of each token when tokens are taken window by window, each in raster order."""
    order, first = [], 0
    for times, height, width in grids.tolist():
        height, width = height // merge, width // merge
        for time in range(times):
            for top in range(0, height, side):
                for left in range(0, width, side):
                    for y in range(top, min(top + side, height)):
                        for x in range(left, min(left + side, width)):
                            order.append(first + (time * height + y) * width + x)
        first += times * height * width
    return torch.tensor(order)


def greedy(model, inputs, count):
    """The most likely tokens, nothing else of generation_config.json at work than its end."""
    end = model.generation_config.eos_token_id
    config = transformers.GenerationConfig(
        do_sample=False, max_new_tokens=count, eos_token_id=end, pad_token_id=end[0] if isinstance(end, list) else end)
    # generate() takes what this does not say, such as a penalty, from the model's own.
    model.generation_config = config
    ids = model.generate(**inputs, generation_config=config)
    return ids[:, inputs["input_ids"].shape[1]:].cpu()


def main():
    options = arguments()
    if os.path.exists(options.output):
        sys.exit(f"{options.output} exists already")
    version = tuple(int(part) for part in transformers.__version__.split(".")[:2])
    dtype = getattr(torch, options.dtype)
    model = transformers.AutoModelForImageTextToText.from_pretrained(
        options.model, **{"dtype" if version >= (4, 56) else "torch_dtype": dtype})
    model = model.to(options.device).eval()
    made = inputs_of_ids(options, model.config) if options.ids else inputs_of_prompt(options)
    inputs = for_model(model, made, options.device)
    recorder = Recorder(model, inputs, options.stages == "all")
    with torch.no_grad():
        logits = model(**inputs, use_cache=False).logits
    recorder.stop()
    tensors = recorder.values
    tensors.update({key: value.cpu() for key, value in made.items() if torch.is_tensor(value) and key != "attention_mask"})
    if options.logits:
        tensors["logits_last"] = logits[0, -options.logits:].cpu().contiguous()
    else:
        tensors["logits"] = logits.cpu().contiguous()
    if options.max_new_tokens:
        with torch.no_grad():
            tensors["greedy.ids"] = greedy(model, inputs, options.max_new_tokens)
    metadata = {
        "transformers": transformers.__version__, "torch": torch.__version__, "dtype": options.dtype,
        "device": options.device, "model": os.path.basename(os.path.abspath(options.model)),
        "prompt": options.prompt or "", "system": options.system or "",
    }
    save_file({key: value.contiguous() for key, value in tensors.items()}, options.output, metadata=metadata)
    print(f"{options.output}: {len(tensors)} tensors, {os.path.getsize(options.output)} bytes")


if __name__ == "__main__":
    main()
