"""A file from the web: resumed where it broke off, tried again where that helps, never half of one in place."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import openmidas
from openmidas.files.atomic import write_bytes
from openmidas.files.errors import FileError, file_error, system_error

if TYPE_CHECKING:
    from http.client import HTTPResponse
    from urllib.request import OpenerDirector

Progress = Callable[[int, int | None], None]
"""Called with the bytes that are here and those that there will be, if the server says so."""

_CHUNK_BYTES = 1 << 18
# beside 5xx: the server waited too long, has too many of us, or our range is beyond its file, which has changed
_PASSING_CODES = (408, 429, 416)


@dataclass(frozen=True)
class Patience:
    """When to give up: after so many tries in a row that brought nothing new; the pause between them doubles.

    timeout_s: of silence, not of the whole download.
    """

    tries: int = 4
    first_pause_s: float = 1.0
    timeout_s: float = 30.0


PATIENCE = Patience()


class _Failure(Exception):
    """The connection failed, in words; `passing`: another try may help."""

    def __init__(self, words: str, passing: bool) -> None:
        super().__init__(words)
        self.passing = passing


class _Begun(NamedTuple):
    """A beginning that can be gone on with: the server's name for that version of the file, its size, what is here."""

    etag: str
    total: int
    have: int


def part_of(path: Path) -> Path:
    """Where the beginning of a file lies that is not whole yet."""
    return path.with_name(f"{path.name}.part")


def discard_part(path: Path) -> None:
    """Remove the beginning of `path`, if there is one."""
    part_of(path).unlink(missing_ok=True)
    _origin_of(path).unlink(missing_ok=True)


def download(address: str, path: Path, progress: Progress, patience: Patience) -> Path:
    """Fetch the whole file into `part_of(path)`, which it returns; what lies there is gone on with.

    Raises FileError when the server or the connection gives no more, which keeps the part, and when the disk
    takes no more, which does not.
    """
    reached, failures = _kept(path), 0
    while True:
        try:
            _try_once(address, path, progress, patience.timeout_s)
            return part_of(path)
        except _Failure as failure:
            kept = _kept(path)
            reached, failures = (kept, 1) if kept > reached else (reached, failures + 1)
            if not failure.passing or failures >= patience.tries:
                raise file_error(path, _giving_up(address, failure, kept)) from failure
        time.sleep(patience.first_pause_s * 2 ** (failures - 1))


def _giving_up(address: str, failure: _Failure, kept: int) -> str:
    come = f" ({kept} bytes have come and are kept)" if kept else ""
    remedy = "try again later, or fetch it by other means and lay it here under this name"
    return f"cannot be fetched from {address}: {failure}{come}: {remedy}"


def _try_once(address: str, path: Path, progress: Progress, timeout_s: float) -> None:
    begun = _read_begun(path)
    if begun and begun.have == begun.total:
        return
    with _open(address, path, begun, timeout_s) as response:
        start, total = _range_sent(response, path, begun)
        with _disk_errors(path):
            if start == 0:
                _begin(path, response.headers["ETag"], total)
            end = _append(part_of(path), response, start, total, progress)
    if total is not None and end != total:
        raise _Failure(f"the connection broke off after {end} of {total} bytes", passing=True)


def _open(address: str, path: Path, begun: _Begun | None, timeout_s: float) -> HTTPResponse:
    from urllib.error import HTTPError
    from urllib.request import Request

    headers = {"User-Agent": f"openmidas/{openmidas.__version__}"}
    if begun:
        headers |= {"Range": f"bytes={begun.have}-", "If-Range": begun.etag}
    with _failures():
        try:
            return _opener().open(Request(address, headers=headers), timeout=timeout_s)
        except HTTPError as error:
            if error.code == 416:
                discard_part(path)
            raise


def _opener() -> OpenerDirector:
    """Follows redirects, but only to https or to what the address itself is."""
    from urllib.error import HTTPError
    from urllib.parse import urlsplit
    from urllib.request import HTTPRedirectHandler, Request, build_opener

    class SafeRedirects(HTTPRedirectHandler):
        def redirect_request(
            self, req: Request, fp: Any, code: int, msg: str, headers: Any, newurl: str
        ) -> Any:
            if urlsplit(newurl).scheme not in ("https", urlsplit(req.full_url).scheme):
                raise HTTPError(req.full_url, code, f"it leads from https to {newurl}", headers, fp)
            return super().redirect_request(req, fp, code, msg, headers, newurl)

    return build_opener(SafeRedirects)


@contextlib.contextmanager
def _failures() -> Iterator[None]:
    """Whatever the network raises leaves as `_Failure`."""
    from http.client import HTTPException
    from socket import gaierror
    from ssl import SSLCertVerificationError
    from urllib.error import HTTPError, URLError

    try:
        yield
    except HTTPError as error:
        error.close()
        passing = error.code >= 500 or error.code in _PASSING_CODES
        raise _Failure(f"the server answers {error.code} ({error.reason})", passing) from error
    except (OSError, HTTPException) as error:
        reason = error.reason if isinstance(error, URLError) else error
        lasting = isinstance(reason, (str, gaierror, SSLCertVerificationError))
        raise _Failure(_words(reason), not lasting) from error


def _words(reason: BaseException | str) -> str:
    if isinstance(reason, OSError) and reason.strerror:
        return reason.strerror
    return str(reason) or type(reason).__name__


def _range_sent(response: HTTPResponse, path: Path, begun: _Begun | None) -> tuple[int, int | None]:
    """Where in the file the answer begins, and how long the file is."""
    if response.status != 206:
        length = response.headers["Content-Length"]
        return 0, int(length) if length else None
    if begun and response.headers["ETag"] in (None, begun.etag):
        rest = f"bytes {begun.have}-{begun.total - 1}/{begun.total}"
        if response.headers["Content-Range"] == rest:
            return begun.have, begun.total
    discard_part(path)
    raise _Failure("the server goes on with another file than it began with", passing=True)


def _begin(path: Path, etag: str | None, total: int | None) -> None:
    """An empty part; it can be gone on with if its end is known, and a strong ETag that says to the byte of what."""
    discard_part(path)
    part_of(path).touch()
    if etag and etag.startswith('"') and total is not None:
        write_bytes(_origin_of(path), json.dumps({"etag": etag, "total": total}).encode())


def _append(part: Path, response: HTTPResponse, done: int, total: int | None, progress: Progress) -> int:
    """Write all that comes to the end of the part; how long that is then."""
    progress(done, total)
    with part.open("ab") as file:
        for chunk in _chunks(response):
            file.write(chunk)
            done += len(chunk)
            progress(done, total)
    return done


def _chunks(response: HTTPResponse) -> Iterator[bytes]:
    with _failures():
        while chunk := response.read1(_CHUNK_BYTES):
            yield chunk


@contextlib.contextmanager
def _disk_errors(path: Path) -> Iterator[None]:
    """A disk that takes no more is not left with half a file."""
    try:
        yield
    except (OSError, FileError) as error:
        with contextlib.suppress(OSError):
            discard_part(path)
        if isinstance(error, FileError):
            raise
        raise system_error(part_of(path), error) from error


def _origin_of(path: Path) -> Path:
    return path.with_name(f"{path.name}.part.json")


def _read_begun(path: Path) -> _Begun | None:
    """None where there is no beginning, or nobody knows of what."""
    try:
        begun = _Begun(**json.loads(_origin_of(path).read_bytes()), have=part_of(path).stat().st_size)
    except (OSError, ValueError, TypeError):
        return None
    return begun if begun.have else None


def _kept(path: Path) -> int:
    begun = _read_begun(path)
    return begun.have if begun else 0
