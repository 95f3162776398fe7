"""Damaged input: bundles, checkpoints, calibration files."""

import io
import json
import shutil
import struct
import zipfile




def bundle_bits(bench):
    kind, dice = bench.kind("a bit of a bundle flipped", "`tessera-inspect --verify`: 1 or 3")
    _bundle(bench, kind, dice, _flip, {1, 3}, ("tessera-inspect", "--verify"))


def bundle_cut(bench):
    kind, dice = bench.kind("a bundle cut short or grown", "`tessera-run`: 3")
    _bundle(bench, kind, dice, _resize, {3}, ("tessera-run", "-p", "Describe.", "-n", "1"))


def bundle_sections(bench):
    kind, dice = bench.kind("a bit of a bundle's header, graph, settings, tokenizer or directory flipped", "`tessera-run`: 3")

    def flip(data, dice):
        (end,) = [row["end"] for row in _sections(data) if row["code"] == b"WGTS"]
        place = dice.choice([dice.randrange(4096), dice.randrange(end, len(data))])
        # Bytes between sections are checked by --verify alone.
        inside = place < 4096 or any(row["start"] <= place < row["end"] for row in _sections(data))
        if not inside:
            return flip(data, dice)
        data[place] ^= 1 << dice.randrange(8)
        return f"byte {place}"

    _bundle(bench, kind, dice, flip, {3}, ("tessera-run", "-p", "Describe.", "-n", "1"))


def _sections(data):
    (count,) = struct.unpack_from("<I", data, 12)
    rows = [struct.unpack_from("<4sIQQ", data, 128 + 64 * row) for row in range(count)]
    return [{"code": code, "start": start, "end": start + length} for code, _, start, length in rows]


def _bundle(bench, kind, dice, damage, codes, command):
    sound = (bench.work / "int4.tessera").read_bytes()
    path = bench.scratch("damaged.tessera")
    for _ in range(bench.times):
        data = bytearray(sound)
        what = damage(data, dice)
        path.write_bytes(data)
        kind.judge(what, bench.run(command[0], path, *command[1:]), codes)


def _flip(data, dice):
    place = dice.randrange(len(data))
    data[place] ^= 1 << dice.randrange(8)
    return f"byte {place}"


def _resize(data, dice):
    if dice.random() < 0.2:
        data += bytes(dice.randrange(1, 9000))
    else:
        del data[dice.randrange(len(data)):]
    return f"{len(data)} bytes"


class Checkpoint:
    """A copy of the demo checkpoint whose weights can be changed and written back."""

    def __init__(self, bench):
        self.bench = bench
        self.path = bench.work / "checkpoint"
        shutil.rmtree(self.path, ignore_errors=True)
        shutil.copytree(bench.fixtures / "demo-qwen2-vl", self.path)
        self.file = self.path / "model.safetensors"
        data = self.file.read_bytes()
        (length,) = struct.unpack_from("<Q", data)
        self.header_end = 8 + length
        self.header = json.loads(data[8:self.header_end])
        self.body = data[self.header_end:]

    @property
    def names(self):
        return [name for name in self.header if name != "__metadata__"]

    def write(self, header, body):
        text = json.dumps(header).encode()
        text += b" " * (-len(text) % 8)
        self.file.write_bytes(struct.pack("<Q", len(text)) + text + body)

    def judge(self, kind, what, codes=frozenset({3})):
        """Converts what was written; a fault is harmless only where the bundle is the sound one to the bit, but for
        where it came from."""
        output = self.bench.scratch("converted.tessera")
        outcome = self.bench.convert(self.path, output)
        kind.judge(what, outcome, codes, lambda: same_weights(output, self.bench.work / "sound.tessera"))
        if outcome.status != 0:
            kind.expect(what, not output.exists(), "a refused conversion left a file under the final name")


def same_weights(one, other):
    """Whether two bundles agree in all but their metadata, where the digests of the sources stand."""

    def parts(path):
        data = path.read_bytes()
        return {row["code"]: data[row["start"]:row["end"]] for row in _sections(data) if row["code"] != b"META"}

    return parts(one) == parts(other)


def header_bits(bench):
    kind, dice = bench.kind("a bit of a safetensors header flipped", "converter: 3, or the same bundle")
    checkpoint = Checkpoint(bench)
    sound = checkpoint.file.read_bytes()
    for _ in range(bench.times):
        data = bytearray(sound)
        place = dice.randrange(checkpoint.header_end)
        data[place] ^= 1 << dice.randrange(8)
        checkpoint.file.write_bytes(data)
        checkpoint.judge(kind, f"byte {place}")


def file_cut(bench):
    kind, dice = bench.kind("a file of a checkpoint cut short", "converter: 3, or the same bundle")
    checkpoint = Checkpoint(bench)
    for _ in range(bench.times // 2):
        path = dice.choice(sorted(path for path in checkpoint.path.iterdir()))
        sound = path.read_bytes()
        length = dice.randrange(len(sound))
        path.write_bytes(sound[:length])
        checkpoint.judge(kind, f"{path.name} cut to {length}")
        path.write_bytes(sound)


def tensors(bench):
    kind, dice = bench.kind("a tensor dropped, doubled, renamed, of another type or shape, or overlapping", "converter: 3")
    checkpoint = Checkpoint(bench)
    for _ in range(bench.times):
        header = json.loads(json.dumps(checkpoint.header))
        name = dice.choice(checkpoint.names)
        change = dice.choice(["drop", "rename", "type", "shape", "shift", "overlap"])
        entry = header[name]
        if change == "drop":
            del header[name]
        elif change == "rename":
            header[name + "x"] = header.pop(name)
        elif change == "type":
            entry["dtype"] = "I16" if entry["dtype"] in ("BF16", "F16") else "I32"
        elif change == "shape":
            entry["shape"] = [1, *entry["shape"]] if len(entry["shape"]) == 1 else [entry["shape"][0] * entry["shape"][1]]
        elif change == "shift":
            entry["data_offsets"] = [offset + 2 for offset in entry["data_offsets"]]
        else:
            other = dice.choice([other for other in checkpoint.names if other != name])
            length = entry["data_offsets"][1] - entry["data_offsets"][0]
            start = header[other]["data_offsets"][0]
            entry["data_offsets"] = [start, start + length]
        checkpoint.write(header, checkpoint.body)
        checkpoint.judge(kind, f"{change} {name}")


def not_finite(bench):
    kind, dice = bench.kind("one NaN or infinity in a weight", "converter: 3")
    checkpoint = Checkpoint(bench)
    patterns = {"BF16": [b"\xc0\x7f", b"\x80\x7f", b"\x80\xff"], "F32": [b"\0\0\xc0\x7f", b"\0\0\x80\x7f"]}
    for name in checkpoint.names:
        entry = checkpoint.header[name]
        pattern = dice.choice(patterns[entry["dtype"]])
        start, end = entry["data_offsets"]
        place = start + dice.randrange((end - start) // len(pattern)) * len(pattern)
        body = checkpoint.body[:place] + pattern + checkpoint.body[place + len(pattern):]
        checkpoint.write(checkpoint.header, body)
        checkpoint.judge(kind, f"{name} at {place}")


def pickle_records(bench):
    kind, dice = bench.kind("a bit of a tensor's record in a `.bin` flipped", "converter: 3")
    source = bench.fixtures / "qwen-vl" / "published"
    path = bench.work / "bin"
    shutil.rmtree(path, ignore_errors=True)
    shutil.copytree(source, path)
    for shard in sorted(path.glob("*.bin"))[:1]:
        sound = shard.read_bytes()
        records = _stored_records(sound)
        for _ in range(bench.times // 4):
            data = bytearray(sound)
            start, length = dice.choice(records)
            place = start + dice.randrange(length)
            data[place] ^= 1 << dice.randrange(8)
            shard.write_bytes(data)
            output = bench.scratch("pickled.tessera")
            kind.judge(f"{shard.name} byte {place}",
                       bench.run("tessera-from-qwen-vl", path, "-o", output, "--force"), {3})
        shard.write_bytes(sound)


def _stored_records(data):
    """Where the records of tensors lie in a zip file without compression."""
    found = []
    for entry in zipfile.ZipFile(io.BytesIO(data)).infolist():
        name_length, extra_length = struct.unpack_from("<HH", data, entry.header_offset + 26)
        if "/data/" in entry.filename and entry.file_size:
            found.append((entry.header_offset + 30 + name_length + extra_length, entry.file_size))
    return found


def quantizing(bench):
    kind, dice = bench.kind("a bit flipped in a bundle or calibration file that `tessera-quantize` reads", "1 or 3")
    files = {"model": bench.work / "sound.tessera", "calibration": bench.work / "set.cal"}
    output = bench.scratch("calibrated.tessera")
    for _ in range(bench.times // 2):
        which = dice.choice(list(files))
        data = bytearray(files[which].read_bytes())
        what = _flip(data, dice)
        damaged = bench.scratch("damaged.file")
        damaged.write_bytes(data)
        given = files | {which: damaged}
        outcome = bench.run("tessera-quantize", given["model"], "--calibration", given["calibration"], "--bits", "7.5",
                            "-o", output, "--force")
        kind.judge(f"{which} {what}", outcome, {1, 3})


ALL = [
    bundle_bits, bundle_cut, bundle_sections, header_bits, file_cut, tensors, not_finite, pickle_records, quantizing,
]
