"""A real browser for the tests of the page."""

from __future__ import annotations

import base64
import contextlib
import io
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright

QUIET = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync"),
    *("--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"),
)
_PATIENCE_MS = (
    60_000  # three-dimensional drawing without a graphics card, on a machine that does other things
)


@contextlib.contextmanager
def chromium() -> Iterator[Browser]:
    """Debian's Chromium: Playwright's own would be fetched."""
    path = shutil.which("chromium")
    assert path, "no browser to test the page with: apt-get install chromium"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=list(QUIET))
        yield browser
        browser.close()


@dataclass(frozen=True, eq=False)
class Watched:
    """A page, the addresses that it asked, and what its console complained of."""

    page: Page
    asked: list[str]
    complaints: list[str]

    @classmethod
    def opened(cls, browser: Browser, address: str, scheme: str = "light", width_px: int = 1200) -> Watched:
        context = browser.new_context(
            viewport={"width": width_px, "height": 900},
            color_scheme=scheme,  # type: ignore[arg-type]
            reduced_motion="reduce",
        )
        page = context.new_page()
        page.set_default_timeout(_PATIENCE_MS)
        watched = cls(page, [], [])
        page.on("request", lambda request: watched.asked.append(request.url))
        page.on("pageerror", lambda error: watched.complaints.append(str(error)))
        page.on(
            "console",
            lambda said: said.type == "error" and watched.complaints.append(f"{said.text} {said.location}"),
        )
        page.goto(address)
        return watched

    def strangers(self, address: str) -> list[str]:
        """The addresses asked that are not the server's, nor the page's own memory."""
        return [url for url in self.asked if not url.startswith((address, f"blob:{address}", "data:"))]

    def open_photo(self, path: Path) -> None:
        """Choose the file, and wait for its depth."""
        self.page.set_input_files("#file", path)
        self.page.locator("#photo-name").get_by_text(path.name).wait_for()
        self.page.get_by_text("Done in").wait_for()

    def canvas(self, selector: str) -> UInt8[np.ndarray, "h w 3"]:
        """What a flat canvas holds."""
        url: str = self.page.locator(selector).evaluate("canvas => canvas.toDataURL()")
        return _pixels(base64.b64decode(url.partition(",")[2]))

    def seen(self, selector: str) -> UInt8[np.ndarray, "h w 3"]:
        """What is on the screen there."""
        return _pixels(self.page.locator(selector).screenshot())


def _pixels(png: bytes) -> UInt8[np.ndarray, "h w 3"]:
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB"))
