"""What the service lets one request, and all of them together, take."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """Bounds of the service; what goes beyond one is refused with a code that says which.

    picture_bytes, picture_pixels: of an uploaded picture; the pixels by its header, before it is decoded.
    film_bytes, film_pixels, film_s: of an uploaded film, the pixels of one frame, and its length.
    header_s, body_s: in which a request's header, and then its body, has to arrive; a film has ten times as long.
    A client that takes in nothing of its answer for body_s is left. seconds: in which a worker has to answer, but for
    films, which have film_seconds.
    workers: processes that compute, each a request at a time. waiting: requests that may queue for them.
    connections: open at a time. films: that may be here at a time, running, queued or done.
    """

    picture_bytes: int = 32 << 20
    picture_pixels: int = 50_000_000
    film_bytes: int = 512 << 20
    film_pixels: int = 1920 * 1080
    film_s: float = 120.0
    header_s: float = 10.0
    body_s: float = 30.0
    seconds: float = 60.0
    film_seconds: float = 1800.0
    workers: int = 1
    waiting: int = 32
    connections: int = 256
    films: int = 8
