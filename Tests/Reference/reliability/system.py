"""What a system does to a program: full disks, closed pipes, kills, files that change in use."""

import os
import shutil
import signal
import subprocess
import threading
import time

from harness import digest, run

import large_checkpoint


def stdout(bench):
    kind, _ = bench.kind("stdout on a full disk", "4")
    model = bench.work / "int4.tessera"
    picture = bench.fixtures / "demo-pictures" / "scene_0.png"
    commands = [
        ["tessera-run", model, "--image", picture, "-p", "Describe."],
        ["tessera-run", model, "-p", "Describe.", "--json"],
        ["tessera-inspect", model], ["tessera-inspect", model, "--json"], ["tessera-inspect", model, "--graph", "json"],
        ["tessera-inspect", "plan", model, "--image", "640x480"], ["tessera-inspect", "manifests"],
        ["tessera-diff", bench.work / "sound.tessera", model, "-p", "Describe."],
        ["tessera-diff", model, "--answers", bench.fixtures / "demo-pictures" / "answers.json"],
        ["tessera-bench", "model", model, "--runs", "1", "--prefill", "8", "--decode", "1"],
        ["tessera-quantize", bench.work / "sound.tessera", "--recipe", "int4", "--dry-run", "-o", bench.scratch("full.tessera")],
        ["tessera-run", "--help"], ["tessera-inspect", "--help"],
    ]
    for command in commands:
        with open("/dev/full", "wb") as full:
            kind.judge(" ".join(map(str, command)), bench.run(*command, stdout=full), {4})

    kind, _ = bench.kind("a reader of stdout that goes away", "ends quietly")
    for command in commands:
        process = subprocess.Popen(
            [bench.command(command[0]), *map(str, command[1:])], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE)
        process.stdout.close()
        errors = process.stderr.read().decode(errors="replace")
        kind.expect(" ".join(map(str, command)), process.wait() in (0, -13, 141) and "rror" not in errors,
                    f"exit {process.returncode}: {errors[-200:]}")


def full_disk(bench):
    kind, dice = bench.kind("no room for the output", "4; the same command again succeeds with the same bytes")
    source = large_checkpoint.write(bench)
    right = _right(bench, source)
    output = bench.scratch("full.tessera")
    for _ in range(max(4, bench.times // 25)):
        limit = dice.randrange(1 << 20, right["size"])
        command = [bench.command("tessera-from-qwen2-vl"), str(source), "-o", str(output), "--quantize", "int8"]
        outcome = run(command, file_size=limit)
        kind.judge(f"room for {limit} bytes", outcome, {4})
        kind.expect(f"room for {limit} bytes", bench.convert(source, output, "--quantize", "int8").status == 0
                    and digest(output) == right["digest"], "the rerun differs")
        output.unlink(missing_ok=True)


def _right(bench, source):
    output = bench.scratch("right.tessera")
    assert bench.convert(source, output, "--quantize", "int8").status == 0
    return {"digest": digest(output), "size": output.stat().st_size}


def kills(bench):
    large = bench.scratch("large.tessera")
    source = large_checkpoint.write(bench)
    assert bench.convert(source, large).status == 0
    for name, right in (("KILL", "the final name is absent or whole; a rerun gives the same bytes"),
                        ("INT", "75, or done; a rerun gives the same bytes")):
        for verb, command in (
            ("a conversion", ["tessera-from-qwen2-vl", source]),
            ("quantizing", ["tessera-quantize", large, "--recipe", "int8"]),
        ):
            kind, dice = bench.kind(f"SIG{name} at a random instant of {verb}", right)
            _stopped(bench, kind, dice, getattr(signal, f"SIG{name}"), command)


def _stopped(bench, kind, dice, number, command):
    output = bench.scratch("stopped.tessera")
    command = [bench.command(command[0]), *map(str, command[1:]), "-o", str(output), "-t", "1"]
    start = time.monotonic()
    assert run(command).status == 0
    seconds, right = time.monotonic() - start, digest(output)
    for _ in range(bench.times // 4):
        bench.scratch("stopped.tessera")
        after = dice.uniform(0, seconds)
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(after)
        process.send_signal(number)
        status = process.wait()
        what = f"{number.name} after {after:.3f} s"
        # A signal may come before the program is ready for it, or after its work.
        kind.expect(what, status in (0, -number, 75), f"exit {status}")
        kind.expect(what, not output.exists() or digest(output) == right, "half a file bears the final name")
        if not output.exists():
            outcome = run(command)
            kind.expect(what, outcome.status == 0 and digest(output) == right, f"the rerun: {outcome}")


def two_writers(bench):
    kind, _ = bench.kind("two writers of one output", "one is refused with 4; the other's file is right")
    source = large_checkpoint.write(bench)
    right = _right(bench, source)
    for number in range(max(4, bench.times // 25)):
        output = bench.scratch("shared.tessera")
        command = [bench.command("tessera-from-qwen2-vl"), str(source), "-o", str(output), "--quantize", "int8", "--force"]
        both = [subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) for _ in range(2)]
        codes = sorted(process.wait() for process in both)
        kind.expect(f"pair {number}", codes in ([0, 4], [0, 0]) and digest(output) == right["digest"], f"exit codes {codes}")


def shrinking(bench):
    kind, dice = bench.kind("a source cut short while it is read", "4 with a sentence, or 3; no output")
    source = large_checkpoint.write(bench)
    copy = bench.work / "shrinking"
    for _ in range(max(4, bench.times // 10)):
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(source, copy)
        output = bench.scratch("shrunk.tessera")
        delay = dice.uniform(0, 0.4)
        weights = copy / "model.safetensors"
        cut = threading.Timer(delay, lambda: os.truncate(weights, 1 << 20))
        cut.start()
        outcome = bench.convert(copy, output, "-t", "1")
        cut.join()
        kind.judge(f"cut after {delay:.3f} s", outcome, {3, 4}, lambda: output.exists())
    shutil.rmtree(copy, ignore_errors=True)


def pipes_as_files(bench):
    kind, _ = bench.kind("a FIFO or a device in place of a file", "3 or 4 at once")
    fifo = bench.scratch("pipe")
    os.mkfifo(fifo)
    model = bench.work / "int4.tessera"
    for path in (fifo, "/dev/zero", "/dev/tty", bench.work):
        for command in (
            ["tessera-run", path, "-p", "Describe."], ["tessera-inspect", path], ["tessera-run", model, "--image", path, "-p", "Describe."],
            ["tessera-diff", model, model, "--text", path], ["tessera-diff", model, "--golden", path],
            ["tessera-diff", model, "--answers", path], ["tessera-quantize", path, "-o", bench.scratch("piped.tessera"), "--recipe", "int4"],
            ["tessera-quantize", bench.work / "sound.tessera", "-o", bench.scratch("piped.tessera"), "--recipe", path],
            ["tessera-quantize", bench.work / "sound.tessera", "-o", bench.scratch("piped.tessera"), "--calibration", path],
        ):
            kind.judge(" ".join(map(str, command)), bench.run(*command, seconds=20), {2, 3, 4})
    fifo.unlink()


ALL = [stdout, pipes_as_files, full_disk, kills, two_writers, shrinking]
