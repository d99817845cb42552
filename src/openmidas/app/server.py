"""The service on a socket: uvicorn, with the time that it gives a client to say what it wants."""

from __future__ import annotations

import asyncio
import math
import socket

import h11
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from openmidas.app.api import create_app
from openmidas.app.draining import DrainingServer
from openmidas.app.service import Service
from openmidas.app.settings import Settings

_KEEP_ALIVE_S = 5
_HEADER_BYTES = 16 << 10
_SENT_AHEAD_BYTES = 256 << 10


class TimedProtocol(H11Protocol):
    """HTTP/1.1 that hangs up on who takes too long over a header, over the rest of what was answered already, or who
    does not take in the answer.

    uvicorn itself waits for ever. The time of a body that somebody reads is up to them.
    """

    header_s = answer_s = math.inf
    _hang_up: asyncio.TimerHandle | None = None
    _unsent = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """A connection: from now on its first header is waited for."""
        super().connection_made(transport)
        # so that one sees whether a client reads: the system would take megabytes on its behalf
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SENT_AHEAD_BYTES)
        self._watch()

    def data_received(self, data: bytes) -> None:
        """Some bytes: the rest of a header, a body, or the beginning of the next header."""
        super().data_received(data)
        self._watch()

    def on_response_complete(self) -> None:
        """An answer: the rest of its request is thrown away, so that a client that still sends comes to read it."""
        super().on_response_complete()
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        """The end of it."""
        super().connection_lost(exc)
        self._stop_watching()

    def _watch(self) -> None:
        is_answered = self.cycle is not None and self.cycle.response_complete
        state = self.conn.their_state
        if not (state is h11.IDLE or (state is h11.SEND_BODY and is_answered)):
            self._stop_watching()
        elif self._hang_up is None:
            self._start_watching()

    def _start_watching(self) -> None:
        self._unsent = self.transport.get_write_buffer_size()
        patience_s = self.answer_s if self._unsent else self.header_s
        self._hang_up = self.loop.call_later(patience_s, self._give_up)

    def _give_up(self) -> None:
        """Unless the client still takes in its last answer, however slowly."""
        if 0 < self.transport.get_write_buffer_size() < self._unsent:
            self._start_watching()
        else:
            self.transport.abort()

    def _stop_watching(self) -> None:
        if self._hang_up is not None:
            self._hang_up.cancel()
            self._hang_up = None


def bound_socket(settings: Settings) -> socket.socket:
    """A socket that listens at the settings' host and port, 0 for any that is free; raises OSError."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    return socket.create_server(
        (settings.host, settings.port), family=family, backlog=settings.limits.connections
    )


def address_of(listening: socket.socket) -> str:
    """Where a browser finds it."""
    host, port = listening.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def server_for(settings: Settings) -> DrainingServer:
    """The server; `run(sockets=[...])` serves until SIGINT or SIGTERM, then finishes what it has accepted."""
    app, limits = create_app(settings), settings.limits
    config = uvicorn.Config(
        app,
        http=type("Protocol", (TimedProtocol,), {"header_s": limits.header_s, "answer_s": limits.body_s}),
        ws="none",
        lifespan="on",
        access_log=False,
        log_level="warning",
        server_header=False,
        proxy_headers=False,
        limit_concurrency=limits.connections,
        timeout_keep_alive=_KEEP_ALIVE_S,
        timeout_graceful_shutdown=math.ceil(limits.seconds),
        h11_max_incomplete_event_size=_HEADER_BYTES,
    )
    service: Service = app.state.service
    return DrainingServer(config, service.pool, limits.seconds)
