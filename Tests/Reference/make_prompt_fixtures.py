#!/usr/bin/env python3
"""Writes Tests/Fixtures/{preprocessing,pictures,tokenizer}: small inputs, and what the original implementations make of
them.

    pip install numpy pillow jinja2 safetensors tokenizers
    make_prompt_fixtures.py GOLDENS CHECKPOINT

GOLDENS is a folder with `preprocessing` (pictures and what transformers' image processors computed from them) and
`qwen2_vl/golden` (token ids and positions). CHECKPOINT is one with a tokenizer.json, which is trimmed to its first merges.

- preprocessing/pictures.json: per picture, grid and SHA-256 of the float32 patch values, for both resamplings
- preprocessing/videos.json: the same per video, as two generations see it
- preprocessing/frame_sampling.json: the frames that are taken of videos, by two generations and qwen-vl-utils
- preprocessing/smart_resize.json: sizes and what they are resized to (a choice of the goldens)
- preprocessing/{pretokenize,chat_templates,positions}.json
- pictures/: one tiny file per variant of the file formats; expected.json has size and SHA-256 of Pillow's RGB pixels
- tokenizer/: tokenizer.json and expected.json, by the `tokenizers` library
"""
import hashlib, json, pathlib, random, shutil, struct, sys, zlib
import numpy as np
from PIL import Image, ImageOps
from safetensors.numpy import load_file
from tokenizers import Tokenizer

goldens, checkpoint = map(pathlib.Path, sys.argv[1:3])
fixtures = pathlib.Path(__file__).resolve().parent.parent / "Fixtures"


def folder(name):
    path = fixtures / name
    shutil.rmtree(path, ignore_errors=True)
    path.mkdir(parents=True)
    return path


def write(path, value):
    path.write_text(json.dumps(value, ensure_ascii=False, separators=(",", ":")) + "\n")


def sha(data):
    return hashlib.sha256(data).hexdigest()


# ---------------------------------------------------------------- preprocessing
def preprocessing():
    source, out = goldens / "preprocessing", folder("preprocessing")
    report = json.loads((source / "report.json").read_text())["images"]
    pictures = []
    for name in ("bankers_70x266 checker_512x333 exif6_200x120 gray_130x90 la_100x140 noise_97x61 paletteT_120x120 "
                 "rgba_160x120 text_37x501 tiny_1x7 tiny_8x8 wide_1400x20").split():
        file = f"{name}.jpg" if name.startswith("exif") else f"{name}.png"
        shutil.copyfile(source / file, out / file)
        for processor, resampling in (("fast", "torchvision"), ("slow", "pillow")):
            entry = report[f"qwen2__{name}"][processor]
            pictures.append({"files": [file], "resampling": resampling, "grid": entry["grid_thw"],
                             "sha256": entry["sha256_f32le"]})
    videos = []
    for name, count in (("v_98x70_7", 7), ("v_48x200_5", 5)):
        files = [f"{name}_{i:02d}.png" for i in range(count)]
        for file in files:
            shutil.copyfile(source / file, out / file)
        for generation in ("qwen2", "qwen3"):
            tensors = load_file(source / f"{generation}__{name}.safetensors")
            videos.append({"files": files, "generation": generation, "grid": tensors["video_grid_thw"][0].tolist(),
                           "sha256": sha(tensors["pixel_values_videos"].astype("<f4").tobytes())})
    write(out / "videos.json", videos)
    write(out / "pictures.json", pictures)

    table = json.loads((source / "smart_resize.json").read_text())
    thin = {}
    for name, entry in table.items():
        if "rows_h_w_result" in entry and "min_pixels" in entry:
            rows = entry["rows_h_w_result"]
            thin[name] = entry | {"rows_h_w_result": rows[:17] + rows[17::7]}
    video = table["qwen3_video_published"]
    rows = video["rows_nframes_h_w_result"]
    thin["qwen3_video_published"] = video | {"rows_nframes_h_w_result": rows[:102] + rows[102::7]}
    write(out / "smart_resize.json", thin)

    write(out / "pretokenize.json",
          json.loads((source / "pretokenize.json").read_text())["qwen2_qwen25_qwen3"]["cases"])
    sampling = json.loads((source / "frame_sampling.json").read_text())
    write(out / "frame_sampling.json",
          [{key: value for key, value in entry.items() if not key.endswith("num8") and not
            (entry["total_num_frames"] > 500 and ("fps1" in key or "fps4" in key or key.startswith("qwen_vl")))}
           for entry in sampling])
    templates = json.loads((source / "chat_templates.json").read_text())
    # Tools are no part of what is rendered; Qwen2-VL's template passes them over.
    write(out / "chat_templates.json",
          {"conversations": templates["conversations"],
           "rendered": {name: {key: text for key, text in rendered.items() if "qwen2" in name or not key.startswith("tool")}
                        for name, rendered in templates["rendered"].items()}})
    cases = {}
    for file in sorted((goldens / "qwen2_vl/golden").glob("*.safetensors")):
        t = load_file(file)
        cases[file.stem] = {"input_ids": t["input_ids"][0].tolist(),
                            "image_grids": t.get("image_grid_thw", np.zeros((0, 3), int)).tolist(),
                            "video_grids": t.get("video_grid_thw", np.zeros((0, 3), int)).tolist(),
                            "positions": t["position_ids_legacy"][:, 0].tolist(),
                            "rope_delta": int(t["rope_delta_legacy"].reshape(-1)[0])}
    ids = json.loads((goldens / "qwen2_vl/golden/meta.json").read_text())["token_ids"]
    write(out / "positions.json", {"image_token": ids["image"], "video_token": ids["video"], "cases": cases})


# ---------------------------------------------------------------- pictures
def chunk(name, data):
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def png(width, height, depth, colour, rows, interlaced=False, extra=b""):
    """A PNG from packed rows, or from the rows of all seven passes; unfiltered."""
    data = zlib.compress(b"".join(b"\0" + bytes(row) for row in rows))
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, int(interlaced))
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + extra + chunk(b"IDAT", data) + chunk(b"IEND", b""))


def adam7(pixels):
    for y0, x0, dy, dx in ((0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1)):
        part = pixels[y0::dy, x0::dx]
        if part.size:
            yield from part.reshape(len(part), -1)


def pictures():
    out, expected = folder("pictures"), {}
    rng = np.random.default_rng(5)
    width, height = 23, 17
    smooth = np.stack([*np.meshgrid(np.linspace(0, 255, width), np.linspace(255, 0, height)), np.full((height, width), 90.0)],
                      -1).round().astype(np.uint8)
    noise = rng.integers(0, 256, (height, width, 4), dtype=np.uint8)
    grey = Image.fromarray(noise[..., 0])
    wide = rng.integers(0, 65536, (height, width, 3)).astype(">u2")
    exif = lambda value: (lambda e: (e.__setitem__(0x0112, value), e)[1])(Image.Exif())

    def raw(name, data):
        (out / name).write_bytes(data)

    for bits in (1, 2, 4):
        packed = np.packbits(np.unpackbits(noise[..., :1], axis=2)[..., :bits].reshape(height, -1), axis=1)
        raw(f"grey{bits}.png", png(width, height, bits, 0, packed))
    raw("rgb16.png", png(width, height, 16, 2, [r.tobytes() for r in wide.reshape(height, -1)]))
    raw("interlaced.png", png(width, height, 8, 6, adam7(noise), interlaced=True))
    levels = noise[..., 1] // 64
    raw("grey_key.png", png(width, height, 8, 0, levels, extra=chunk(b"tRNS", struct.pack(">H", 2))))
    keyed = noise[..., :3].copy(); keyed[::3] = (9, 8, 7)
    raw("rgb_key.png", png(width, height, 8, 2, keyed.reshape(height, -1), extra=chunk(b"tRNS", struct.pack(">HHH", 9, 8, 7))))
    Image.fromarray(noise).save(out / "rgba.png", exif=exif(8))
    Image.fromarray(noise[..., :3]).quantize(16).save(out / "palette.png")
    grey.save(out / "grey.jpg", quality=90)
    for subsampling in (0, 1, 2):
        Image.fromarray(smooth).save(out / f"subsampling{subsampling}.jpg", quality=85, subsampling=subsampling)
    Image.fromarray(smooth).save(out / "progressive.jpg", quality=85, progressive=True)
    Image.fromarray(noise).convert("CMYK").save(out / "cmyk.jpg", quality=95)
    for value in range(1, 9):
        Image.fromarray(smooth).save(out / f"exif{value}.jpg", quality=90, exif=exif(value))
    Image.fromarray(smooth).save(out / "lossy.webp", quality=80)
    Image.fromarray(noise).save(out / "alpha.webp", lossless=True, exact=True, exif=exif(3))

    for file in sorted(out.iterdir()):
        image = ImageOps.exif_transpose(Image.open(file))
        if "A" in image.getbands() or image.info.get("transparency") is not None:
            white = Image.new("RGBA", image.size, (255, 255, 255, 255))
            image = Image.alpha_composite(white, image.convert("RGBA"))
        image = image.convert("RGB")
        expected[file.name] = {"width": image.width, "height": image.height, "sha256": sha(image.tobytes())}
    # Pillow clips 16-bit grey; the upper eight bits are what it means.
    raw("grey16.png", png(width, height, 16, 0, [r.tobytes() for r in wide[..., 0]]))
    upper = (wide[..., :1] >> 8).astype(np.uint8).repeat(3, -1)
    expected["grey16.png"] = {"width": width, "height": height, "sha256": sha(upper.tobytes())}
    write(out / "expected.json", expected)


# ---------------------------------------------------------------- tokenizer
TEXTS = ["", "Hello world", "I'M don't WE'LL she'd 'ſ 'RE'", "12345 3.14", "a  b   c ", "tabs\t\tx\r\n\r\n y", "foo_bar-baz!!\n\nqux",
         "café cafe\u0301 नमस्ते กำลัง", "你好，世界！123", "emoji 👩‍👩‍👧 🇩🇪!", "\u00a0nbsp\u3000wide", "𝔘nicode ﬁ ligature", "\n", " \n \n",
         "\u1112\u1161\u11ab\u1100\u1173\u11af", "a\u0308\u0323 \u212b \u2126", "<|im_start|>user\nHi<|im_end|>\n", "<|image_pad|><|image_pad|>", "<|im_<|im_end|>",
         "x<|vision_start|> y", "<|im_end", "\x00\x01\x04\x7f", "zzz\u200bq", "def f(x):\n    return x ** 2  # ok\n"]


def tokenizer():
    out = folder("tokenizer")
    full = json.loads((checkpoint / "tokenizer.json").read_text())
    model = full["model"]
    merges = model["merges"][:2500]
    added = {t["content"] for t in full["added_tokens"]}
    keep = {"".join(m.split(" ")) for m in merges} | {t for t in model["vocab"] if len(t) == 1} | added
    model["vocab"] = {t: i for i, t in enumerate(t for t in model["vocab"] if t in keep)}
    model["merges"] = merges
    for token in full["added_tokens"]:
        token["id"] = model["vocab"][token["content"]]
    ordinary = {"single_word": False, "lstrip": False, "rstrip": False, "special": False}
    size = len(model["vocab"])
    full["added_tokens"] += [{"id": size, "content": "<tool_call>", "normalized": False} | ordinary,
                             {"id": size + 1, "content": "wörd", "normalized": True} | ordinary]
    write(out / "tokenizer.json", full)
    tok = Tokenizer.from_file(str(out / "tokenizer.json"))

    rng = random.Random(11)
    alphabet = ["a", "B", "the", " ", "  ", "\n", "\r\n", "\t", "'s", "'LL", "7", "½", "é", "e\u0301", "ß", "你好", "ก", "ำ", "ह", "ि", ".", "!?", "_", "👩", "\u200d",
                "<|im_end|>", "<|im_start|>", "<|", "|>", "<tool_call>", "wörd", "wo\u0308rd", "\u00a0", "\u2028", "ﬁ"]
    texts = TEXTS + ["".join(rng.choices(alphabet, k=rng.randint(1, 14))) for _ in range(250)]
    cases = []
    for text in texts:
        tok.encode_special_tokens = False
        parsed = tok.encode(text, add_special_tokens=False).ids
        tok.encode_special_tokens = True
        as_text = tok.encode(text, add_special_tokens=False).ids
        cases.append({"text": text, "parsed": parsed} | ({"as_text": as_text} if as_text != parsed else {}))
    write(out / "expected.json", cases)


preprocessing()
pictures()
tokenizer()
for path in sorted(fixtures.iterdir()):
    print(path.name, sum(f.stat().st_size for f in path.rglob("*") if f.is_file()))
