"""Runs commands under limits and judges what came of an injected fault."""

import dataclasses
import hashlib
import pathlib
import random
import resource
import signal
import subprocess

SECONDS = 120
ADDRESS_SPACE = 12 << 30
SYSTEM_ERRORS = 4


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What a command did. `status` is negative where a signal ended it, and None where time ran out."""

    status: int | None
    output: bytes
    errors: str

    def __str__(self):
        ends = self.errors.strip().splitlines()[-1:] or [self.output[-200:].decode(errors="replace")]
        return f"exit {self.status}: {ends[0][:300]}"


class Kind:
    """One kind of fault: how often it was injected, and what came of it."""

    def __init__(self, name, right):
        self.name, self.right = name, right
        self.caught = self.harmless = 0
        self.missed = []

    @property
    def times(self):
        return self.caught + self.harmless + len(self.missed)

    def judge(self, what, outcome, codes, harmless=lambda: False):
        """Counts a run as caught when it ended with one of `codes` and a sentence, as harmless when it succeeded and
        `harmless` finds nothing changed, and as missed otherwise."""
        spoken = "error" in outcome.errors.lower() and "Fatal error" not in outcome.errors
        if outcome.status in codes and spoken:
            self.caught += 1
        elif outcome.status == 0 and harmless():
            self.harmless += 1
        else:
            self.missed.append(f"{what}: {outcome}")

    def expect(self, what, holds, note=""):
        """Counts a check of another shape."""
        if holds:
            self.caught += 1
        else:
            self.missed.append(f"{what}: {note}")


class Bench:
    """The commands, a folder to work in, and the dice."""

    def __init__(self, binaries, fixtures, work, times, seed):
        self.binaries, self.fixtures, self.work = binaries, fixtures, work
        self.times, self.seed = times, seed
        self.kinds = []

    def kind(self, name, right):
        """Begins a kind of fault; its dice do not depend on what came before."""
        self.kinds.append(Kind(name, right))
        return self.kinds[-1], random.Random(f"{self.seed} {name}")

    def command(self, name):
        return str(self.binaries / name)

    def run(self, name, *arguments, **options):
        """Runs a command of the project to its end, within limits of time and memory."""
        return run([self.command(name), *map(str, arguments)], **options)

    def scratch(self, name):
        """A new path in the work folder; what an earlier fault left there is removed."""
        path = self.work / name
        for old in self.work.glob(name + "*"):
            old.unlink()
        return path

    def convert(self, source, output, *options):
        return self.run("tessera-from-qwen2-vl", source, "-o", output, "--force", *options)


def run(command, stdout=subprocess.PIPE, file_size=None, seconds=SECONDS):
    def limit():
        resource.setrlimit(resource.RLIMIT_AS, (ADDRESS_SPACE, ADDRESS_SPACE))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        if file_size is not None:
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (file_size, file_size))

    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, stdout=stdout, stderr=subprocess.PIPE, timeout=seconds,
            preexec_fn=limit, check=False)
    except subprocess.TimeoutExpired:
        return Outcome(None, b"", f"still running after {seconds} s")
    return Outcome(done.returncode, done.stdout or b"", done.stderr.decode(errors="replace"))


def digest(path):
    return hashlib.sha256(pathlib.Path(path).read_bytes()).hexdigest()


def folder_digest(folder):
    return {path.name: digest(path) for path in sorted(pathlib.Path(folder).iterdir()) if path.is_file()}
