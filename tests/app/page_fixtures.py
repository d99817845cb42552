"""The page in a real browser, watched: it asks no other host for anything, and its console stays silent."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
from browser import Watched, chromium
from live import PHOTO, served
from playwright.sync_api import Browser

from openmidas.app.settings import Settings

# of a module, not the session: while Playwright runs, its event loop is in the way of other tests' own


@pytest.fixture(scope="module")
def site() -> Iterator[str]:
    with served(Settings(port=0)) as address:
        yield address


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture
def watched(browser: Browser, site: str) -> Iterator[Watched]:
    """A new page; what it did wrong fails the test in the end."""
    watched = Watched.opened(browser, site)
    yield watched
    watched.page.context.close()
    assert watched.strangers(site) == []
    assert watched.complaints == []


@pytest.fixture(scope="session")
def photo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Small, so that its mesh is drawn in time without a graphics card."""
    path = tmp_path_factory.mktemp("photos") / "cup.png"
    small = cv2.resize(cv2.imread(str(PHOTO)), (168, 112), interpolation=cv2.INTER_AREA)
    path.write_bytes(np.asarray(cv2.imencode(".png", small)[1]).tobytes())
    return path
