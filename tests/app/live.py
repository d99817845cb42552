"""A real server for the tests of the API: uvicorn on 127.0.0.1, in a thread, its workers in processes."""

from __future__ import annotations

import contextlib
import io
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.request import urlopen

from PIL import Image

from openmidas.app.server import address_of, bound_socket, server_for
from openmidas.app.settings import Settings

PHOTO = Path(__file__).parent.parent.parent / "examples" / "coffee.jpg"


@contextlib.contextmanager
def served(settings: Settings, is_ready: bool = True) -> Iterator[str]:
    """The address of a server that runs as long as the block; is_ready: waited for until it takes requests."""
    server = server_for(settings)
    with bound_socket(settings) as listening:
        address = address_of(listening)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        try:
            wait_for(f"{address}/readyz" if is_ready else f"{address}/healthz")
            yield address
        finally:
            server.should_exit = True
            thread.join()


def wait_for(url: str) -> None:
    """Until that address answers with success."""
    end_s = time.monotonic() + 60
    while True:
        try:
            with urlopen(url, timeout=10):
                return
        except OSError:
            assert time.monotonic() < end_s, f"{url} did not come"
            time.sleep(0.05)


def small_photo(kind: str = "JPEG", side_px: int = 96) -> bytes:
    """The example photo, made small."""
    stream = io.BytesIO()
    with Image.open(PHOTO) as photo:
        photo.resize((side_px, side_px * 2 // 3)).save(stream, kind)
    return stream.getvalue()
