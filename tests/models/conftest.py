"""A web site to fetch weights from, and a cache folder of the test's own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from serving import CONTENT, Site, serving


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache folder of the test's own; no proxy stands before this machine."""
    monkeypatch.setenv("OPENMIDAS_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.delenv("OPENMIDAS_OFFLINE", raising=False)
    return tmp_path / "home"


@pytest.fixture
def site(home: Path) -> Iterator[Site]:
    """A site that serves CONTENT; what is fetched lands in `home`."""
    with serving(CONTENT) as site:
        yield site
