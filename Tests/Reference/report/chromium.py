"""A headless Chromium, driven by the DevTools protocol over a pair of pipes."""

import base64
import json
import os
import subprocess
import tempfile
import time
from pathlib import Path


class Chromium:
    """One browser with one page; notes what the page requests, logs and throws."""

    def __init__(self):
        self.profile = tempfile.TemporaryDirectory(prefix="tessera-chromium-")
        to_browser, self.writer = os.pipe()
        self.reader, from_browser = os.pipe()

        def pipes():
            # The browser reads from 3 and writes to 4; the numbers that the pipes have may be these.
            incoming, outgoing = os.dup(to_browser), os.dup(from_browser)
            incoming, outgoing = os.dup2(incoming, 103), os.dup2(outgoing, 104)
            os.dup2(incoming, 3)
            os.dup2(outgoing, 4)

        self.process = subprocess.Popen(
            ["chromium", "--headless=new", "--no-sandbox", "--disable-gpu", "--remote-debugging-pipe",
             "--hide-scrollbars", "--no-first-run", "--disable-dev-shm-usage", f"--user-data-dir={self.profile.name}"],
            close_fds=False, preexec_fn=pipes, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        os.close(to_browser)
        os.close(from_browser)
        self.rest, self.number, self.session = b"", 0, None
        self.requests, self.messages, self.dialogs, self.loaded = [], [], 0, False
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ["Page", "Runtime", "Network", "Log"]:
            self.call(f"{domain}.enable")

    def close(self):
        self.process.terminate()
        self.process.wait()
        self.profile.cleanup()

    def call(self, method, **parameters):
        self.number += 1
        message = {"id": self.number, "method": method, "params": parameters}
        if self.session:
            message["sessionId"] = self.session
        data = json.dumps(message).encode() + b"\0"
        while data:
            data = data[os.write(self.writer, data):]
        while True:
            answer = self.receive()
            if answer.get("id") == self.number:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']}")
                return answer["result"]

    def receive(self):
        while b"\0" not in self.rest:
            data = os.read(self.reader, 1 << 20)
            if not data:
                raise RuntimeError("Chromium ended")
            self.rest += data
        one, self.rest = self.rest.split(b"\0", 1)
        message = json.loads(one)
        self.note(message.get("method"), message.get("params", {}))
        return message

    def note(self, event, parameters):
        if event == "Network.requestWillBeSent":
            self.requests.append(parameters["request"]["url"])
        elif event == "Runtime.consoleAPICalled":
            self.messages.append(f"console.{parameters['type']}: {parameters['args']}")
        elif event == "Runtime.exceptionThrown":
            self.messages.append(json.dumps(parameters["exceptionDetails"]))
        elif event == "Log.entryAdded":
            self.messages.append(parameters["entry"]["text"])
        elif event == "Page.javascriptDialogOpening":
            self.dialogs += 1
        elif event == "Page.loadEventFired":
            self.loaded = True

    def open(self, path, width, height, dark=False, phone=False):
        """Opens a file in a window of this size, and returns the seconds until it was loaded."""
        self.requests, self.messages, self.dialogs, self.loaded = [], [], 0, False
        scheme = [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]
        self.call("Emulation.setEmulatedMedia", media="", features=scheme)
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=phone)
        began = time.monotonic()
        self.call("Page.navigate", url=Path(path).resolve().as_uri())
        while not self.loaded:
            self.receive()
        self.evaluate("new Promise(done => requestAnimationFrame(() => setTimeout(done, 50)))")
        return time.monotonic() - began

    def evaluate(self, script):
        answer = self.call("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in answer:
            raise RuntimeError(json.dumps(answer["exceptionDetails"]))
        return answer["result"].get("value")

    def key(self, key):
        for kind in ["rawKeyDown", "keyUp"]:
            self.call("Input.dispatchKeyEvent", type=kind, key=key, code=key, windowsVirtualKeyCode={"Tab": 9}.get(key, 0))

    def screenshots(self, prefix, piece=1500, most=12):
        """The whole page, in pieces from top to bottom."""
        # What is off the screen is not drawn otherwise.
        self.evaluate("""(() => {
            const sheet = new CSSStyleSheet();
            sheet.replaceSync('.sample { content-visibility: visible }');
            document.adoptedStyleSheets = [sheet];
        })()""")
        size = self.call("Page.getLayoutMetrics")["cssContentSize"]
        for number, top in enumerate(range(0, int(size["height"]), piece)):
            if number == most:
                break
            clip = {"x": 0, "y": top, "width": size["width"], "height": min(piece, size["height"] - top), "scale": 1}
            shot = self.call("Page.captureScreenshot", clip=clip, captureBeyondViewport=True)
            Path(f"{prefix}-{number}.png").write_bytes(base64.b64decode(shot["data"]))
        self.evaluate("document.adoptedStyleSheets = []")

    def pdf(self, path):
        made = self.call("Page.printToPDF", printBackground=True, paperWidth=8.27, paperHeight=11.69)
        Path(path).write_bytes(base64.b64decode(made["data"]))
