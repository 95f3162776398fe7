#!/usr/bin/env python3
"""Time Tessera beside llama.cpp on the same random model of a published size, in turns, and print a table in Markdown:

    peer_speed.py WORK                                        all of it, with Qwen2-VL-2B's shapes: an hour, 25 GB
    peer_speed.py WORK --model Qwen3-VL-2B --layers 1 --rows pictures --pictures 448,1024
    peer_speed.py WORK --model Qwen3.5-0.8B --rows prefill,pictures --recipes int4

WORK keeps what is made; what is in it already is not made again.  llama.cpp is built for this processor from its source
package on the first run, or taken from --llama-cpp, a folder of its sources.  Any other program with llama-bench's and
llama-mtmd-cli's options can be timed in the same rounds: --also NAME=FOLDER:OPTIONS, where OPTIONS go to both
and FOLDER is a whole path.

Each round runs every program once, one after the other.  A ratio is taken within a round, against the fastest of the peer's
formats in that round; the table has the medians.  Quantizing and converting are timed once, with the files in the page cache.
Needs a Python with numpy, torch, transformers, gguf and sentencepiece (the peer's converter), cmake and a C++ compiler.
"""
import argparse
import json
import os
import pathlib
import re
import shlex
import statistics
import struct
import subprocess
import sys
import tarfile
import threading
import time

HERE = pathlib.Path(__file__).resolve().parent
PACKAGE = "llama_cpp_python==0.3.36"
TOOLS = ["llama-bench", "llama-quantize", "llama-imatrix", "llama-mtmd-cli"]
FOUR_BITS, EIGHT_BITS, TOWERS = ["Q4_0", "Q4_K_M"], ["Q8_0", "F16", "BF16"], ["f16", "bf16", "q8_0"]
ROWS = ["convert", "prefill", "pictures", "memory", "calibrate"]


def say(text):
    print(time.strftime("%T"), text, file=sys.stderr, flush=True)


class Finished:
    """A command that was run: its output, its seconds, and the most memory in bytes that only it could hold."""

    def __init__(self, command, environment=None):
        command = [str(word) for word in command]
        say(shlex.join(command))
        started = time.monotonic()
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, errors="replace",
                                   env={**os.environ, **(environment or {})})
        self.anonymous = 0
        watcher = threading.Thread(target=self.watch, args=[process], daemon=True)
        watcher.start()
        self.output, self.errors = process.communicate()
        self.seconds = time.monotonic() - started
        if process.returncode:
            sys.exit(f"{shlex.join(command)}: status {process.returncode}\n{self.errors[-2000:]}")

    def watch(self, process):
        while process.poll() is None:
            try:
                status = pathlib.Path(f"/proc/{process.pid}/status").read_text()
            except OSError:
                return
            if found := re.search(r"RssAnon:\s+(\d+)", status):
                self.anonymous = max(self.anonymous, int(found[1]) << 10)
            time.sleep(0.01)


class Peer:
    """llama.cpp, or what has its programs."""

    def __init__(self, name, folder, options=()):
        self.name, self.folder, self.options = name, pathlib.Path(folder), list(options)

    def bench(self, model, args, prompts, tokens):
        """Tokens a second by test, such as pp256."""
        run = Finished([self.folder / "llama-bench", "-m", model, "-p", ",".join(map(str, prompts)), "-n", tokens,
                        "-t", args.threads, "-r", 1, "-o", "json", *self.options])
        # Some builds write a comma too many, or lines of other things.
        rows = json.loads(run.output[run.output.index("["):run.output.rindex("]") + 1])
        return {f"pp{row['n_prompt']}" if row["n_prompt"] else "tg": row["avg_ts"] for row in rows}

    def encode(self, model, tower, picture, args):
        """Seconds of a picture's encoding."""
        run = Finished([self.folder / "llama-mtmd-cli", "-m", model, "--mmproj", tower, "--image", picture, "-p", "x",
                        "-n", 1, "-c", 8192, "-t", args.threads, "--chat-template", "chatml", *self.options])
        found = re.search(r"(?:slice encoded|encoding done) in (\d+) ms", run.output + run.errors)
        if not found:
            sys.exit(f"{self.name} does not say what encoding {picture} took:\n{run.errors[-2000:]}")
        return int(found[1]) / 1000


def build_peer(work):
    """The peer's sources, with its programs built in build/bin."""
    sources = work / "llama.cpp"
    if not sources.exists():
        subprocess.run([sys.executable, "-m", "pip", "download", "--no-deps", "--no-binary", ":all:", "-d", work, PACKAGE],
                       check=True, stdout=sys.stderr)
        package = next(work.glob("llama_cpp_python-*.tar.gz"))
        with tarfile.open(package) as archive:
            archive.extractall(work, filter="data")
        next(work.glob("llama_cpp_python-*/vendor/llama.cpp")).rename(sources)
    if not all((sources / "build/bin" / tool).exists() for tool in TOOLS):
        subprocess.run(["cmake", "-S", sources, "-B", sources / "build", "-DCMAKE_BUILD_TYPE=Release", "-DGGML_NATIVE=ON",
                        "-DLLAMA_CURL=OFF"], check=True, stdout=sys.stderr)
        subprocess.run(["cmake", "--build", sources / "build", "-j", str(os.cpu_count()), "--target", *TOOLS], check=True,
                       stdout=sys.stderr)
    return sources


class Trial:
    """What is measured, in one folder."""

    def __init__(self, args):
        self.args, self.work = args, pathlib.Path(args.work).resolve()
        self.commands = pathlib.Path(args.tessera).resolve()
        self.sources = pathlib.Path(args.llama_cpp).resolve() if args.llama_cpp else None
        self.work.mkdir(parents=True, exist_ok=True)
        # Some programs leave logs where they are started.
        os.chdir(self.work)
        self.sources = self.sources or build_peer(self.work)
        self.peers = [Peer("llama.cpp", self.sources / "build/bin")]
        for also in args.also:
            name, _, rest = also.partition("=")
            folder, _, options = rest.partition(":")
            self.peers.append(Peer(name, folder, shlex.split(options)))
        self.table = []

    def tool(self, name):
        return self.commands / name

    def made(self, name, command):
        """A file of that name, and what making it took; None if it was there already."""
        path = self.work / name
        if path.exists():
            return path, None
        run = Finished(command(path))
        return path, run

    @property
    def checkpoint(self):
        path = self.work / "checkpoint"
        if not path.exists():
            layers = ["--layers", self.args.layers] if self.args.layers else []
            Finished([sys.executable, HERE / "make_random_checkpoint.py", self.args.model, path, *layers])
        return path

    @property
    def generation(self):
        return re.match(r"Qwen[\d.]*(-VL)?", self.args.model)[0].lower()

    def bundle(self, recipe):
        return self.made(f"{recipe}.tessera", lambda path: [
            self.tool(f"tessera-from-{self.generation}"), self.checkpoint, "--quantize", recipe, "-o", path, "-t",
            self.args.threads])

    def peer_file(self, name, *options):
        return self.made(f"{name}.gguf", lambda path: [
            sys.executable, HERE / "peer_gguf.py", self.sources, self.checkpoint, path, *options])

    def quantized(self, name, kind):
        source, _ = self.peer_file("BF16", "bf16") if name == "text" else self.peer_file("tower-bf16", "bf16", "--mmproj")
        return self.made(f"{kind}.gguf", lambda path: [
            self.sources / "build/bin/llama-quantize", source, path, kind, self.args.threads])

    def tower(self, kind):
        return self.peer_file(f"tower-{kind}", kind, "--mmproj")[0]

    def picture(self, side):
        """A picture with something in every patch, as BMP, which all read; the side is a multiple of 4."""
        path = self.work / f"{side}.bmp"
        if not path.exists():
            pixels = ((x * x // 97 + 3 * y, x + y * y // 61, x * y // 53) for y in range(side) for x in range(side))
            data = bytes(value & 255 for pixel in pixels for value in pixel)
            header = struct.pack("<2sIIIIiiHHIIiiII", b"BM", 54 + len(data), 0, 54, 40, side, side, 1, 24, 0, len(data), 0, 0, 0, 0)
            path.write_bytes(header + data)
        return path

    def ours(self, recipe, *options):
        run = Finished([self.tool("tessera-bench"), "model", self.bundle(recipe)[0], "-t", self.args.threads, "-r", 1, "-o",
                        "jsonl", *options])
        return [json.loads(line) for line in run.output.splitlines()]

    def rounds(self, row, unit, ours, theirs, higher=True):
        """Times both in turns: `ours` gives a figure by test, `theirs` one by peer, test and format."""
        figures, peers, ratios = {}, {}, {}
        for _ in range(self.args.rounds):
            own = ours()
            for test, figure in own.items():
                figures.setdefault(test, []).append(figure)
            for peer in self.peers:
                best = {}
                for kind, tests in theirs(peer).items():
                    for test, figure in tests.items():
                        peers.setdefault((test, peer.name, kind), []).append(figure)
                        better = max if higher else min
                        best[test] = better(best.get(test, figure), figure)
                for test, figure in best.items():
                    ratio = own[test] / figure if higher else figure / own[test]
                    ratios.setdefault((test, peer.name), []).append(ratio)
        for test in figures:
            others = [(kind, statistics.median(values)) for (each, _, kind), values in peers.items() if each == test]
            for peer in self.peers:
                kinds = [f"{kind} {statistics.median(values):.4g}" for (each, name, kind), values in peers.items()
                         if each == test and name == peer.name]
                ratio = statistics.median(ratios[test, peer.name])
                self.table.append((f"{row} {test}", f"{statistics.median(figures[test]):.4g} {unit}",
                                   f"{peer.name}: {', '.join(kinds)}", f"{ratio:.2f}"))

    def prefill(self):
        prompts, tokens = [256, 512], 64

        def reading(recipe):
            rows = self.ours(recipe, "-p", ",".join(map(str, prompts)), "-n", tokens)
            sampled = [row["avg_ts"] for row in rows if row["test"].startswith("tg")]
            figures = {row["test"]: row["avg_ts"] for row in rows if row["test"].startswith("pp")}
            return {**figures, "tg": min(sampled)}

        def peers(kinds):
            files = {kind: self.peer_file("BF16", "bf16")[0] if kind == "BF16" else self.quantized("text", kind)[0]
                     for kind in kinds}
            return lambda peer: {kind: peer.bench(path, self.args, prompts, tokens) for kind, path in files.items()}

        for recipe in self.args.recipes.split(","):
            kinds = EIGHT_BITS if recipe == "int8" else FOUR_BITS
            self.rounds(recipe, "tokens/s", lambda: reading(recipe), peers(kinds))

    def pictures(self):
        model, sides = self.quantized("text", "Q4_0")[0], [int(side) for side in self.args.pictures.split(",")]
        for side in sides:
            def ours():
                rows = self.ours("int4", "-p", 0, "-n", 0, "--image", side)
                return {f"{side}x{side}": rows[0]["avg_ns"] / 1e9}

            def theirs(peer):
                return {kind: {f"{side}x{side}": peer.encode(model, self.tower(kind), self.picture(side), self.args)}
                        for kind in self.args.towers.split(",")}

            self.rounds("picture", "s", ours, theirs, higher=False)

    def convert(self):
        pathlib.Path(self.work / "int4.tessera").unlink(missing_ok=True)
        for name in ["BF16", "tower-f16", "Q4_0"]:
            (self.work / f"{name}.gguf").unlink(missing_ok=True)
        subprocess.run(["cat", *self.checkpoint.glob("*.safetensors")], stdout=subprocess.DEVNULL, check=True)
        run = self.bundle("int4")[1]
        steps = [self.peer_file("BF16", "bf16")[1], self.peer_file("tower-f16", "f16", "--mmproj")[1],
                 self.quantized("text", "Q4_0")[1]]
        total = sum(step.seconds for step in steps)
        self.table.append((
            "convert + int4", f"{run.seconds:.1f} s, {run.anonymous >> 20} MiB",
            "llama.cpp: " + " + ".join(f"{step.seconds:.1f}" for step in steps) + " s", f"{total / run.seconds:.2f}"))

    def memory(self):
        for kind in ["f16", "i8"]:
            run = Finished([self.tool("tessera-run"), self.bundle("int4")[0], "--image", self.picture(1008), "-p", "x", "-n",
                            16, "-c", 4096, "--cache-type", kind, "-t", self.args.threads])
            self.table.append((f"answer about 1008x1008, {kind} cache", f"{run.anonymous >> 20} MiB, {run.seconds:.1f} s", "", ""))

    def calibrate(self):
        text = self.work / "text.txt"
        if not text.exists():
            text.write_text("".join(f"{n * n % 9973} is what {n} leaves, and then came {n % 97} more.\n" for n in range(1 << 16)))
        tokens, full = self.args.tokens, self.work / "full.tessera"
        self.made("full.tessera", lambda path: [self.tool(f"tessera-from-{self.generation}"), self.checkpoint, "-o", path])
        (self.work / "cal").unlink(missing_ok=True)
        (self.work / "solved.tessera").unlink(missing_ok=True)
        ours = [
            Finished([self.tool("tessera-calibrate"), full, "--data", text, "--tokens", tokens, "-o", self.work / "cal"]),
            Finished([self.tool("tessera-quantize"), full, "--calibration", self.work / "cal", "--bits", self.args.bits,
                      "-o", self.work / "solved.tessera"])]
        base, importance = self.peer_file("BF16", "bf16")[0], self.work / "imatrix.gguf"
        theirs = [
            Finished([self.sources / "build/bin/llama-imatrix", "-m", base, "-f", text, "-c", 512, "--chunks", tokens // 512,
                      "-t", self.args.threads, "--no-ppl", "-o", importance]),
            Finished([self.sources / "build/bin/llama-quantize", "--imatrix", importance, base,
                      self.work / "Q4_K_M-i.gguf", "Q4_K_M", self.args.threads])]
        seconds = [" + ".join(f"{run.seconds:.0f}" for run in runs) for runs in (ours, theirs)]
        ratio = sum(run.seconds for run in ours) / sum(run.seconds for run in theirs)
        self.table.append((f"calibrate + quantize, {tokens} tokens", f"{seconds[0]} s, {max(r.anonymous for r in ours) >> 20} MiB",
                           f"llama.cpp: {seconds[1]} s", f"{ratio:.2f} times its time"))

    def print(self):
        print("| | Tessera | peer | ratio |\n|---|---|---|---|")
        for row in self.table:
            print("| " + " | ".join(row) + " |")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("work", metavar="WORK")
    parser.add_argument("--model", default="Qwen2-VL-2B", help="one of formats/checkpoints (Qwen2-VL-2B)")
    parser.add_argument("--layers", type=int, help="decoder layers instead of all")
    parser.add_argument("--rows", default="convert,prefill,pictures,memory", help=f"of {','.join(ROWS)}")
    parser.add_argument("--recipes", default="int4,int8", help="of the rows of prefill (int4,int8)")
    parser.add_argument("--pictures", default="448,1008", help="sides of pictures (448,1008)")
    parser.add_argument("--towers", default=",".join(TOWERS), help="formats of the peer's vision file")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--tokens", type=int, default=65536, help="to calibrate with (65536)")
    parser.add_argument("--bits", type=float, default=5.8,
                        help="to quantize calibrated weights to (5.8: 4.6 in a decoder of 2B, 8 in a tower, of which texts tell nothing)")
    parser.add_argument("--tessera", default=HERE.parents[1] / ".build/release", help="folder of the commands (.build/release)")
    parser.add_argument("--llama-cpp", help="llama.cpp's sources")
    parser.add_argument("--also", action="append", default=[], metavar="NAME=FOLDER:OPTIONS", help="another peer's programs")
    trial = Trial(parser.parse_args())
    rows = trial.args.rows.split(",")
    if unknown := set(rows) - set(ROWS):
        parser.error(f"no such rows: {', '.join(unknown)}")
    for row in rows:
        getattr(trial, row)()
    trial.print()


if __name__ == "__main__":
    main()
