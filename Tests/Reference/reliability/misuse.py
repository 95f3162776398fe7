"""Commands called wrongly: numbers beyond reason, outputs that would destroy something."""

import os
import shutil
import socket

from harness import digest, folder_digest

ABSURD = ["-1", "nan", "inf", "-inf", "1e400", "9223372036854775807", "99999999999999999999999", "-9223372036854775808", "x", ""]

# Numbers that each command reads; every one of ABSURD is out of place for every one of them.
NUMBERS = {
    "tessera-run": ["-n", "-c", "-t", "--temp", "--top-k", "--top-p", "--repeat-penalty", "--seed", "--fps", "--max-frames", "--memory-limit"],
    "tessera-diff": ["-n", "-c", "-t", "--chunks", "--max-kl", "--max-rel-error", "--max-accuracy-drop"],
    "tessera-quantize": ["--bits", "--fit", "--fit-memory", "-t"],
    "tessera-calibrate": ["--window", "--tokens", "--answers", "-t"],
    "tessera-bench model": ["--prefill", "--decode", "--image", "--threads", "--runs"],
    "tessera-bench kernels": ["--rows", "--threads", "--runs"],
    "tessera-inspect plan": ["--image", "--ctx", "--fps", "--max-frames"],
    "tessera-from-qwen2-vl": ["-t"],
}


def options(bench):
    kind, _ = bench.kind("a number of an option beyond reason", "2, or 5 with sizes")
    model = bench.work / "int4.tessera"
    rest = {
        "tessera-run": [model, "-p", "Describe."],
        "tessera-diff": [model, model, "-p", "Describe."],
        "tessera-quantize": [bench.work / "sound.tessera", "-o", bench.scratch("absurd.tessera"), "--dry-run"],
        "tessera-calibrate": [bench.work / "sound.tessera", "--data", "default", "-o", bench.scratch("absurd.cal")],
        "tessera-bench model": [model],
        "tessera-bench kernels": [],
        "tessera-inspect plan": [model],
        "tessera-from-qwen2-vl": [bench.fixtures / "demo-qwen2-vl", "-o", bench.scratch("absurd.tessera")],
    }
    for command, names in NUMBERS.items():
        help_text = bench.run(*command.split(), "--help").output.decode()
        for name in names:
            if name not in help_text:
                continue
            for value in ABSURD:
                if name == "--seed" and value.isdigit() and int(value) < 1 << 64:
                    continue
                option = f"{name}={value}" if name.startswith("--") else f"{name}{value}"
                outcome = bench.run(*command.split(), *rest[command], option)
                kind.judge(f"{command} {option}", outcome, {2, 5})


def outputs(bench):
    kind, _ = bench.kind("an output that is an input, a link, a device, a FIFO, a socket or a folder, with `--force`", "2 to 4, nothing touched")
    work, model = bench.work / "outputs", bench.work / "sound.tessera"
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir()
    source = work / "model.tessera"
    checkpoint = work / "checkpoint"
    shutil.copy(model, source)
    shutil.copytree(bench.fixtures / "demo-qwen2-vl", checkpoint)
    calibration = work / "set.cal"
    shutil.copy(bench.work / "set.cal", calibration)
    text = work / "text.txt"
    text.write_text("Nothing but the truth. " * 200)

    link, dangling, hard = work / "link.tessera", work / "dangling.tessera", work / "hard.tessera"
    link.symlink_to(source)
    dangling.symlink_to(work / "nothing")
    os.link(source, hard)
    fifo, folder, listener = work / "fifo", work / "folder", work / "socket"
    os.mkfifo(fifo)
    folder.mkdir()
    server = socket.socket(socket.AF_UNIX)
    server.bind(str(listener))
    odd = [link, dangling, fifo, folder, listener, "/dev/null", "/dev/full"]

    commands = {
        "tessera-quantize": (["tessera-quantize", source, "--recipe", "int4", "--force"],
                             [source, hard, f"{work}/./model.tessera", *odd]),
        "tessera-quantize --calibration": (
            ["tessera-quantize", source, "--calibration", calibration, "--recipe", "int4", "--force"], [calibration]),
        "tessera-from-qwen2-vl": (["tessera-from-qwen2-vl", checkpoint, "--force"],
                                  [*sorted(checkpoint.iterdir()), checkpoint, *odd]),
        "tessera-calibrate": (["tessera-calibrate", source, "--data", text, "--tokens", "1024", "--force"],
                              [source, hard, text, *odd]),
    }
    for name, (command, targets) in commands.items():
        for target in targets:
            before = _state(work)
            outcome = bench.run(*command, "-o", target)
            kind.judge(f"{name} -o {target}", outcome, {2, 3, 4})
            kind.expect(f"{name} -o {target}", _state(work) == before, "something was changed")
    server.close()

    kind, _ = bench.kind("a link at a temporary name", "refused, or put aside; what it points to untouched")
    victim = work / "victim"
    for suffix in (".partial", ".journal", ".partial.journal", ".lock", ".partial.lock"):
        victim.write_text("precious")
        output = work / "out.tessera"
        planted = work / f"out.tessera{suffix}"
        planted.symlink_to(victim)
        bench.run("tessera-quantize", source, "--recipe", "int4", "--force", "-o", output)
        kind.expect(f"out.tessera{suffix}", victim.read_text() == "precious", "the file behind the link was written")
        for path in (planted, output):
            path.unlink(missing_ok=True)


def _state(folder):
    """Every entry of a folder: its type, where a link leads, what a file holds."""
    state = {}
    for path in sorted(folder.iterdir()):
        if path.is_symlink():
            state[path.name] = os.readlink(path)
        elif path.is_dir():
            state[path.name] = folder_digest(path)
        elif path.is_file():
            state[path.name] = digest(path)
        else:
            state[path.name] = path.stat().st_mode
    return state


ALL = [options, outputs]
