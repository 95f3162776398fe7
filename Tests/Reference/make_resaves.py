"""Saves the fixtures' published checkpoints again with the transformers at hand, and keeps what is small of it.

    python make_resaves.py        # once with each release: 4.45.2 4.48.3 4.49.0 4.51.3 4.57.6 5.24.0

Writes Tests/Fixtures/resaves/GENERATION/RELEASE/ with the configuration files as that release writes them. Every release
saves the tensors of the published fixture under the same names with the same values, which is asserted here, except that
experts may be transposed: transposed.json lists those. So a test can put the saved checkpoint together from both.
"""

import json
import pathlib
import shutil
import tempfile

import safetensors.torch
import torch
import transformers

HERE = pathlib.Path(__file__).resolve().parent.parent / "Fixtures"
CLASSES = {
    "qwen2-vl": "Qwen2VLForConditionalGeneration",
    "qwen2.5-vl": "Qwen2_5_VLForConditionalGeneration",
    "qwen3-vl": "Qwen3VLForConditionalGeneration",
    "qwen3-vl-moe": "Qwen3VLMoeForConditionalGeneration",
}


def tensors(folder):
    found = {}
    for file in sorted(folder.glob("*.safetensors")):
        found.update(safetensors.torch.load_file(file))
    return found


def resave(generation, target):
    published = HERE / generation / "published"
    model = getattr(transformers, CLASSES[generation]).from_pretrained(published, torch_dtype=torch.bfloat16)
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        model.save_pretrained(folder)
        before, after = tensors(published), tensors(folder)
        assert before.keys() == after.keys()
        transposed = [name for name in before if before[name].shape != after[name].shape]
        for name, tensor in before.items():
            assert torch.equal(tensor.transpose(1, 2) if name in transposed else tensor, after[name]), name
        target.mkdir(parents=True, exist_ok=True)
        for file in sorted(folder.glob("*.json")):
            if "index" not in file.name:
                shutil.copy(file, target / file.name)
        if transposed:
            (target / "transposed.json").write_text(json.dumps(sorted(transposed), indent=1) + "\n")
    config = target / "config.json"
    config.write_text(config.read_text().replace(str(published), "published"))
    try:
        processor = transformers.AutoImageProcessor.from_pretrained(published)
        processor.save_pretrained(target)
    except Exception as error:  # a release may lack the class
        print("no image processor:", error)


for generation, name in CLASSES.items():
    if hasattr(transformers, name):
        resave(generation, HERE / "resaves" / generation / transformers.__version__)
        print(generation, transformers.__version__)
