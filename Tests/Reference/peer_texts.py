#!/usr/bin/env python3
"""Write the texts that quality is measured with: peer_texts.py FOLDER

All of them come from Debian packages, which `apt-get download` fetches (nothing is installed):

    handbook.txt    the sections of debian-handbook in English; for calibration, never for evaluation
    book.txt        developers-reference in English, another technical book
    licenses.txt    four licenses
    novel.txt       Jane Austen's "Emma"
    german.txt      debian-reference in German
    python.txt      modules of Python's standard library

Windows are counted from the start of each file. Needs Debian's apt-get and dpkg-deb, and Python's standard library.
"""

import html
import pathlib
import re
import struct
import subprocess
import sys
import tempfile
import zlib

LICENSES = ["GPL-3", "Apache-2.0", "GFDL-1.3", "MPL-2.0"]
MODULES = ["cmd", "code", "colorsys", "fractions", "graphlib", "gzip", "lzma", "pprint", "queue", "sched", "shelve", "shlex",
           "symtable", "timeit", "uuid", "wave", "zipapp"]


def package(name, work):
    """Download and unpack a package, and give its folder."""
    folder = work / name
    subprocess.run(["apt-get", "download", "-q", name], cwd=work, check=True, stdout=subprocess.DEVNULL)
    archive = next(work.glob(f"{name}_*.deb"))
    print(archive.name, file=sys.stderr)
    subprocess.run(["dpkg-deb", "-x", archive, folder], check=True)
    return folder


def page(path):
    """The words of a page of HTML, with a line for each block."""
    text = path.read_text(encoding="utf-8", errors="ignore")
    text = re.sub(r"<(script|style|head)[^>]*>.*?</\1>", " ", text, flags=re.S)
    text = re.sub(r"</(p|h\d|li|div|pre|tr)>", "\n", text)
    text = re.sub(r"[ \t]+", " ", html.unescape(re.sub(r"<[^>]+>", "", text)))
    return re.sub(r"\n\s*\n+", "\n\n", text).strip()


def pages(folder, pattern):
    found = sorted(folder.glob(pattern))
    assert found, f"no {pattern} in {folder}"
    return "\n\n".join(map(page, found))


def novel(folder):
    """The lines of the first book in the database of R's package: a length, then a deflated character vector."""
    raw = (folder / "usr/lib/R/site-library/janeaustenr/data/Rdata.rdb").read_bytes()
    data = zlib.decompressobj().decompress(raw[4:])
    header = b"\0\0\0\x10"  # a character vector; its length, then each string's flags, length and bytes
    at = data.index(header) + len(header)
    count, at = struct.unpack_from(">i", data, at)[0], at + 4
    lines = []
    for _ in range(count):
        _, length = struct.unpack_from(">ii", data, at)
        lines.append(data[at + 8 : at + 8 + length].decode())
        at += 8 + length
    return "\n".join(lines) + "\n"


def main(out):
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as temporary:
        work = pathlib.Path(temporary)
        licenses = package("base-files", work) / "usr/share/common-licenses"
        library = package("libpython3.11-stdlib", work) / "usr/lib/python3.11"
        texts = {
            "handbook": pages(package("debian-handbook", work), "usr/share/doc/debian-handbook/html/en-US/sect.*.html"),
            "book": pages(package("developers-reference", work), "usr/share/developers-reference/*.html"),
            "licenses": "".join((licenses / name).read_text(encoding="utf-8") for name in LICENSES),
            "novel": novel(package("r-cran-janeaustenr", work)),
            "german": pages(package("debian-reference-de", work), "usr/share/debian-reference/ch*.html"),
            "python": "".join((library / f"{name}.py").read_text(encoding="utf-8") for name in MODULES),
        }
    for name, text in texts.items():
        path = out / f"{name}.txt"
        path.write_text(text, encoding="utf-8")
        print(f"{path}: {path.stat().st_size} bytes", file=sys.stderr)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(pathlib.Path(sys.argv[1]))
