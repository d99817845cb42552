"""A network that runs elsewhere: `openmidas.load("http://127.0.0.1:8000")` asks an `openmidas serve`."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import ssl
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import SplitResult, urlencode, urlsplit

import numpy as np

from openmidas.depth_map import DepthMap
from openmidas.files.depths import read_depth
from openmidas.files.errors import FileError, file_error, open_file
from openmidas.files.images import to_rgb
from openmidas.files.png import encode_png

if TYPE_CHECKING:
    from openmidas.models.predictor import Image

_TOKEN = "OPENMIDAS_TOKEN"
_PATIENCE_S = 300.0  # for all attempts together
_RETRIED = (429, 503)
_UNPACKED = ".npz"


class _Reply(NamedTuple):
    status: int
    retry_after_s: float
    body: bytes


@dataclass(frozen=True)
class RemotePredictor:
    """A `Predictor` whose network runs on a server. address: http:// or https://, host and port.

    model: one that it serves, by default its first. token: sent as bearer, by default OPENMIDAS_TOKEN.
    patience_s: for how long to try again while the server is busy, and to wait for an answer.
    """

    address: str
    model: str | None = None
    token: str | None = field(default_factory=lambda: os.environ.get(_TOKEN), repr=False)
    patience_s: float = _PATIENCE_S

    def __call__(self, image: Image) -> DepthMap:
        """Depth map of the picture's own size; a path's file is sent as it is, other pictures as PNG.

        Raises FileError, one line that names the picture or the server.
        """
        reply = self._reply(_bytes_of(image))
        if reply.status == http.client.OK:
            return self._depth_map(reply.body)
        name = image if isinstance(image, (str, os.PathLike)) else self.address
        raise file_error(name, f"{self.address} refused: {_reason(reply)}")

    def _reply(self, picture: bytes) -> _Reply:
        """The server's reply, asked again for as long as it is busy, when it says, and there is time."""
        end_s = time.monotonic() + self.patience_s
        while True:
            reply = self._ask(picture)
            if reply.status not in _RETRIED or time.monotonic() + reply.retry_after_s > end_s:
                return reply
            time.sleep(reply.retry_after_s)

    def _ask(self, picture: bytes) -> _Reply:
        place = urlsplit(self.address)
        query = {"as": "npz", **({} if self.model is None else {"model": self.model})}
        headers = {"Content-Type": "application/octet-stream"}
        if self.token is not None:
            headers["Authorization"] = f"Bearer {self.token}"
        connection = _connection(place, self.patience_s)
        try:
            route = f"{place.path.rstrip('/')}/v1/depth?{urlencode(query)}"
            # a server that refuses may not wait for the rest
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                connection.request("POST", route, picture, headers)
            response = connection.getresponse()
            return _Reply(response.status, _seconds(response.headers.get("Retry-After")), response.read())
        except (OSError, http.client.HTTPException) as error:
            reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
            raise file_error(
                self.address, f"cannot be reached ({reason}): is openmidas serve running there?"
            ) from error
        finally:
            connection.close()

    def _depth_map(self, body: bytes) -> DepthMap:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / f"depth{_UNPACKED}"
            path.write_bytes(body)
            try:
                return read_depth(path)
            except FileError as error:
                raise file_error(
                    self.address, "its answer is no depth map: is it an openmidas serve?"
                ) from error


def _connection(place: SplitResult, timeout_s: float) -> http.client.HTTPConnection:
    # Neither follows redirections, which would take the token along.
    if place.scheme.lower() == "https":
        context = ssl.create_default_context()
        return http.client.HTTPSConnection(
            place.hostname or "", place.port, timeout=timeout_s, context=context
        )
    return http.client.HTTPConnection(place.hostname or "", place.port, timeout=timeout_s)


def _bytes_of(image: Image) -> bytes:
    if isinstance(image, bytes):
        return image
    if isinstance(image, (str, os.PathLike)):
        with open_file(image) as stream:
            return stream.read()
    return encode_png(image if isinstance(image, np.ndarray) else to_rgb(image))


def _reason(reply: _Reply) -> str:
    """What the server says, if it says something."""
    try:
        problem = json.loads(reply.body)
        return f"{problem['detail']} ({problem['code']})"
    except (ValueError, KeyError, TypeError):
        return f"HTTP status {reply.status}"


def _seconds(text: str | None) -> float:
    try:
        return max(0.1, float(text or 1))
    except ValueError:
        return 1.0  # a date: it is not worth reading
