"""Injects faults into what Tessera reads and into the system around it, and counts what came of each:

    python3 Tests/Reference/reliability BINARIES [--times 200] [--seed 1] [--only WORD] [--work FOLDER]

A fault is caught when the command ends with the documented exit code and a sentence and nothing else is lost; harmless when
the result is the same to the bit; missed otherwise. Prints the table of docs/reliability.md; exits with 1 if any was missed.
"""

import argparse
import pathlib
import sys
import tempfile
import time

import damage
import misuse
import system
from harness import Bench


def prepare(bench):
    """The sound files that faults are injected into."""
    sound = bench.work / "sound.tessera"
    text = bench.work / "set.txt"
    text.write_text("A red circle stands to the left of a blue square. " * 100)
    steps = [
        ("tessera-from-qwen2-vl", bench.fixtures / "demo-qwen2-vl", "-o", sound),
        ("tessera-quantize", sound, "--recipe", "int4", "-o", bench.work / "int4.tessera"),
        ("tessera-calibrate", sound, "--data", text, "--tokens", "2048", "-o", bench.work / "set.cal"),
    ]
    for step in steps:
        outcome = bench.run(*step, "--force")
        if outcome.status != 0:
            sys.exit(f"{step[0]} failed on sound input: {outcome}")


def main():
    parser = argparse.ArgumentParser(description="Inject faults and count what came of them.")
    parser.add_argument("binaries", type=pathlib.Path)
    parser.add_argument("--times", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", default="", help="kinds whose function's name holds this word")
    parser.add_argument("--work", type=pathlib.Path)
    options = parser.parse_args()
    fixtures = pathlib.Path(__file__).resolve().parents[2] / "Fixtures"
    with tempfile.TemporaryDirectory() as temporary:
        work = options.work or pathlib.Path(temporary)
        work.mkdir(parents=True, exist_ok=True)
        bench = Bench(options.binaries.resolve(), fixtures, work, options.times, options.seed)
        prepare(bench)
        for inject in damage.ALL + misuse.ALL + system.ALL:
            if options.only in inject.__name__:
                start = time.monotonic()
                inject(bench)
                print(f"{inject.__name__}: {time.monotonic() - start:.0f} s", file=sys.stderr, flush=True)
    report(bench.kinds)


def report(kinds):
    print("| fault injected | what is right | times | caught | harmless | missed |")
    print("|---|---|---|---|---|---|")
    for kind in kinds:
        print(f"| {kind.name} | {kind.right} | {kind.times} | {kind.caught} | {kind.harmless} | {len(kind.missed)} |")
    for kind in kinds:
        for missed in kind.missed[:20]:
            print(f"missed: {kind.name}: {missed}", file=sys.stderr)
    sys.exit(1 if any(kind.missed for kind in kinds) else 0)


main()
