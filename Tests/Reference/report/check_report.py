#!/usr/bin/env python3
"""Opens reports of tessera-diff in a headless Chromium as people do: light, dark, on a phone, printed, with 2,000 samples.

    check_report.py TESSERA_DIFF FOLDER [DOCUMENT...]

makes documents (plain, deep, hostile, large, or those that are named), lets the command make pages of them, checks these, and leaves screenshots in FOLDER. Exit code 1 when a check fails.
"""

import json
import subprocess
import sys
from pathlib import Path

import documents
from chromium import Chromium

# Returns what is wrong with the page as a list of sentences.
CHECKS = (Path(__file__).parent / "page_checks.js").read_text()

VIEWS = [  # document, name, width, height, dark, phone
    ("plain", "light", 1200, 900, False, False),
    ("plain", "dark", 1200, 900, True, False),
    ("plain", "phone", 360, 740, False, True),
    ("deep", "phone-dark", 360, 740, True, True),
    ("deep", "light", 1000, 900, False, False),
    ("hostile", "light", 1200, 900, False, False),
    ("hostile", "phone", 360, 740, False, True),
    ("large", "light", 1200, 900, False, False),
    ("large", "phone", 360, 740, False, True),
]
CHARTS = {"plain": 8, "deep": 8, "large": 8, "hostile": 8}
LARGEST_PAGE = 6 << 20


def make(command, folder, wanted):
    """The pages by the names of their documents."""
    pages = {}
    for name in wanted:
        document = documents.MADE[name]()
        kept, page = folder / f"{name}.json", folder / f"{name}.html"
        kept.write_text(json.dumps(document))
        subprocess.run([command, "--from", kept, "--html", page, "--force"], check=True)
        pages[name] = page
    return pages


def tab_order(browser):
    """What is wrong with the first stops of the tab key."""
    faults, last = [], -1
    stop = """(() => {
        const all = [...document.querySelectorAll('*')], on = document.activeElement;
        const style = getComputedStyle(on), box = on.getBoundingClientRect();
        return [all.indexOf(on), on.tagName + '.' + on.className, style.outlineStyle, parseFloat(style.outlineWidth), box.width]
    })()"""
    browser.evaluate("document.activeElement.blur(); window.scrollTo(0, 0)")
    stops = 0
    for _ in range(40):
        browser.key("Tab")
        place, name, outline, width, size = browser.evaluate(stop)
        if name.startswith("BODY"):
            break
        if place <= last:
            faults.append(f"the tab key goes back to {name}")
        if outline == "none" or width < 2 or size == 0:
            faults.append(f"focus on {name} is not to be seen")
        last, stops = place, stops + 1
    if stops < 20:
        faults.append(f"the tab key stops {stops} times only")
    return faults


def walking(browser):
    """What is wrong with arrow keys in charts and texts."""
    return browser.evaluate("""(() => {
        const faults = [];
        for (const probe of document.querySelectorAll('.probe')) {
            if (!probe.checkVisibility()) continue;
            const press = (key) => probe.dispatchEvent(new KeyboardEvent('keydown', { key, bubbles: true }));
            const told = ['ArrowRight', 'ArrowRight', 'ArrowDown', 'End', 'ArrowUp'].map((key) => {
                press(key);
                return probe.nextElementSibling.textContent;
            });
            if (told.some((words) => !words) || told[0] === told[3]) faults.push(`${probe.ariaLabel}: says ${told}`);
            if (probe.querySelectorAll('.here').length !== 1) faults.push(`${probe.ariaLabel}: not one place is marked`);
        }
        return faults;
    })()""")


def find(browser, document):
    """What is wrong with the page that is open."""
    faults = browser.evaluate(f"({CHECKS})({CHARTS[document]})") + tab_order(browser) + walking(browser)
    faults += [f"message: {message}" for message in browser.messages]
    faults += [f"request: {url[:80]}" for url in browser.requests if not url.startswith(("file:", "data:"))]
    if browser.dialogs:
        faults.append("a script of the document ran")
    return faults


def check(browser, page, document, view, folder):
    name, width, height, dark, phone = view
    seconds = browser.open(page, width, height, dark, phone)
    browser.screenshots(folder / f"{document}-{name}")
    faults = find(browser, document)
    print(f"{document}-{name}: {page.stat().st_size / 1e6:.1f} MB, loaded in {seconds:.2f} s, {len(faults)} faults")
    for fault in faults[:20]:
        print(f"    {fault}")
    return faults


# Faults for a page to have, and the words by which each must be found: checks that find nothing must be able to.
PLANTED = [
    ("<main id=", "<img src=x><main id=", "not ours: <img"),
    ('<html lang="en">', "<html>", "no language"),
    ("<h2 id=\"gates-h\">", "<h4>An aside</h4><h2 id=\"gates-h\">", "h4 after h1"),
    ("<main id=", "<svg width=\"2000\" height=\"9\"></svg><main id=", "the page is 20"),
    ("--soft: #595957", "--soft: #999", "contrast 2."),
    ("--s1: #d55e00", "--s1: #fd8", "of a line"),
    (".below { text-anchor: middle; }", ".below { letter-spacing: 6em; }", "letters"),
    ("width: 100%; min-width: 0;", "width: 9px; flex: none;", "a chart of"),
    ("'use strict';", "'use strict'; console.warn('planted');", "planted"),
    ("'use strict';", "'use strict'; fetch('http://127.0.0.1:9/planted').catch(() => 0);", "127.0.0.1"),
    ("outline: 2px solid var(--focus);", "outline: none;", "is not to be seen"),
    ("probe.addEventListener('keydown'", "probe.addEventListener('keyup'", "says"),
]


def check_the_checks(browser, page, folder):
    """What is wrong with the checks themselves."""
    faults, plain = [], page.read_text()
    for old, new, words in PLANTED:
        spoiled = folder / "planted.html"
        # The policy would stop most of them.
        spoiled.write_text(plain.replace("Content-Security-Policy", "no-policy").replace(old, new))
        browser.open(spoiled, 360, 740)
        if not any(words in fault for fault in find(browser, "plain")):
            faults.append(f"nothing found where this was planted: {new}")
    print(f"{len(PLANTED)} faults planted, {len(faults)} not found")
    for fault in faults:
        print(f"    {fault}")
    return faults


def main():
    command, folder = sys.argv[1], Path(sys.argv[2])
    folder.mkdir(parents=True, exist_ok=True)
    pages = make(command, folder, sys.argv[3:] or list(documents.MADE))
    browser = Chromium()
    faults = []
    try:
        for document, *view in VIEWS:
            if document not in pages:
                continue
            if pages[document].stat().st_size > LARGEST_PAGE:
                faults.append(f"{pages[document]} is too large")
            faults += check(browser, pages[document], document, view, folder)
        if "plain" in pages:
            faults += check_the_checks(browser, pages["plain"], folder)
        for document in pages:
            browser.open(pages[document], 1200, 900, dark=True)
            browser.pdf(folder / f"{document}.pdf")
    finally:
        browser.close()
    print(f"screenshots and prints are in {folder}")
    sys.exit(1 if faults else 0)


if __name__ == "__main__":
    main()
