#!/usr/bin/env python3
"""An independent reader of .tessera bundles, written from formats/bundle.md alone.

    read_bundle.py FILE

checks the whole file and prints its tensors as JSON. Needs Python 3.9, numpy, and for zstd either the package
`zstandard` or the program `zstd`. Exit status: 0 intact, 1 damaged, 3 not a bundle this reader can read.
"""

import hashlib
import json
import mmap
import re
import struct
import subprocess
import sys
import tempfile

try:
    import numpy as np
except ImportError:
    sys.exit("read_bundle.py needs numpy: pip install numpy")

PAGE = 4096
MAGIC = b"\x89TSR\r\n\x1a\n"
TABLE, ENTRY = 128, 64
GROUP_TILES, ZERO_POINT_TILES, UPPER_BIT_TILES, ROW_BANDS = 1, 2, 4, 8
AFFINE_TILES, UPPER_BIT_ZERO_POINT_TILES, FLOAT4_TILES = 16, 32, 64
KNOWN_FEATURES = 127
LIMITS = {"WGTS": 2**63 - 1, "GRPH": 64 << 20, "META": 64 << 20, "TOKN": 256 << 20, "DIRY": 64 << 20}
GROUP_SIZES = {4: (16, 32, 64, 128), 5: (32, 64, 128), 6: (32, 64, 128), 8: (16, 32, 64, 128)}
FLOAT4 = {"mxfp4": 32, "nvfp4": 16}
FLOATS = {"F64": 8, "F32": 4, "F16": 2, "BF16": 2}


def e4m3(byte):
    exponent, fraction = byte >> 3 & 15, (byte & 7) / 8
    magnitude = fraction * 2.0**-6 if exponent == 0 else (1 + fraction) * 2.0**(exponent - 7)
    return float("nan") if byte & 127 == 127 else -magnitude if byte > 127 else magnitude


E2M1 = np.array([0, .5, 1, 1.5, 2, 3, 4, 6, -0.0, -.5, -1, -1.5, -2, -3, -4, -6], np.float32)
SCALES = {"mxfp4": np.array([2.0**(byte - 127) for byte in range(255)] + [float("nan")], np.float32),
          "nvfp4": np.array([e4m3(byte) for byte in range(256)], np.float32)}


class BadBundle(Exception):
    """The file is not what the specification says."""


class Damaged(BadBundle):
    """The structure holds, but bytes are not those that were written."""


def need(condition, message):
    if not condition:
        raise BadBundle(message)


def align(offset):
    return (offset + 63) // 64 * 64


def decompress(data, length):
    """At most `length` bytes, whatever the frame claims."""
    try:
        import zstandard
    except ImportError:
        with tempfile.TemporaryFile() as stored:
            stored.write(data)
            stored.seek(0)
            with subprocess.Popen(["zstd", "-d", "-q", "-c"], stdin=stored, stdout=subprocess.PIPE,
                                  stderr=subprocess.DEVNULL) as process:
                output = process.stdout.read(length + 1)
    else:
        output = zstandard.ZstdDecompressor().stream_reader(data).read(length + 1)
    need(len(output) == length, "a section does not decompress to its stated length")
    return output


class Section:
    def __init__(self, code, codec, offset, stored, decoded, digest):
        self.code, self.codec, self.offset = code, codec, offset
        self.stored, self.decoded, self.digest = stored, decoded, digest


class Groups:
    """Rows in tiles of group codes of one format."""

    def __init__(self, encoding, rows, columns):
        if encoding in FLOAT4:
            self.bits, self.size, self.kind = 4, FLOAT4[encoding], encoding
        else:
            match = re.fullmatch(r"int([4568])-g(\d+)(-f16b?)?", encoding)
            need(match, f"unknown encoding {encoding}")
            self.bits, self.size, self.kind = int(match[1]), int(match[2]), match[3] or ""
            need(self.size in GROUP_SIZES[self.bits], f"{encoding}: no such groups")
        self.rows, self.columns = rows, columns
        self.groups, self.tiles = -(-columns // self.size), -(-rows // 16)
        self.table = {"": 128 + align(32 * self.groups), "-f16": align(48 * self.groups), "-f16b": 64 * self.groups}.get(
            self.kind, 128 + align(16 * self.groups))
        self.tile_bytes = self.table + 16 * self.groups * self.size * self.bits // 8

    def feature(self):
        """The bit that a reader of these rows has to know."""
        upper = self.bits in (5, 6)
        if self.kind in FLOAT4:
            return FLOAT4_TILES
        if self.kind == "-f16b":
            return AFFINE_TILES
        if self.kind == "-f16":
            return UPPER_BIT_ZERO_POINT_TILES if upper else ZERO_POINT_TILES
        return UPPER_BIT_TILES if upper else GROUP_TILES

    def length(self):
        return self.tiles * self.tile_bytes

    def codes(self, raw):
        """[tile, group, row, k]."""
        bits, size, groups, tiles = self.bits, self.size, self.groups, self.tiles
        codes = raw[:, self.table:]
        if bits == 8:
            # tile, group, step, row, i  ->  tile, group, row, k = 4·step + i
            return codes.reshape(tiles, groups, size // 4, 16, 4).transpose(0, 1, 3, 2, 4).reshape(tiles, groups, 16, size)
        codes = codes.reshape(tiles, groups, size * bits // 32, 64)
        nibbles, upper = codes[:, :, :size // 8], codes[:, :, size // 8:]
        low, high = nibbles & 15, nibbles >> 4
        if bits > 4:
            width = bits - 4
            # A step of upper bits serves 4 / width steps of nibbles, for each the low nibble first.
            shifts = np.arange(0, 8, width, dtype=np.uint8).reshape(4 // width, 2, 1)
            above = upper[:, :, :, None, None, :] >> shifts & ((1 << width) - 1)
            above = above.reshape(tiles, groups, size // 8, 2, 64) << 4
            low, high = low | above[:, :, :, 0], high | above[:, :, :, 1]
        halves = [half.reshape(tiles, groups, size // 8, 16, 4).transpose(0, 1, 3, 2, 4)
                  .reshape(tiles, groups, 16, size // 2) for half in (low, high)]
        return np.concatenate(halves, axis=3)

    def dequantize(self, data):
        groups, tiles = self.groups, self.tiles
        raw = np.frombuffer(data, np.uint8).reshape(tiles, self.tile_bytes)
        q = self.codes(raw).astype(np.float32)
        if self.kind.startswith("-f16"):
            entries = raw[:, :self.table].reshape(tiles, -1)[:, :groups * (64 if self.kind == "-f16b" else 48)]
            entries = entries.reshape(tiles, groups, -1)
            s = entries[:, :, :32].copy().view("<f2").astype(np.float32)[:, :, :, None]
            if self.kind == "-f16b":
                w = s * q + entries[:, :, 32:].copy().view("<f2").astype(np.float32)[:, :, :, None]
            else:
                w = s * (q - entries[:, :, 32:, None])
        elif self.kind in FLOAT4:
            factors = raw[:, :128].copy().view("<f4").reshape(tiles, 2, 1, 16)
            scales = SCALES[self.kind][raw[:, 128:128 + 16 * groups].reshape(tiles, groups, 16)]
            scales = scales * factors[:, 0] / factors[:, 1]
            w = E2M1[q.astype(np.uint8)] * scales[:, :, :, None]
        else:
            factors = raw[:, :128].copy().view("<f4").reshape(tiles, 2, 16)
            scales = raw[:, 128:128 + 32 * groups].reshape(tiles, groups, 2, 16).astype(np.float32)
            d = factors[:, 0, None, :, None] * scales[:, :, 0, :, None]
            m = factors[:, 1, None, :, None] * scales[:, :, 1, :, None]
            w = d * q - m
        w = w.transpose(0, 2, 1, 3).reshape(tiles * 16, groups * self.size)
        return w[:self.rows, :self.columns]


class Tensor:
    def __init__(self, entry, weights_length):
        self.name, self.shape, self.encoding = entry["name"], entry["shape"], entry["encoding"]
        self.offset, self.length, self.sha256 = entry["offset"], entry["length"], entry["sha256"]
        need(isinstance(self.name, str) and 0 < len(self.name.encode()) <= 1024, "a tensor has no proper name")
        need(isinstance(self.shape, list) and len(self.shape) in (1, 2)
             and all(isinstance(extent, int) and extent > 0 for extent in self.shape), f"{self.name}: shape")
        self.bands = [] if self.encoding in FLOATS else self.read_bands()
        need(self.length == self.expected_length(), f"{self.name}: length does not follow from shape and encoding")
        need(0 <= self.offset and self.offset + self.length <= weights_length, f"{self.name}: outside the weights")

    def read_bands(self):
        """The runs of rows in one format each."""
        need(len(self.shape) == 2, f"{self.name}: groups need a matrix")
        parts = self.encoding.split("+")
        need(len(parts) <= 16, f"{self.name}: more than 16 bands")
        starts, encodings = [0], [parts[0]]
        for part in parts[1:]:
            match = re.fullmatch(r"([1-9]\d*):(int\d-g\d+)", part)
            need(match, f"{self.name}: unknown encoding {self.encoding}")
            starts.append(int(match[1]))
            encodings.append(match[2])
            need(starts[-1] % 16 == 0 and starts[-1] > starts[-2], f"{self.name}: bands out of order")
        need(starts[-1] < self.shape[0], f"{self.name}: a band behind the last row")
        ends = starts[1:] + [self.shape[0]]
        bands = [Groups(encoding, end - start, self.shape[1]) for encoding, start, end in zip(encodings, starts, ends)]
        need(len(bands) == 1 or not any(band.kind for band in bands), f"{self.name}: published codes in bands")
        return bands

    def features(self):
        """The bits that a reader of this tensor has to know."""
        bits = ROW_BANDS if len(self.bands) > 1 else 0
        for band in self.bands:
            bits |= band.feature()
        return bits

    def expected_length(self):
        if self.encoding in FLOATS:
            return FLOATS[self.encoding] * int(np.prod(self.shape, dtype=object))
        return sum(band.length() for band in self.bands)

    def dequantize(self, data):
        """The values as float32, in the tensor's shape."""
        if self.encoding == "F64":
            return np.frombuffer(data, "<f8").astype(np.float32).reshape(self.shape)
        if self.encoding == "F32":
            return np.frombuffer(data, "<f4").reshape(self.shape)
        if self.encoding == "F16":
            return np.frombuffer(data, "<f2").astype(np.float32).reshape(self.shape)
        if self.encoding == "BF16":
            return (np.frombuffer(data, "<u2").astype(np.uint32) << 16).view(np.float32).reshape(self.shape)
        rows, offset = [], 0
        for band in self.bands:
            rows.append(band.dequantize(data[offset:offset + band.length()]))
            offset += band.length()
        return np.concatenate(rows)


class Bundle:
    """Opens and checks the structure; `verify` checks every byte."""

    def __init__(self, path):
        with open(path, "rb") as file:
            self.data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        need(len(self.data) >= PAGE, "too short")
        page = self.data[:PAGE]
        need(page[:8] == MAGIC, "not a .tessera bundle, or damaged by a transfer in text mode")
        version, count, features, length = struct.unpack_from("<IIQQ", page, 8)
        need(version == 1, f"version {version}")
        self.root = page[32:64]
        blank = page[:64] + bytes(32) + page[96:]
        need(hashlib.sha256(blank).digest() == page[64:96], "the header is corrupt")
        need(features & ~KNOWN_FEATURES == 0, f"unknown features {features:#x}")
        need(length == len(self.data), f"{len(self.data)} bytes instead of {length}")
        need(count <= (PAGE - TABLE) // ENTRY, "too many sections")
        need(not any(page[96:TABLE]) and not any(page[TABLE + count * ENTRY:]), "reserved bytes are set")
        self.sections = self.read_table(page, count)
        self.directory = json.loads(self.content("DIRY"))
        self.tensors = self.read_directory()
        need(self.tensors_digest() == self.sections["WGTS"].digest, "the tensors' digest does not match")
        expected = 0
        for tensor in self.tensors:
            expected |= tensor.features()
        need(features == expected, "the feature bits do not match the encodings")

    def read_table(self, page, count):
        sections, end, root = {}, PAGE, hashlib.sha256()
        for index in range(count):
            at = TABLE + index * ENTRY
            code = page[at:at + 4].decode("ascii")
            codec, offset, stored, decoded = struct.unpack_from("<IQQQ", page, at + 4)
            digest = page[at + 32:at + 64]
            need(code.isalpha() and code not in sections, f"section {code}")
            need(code in LIMITS or code[0].islower(), f"unknown section {code}")
            need(decoded <= LIMITS.get(code, 2**63 - 1), f"section {code} is too large")
            need(codec == 0 and stored == decoded or codec == 1 and code != "WGTS", f"section {code}: codec")
            need(offset == align(end) and offset + stored <= len(self.data), f"section {code}: place")
            end = offset + stored
            sections[code] = Section(code, codec, offset, stored, decoded, digest)
            root.update(page[at:at + 4] + digest)
        need(end == len(self.data), "bytes behind the last section")
        need(list(sections)[:1] == ["WGTS"] and set(LIMITS) <= set(sections), "a section is missing")
        need(root.digest() == self.root, "the root digest does not match")
        return sections

    def content(self, code):
        section = self.sections[code]
        stored = self.data[section.offset:section.offset + section.stored]
        if hashlib.sha256(stored).digest() != section.digest:
            raise Damaged(f"section {code} is damaged")
        return decompress(stored, section.decoded) if section.codec == 1 else stored

    def read_directory(self):
        weights = self.sections["WGTS"].stored
        tensors, end, names = [], 0, set()
        need(isinstance(self.directory, list), "the directory is no array")
        for entry in self.directory:
            tensor = Tensor(entry, weights)
            need(tensor.name not in names, f"{tensor.name} appears twice")
            need(tensor.offset == align(end), f"{tensor.name} overlaps or leaves a gap")
            names.add(tensor.name)
            end = tensor.offset + tensor.length
            tensors.append(tensor)
        need(end == weights, "bytes behind the last tensor")
        return tensors

    def tensors_digest(self):
        digest = hashlib.sha256()
        for tensor in self.tensors:
            for text in (tensor.name.encode(), tensor.encoding.encode()):
                digest.update(struct.pack("<I", len(text)) + text)
            digest.update(struct.pack(f"<I{len(tensor.shape)}Q", len(tensor.shape), *tensor.shape))
            digest.update(bytes.fromhex(tensor.sha256))
        return digest.digest()

    def bytes_of(self, tensor):
        start = PAGE + tensor.offset
        return self.data[start:start + tensor.length]

    def verify(self):
        end = 0
        for tensor in self.tensors:
            if any(self.data[PAGE + end:PAGE + tensor.offset]):
                raise Damaged(f"padding before {tensor.name} is not zero")
            if hashlib.sha256(self.bytes_of(tensor)).hexdigest() != tensor.sha256:
                raise Damaged(f"{tensor.name} is damaged")
            end = tensor.offset + tensor.length
        end = None
        for section in self.sections.values():
            if end is not None and any(self.data[end:section.offset]):
                raise Damaged(f"padding before section {section.code} is not zero")
            end = section.offset + section.stored
            if section.code != "WGTS":
                self.content(section.code)


def describe(bundle):
    tensors = []
    for tensor in bundle.tensors:
        values = tensor.dequantize(bundle.bytes_of(tensor))
        tensors.append({
            "name": tensor.name, "shape": tensor.shape, "encoding": tensor.encoding, "sha256": tensor.sha256,
            "mean": float(values.mean(dtype=np.float64)), "std": float(values.std(dtype=np.float64)),
            "first": [float(value) for value in np.atleast_2d(values)[0, :4]],
        })
    return {"root": bundle.root.hex(), "tensors": tensors}


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    try:
        bundle = Bundle(sys.argv[1])
        bundle.verify()
        print(json.dumps(describe(bundle), indent=1))
    except Damaged as error:
        print(f"{sys.argv[1]}: {error}", file=sys.stderr)
        sys.exit(1)
    except (BadBundle, OSError, ValueError, KeyError, TypeError) as error:
        print(f"{sys.argv[1]}: {error!r}", file=sys.stderr)
        sys.exit(3)


if __name__ == "__main__":
    main()
