"""A web site on this machine that misbehaves as it is told."""

from __future__ import annotations

import contextlib
import os
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from openmidas.models.download import Patience
from openmidas.models.weights import Checkpoint, weights_folder

CONTENT = b"PK\x03\x04" + os.urandom(600_000)
OTHER = b"PK\x03\x04" + os.urandom(600_000)
HALF = len(CONTENT) // 2
QUICK = Patience(tries=3, first_pause_s=0.01, timeout_s=5)

# a key that guards nothing, and its certificate for 127.0.0.1
CERTIFICATE = """\
-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQg1rmiQ9ay9GNwq+6z
m/Jg8weS1artsoOVx3QexqhIOJChRANCAASk5fN1mh+s/UvYJHOXP/PSTuJB2qrN
4utVLrpJcGEFCXDdy0k0za00LwNfIQZNSwZzR11liT5OJQ8GDS0DNHoI
-----END PRIVATE KEY-----
-----BEGIN CERTIFICATE-----
MIIBbDCCARKgAwIBAgIBATAKBggqhkjOPQQDAjAUMRIwEAYDVQQDDAkxMjcuMC4w
LjEwIBcNMjAwMTAxMDAwMDAwWhgPMjEyMDAxMDEwMDAwMDBaMBQxEjAQBgNVBAMM
CTEyNy4wLjAuMTBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABKTl83WaH6z9S9gk
c5c/89JO4kHaqs3i61UuuklwYQUJcN3LSTTNrTQvA18hBk1LBnNHXWWJPk4lDwYN
LQM0egijUzBRMA8GA1UdEwEB/wQFMAMBAf8wDgYDVR0PAQH/BAQDAgKEMB0GA1Ud
DgQWBBSo1Cc7z36FuMe1ryYRBzY21NQk5DAPBgNVHREECDAGhwR/AAABMAoGCCqG
SM49BAMCA0gAMEUCIQDbi4uF6adKXX+8KDLvtcWclOJVftvlexNIBUn/rAo1bgIg
GPzRmMHvQGfMHIbMkJwPNN5xKj92+7IU3nBxs+fUwzU=
-----END CERTIFICATE-----
"""


class Site(ThreadingHTTPServer):
    """Answers the first request by the first of `answers`, and so on; those after the last by the file."""

    daemon_threads = True

    def __init__(self, content: bytes) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.content, self.etag, self.scheme = content, '"first"', "http"
        self.answers: list[Answer] = []
        self.requests: list[Message] = []
        self.times_s: list[float] = []
        self.connections = 0

    @property
    def address(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.server_port}/network.pt"

    @property
    def ranges(self) -> list[str | None]:
        """What each request asked for; None: all."""
        return [headers["Range"] for headers in self.requests]

    def get_request(self) -> tuple[socket.socket, object]:
        self.connections += 1
        return super().get_request()

    def handle_error(self, request: object, client_address: object) -> None:
        """Who breaks off is no error here."""


class _Handler(BaseHTTPRequestHandler):
    server: Site

    def do_GET(self) -> None:
        number = len(self.server.requests)
        self.server.requests.append(self.headers)
        self.server.times_s.append(time.monotonic())
        answers = self.server.answers
        (answers[number] if number < len(answers) else the_file)(self)

    def log_message(self, *arguments: object) -> None:
        pass


Answer = Callable[[_Handler], None]


@contextlib.contextmanager
def serving(content: bytes, certificate: Path | None = None) -> Iterator[Site]:
    """A site with one file; with the path of a certificate, which is written there, it answers by https."""
    with Site(content) as site:
        if certificate is not None:
            certificate.write_text(CERTIFICATE)
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            site.scheme, site.socket = "https", context.wrap_socket(site.socket, server_side=True)
        threading.Thread(target=site.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        yield site
        site.shutdown()


def network(site: Site, sha256: str | None = None) -> Checkpoint:
    """The file of the site, as an entry of the table of checkpoints."""
    return Checkpoint("network", site.address, "MIT", sha256)


def files() -> list[str]:
    """What lies in the cache folder, but for the lock, which is empty and stays."""
    return sorted(path.name for path in weights_folder().iterdir() if path.suffix != ".lock")


def the_file(to: _Handler) -> None:
    """The file, or the part of it that was asked for if it is still the same file."""
    _send(to, _asked_from(to) if to.headers["If-Range"] == to.server.etag else 0)


def the_file_without_looking(to: _Handler) -> None:
    """The part that was asked for, even of another file."""
    _send(to, _asked_from(to))


def the_whole_file(to: _Handler) -> None:
    """All of it, whatever part was asked for."""
    _send(to, 0)


def breaking_off_after(size: int) -> Answer:
    """No more than so many bytes of what was asked for, though all of it was promised."""

    def answer(to: _Handler) -> None:
        _send(to, _asked_from(to) if to.headers["If-Range"] == to.server.etag else 0, size)

    return answer


def whole_but_breaking_off_after(size: int) -> Answer:
    """So many of its first bytes, whatever part was asked for."""
    return lambda to: _send(to, 0, size)


def silent_after(size: int, end: threading.Event) -> Answer:
    """So many bytes, then nothing more until `end`."""

    def answer(to: _Handler) -> None:
        _send(to, 0, size)
        end.wait(10)

    return answer


def the_file_after(start: threading.Event) -> Answer:
    """The file, but not before `start`."""

    def answer(to: _Handler) -> None:
        start.wait(10)
        the_file(to)

    return answer


def status(code: int) -> Answer:
    return lambda to: to.send_error(code)


def redirect(address: str) -> Answer:
    def answer(to: _Handler) -> None:
        to.send_response(302)
        to.send_header("Location", address)
        to.send_header("Content-Length", "0")
        to.end_headers()

    return answer


def _asked_from(to: _Handler) -> int:
    asked = to.headers["Range"]
    return int(asked.removeprefix("bytes=").removesuffix("-")) if asked else 0


def _send(to: _Handler, start: int, size: int | None = None) -> None:
    site = to.server
    total = len(site.content)
    if start >= total:
        to.send_error(416)
        return
    to.send_response(206 if start else 200)
    if start:
        to.send_header("Content-Range", f"bytes {start}-{total - 1}/{total}")
    if site.etag:
        to.send_header("ETag", site.etag)
    to.send_header("Content-Length", str(total - start))
    to.end_headers()
    to.wfile.write(site.content[start:] if size is None else site.content[start : start + size])
