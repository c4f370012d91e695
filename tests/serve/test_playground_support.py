"""What the playground's tests share: the page served without Ray, and a Chromium to look at it.

The app runs in a thread over the embedded model and a sandbox of basic isolation. Any route can be
given another answer, so that busy, broken and malicious endpoints are seen, too.
"""

import asyncio
import base64
import contextlib
import json
import shutil
import socket
import threading
import time
from collections import defaultdict
from pathlib import Path

import pytest
import uvicorn
from selenium import webdriver
from selenium.common.exceptions import StaleElementReferenceException
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.action_chains import ActionChains
from starlette.responses import StreamingResponse

import calcgen_ray
from calcgen_ray.generate.batcher import Batcher
from calcgen_ray.generate.ctranslate2_engine import CTranslate2Engine
from calcgen_ray.judge import Verifier
from calcgen_ray.serving.access import Policy
from calcgen_ray.serving.api import build_api
from calcgen_ray.serving.backend import Backend
from calcgen_ray.serving.loading import load
from calcgen_ray.serving.models import Models
from calcgen_ray.serving.running import CodeRunner

EMBEDDED = Path(calcgen_ray.__file__).parent / "model" / "embedded"
SCREENSHOTS = Path(__file__).parents[2] / "runs" / "screenshots"
KEY = "correct-horse-battery"
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
)  # fmt: skip
SECONDS = 60
"""What a test waits at most for anything to be seen: machines may be busy."""


class Stubbed:
    """An application some of whose routes are answered by others; keeps the bodies it is sent."""

    def __init__(self, app):
        self.app, self.answers, self.asked = app, {}, defaultdict(list)

    async def __call__(self, scope, receive, send):
        path = scope.get("path")

        async def heard():
            message = await receive()
            if message["type"] == "http.request" and message.get("body"):
                self.asked[path].append(json.loads(message["body"]))
            return message

        await self.answers.get(path, self.app)(scope, heard, send)


def streamed(*texts, pause=0.0, breaks=False):
    """An application that streams pieces of one completion, or of several as (index, text)."""

    async def events():
        for text in texts:
            index, piece = text if isinstance(text, tuple) else (0, text)
            choice = {"index": index, "text": piece, "finish_reason": None}
            yield f"data: {json.dumps({'choices': [choice]})}\n\n"
            await asyncio.sleep(pause)
        if breaks:
            raise ConnectionError("the endpoint has gone")
        yield "data: [DONE]\n\n"

    async def app(scope, receive, send):
        await receive()
        await StreamingResponse(events(), media_type="text/event-stream")(scope, receive, send)

    return app


class Site:
    """An application under its own port, in a thread."""

    def __init__(self, app):
        self.stubbed = Stubbed(app)
        self.answers, self.asked = self.stubbed.answers, self.stubbed.asked
        self._socket = socket.socket()
        self._socket.bind(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        config = uvicorn.Config(self.stubbed, log_level="critical", lifespan="off")
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, args=([self._socket],))

    def __enter__(self):
        self._thread.start()
        while not self._server.started:
            time.sleep(0.05)
        return self

    def __exit__(self, *_):
        self._server.should_exit = self._server.force_exit = True
        self._thread.join(SECONDS)


class Page:
    """The page in a browser: what is on it, by CSS selector."""

    def __init__(self, driver, site):
        self.driver, self.site = driver, site
        self.resize(1280, 860)
        self.prefer("light")
        self.open()
        self.run("localStorage.clear(); sessionStorage.clear()")
        self.open()

    def open(self):
        self.driver.get(self.site.url)
        models = "#model-name:not([hidden]), #model-choice:not([hidden])"
        self.see(f"{models}, #key-form:not([hidden]), .notice")

    def run(self, script, *arguments):
        return self.driver.execute_script(script, *arguments)

    def imported(self, module, name, *arguments):
        """What a function of one of the page's modules returns."""
        return self.driver.execute_async_script(
            "const [module, name, args, done] = arguments;"
            "import(`/playground/${module}`).then((m) => done(m[name](...args)));",
            module, name, arguments,
        )  # fmt: skip

    def all(self, css):
        return self.driver.find_elements("css selector", css)

    def see(self, css, text=""):
        """The first visible element of that kind with that text, waited for."""
        end = time.monotonic() + SECONDS
        while time.monotonic() < end:
            with contextlib.suppress(StaleElementReferenceException, StopIteration):
                return next(one for one in self._shown(css) if text in one.text)
            time.sleep(0.05)
        shown = self.run("return document.body.innerText")
        raise AssertionError(f"not seen: {css} {text!r}; {shown}")

    def visible(self, css):
        return list(self._shown(css))

    def _shown(self, css):
        return (one for one in self.all(css) if one.is_displayed())

    def set(self, css, value):
        """Gives a field a value as typing or dragging would."""
        self.run(
            "const [field, value] = arguments; field.value = value;"
            "field.dispatchEvent(new Event('input', {bubbles: true}))",
            self.see(css), str(value),
        )  # fmt: skip

    def ask(self, problem, **settings):
        """Fills the form in and samples, and waits for the end."""
        self.set("#problem", problem)
        for name, value in settings.items():
            self.set(f"#{name.replace('_', '-')}", value)
        self.see("#go").click()

    def code(self, number=1):
        """The code of a candidate, line by line as it is shown."""
        lines = self.run(
            "return Array.from(document.querySelectorAll("
            "`.card:nth-child(${arguments[0]}) .line`), (line) => line.textContent)", number
        )  # fmt: skip
        return "\n".join(lines)

    def press(self, *keys):
        """Presses keys together, wherever the focus is."""
        chain = ActionChains(self.driver)
        for key in keys[:-1]:
            chain.key_down(key)
        chain.send_keys(keys[-1])
        for key in keys[:-1]:
            chain.key_up(key)
        chain.perform()

    def resize(self, width, height):
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)

    def prefer(self, scheme):
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})

    def offline(self, offline):
        self.driver.execute_cdp_cmd("Network.enable", {})
        conditions = {"offline": offline, "latency": 0, "downloadThroughput": -1}
        conditions["uploadThroughput"] = -1
        self.driver.execute_cdp_cmd("Network.emulateNetworkConditions", conditions)

    def keep(self, name):
        """Keeps a picture of the whole page, once what is below the window is painted, too."""
        for place in ("document.body.scrollHeight", "0"):
            self.driver.execute_async_script(
                f"scrollTo(0, {place});"
                "requestAnimationFrame(() => requestAnimationFrame(arguments[0]))"
            )
        SCREENSHOTS.mkdir(parents=True, exist_ok=True)
        options = {"format": "png", "captureBeyondViewport": True}
        shot = self.driver.execute_cdp_cmd("Page.captureScreenshot", options)
        (SCREENSHOTS / f"{name}.png").write_bytes(base64.b64decode(shot["data"]))


@pytest.fixture(scope="session")
def playground_backend():
    def opening(folder):
        return Batcher(CTranslate2Engine.open(EMBEDDED))

    models = Models(load(EMBEDDED, "embedded", opening), None, opening)
    with Verifier(1) as verifier:
        made = Backend(models, CodeRunner("basic", 20.0, 4 << 30), verifier)
        yield made
        made.close()


@pytest.fixture(scope="session")
def open_site(playground_backend):
    with Site(build_api(playground_backend, Policy())) as site:
        yield site


@pytest.fixture(scope="session")
def locked_site(playground_backend):
    with Site(build_api(playground_backend, Policy((KEY.encode(),)))) as site:
        yield site


@pytest.fixture
def site(open_site):
    open_site.answers.clear()
    open_site.asked.clear()
    return open_site


@pytest.fixture(scope="session")
def driver():
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    chromedriver = shutil.which("chromedriver")
    if not browser or not chromedriver:
        pytest.skip("no Chromium here: install chromium and chromium-driver (as Debian calls them)")
    options = webdriver.ChromeOptions()
    options.binary_location = browser
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    for flag in FLAGS:
        options.add_argument(flag)
    driver = webdriver.Chrome(options=options, service=Service(chromedriver))
    driver.set_script_timeout(SECONDS)
    yield driver
    driver.quit()


@pytest.fixture
def page(driver, site):
    return Page(driver, site)


def pytest_terminal_summary(terminalreporter):
    if SCREENSHOTS.is_dir():
        terminalreporter.write_line(f"pictures of the playground: {SCREENSHOTS}")
