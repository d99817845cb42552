"""Films in: upright RGB frames at a constant rate, one at a time, by PyAV (FFmpeg)."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain, pairwise
from typing import Any, NamedTuple

import numpy as np

from openmidas.files.errors import FilePath, file_error, missing_extra, open_file
from openmidas.files.images import Rgb


class _Kind(NamedTuple):
    first_bytes: bytes
    demuxer: str


# FFmpeg is told the kind: left to guess, it takes a list of addresses for a film and fetches them.
_KINDS = (
    _Kind(rb"....(ftyp|moov|mdat|wide|free|skip)", "mov"),
    _Kind(rb"\x1a\x45\xdf\xa3", "matroska"),
    _Kind(rb"RIFF....AVI ", "avi"),
    _Kind(rb"GIF8[79]a", "gif"),
)
_START_BYTES = 16
_LONGEST_PAUSE_S = 10
_FASTEST_PER_S = 240
_WITHOUT_RATE_PER_S = 25


@dataclass(frozen=True)
class Bounds:
    """What a film may be at most: pixels of one frame, seconds."""

    pixels: int = 8192 * 4320
    seconds: float = 24 * 3600.0


ANY = Bounds()
"""For one's own films."""


@dataclass(frozen=True)
class Film:
    """What its header says.

    frames: about how many there will be at that rate, 0 where it does not tell. sound: its codec, None without.
    """

    frames_per_s: Fraction
    frames: int
    sound: str | None


def read_film(path: FilePath, bounds: Bounds = ANY) -> Film:
    """What a film's header says; FileError for a file that is no film, or beyond the bounds."""
    with open_film(path) as container:
        return _film(path, container, bounds)


def read_frames(path: FilePath, bounds: Bounds = ANY) -> Iterator[Rgb]:
    """The frames, upright (h, w, 3), at the constant rate that `read_film` gives.

    Phones take pictures when they can: where the next one is late, the last is given again (the same array), and one
    that comes too early is left out. The rotation that the file asks for is applied. Raises FileError, also half-way
    for a film that is damaged there or longer than the bounds.
    """
    with open_film(path) as container:
        rate = _film(path, container, bounds).frames_per_s
        frames = _timed(path, container, rate, bounds.pixels)
        number = 0
        for number, frame in enumerate(_at_constant_rate(frames, rate), start=1):
            if number > bounds.seconds * rate + 1:
                raise file_error(path, f"is longer than {bounds.seconds:g} s: cut it into pieces first")
            yield frame
        if not number:
            raise file_error(path, "holds no frame that can be decoded: it is damaged, copy it again")


@contextlib.contextmanager
def open_film(path: FilePath) -> Iterator[Any]:
    """The film as PyAV's container; what FFmpeg raises inside the block leaves as FileError."""
    try:
        import av
    except ImportError as error:
        raise missing_extra(path, "a film", "video") from error
    with open_file(path) as stream:
        kind = _kind_of(path, stream.read(_START_BYTES))
        stream.seek(0)
        try:
            # A stream, not a name: there is nothing by which to reach other files.
            with av.open(stream, format=kind.demuxer) as container:
                yield container
        except av.FFmpegError as error:
            raise file_error(
                path, f"cannot be decoded ({error.strerror}): it is damaged, copy it again"
            ) from error


def _kind_of(path: FilePath, start: bytes) -> _Kind:
    for kind in _KINDS:
        if re.match(kind.first_bytes, start, re.DOTALL):
            return kind
    raise file_error(path, "is not a film of a known kind: save it as MP4, MOV, MKV, WebM, AVI or GIF")


def _film(path: FilePath, container: Any, bounds: Bounds) -> Film:
    if not container.streams.video:
        raise file_error(path, "holds no pictures: name a film")
    stream = container.streams.video[0]
    _check_pixels(path, stream.codec_context.height, stream.codec_context.width, bounds.pixels)
    rate = stream.average_rate or stream.guessed_rate or Fraction(_WITHOUT_RATE_PER_S)
    if not 0 < rate <= _FASTEST_PER_S:
        raise file_error(
            path, f"has {float(rate):g} frames a second, more than {_FASTEST_PER_S}: slow it down"
        )
    duration_s = _duration_s(container, stream)
    if duration_s > bounds.seconds:
        raise file_error(
            path, f"is {duration_s:.3g} s long, more than {bounds.seconds:g}: cut it into pieces"
        )
    sounds = [track.codec_context.name for track in container.streams.audio if track.codec_context]
    return Film(rate, round(duration_s * rate), sounds[0] if sounds else None)


def _duration_s(container: Any, stream: Any) -> float:
    if stream.duration and stream.time_base:
        return float(stream.duration * stream.time_base)
    return float(Fraction(container.duration or 0, 1_000_000))


def _check_pixels(path: FilePath, height: int, width: int, most: int) -> None:
    if height * width > most:
        raise file_error(
            path, f"has frames of {width}×{height} pixels, more than {most}: make it smaller first"
        )


def _timed(path: FilePath, container: Any, rate: Fraction, most_pixels: int) -> Iterator[tuple[Rgb, float]]:
    """Every frame and its time in seconds."""
    stream = container.streams.video[0]
    stream.thread_type = "AUTO"
    time_s = 0.0
    for frame in container.decode(stream):
        _check_pixels(path, frame.height, frame.width, most_pixels)
        time_s = time_s if frame.time is None else frame.time
        yield _upright(frame), time_s
        time_s += float(1 / rate)


def _upright(frame: Any) -> Rgb:
    pixels: Rgb = frame.to_ndarray(format="rgb24")
    return np.ascontiguousarray(np.rot90(pixels, round(frame.rotation / 90)))


def _at_constant_rate(frames: Iterator[tuple[Rgb, float]], rate: Fraction) -> Iterator[Rgb]:
    """Each frame as often as it is shown until the next one comes, the last one once."""
    shown = 0
    start_s: float | None = None
    last: list[tuple[Rgb, float] | None] = [None]
    for now, following in pairwise(chain(frames, last)):
        if now is None:
            return
        frame, time_s = now
        start_s = time_s if start_s is None else start_s
        due = shown + 1 if following is None else round((following[1] - start_s) * rate)
        # a clock that jumps is no pause
        for _ in range(min(due - shown, _LONGEST_PAUSE_S * round(rate))):
            yield frame
        shown = max(shown, due)
