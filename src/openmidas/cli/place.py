"""A photograph and its depth, ready for what needs them: as they are, or with metres and a camera, as a place."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import click
import numpy as np
from jaxtyping import UInt8

from openmidas.depth_map import ConventionError, DepthMap
from openmidas.files import read_depth, read_image
from openmidas.files.errors import FileError, file_error
from openmidas.models.predictor import load
from openmidas.scene.calibrate import stated_focal_px
from openmidas.scene.place import Place, Stated, check_stated, to_place, within_side

_LARGEST_ASPECT_ERROR = 0.02


@dataclass(frozen=True)
class Source:
    """What the command line says of a photograph, its depth and its camera.

    depth: a file with its depth map; None: the model predicts it. near, far: metres of the nearest and the farthest
    pixel. fov: degrees that the longer side spans. sky: looked for and put far away.
    """

    photo: Path
    depth: Path | None
    model: str
    near: float | None = None
    far: float | None = None
    fov: float | None = None
    sky: bool = False


def read_photo(source: Source, side_px: int) -> tuple[UInt8[np.ndarray, "h w 3"], DepthMap]:
    """The photograph, its longer side at most `side_px`, and its depth map, as it is known, of the same size.

    Raises FileError, and ValueError for a model that there is not.
    """
    image = read_image(source.photo)
    if source.depth is None:
        depth_map = _predicted(source)
    else:
        depth_map = read_depth(source.depth)
        _check_aspect(source.depth, depth_map.shape, image.shape[:2])
    return within_side(image, depth_map, side_px)


def read_place(source: Source, side_px: int) -> Place:
    """The photograph as a place. Its words say what was stated, read, estimated, or just assumed.

    Raises FileError, ConventionError, and click.UsageError for metres given to what has them.
    """
    image, depth_map = read_photo(source, side_px)
    focal_px = stated_focal_px(depth_map.shape, source.photo, source.fov)
    stated = Stated(source.near, source.far, source.fov, focal_px, source.sky)
    try:
        check_stated(depth_map, stated)
    except ConventionError as error:
        raise click.UsageError(str(error)) from error
    return to_place(image, depth_map, stated)


def _predicted(source: Source) -> DepthMap:
    try:
        return load(source.model)(source.photo)
    except FileError:
        raise
    except ValueError as error:
        raise file_error(source.photo, str(error)) from error


def _check_aspect(path: Path, shape: tuple[int, int], photo: tuple[int, int]) -> None:
    wanted, found = photo[1] / photo[0], shape[1] / shape[0]
    if abs(found / wanted - 1) > _LARGEST_ASPECT_ERROR:
        sizes = [f"{width}×{height}" for height, width in (shape, photo)]
        raise file_error(
            path, f"is {sizes[0]}, not in the proportions of the photo, {sizes[1]}: is it another's?"
        )
