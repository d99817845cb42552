"""Clips out: frames become an MP4, WebM, GIF or WebP file or a folder of PNGs, by the suffix.

Encoders by PyAV (FFmpeg with x264 and libvpx, an extra) and Pillow. The docs page clips.md names the licences.
"""

from __future__ import annotations

import contextlib
import math
import os
import secrets
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from fractions import Fraction
from functools import partial
from itertools import chain, pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from openmidas.files.atomic import written_beside
from openmidas.files.errors import FilePath, file_error, missing_extra, system_error
from openmidas.files.images import Rgb
from openmidas.files.png import encode_png

if TYPE_CHECKING:
    from PIL.Image import Image


class _Codec(NamedTuple):
    name: str
    options: Mapping[str, str]
    container_options: Mapping[str, str] = {}


class _Kind(NamedTuple):
    write: Callable[[FilePath, Iterator[Rgb], Fraction], None]
    fastest_per_s: int = 1000


# Constant quality at which a moving picture shows no loss: 37 to 42 dB in docs/clips.md.
_H264 = _Codec("libx264", {"crf": "18", "preset": "medium"}, {"movflags": "+faststart"})
_VP9 = _Codec("libvpx-vp9", {"crf": "28", "deadline": "good", "cpu-used": "4", "row-mt": "1"})

_BT709 = 1
_LIMITED_RANGE = 1
_GIF_TICK_MS = 10
_WEBP_TICK_MS = 1
_WEBP_QUALITY = 85
_PALETTE_SAMPLES = 300_000


def write_clip(path: FilePath, frames: Iterable[Rgb], frames_per_s: float) -> None:
    """Write RGB frames of one size as a clip, whole or not at all, by the suffix of `path`.

    .mp4 is H.264 and .webm VP9, both tagged BT.709 and without the last row or column of an odd size (their
    colour has half the resolution); they need an extra. .gif has one palette for all frames; .gif and animated
    .webp loop for ever. A name without suffix is a new folder of 00000.png, 00001.png ...
    frames are taken one at a time; only GIF and WebP hold all of them in memory.
    Raises FileError as `check_clip` does, for frames that are no RGB or not of one size, and for none at all.
    """
    check_clip(path, frames_per_s)
    rate = Fraction(float(frames_per_s)).limit_denominator(1001)  # NTSC's 29.97 is 30000/1001
    _KINDS[_suffix(path)].write(path, _checked(path, frames), rate)


def check_clip(path: FilePath, frames_per_s: float) -> None:
    """Raise the FileError of a name, rate, folder or missing extra that no clip can be written with.

    For whoever has much to compute before the first frame.
    """
    suffix = _suffix(path)
    if suffix not in _KINDS:
        known = ", ".join(filter(None, _KINDS))
        problem = (
            f"the suffix {suffix} names no kind of clip: use one of {known}, or none for a folder of PNGs"
        )
        raise file_error(path, problem)
    fastest = _KINDS[suffix].fastest_per_s
    # players take shorter times for a mistake and show the clip at 10 frames a second
    if not 0 < frames_per_s <= fastest:
        raise file_error(path, f"can be shown at up to {fastest} frames a second, not at {frames_per_s:g}")
    if suffix == "" and os.path.lexists(path):
        raise file_error(path, "is there already: name a new folder, or a file by its suffix")
    if suffix in _NEEDS_PYAV:
        _library(path)


def _suffix(path: FilePath) -> str:
    return Path(path).suffix.lower()


def _checked(path: FilePath, frames: Iterable[Rgb]) -> Iterator[Rgb]:
    first: Rgb | None = None
    for number, frame in enumerate(frames):
        if frame.ndim != 3 or frame.shape[2] != 3 or frame.dtype != np.uint8 or frame.size == 0:
            raise file_error(path, f"frame {number} is {frame.dtype} {frame.shape}, not uint8 (h, w, 3)")
        first = frame if first is None else first
        if frame.shape != first.shape:
            sizes = [f"{shape[1]}×{shape[0]}" for shape in (frame.shape, first.shape)]
            raise file_error(path, f"frame {number} is {sizes[0]}, the first is {sizes[1]}: give one size")
        yield frame
    if first is None:
        raise file_error(path, "a clip needs at least one frame")


def _write_video(codec: _Codec, path: FilePath, frames: Iterator[Rgb], rate: Fraction) -> None:
    av = _library(path)
    first = next(frames)
    height, width = (length // 2 * 2 for length in first.shape[:2])
    if min(height, width) == 0:
        raise file_error(path, "this kind of clip needs 2×2 pixels or more")
    with written_beside(path) as temporary:
        try:
            with av.open(str(temporary), "w", options=dict(codec.container_options)) as container:
                stream = _stream(container, codec, rate, (height, width))
                for frame in chain([first], frames):
                    container.mux(stream.encode(_yuv(av, frame[:height, :width])))
                container.mux(stream.encode())
        except OSError:
            raise
        except av.FFmpegError as error:
            raise file_error(path, f"cannot be encoded ({error}): choose another size or kind") from error


def _stream(container: Any, codec: _Codec, rate: Fraction, shape: tuple[int, int]) -> Any:
    stream = container.add_stream(codec.name, rate=rate, options=dict(codec.options))
    stream.height, stream.width = shape
    context = stream.codec_context
    context.pix_fmt = "yuv420p"  # the only one that every player shows
    # Untagged, small pictures are taken for BT.601 and come out with wrong greens and reds.
    context.color_primaries = context.color_trc = context.colorspace = _BT709
    context.color_range = _LIMITED_RANGE
    return stream


def _yuv(av: Any, frame: Rgb) -> Any:
    picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format="rgb24")
    return picture.reformat(format="yuv420p", dst_colorspace="ITU709")


def _library(path: FilePath) -> Any:
    try:
        import av
    except ImportError as error:
        raise missing_extra(path, "this kind of clip", "video") from error
    return av


def _write_gif(path: FilePath, frames: Iterator[Rgb], rate: Fraction) -> None:
    from PIL.Image import Dither

    whole = list(frames)
    palette = _palette(whole)
    # A palette a frame bands and flickers; one for all, with the error spread, does neither (docs/clips.md).
    pictures = [_picture(frame).quantize(palette=palette, dither=Dither.FLOYDSTEINBERG) for frame in whole]
    _write_animation(path, pictures, "GIF", {"duration": _durations_ms(len(whole), rate, _GIF_TICK_MS)})


def _palette(frames: list[Rgb]) -> Image:
    """A picture that has the 256 colours that serve all frames best: median cut, then k-means."""
    from PIL.Image import Quantize

    step = math.ceil(math.sqrt(len(frames) * frames[0].shape[0] * frames[0].shape[1] / _PALETTE_SAMPLES))
    samples = np.concatenate([frame[::step, ::step] for frame in frames])
    return _picture(samples).quantize(256, method=Quantize.MEDIANCUT, kmeans=3)


def _write_webp(path: FilePath, frames: Iterator[Rgb], rate: Fraction) -> None:
    pictures = [_picture(frame) for frame in frames]
    durations_ms = _durations_ms(len(pictures), rate, _WEBP_TICK_MS)
    _write_animation(path, pictures, "WEBP", {"duration": durations_ms, "quality": _WEBP_QUALITY})


def _write_animation(path: FilePath, pictures: list[Image], kind: str, options: dict[str, Any]) -> None:
    with written_beside(path) as temporary:
        try:
            pictures[0].save(temporary, kind, save_all=True, append_images=pictures[1:], loop=0, **options)
        except (ValueError, RuntimeError) as error:
            raise file_error(path, f"cannot be encoded ({error}): choose another size or kind") from error


def _picture(frame: Rgb) -> Image:
    from PIL import Image

    return Image.fromarray(frame)


def _durations_ms(count: int, rate: Fraction, tick_ms: int) -> list[int]:
    """How long each frame stays, in whole ticks, so that no frame is ever half a tick late or early."""
    ticks = [round(number * 1000 / (rate * tick_ms)) for number in range(count + 1)]
    return [(after - before) * tick_ms for before, after in pairwise(ticks)]


def _write_folder(path: FilePath, frames: Iterator[Rgb], rate: Fraction) -> None:
    """PNGs have no time: the rate is for who makes a film of them."""
    with folder_beside(path) as temporary:
        for number, frame in enumerate(frames):
            (temporary / f"{number:05d}.png").write_bytes(encode_png(frame))


@contextlib.contextmanager
def folder_beside(path: FilePath) -> Iterator[Path]:
    """A new empty folder beside `path` that takes its name when the block ends well, and goes otherwise."""
    target = Path(os.path.realpath(path))
    temporary = target.with_name(f".{secrets.token_hex(8)}")
    try:
        temporary.mkdir()
        yield temporary
        temporary.rename(target)
    except FileNotFoundError as error:
        raise file_error(path, f"the folder {target.parent} does not exist: create it first") from error
    except OSError as error:
        raise system_error(path, error) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


_KINDS = {
    ".mp4": _Kind(partial(_write_video, _H264)),
    ".webm": _Kind(partial(_write_video, _VP9)),
    ".gif": _Kind(_write_gif, fastest_per_s=50),
    ".webp": _Kind(_write_webp, fastest_per_s=90),
    "": _Kind(_write_folder),
}
_NEEDS_PYAV = (".mp4", ".webm")
