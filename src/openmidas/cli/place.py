"""A photograph and its depth, ready for what needs them: as they are, or with metres and a camera, as a place."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import click
import cv2
import numpy as np
from jaxtyping import UInt8

from openmidas.camera import Camera
from openmidas.depth_map import DepthMap, with_near_far
from openmidas.files import read_depth, read_image
from openmidas.files.errors import FileError, file_error
from openmidas.models.predictor import load
from openmidas.scene.calibrate import Calibration, calibrate, far_of, stated_focal_px
from openmidas.scene.refine import find_sky, snap_depth, with_sky, without_flying_pixels

ASSUMED_NEAR_M = 1.0
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


@dataclass(frozen=True, eq=False)
class Place:
    """A photograph as a place: metric depth with clean edges, its camera, and what was assumed, in lines."""

    image: UInt8[np.ndarray, "h w 3"]
    depth_map: DepthMap
    camera: Camera
    words: str


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
    height, width = image.shape[:2]
    scale = min(1.0, side_px / max(height, width))
    height, width = max(1, round(height * scale)), max(1, round(width * scale))
    small = image if scale == 1 else cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)
    return small, depth_map.resize((height, width))


def read_place(source: Source, side_px: int) -> Place:
    """The photograph as a place. Its words say what was stated, read, estimated, or just assumed.

    Raises FileError, ConventionError, and click.UsageError for metres given to what has them.
    """
    image, depth_map = read_photo(source, side_px)
    focal_px = stated_focal_px(depth_map.shape, source.photo, source.fov)
    found = calibrate(depth_map, focal_px)
    metric, distances = _with_metres(snap_depth(depth_map, image), source, found)
    metric = without_flying_pixels(metric)
    if source.sky:
        metric = with_sky(metric, find_sky(metric, image))
    camera = Camera.from_focal(depth_map.shape, found.focal_px)
    return Place(image, metric, camera, f"{distances}\n{_about_focal(camera, source, focal_px, found)}")


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


def _with_metres(depth_map: DepthMap, source: Source, found: Calibration) -> tuple[DepthMap, str]:
    """Metric inverse depth, and the line that says where the metres come from."""
    if depth_map.ambiguity == "metric":
        if source.near is not None or source.far is not None:
            raise click.UsageError("--near and --far are for depth without metres: this one has them")
        return depth_map, "Distances are the depth map's own."
    near = ASSUMED_NEAR_M if source.near is None else source.near
    near_words = "assumed" if source.near is None else "stated"
    if depth_map.ambiguity == "scale_invariant":
        if source.far is not None:
            raise click.UsageError("--far follows from --near: this depth map lacks only its scale")
        nearest = float(np.nanmax(depth_map.values))
        metric = depth_map.with_scale_shift(1 / (near * nearest), 0)
        return metric, f"The nearest is taken to be {near:g} m away ({near_words}; --near)."
    far = far_of(found.shift, near) if source.far is None else source.far
    far_words = "stated" if source.far is not None else "told by the planes" if found.is_sure[1] else "usual"
    words = (
        f"The nearest is taken to be {near:g} m away ({near_words}; --near), "
        f"the farthest {far:.3g} m ({far_words}; --far)."
    )
    return with_near_far(depth_map, near, far), words


def _about_focal(camera: Camera, source: Source, stated_px: float | None, found: Calibration) -> str:
    if source.fov is not None:
        origin = "stated"
    elif stated_px is not None:
        origin = "from the picture's EXIF data"
    else:
        low, high = found.focal_interval_px
        origin = f"{'told by the planes' if found.is_sure[0] else 'usual'}, {low:.0f} to {high:.0f} px"
    degrees = max(camera.fov_deg) if source.fov is None else source.fov
    return f"The longer side is taken to span {degrees:.0f}°, focal length {found.focal_px:.0f} px ({origin}; --fov)."
