"""`openmidas check`: a picture, its depth, and where the network disagrees with itself."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import click
import cv2
import numpy as np
from jaxtyping import UInt8

from openmidas.cli.progress import byte_bar, progress_bar
from openmidas.depth_map import DepthMap
from openmidas.evaluation.consistency import LOOKS, Consistency, consistency
from openmidas.evaluation.panels import ONE_SIDED, Panel, Scale, side_by_side
from openmidas.files import FileError, read_image, to_heatmap
from openmidas.files.atomic import write_bytes
from openmidas.files.errors import file_error, system_error
from openmidas.files.png import encode_png
from openmidas.models.predictor import Predictor, load
from openmidas.models.preprocess import SMALLEST_PX, check_shape

_Predict = Callable[[UInt8[np.ndarray, "_ _ 3"]], DepthMap]

# Networks see a few hundred pixels: more of them cost time and say nothing new.
_LONGEST_PX = 1024
_SHORTEST_PX = 2 * SMALLEST_PX
_HEIGHT_PX = 480
_MOST = 0.2
# By the 95th percentile. Of rendered scenes the best quarter lies below the first, the worst quarter above the second.
_WORDS = (
    (0.08, "agrees with itself"),
    (0.2, "mostly agrees with itself"),
    (float("inf"), "disagrees with itself"),
)


@dataclass(frozen=True)
class Request:
    """The options of the command line, by their names."""

    picture: Path
    output: Path | None
    npz: bool
    model: str
    size: int | None
    device: str


def check_picture(request: Request) -> str:
    """Write NAME_check.png, and NAME_check.npz if it is wanted; what is to be said of them.

    Raises FileError, click.UsageError for a network or device that there is not.
    """
    image = _read(request.picture)
    predictor = _load(request)
    with progress_bar(len(LOOKS), "Looking") as advance:
        found = _consistency(request.picture, _counted(predictor, advance), _shrunk(image))
    target = _target(request)
    write_bytes(target, encode_png(picture_of(found, image)))
    written = [target]
    if request.npz:
        written.append(target.with_suffix(".npz"))
        write_bytes(written[-1], _npz(found, image.shape[:2]))
    return f"{request.picture}: {verdict(found)}\nWrote {' and '.join(map(str, written))}."


def verdict(found: Consistency) -> str:
    """How far the network agrees with itself, in words and numbers."""
    words = next(words for most, words in _WORDS if found.percentile_95 < most)
    return (
        f"the network {words}: two of its answers differ by {_percent(found.median)} of the depth range (median; "
        f"95 % of the pixels by less than {_percent(found.percentile_95)}), and {_percent(found.order_flips)} of "
        "pixel pairs change their order."
    )


def picture_of(found: Consistency, image: UInt8[np.ndarray, "h w 3"]) -> UInt8[np.ndarray, "_ _ 3"]:
    """The picture, the depth as predicted (near bright), and the disagreement, always on one scale of colours."""
    scale = Scale(0, _MOST, ONE_SIDED, lambda share: f"{'> ' if share == _MOST else ''}{100 * share:.0f} %")
    title = f"Disagreement: median {_percent(found.median)}, 95 % below {_percent(found.percentile_95)}"
    panels = (
        Panel("Picture", image),
        Panel("Depth: near is bright", to_heatmap(found.answer)),
        Panel(title, scale.paint(found.disagreement), scale),
    )
    return side_by_side(panels, _HEIGHT_PX)


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def _read(path: Path) -> UInt8[np.ndarray, "h w 3"]:
    image = read_image(path)
    height, width = image.shape[:2]
    try:
        check_shape((height, width))
    except ValueError as error:
        raise file_error(path, str(error)) from error
    if min(height, width) < _SHORTEST_PX:
        problem = f"is {width}×{height} pixels: a check looks at parts of it, and needs {_SHORTEST_PX}×{_SHORTEST_PX}"
        raise file_error(path, problem)
    return image


def _load(request: Request) -> Predictor:
    try:
        with byte_bar(request.model) as show:
            return load(request.model, request.size, device=request.device, progress=show)
    except FileError:
        raise
    except ValueError as error:
        raise click.UsageError(str(error)) from error


def _counted(predictor: Predictor, advance: Callable[[], None]) -> _Predict:
    def predict(image: UInt8[np.ndarray, "_ _ 3"]) -> DepthMap:
        answer = predictor(image)
        advance()
        return answer

    return predict


def _consistency(path: Path, predict: _Predict, image: UInt8[np.ndarray, "h w 3"]) -> Consistency:
    try:
        return consistency(predict, image)
    except FileError:
        raise
    except ValueError as error:
        raise file_error(path, str(error)) from error


def _shrunk(image: UInt8[np.ndarray, "h w 3"]) -> UInt8[np.ndarray, "_ _ 3"]:
    scale = _LONGEST_PX / max(image.shape[:2])
    if scale >= 1:
        return image
    height, width = (max(_SHORTEST_PX, round(n * scale)) for n in image.shape[:2])
    return cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)


def _target(request: Request) -> Path:
    folder = request.output or request.picture.parent
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise system_error(folder, error) from error
    return folder / f"{request.picture.stem}_check.png"


def _npz(found: Consistency, shape: tuple[int, int]) -> bytes:
    """The disagreement in the pixels of the picture, whatever it was shrunk to."""
    stream = io.BytesIO()
    disagreement = cv2.resize(found.disagreement, shape[::-1], interpolation=cv2.INTER_LINEAR)
    np.savez(stream, disagreement=disagreement)
    return stream.getvalue()
