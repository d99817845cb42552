"""What stands before every route: who may ask, how much may arrive and how fast; headers that keep browsers safe."""

from __future__ import annotations

import asyncio
import hmac
import logging
import time
from collections.abc import Mapping
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from openmidas.app.metrics import Metrics
from openmidas.app.problems import MEDIA_TYPE, Problem
from openmidas.app.settings import Settings

GONE = 499  # nginx's number for a client that did not wait
_LOG = logging.getLogger("uvicorn.error")
FILM_ROUTE = "/v1/jobs"
_FORM_BYTES = 1 << 16  # what a form adds to its picture
_FILM_PATIENCE = 10
_GUARDED = ("/v1/", "/metrics")
_LOCAL_NAMES = ("localhost", "127.0.0.1", "[::1]")
_CHANGES = ("POST", "DELETE")

_CONTENT = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' blob: data:",
        "media-src 'self' blob:",
        "connect-src 'self' blob:",
        "font-src 'self'",
        "worker-src 'self' blob:",
        "manifest-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    )
)
HEADERS: Mapping[str, str] = {
    "Content-Security-Policy": _CONTENT,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(self), microphone=(), geolocation=()",
}
"""On every answer. The camera is the page's own, to take a photo with."""


class Guard:
    """ASGI middleware; raises nothing: what it refuses it answers itself."""

    def __init__(self, app: ASGIApp, settings: Settings, metrics: Metrics) -> None:
        self._app, self._settings, self._metrics = app, settings, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        answer = _Answer(scope, send, self._settings.limits.body_s)
        start_s = time.perf_counter()
        try:
            self._check(scope, Headers(scope=scope))
            body = _Body(receive, *self._body_limits(scope))
            await self._app(scope, body.receive, answer.send)
        except Problem as problem:
            await answer.refuse(problem)
        except ClientDisconnect:
            answer.status = GONE
        except TimeoutError:
            if not answer.started:  # else a client that does not read its answer
                raise
        except Exception:
            _LOG.exception("%s %s failed", scope["method"], scope["path"])
            await answer.refuse(Problem("internal", "this is a fault of openmidas: please report it"))
        finally:
            self._metrics.count(scope, answer.status, time.perf_counter() - start_s)

    def _check(self, scope: Scope, headers: Headers) -> None:
        self._check_host(headers)
        _check_origin(scope, headers)
        if self._settings.token is not None and scope["path"].startswith(_GUARDED):
            _check_token(headers.get("authorization", ""), self._settings.token)
        limit, _ = self._body_limits(scope)
        length = headers.get("content-length", "0")
        if not length.isdecimal() or int(length) > limit:
            raise _too_many_bytes(limit)

    def _check_host(self, headers: Headers) -> None:
        """A page elsewhere can have its own name lead to 127.0.0.1, and would then be let in as our own."""
        if not self._settings.is_local:
            return
        name = headers.get("host", "").rpartition(":")[0] or headers.get("host", "")
        if name.lower() not in (*_LOCAL_NAMES, self._settings.host):
            known = ", ".join(_LOCAL_NAMES)
            raise Problem("wrong_host", f"this server serves its own machine only, as {known}")

    def _body_limits(self, scope: Scope) -> tuple[int, float]:
        """Bytes and seconds."""
        limits = self._settings.limits
        if scope["path"] == FILM_ROUTE:
            return limits.film_bytes, _FILM_PATIENCE * limits.body_s
        return limits.picture_bytes + _FORM_BYTES, limits.body_s


class _Body:
    """The request's body, counted and timed as it arrives."""

    def __init__(self, receive: Receive, limit: int, seconds: float) -> None:
        self._receive, self._limit, self._seconds = receive, limit, seconds
        self._end_s: float | None = None
        self._count, self._arrives = 0, True

    async def receive(self) -> Message:
        if not self._arrives:
            return await self._receive()
        loop = asyncio.get_running_loop()
        self._end_s = self._end_s or loop.time() + self._seconds
        try:
            async with asyncio.timeout_at(self._end_s):
                message = await self._receive()
        except TimeoutError as error:
            problem = f"the request did not arrive within {self._seconds:g} s"
            raise Problem("too_slow", problem, {"Connection": "close"}) from error
        self._count += len(message.get("body", b""))
        self._arrives = message["type"] == "http.request" and message.get("more_body", False)
        if self._count > self._limit:
            raise _too_many_bytes(self._limit)
        return message


class _Answer:
    """What goes back: with the headers, and not for ever."""

    def __init__(self, scope: Scope, send: Send, seconds: float) -> None:
        self._scope, self._send, self._seconds = scope, send, seconds
        self.started, self.status = False, 500

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.started, self.status = True, message["status"]
            headers = MutableHeaders(scope=message)
            for name, value in HEADERS.items():
                headers[name] = value
            if self._scope["path"].startswith(_GUARDED):
                headers.setdefault("Cache-Control", "no-store")
        async with asyncio.timeout(self._seconds):
            await self._send(message)

    async def refuse(self, problem: Problem) -> None:
        """The problem as the answer, if none has begun."""
        if self.started:
            raise problem
        body = problem.to_json()
        headers = {"Content-Type": MEDIA_TYPE, "Content-Length": str(len(body)), **problem.headers}
        raw = [(name.lower().encode(), value.encode("latin-1")) for name, value in headers.items()]
        await self.send({"type": "http.response.start", "status": problem.status.value, "headers": raw})
        await self.send({"type": "http.response.body", "body": body})


def _check_origin(scope: Scope, headers: Headers) -> None:
    """Browsers say which page a request comes from; no other page may have this one do anything."""
    origin = headers.get("origin")
    if origin is None or scope["method"] not in _CHANGES:
        return
    try:
        place = urlsplit(origin).netloc
    except ValueError:
        place = ""
    if place.lower() != headers.get("host", "").lower():
        raise Problem("cross_origin", "pages of other sites may not use this server")


def _check_token(authorization: str, token: str) -> None:
    scheme, _, given = authorization.partition(" ")
    if scheme.lower() != "bearer" or not hmac.compare_digest(given.strip().encode(), token.encode()):
        detail = "send the server's token: Authorization: Bearer TOKEN"
        raise Problem("unauthorized", detail, {"WWW-Authenticate": "Bearer"})


def _too_many_bytes(limit: int) -> Problem:
    detail = f"the request has more than {limit:,} bytes: send something smaller"
    return Problem("too_many_bytes", detail)
