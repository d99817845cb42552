"""The sound of one film laid under the pictures of another, packets as they are."""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from openmidas.files.atomic import written_beside
from openmidas.files.errors import FilePath, file_error
from openmidas.video.films import open_film

# what every player finds in a film of that kind
_FITTING = {".mp4": ("aac", "mp3", "ac3", "alac"), ".webm": ("opus", "vorbis")}


def fits(codec: str | None, target: FilePath) -> bool:
    """Whether sound of that codec can go into a film of the kind of `target` as it is."""
    return codec in _FITTING.get(Path(target).suffix.lower(), ())


def add_sound(film: FilePath, source: FilePath) -> None:
    """Lay the first sound track of `source` under `film`, which is replaced, whole or not at all; raises FileError.

    The pictures of `film` begin at 0, those of `source` maybe later: the sound is moved by as much.
    """
    import av

    with open_film(film) as pictures, open_film(source) as sounds, written_beside(film) as temporary:
        start_s = float((sounds.streams.video[0].start_time or 0) * sounds.streams.video[0].time_base)
        options = {"movflags": "+faststart"} if temporary.suffix == ".mp4" else {}
        try:
            with av.open(str(temporary), "w", options=options) as target:
                tracks = [
                    _packets(target, pictures, pictures.streams.video[0], 0.0),
                    _packets(target, sounds, sounds.streams.audio[0], start_s),
                ]
                for packet in heapq.merge(*tracks, key=_time_s):
                    target.mux(packet)
        except OSError:
            raise
        except av.FFmpegError as error:
            raise file_error(film, f"cannot take the sound ({error}): leave it out") from error


def _packets(target: Any, source: Any, stream: Any, start_s: float) -> Iterator[Any]:
    """The stream's packets, ready for a new stream of `target`, `start_s` earlier."""
    copy = target.add_stream_from_template(stream)
    shift = round(start_s / stream.time_base)
    return _moved(source, stream, copy, shift)


def _moved(source: Any, stream: Any, copy: Any, shift: int) -> Iterator[Any]:
    for packet in source.demux(stream):
        if packet.dts is None:  # the last one is empty
            continue
        packet.pts, packet.dts = packet.pts - shift, packet.dts - shift
        if packet.dts >= 0 or shift == 0:
            packet.stream = copy
            yield packet


def _time_s(packet: Any) -> float:
    return float(packet.dts * packet.time_base)
