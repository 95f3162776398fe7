"""Writes the pictures of Tests/Fixtures/pictures that are of rarer formats or say in rarer ways how they are turned, and
adds what Pillow makes of them to expected.json there: turned upright, laid over white.

    python3 make_media_fixtures.py ../Fixtures/pictures

Written with Pillow 13.0.0, pillow-heif 1.x (libheif) and numpy.
"""

import hashlib
import io
import json
import struct
import sys
import zlib
from pathlib import Path

import numpy as np
import pillow_heif
from PIL import Image, ImageOps

WIDTH, HEIGHT = 20, 13


def picture(mode="RGB"):
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH]
    colours = np.stack([x * 12, y * 19, (x * 7 + y * 31) % 256], -1).astype(np.uint8)
    if mode == "RGBA":
        alpha = ((x * 13 + y * 5) % 256).astype(np.uint8)[..., None]
        return Image.fromarray(np.concatenate([colours, alpha], -1), "RGBA")
    return Image.fromarray(colours, "RGB").convert(mode)


def chunk(name, data):
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def with_chunks(before=(), after=()):
    """A PNG with chunks before its pixels and behind them."""
    stream = io.BytesIO()
    picture().save(stream, "PNG")
    data, out, offset = stream.getvalue(), b"", 8
    out = data[:8]
    while offset < len(data):
        length, name = struct.unpack(">I4s", data[offset : offset + 8])
        part = data[offset : offset + 12 + length]
        if name == b"IDAT":
            part = b"".join(before) + part + b"".join(after)
        out, offset = out + part, offset + 12 + length
    return out


def tiff(orientation, kind=3):
    value = struct.pack("<HH", orientation, 0) if kind == 3 else struct.pack("<I", orientation)
    return b"II*\0\x08\0\0\0\x01\0" + struct.pack("<HHI", 0x112, kind, 1) + value + b"\0\0\0\0"


def xmp(orientation, form="attribute"):
    inner = f'tiff:Orientation="{orientation}"/>' if form == "attribute" else f"><tiff:Orientation>{orientation}</tiff:Orientation></rdf:Description>"
    return f'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:Description {inner}</x:xmpmeta>'.encode()


def raw_profile(orientation):
    data = b"Exif\0\0" + tiff(orientation)
    digits = data.hex()
    lines = "\n".join(digits[i : i + 72] for i in range(0, len(digits), 72))
    return f"\nexif\n{len(data):8}\n{lines}\n".encode()


def text(key, value):
    return chunk(b"tEXt", key + b"\0" + value)


def ztext(key, value):
    return chunk(b"zTXt", key + b"\0\0" + zlib.compress(value))


def itext(key, value, folded=False):
    return chunk(b"iTXt", key + (b"\0\x01\0" if folded else b"\0\0\0") + b"\0\0" + (zlib.compress(value) if folded else value))


def jpeg(*segments):
    stream = io.BytesIO()
    picture().save(stream, "JPEG", quality=90)
    data = stream.getvalue()
    return data[:2] + b"".join(b"\xff\xe1" + struct.pack(">H", len(s) + 2) + s for s in segments) + data[2:]


def webp(**options):
    stream = io.BytesIO()
    picture().save(stream, "WEBP", lossless=True, **options)
    return stream.getvalue()


def saved(image, kind, **options):
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def bitmap(bits, rows, masks=(), palette=b"", compression=0, header=40, top_down=False):
    height = (1 << 32) - HEIGHT if top_down else HEIGHT
    mask = b"".join(struct.pack("<I", m) for m in masks)
    info = struct.pack("<IIIHHIIIIII", header, WIDTH, height, 1, bits, compression, len(rows), 0, 0, len(palette) // 4, 0)
    if header > 40:
        info = (info + mask).ljust(header, b"\0")
        mask = b""
    offset = 14 + len(info) + len(mask) + len(palette)
    return struct.pack("<2sIII", b"BM", offset + len(rows), 0, offset) + info + mask + palette + rows


def bitmaps():
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH]
    pixels = np.array(picture("RGBA")).astype(np.uint32)
    r, g, b, a = (pixels[::-1, :, c] for c in range(4))
    yield "bgrx32.bmp", bitmap(32, (b | g << 8 | r << 16 | a << 24).astype("<u4").tobytes())
    yield "bgra32.bmp", bitmap(
        32, (b | g << 8 | r << 16 | a << 24).astype("<u4").tobytes(), (0xFF0000, 0xFF00, 0xFF, 0xFF000000), compression=3, header=124)
    yield "rgb555.bmp", bitmap(16, (b >> 3 | g >> 3 << 5 | r >> 3 << 10).astype("<u2").tobytes())
    yield "rgb565.bmp", bitmap(
        16, (b >> 3 | g >> 2 << 5 | r >> 3 << 11).astype("<u2").tobytes(), (0xF800, 0x7E0, 0x1F), compression=3)
    stored = np.zeros((HEIGHT, WIDTH * 3), np.uint8)
    for c in range(3):
        stored[:, c::3] = pixels[:, :, 2 - c]
    yield "topdown24.bmp", bitmap(24, stored.tobytes(), top_down=True)
    colours = bytes(v for i in range(16) for v in (i * 16, 255 - i * 9, i * 5 + 7, 0))
    index = ((x + y) % 16)[::-1]
    packed = (index[:, 0::2] << 4 | index[:, 1::2]).astype(np.uint8)
    yield "palette4.bmp", bitmap(4, np.pad(packed, ((0, 0), (0, 2))).tobytes(), palette=colours)
    runs = b"".join(bytes([12, row * 17 % 16, 0, 8, *range(8), 0, 0]) for row in range(HEIGHT)) + b"\0\1"
    yield "runs8.bmp", bitmap(8, runs, palette=colours * 16, compression=1)
    runs = b"".join(bytes([15, 0x1A, 0, 5, 0x12, 0x34, 0x50, 0, 0, 0]) for _ in range(HEIGHT)) + b"\0\1"
    yield "runs4.bmp", bitmap(4, runs, palette=colours, compression=2)
    bits = np.packbits(((x * y) % 3 == 0)[::-1], axis=1)
    yield "bilevel.bmp", bitmap(1, np.pad(bits, ((0, 0), (0, 1))).tobytes(), palette=b"\x10\x20\xf0\0\xf0\xe0\x10\0")
    yield "core.bmp", struct.pack("<2sIII", b"BM", 0, 0, 26) + struct.pack("<IHHHH", 12, WIDTH, HEIGHT, 1, 24) + stored[::-1].tobytes()


def gif_inside():
    """A frame that fills a part of its canvas, interlaced."""
    data = bytearray(saved(picture("P"), "GIF", interlace=1))
    data[6:10] = struct.pack("<HH", WIDTH + 6, HEIGHT + 5)
    place = data.index(b"\x2c" + struct.pack("<HHHH", 0, 0, WIDTH, HEIGHT))
    data[place + 1 : place + 5] = struct.pack("<HH", 4, 3)
    return bytes(data)


def pictures():
    exif6 = b"Exif\0\0" + tiff(6)
    yield from bitmaps()
    yield "inside.gif", gif_inside()
    transparent = picture("RGBA").quantize(64)
    yield "transparent.gif", saved(transparent, "GIF", transparency=5)
    yield "grey.gif", saved(picture("L"), "GIF")
    frames = [picture().convert("P"), ImageOps.flip(picture()).convert("P")]
    yield "animated.gif", saved(frames[0], "GIF", save_all=True, append_images=frames[1:])
    yield "animated_alpha.webp", webp_animation()
    for name, options in [("lzw", {"compression": "tiff_lzw"}), ("deflate", {"compression": "tiff_adobe_deflate"}),
                          ("packbits", {"compression": "packbits"}), ("jpeg", {"compression": "jpeg"})]:
        yield f"{name}.tiff", saved(picture(), "TIFF", **options)
    yield "rgba.tiff", saved(picture("RGBA"), "TIFF")
    yield "cmyk.tiff", saved(picture("CMYK"), "TIFF", compression="tiff_lzw")
    yield "palette.tiff", saved(picture("P"), "TIFF")
    yield "bilevel.tiff", saved(picture("1"), "TIFF", compression="group4")
    yield "grey.tiff", saved(picture("L"), "TIFF")
    yield "turned.tiff", saved(picture(), "TIFF", tiffinfo={274: 6})
    yield "associated.tiff", associated()
    yield "tiled.tiff", tiled()
    yield "subsampled.avif", saved(picture(), "AVIF", quality=70, subsampling="4:2:0")
    yield "halved.avif", saved(picture(), "AVIF", quality=70, subsampling="4:2:2", range="limited")
    yield "alpha.avif", saved(picture("RGBA"), "AVIF", quality=90, subsampling="4:4:4")
    yield "grey.avif", saved(picture("L"), "AVIF", quality=90, subsampling="4:0:0")
    yield "turned.avif", saved(picture(), "AVIF", quality=90, exif=tiff(6))
    yield "xmp6.jpg", jpeg(b"http://ns.adobe.com/xap/1.0/\0" + xmp(6))
    yield "xmp8_element.jpg", jpeg(b"http://ns.adobe.com/xap/1.0/\0" + xmp(8, "element"))
    yield "exif_and_xmp.jpg", jpeg(b"http://ns.adobe.com/xap/1.0/\0" + xmp(6), b"Exif\0\0" + tiff(3))
    yield "exif_upright_xmp.jpg", jpeg(b"Exif\0\0" + tiff(1), b"http://ns.adobe.com/xap/1.0/\0" + xmp(6))
    yield "exif_long.jpg", jpeg(b"Exif\0\0" + tiff(8, kind=4))
    yield "exif_twice.jpg", jpeg(b"Exif\0\0Exif\0\0" + tiff(6))
    yield "exif_split.jpg", jpeg(b"Exif\0\0" + tiff(6)[:14], b"Exif\0\0" + tiff(6)[14:])
    yield "xmp6.webp", webp(xmp=xmp(6))
    yield "xmp7.png", with_chunks([itext(b"XML:com.adobe.xmp", xmp(7))])
    yield "xmp7_folded.png", with_chunks([itext(b"XML:com.adobe.xmp", xmp(7), folded=True)])
    yield "xmp5_text.png", with_chunks([text(b"XML:com.adobe.xmp", xmp(5))])
    yield "xmp_last.png", with_chunks([itext(b"XML:com.adobe.xmp", xmp(3))], [itext(b"XML:com.adobe.xmp", xmp(6))])
    yield "raw_exif.png", with_chunks([text(b"Raw profile type exif", raw_profile(6))])
    yield "raw_exif_folded.png", with_chunks([ztext(b"Raw profile type exif", raw_profile(8))])
    yield "raw_exif_after.png", with_chunks([], [ztext(b"Raw profile type exif", raw_profile(4))])
    yield "raw_exif_international.png", with_chunks([itext(b"Raw profile type exif", raw_profile(2))])
    yield "exif_before_raw.png", with_chunks([ztext(b"Raw profile type exif", raw_profile(8)), chunk(b"eXIf", tiff(3))])
    yield "raw_before_xmp.png", with_chunks([itext(b"XML:com.adobe.xmp", xmp(6)), text(b"Raw profile type exif", raw_profile(3))])
    yield "exif_text.png", with_chunks([text(b"exif", exif6)])


def webp_animation():
    frames = [picture("RGBA"), ImageOps.mirror(picture("RGBA"))]
    return saved(frames[0], "WEBP", save_all=True, append_images=frames[1:], lossless=True, duration=100)


def entries(tags, data_tag, data):
    """A TIFF file of one directory."""
    count = len(tags)
    room = 8 + 2 + 12 * count + 4
    directory, extra = b"", b""
    for tag, kind, values in sorted(tags):
        form = {3: "H", 4: "I"}[kind] * len(values)
        packed = struct.pack("<" + form, *[room + v if tag == data_tag else v for v in values])
        if len(packed) > 4:
            directory += struct.pack("<HHII", tag, kind, len(values), room + len(data) + len(extra))
            extra += packed
        else:
            directory += struct.pack("<HHI", tag, kind, len(values)) + packed.ljust(4, b"\0")
    return b"II*\0\x08\0\0\0" + struct.pack("<H", count) + directory + b"\0\0\0\0" + data + extra


def associated():
    pixels = np.array(picture("RGBA")).astype(np.uint16)
    pixels[..., :3] = pixels[..., :3] * pixels[..., 3:] // 255
    data = pixels.astype(np.uint8).tobytes()
    tags = [(256, 3, [WIDTH]), (257, 3, [HEIGHT]), (258, 3, [8] * 4), (259, 3, [1]), (262, 3, [2]), (273, 4, [0]),
            (277, 3, [4]), (278, 3, [HEIGHT]), (279, 4, [len(data)]), (338, 3, [1])]
    return entries(tags, 273, data)


def tiled():
    """Two tiles of 16 by 16, 16 bits a sample."""
    pixels = np.zeros((16, 32, 3), np.uint16)
    pixels[:HEIGHT, :WIDTH] = np.array(picture()).astype(np.uint16) * 256 + 200
    tiles = [pixels[:, :16].astype("<u2").tobytes(), pixels[:, 16:].astype("<u2").tobytes()]
    tags = [(256, 3, [WIDTH]), (257, 3, [HEIGHT]), (258, 3, [16] * 3), (259, 3, [1]), (262, 3, [2]), (277, 3, [3]),
            (322, 3, [16]), (323, 3, [16]), (324, 4, [0, len(tiles[0])]), (325, 4, [len(t) for t in tiles])]
    return entries(tags, 324, b"".join(tiles))


def right(data):
    image = ImageOps.exif_transpose(Image.open(io.BytesIO(data)))
    if "A" in image.getbands() or image.info.get("transparency") is not None:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, (255,) * 4), image)
    return image.convert("RGB")


def main(folder):
    expected = json.loads((folder / "expected.json").read_text())
    for name, data in pictures():
        (folder / name).write_bytes(data)
        image = right(data)
        expected[name] = {"width": image.width, "height": image.height, "sha256": hashlib.sha256(image.tobytes()).hexdigest()}
    (folder / "expected.json").write_text(json.dumps(expected, sort_keys=True, separators=(",", ":")) + "\n")
    # Pillow reads no HEIC: the right colours are compared within what coding loses.
    pillow_heif.register_heif_opener()
    large = picture().resize((100, 65), Image.Resampling.BICUBIC)
    (folder / "turned.heic").write_bytes(saved(large, "HEIF", quality=95, exif=b"Exif\0\0" + tiff(6)))


main(Path(sys.argv[1]))
