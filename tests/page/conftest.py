"""The page in real Chromium, in front of a real server."""

import io
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from playwright.sync_api import Browser, Locator, Page, expect, sync_playwright

from operators.kernels import motion
from restore.images import read, write
from tests.drawings import blurred
from tests.server.conftest import QUICK, SLOW, Live, png
from tests.server.conftest import mixed as mixed
from tests.server.conftest import reader as reader

SWITCHES = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
)  # fmt: skip
PATIENCE = 60_000
"""Milliseconds for what happens at once, unless the machine is busy."""
SIZE = {"width": 1360, "height": 860}
expect.set_options(timeout=PATIENCE)


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """Debian's browser. It has an event loop in this thread, which other tests cannot do with."""
    found = shutil.which("chromium") or shutil.which("chromium-browser")
    if found is None:
        pytest.skip("no chromium on the path; on Debian: apt-get install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=list(SWITCHES))
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    """A server with a quick prior and a slow one; its jobs are those of all the tests."""
    store = tmp_path_factory.mktemp("page") / "store"
    live = Live(store, "--prior", f"{QUICK},{SLOW}", "--queue", "500").start().ready()
    yield live
    assert live.stop() == 0


class Visit:
    """A browser of its own on the page; what goes wrong in it is kept."""

    def __init__(self, browser: Browser, address: str, **settings: Any) -> None:
        options = {"viewport": SIZE, "locale": "en", "accept_downloads": True, **settings}
        self.context = browser.new_context(**options)
        self.context.set_default_timeout(PATIENCE)
        self.page: Page = self.context.new_page()
        self.address = address
        self.wrong: list[str] = []
        self.asked: list[str] = []
        self.page.on("pageerror", lambda error: self.wrong.append(str(error)))
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.on("console", self._heard)

    def _heard(self, message: Any) -> None:
        if "Content Security Policy" in message.text:
            self.wrong.append(message.text)

    def open(self, path: str = "/") -> "Visit":
        """Go there and wait until the page is alive."""
        self.page.goto(self.address + path)
        expect(self.page.locator("html[data-ready]")).to_be_attached()
        return self

    def leave(self) -> None:
        """Go away, as somebody does who closes the window."""
        if not self.page.is_closed():
            self.page.goto("about:blank")
            self.context.close()

    def reload(self) -> None:
        """Load it again and wait until it is alive."""
        self.page.reload()
        expect(self.page.locator("html[data-ready]")).to_be_attached()

    def photo(self, path: Path, task: str = "upscale") -> "Visit":
        """Choose a task and a photo."""
        self.page.click(f"#tab-{task}")
        self.page.set_input_files("#photo-file", path)
        expect(self.page.locator("#photo-card")).to_contain_text(path.name)
        return self

    def slide(self, selector: str, value: float) -> None:
        """Move a slider."""
        self.page.locator(selector).evaluate(
            "(e, v) => { e.value = v; e.dispatchEvent(new Event('input', { bubbles: true })); }",
            value,
        )

    def option(self, **values: Any) -> None:
        """Set options of the form by their names."""
        self.page.locator("details").filter(has=self.page.locator("#params-prior")).evaluate(
            "details => { details.open = true; }"
        )
        for name, value in values.items():
            if name == "prior":
                self.page.select_option("#params-prior", value)
            else:
                self.slide(f"#params-{name}", value)

    def run(self) -> None:
        """Start, and wait for the result."""
        self.start()
        expect(self.page.locator("#verdict")).to_be_visible()

    def start(self) -> None:
        """Press start once it may be pressed; the job is accepted then."""
        self.page.click("#start")
        expect(self.page).to_have_url(re.compile("#[0-9a-f]{32}$"))

    @property
    def job(self) -> str:
        """The job that is shown."""
        return self.page.url.partition("#")[2]

    @property
    def surface(self) -> Locator:
        """Where the pictures are."""
        return self.page.locator(".surface")

    def seen(self) -> NDArray[np.uint8]:
        """The stage as it is on the screen, (H, W, 3)."""
        self.page.evaluate("() => new Promise(done => requestAnimationFrame("
                           "() => requestAnimationFrame(done)))")  # fmt: skip
        return pixels(self.page.locator("#stage").screenshot())


@pytest.fixture
def visits(chromium: Browser, service: Live) -> Iterator[Callable[..., Visit]]:
    """Opens the page in new browsers; nothing may have gone wrong in any."""
    all_of_them: list[Visit] = []

    def visit(address: str | None = None, **settings: Any) -> Visit:
        all_of_them.append(Visit(chromium, address or service.address, **settings))
        return all_of_them[-1]

    yield visit
    for each in all_of_them:
        each.leave()
    assert [problem for each in all_of_them for problem in each.wrong] == []


@pytest.fixture
def visit(visits: Callable[..., Visit]) -> Visit:
    """The page, just opened."""
    return visits().open()


def pixels(data: bytes) -> NDArray[np.uint8]:
    """Samples (H, W, 3) of a picture file."""
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))


@pytest.fixture(scope="session")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A photo of 48 x 48 pixels, in a JPEG."""
    path = tmp_path_factory.mktemp("photos") / "small.jpg"
    path.write_bytes(png(48, "JPEG", quality=95))
    return path


@pytest.fixture(scope="session")
def shaken(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A photo with a straight motion blur of 9 pixels at 30 degrees."""
    path = tmp_path_factory.mktemp("photos") / "shaken.png"
    write(read(blurred(motion(9, 30), channels=3, side=128)), path)
    return path
