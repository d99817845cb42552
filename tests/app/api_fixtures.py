"""One server for all tests of the API, as workers take seconds to start; its limits are small, to be reached."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from live import served

from openmidas.app.limits import Limits
from openmidas.app.settings import Settings

LIMITS = Limits(
    picture_bytes=1 << 20,
    picture_pixels=1_000_000,
    film_bytes=1 << 20,
    header_s=1.0,
    body_s=1.5,
    waiting=1,
)


@pytest.fixture(scope="session")
def api_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the server has its temporary files."""
    return tmp_path_factory.mktemp("server")


@pytest.fixture(scope="session")
def api_address(api_folder: Path) -> Iterator[str]:
    tempfile.tempdir = str(api_folder)
    try:
        with served(Settings(port=0, limits=LIMITS)) as found:
            tempfile.tempdir = None
            yield found
    finally:
        tempfile.tempdir = None


@pytest.fixture(scope="session")
def client(api_address: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=api_address, timeout=60) as found:
        yield found
