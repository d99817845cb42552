"""A film to the film of its depth: decode, predict, hold steady, encode, frame after frame in constant memory."""

from __future__ import annotations

import contextlib
import os
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from openmidas.depth_map import DepthMap
from openmidas.encoding import Encoding
from openmidas.files.depths import write_depth
from openmidas.files.errors import FileError, FilePath, file_error
from openmidas.files.heatmap import Colormap, to_heatmap
from openmidas.files.images import Rgb
from openmidas.files.video import check_clip, folder_beside, write_clip
from openmidas.video.films import ANY, Bounds, Film, read_film, read_frames
from openmidas.video.sound import add_sound, fits
from openmidas.video.steady import SPAN, Steadier

Predict = Callable[[Rgb], DepthMap]

FILM_ENCODING = Encoding(
    "film", "inverse_depth", "affine_invariant", None, 16, zero=SPAN[0] - 0.5, one=SPAN[1] + 0.5
)
"""Of every 16-bit PNG of a film: half the codes lie between its farthest and nearest, a quarter on either side."""


@dataclass(frozen=True)
class Wanted:
    """What to make of a film: a clip of heatmaps, a new folder of 16-bit PNGs (`FILM_ENCODING`), or both.

    clip: .mp4, .webm, .gif or .webp. side_by_side: the clip shows the film to the left of its depth.
    """

    clip: Path | None = None
    depths: Path | None = None
    colormap: Colormap = "inferno"
    side_by_side: bool = False


@dataclass(frozen=True)
class Made:
    """What was made: frames, at this rate, with the film's sound or without."""

    frames: int
    frames_per_s: float
    with_sound: bool


def convert_film(
    source: FilePath,
    wanted: Wanted,
    predict: Predict,
    bounds: Bounds = ANY,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> Made:
    """Make what is wanted of the film, each file whole or not at all; what was made.

    on_progress: called after each frame, with those done and about how many there are; what it raises stops the work.
    Sound goes along where the clip's kind can hold it as it is. Raises FileError, and what `predict` raises.
    """
    film = read_film(source, bounds)
    rate = float(film.frames_per_s)
    for target in filter(None, (wanted.clip, wanted.depths)):
        check_clip(target, rate)
        if os.path.realpath(target) == os.path.realpath(source):
            raise file_error(target, "is the film itself: name another file")
    done = 0

    def counted(frames: Iterator[Rgb]) -> Iterator[Rgb]:
        nonlocal done
        for frame in frames:
            yield frame
            done += 1
            on_progress(done, max(done, film.frames))

    pairs = _steady(read_frames(source, bounds), predict, Steadier(rate))
    with folder_beside(wanted.depths) if wanted.depths else contextlib.nullcontext() as folder:
        shown = counted(_shown(pairs, wanted, folder))
        if wanted.clip is None:
            deque(shown, maxlen=0)
        else:
            write_clip(wanted.clip, shown, rate)
    return Made(done, rate, wanted.clip is not None and _has_taken_sound(wanted.clip, source, film))


def _steady(frames: Iterator[Rgb], predict: Predict, steadier: Steadier) -> Iterator[tuple[Rgb, DepthMap]]:
    """Every frame and its depth; what is shown twice is predicted once."""
    last: tuple[Rgb, DepthMap] | None = None
    for frame in frames:
        if last is None or last[0] is not frame:
            last = frame, steadier(frame, predict(frame))
        yield last


def _shown(pairs: Iterator[tuple[Rgb, DepthMap]], wanted: Wanted, folder: Path | None) -> Iterator[Rgb]:
    """The frames of the clip; on the way each depth map goes into the folder."""
    for number, (frame, depth_map) in enumerate(pairs):
        if folder is not None:
            write_depth(folder / f"{number:05d}.png", _within_codes(depth_map), FILM_ENCODING)
        heatmap = to_heatmap(depth_map, wanted.colormap, span=SPAN)
        yield np.hstack([frame, heatmap]) if wanted.side_by_side else heatmap


def _within_codes(depth_map: DepthMap) -> DepthMap:
    values = np.clip(depth_map.values, FILM_ENCODING.zero, FILM_ENCODING.one)
    return DepthMap(values, depth_map.valid, depth_map.quantity, depth_map.ambiguity)


def _has_taken_sound(clip: Path, source: FilePath, film: Film) -> bool:
    if not fits(film.sound, clip):
        return False
    try:
        add_sound(clip, source)
    except FileError:  # odd packets: a film without sound is better than none
        return False
    return True
