"""A photograph as a place: metric depth and a camera, by what is stated, estimated, or just assumed."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import UInt8

from openmidas.camera import Camera
from openmidas.depth_map import ConventionError, DepthMap, with_near_far
from openmidas.scene.calibrate import Calibration, calibrate, far_of
from openmidas.scene.refine import find_sky, snap_depth, with_sky, without_flying_pixels

ASSUMED_NEAR_M = 1.0


@dataclass(frozen=True)
class Stated:
    """What is known of a place besides its picture.

    near_m, far_m: of the nearest and the farthest pixel. fov_deg: what the longer side spans. focal_px: by the
    field of view or else the picture's EXIF data. sky: whether to look for it and put it far away.
    """

    near_m: float | None = None
    far_m: float | None = None
    fov_deg: float | None = None
    focal_px: float | None = None
    sky: bool = False


@dataclass(frozen=True, eq=False)
class Place:
    """A photograph as a place: metric depth with clean edges, its camera, and what was assumed, in lines.

    The words name what could have been stated as the command line does: --near, --far, --fov.
    """

    image: UInt8[np.ndarray, "h w 3"]
    depth_map: DepthMap
    camera: Camera
    words: str


def to_place(image: UInt8[np.ndarray, "h w 3"], depth_map: DepthMap, stated: Stated) -> Place:
    """The picture, with its depth map of the same size, as a place. Its words say where each number comes from.

    Raises ConventionError, also for metres stated of a map that has them.
    """
    check_stated(depth_map, stated)
    found = calibrate(depth_map, stated.focal_px)
    metric, distances = _with_metres(snap_depth(depth_map, image), stated, found)
    metric = without_flying_pixels(metric)
    if stated.sky:
        metric = with_sky(metric, find_sky(metric, image))
    camera = Camera.from_focal(depth_map.shape, found.focal_px)
    return Place(image, metric, camera, f"{distances}\n{_about_focal(camera, stated, found)}")


def check_stated(depth_map: DepthMap, stated: Stated) -> None:
    """ConventionError for metres stated of a map that has them."""
    if depth_map.ambiguity == "metric" and (stated.near_m is not None or stated.far_m is not None):
        raise ConventionError("--near and --far are for depth without metres: this one has them")
    if depth_map.ambiguity == "scale_invariant" and stated.far_m is not None:
        raise ConventionError("--far follows from --near: this depth map lacks only its scale")


def within_side(
    image: UInt8[np.ndarray, "h w 3"], depth_map: DepthMap, side_px: int
) -> tuple[UInt8[np.ndarray, "h2 w2 3"], DepthMap]:
    """Both at one size: that of the picture, made smaller where its longer side has more than `side_px`."""
    height, width = image.shape[:2]
    scale = min(1.0, side_px / max(height, width))
    height, width = max(1, round(height * scale)), max(1, round(width * scale))
    small = image if scale == 1 else cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)
    return small, depth_map.resize((height, width))


def _with_metres(depth_map: DepthMap, stated: Stated, found: Calibration) -> tuple[DepthMap, str]:
    """Metric inverse depth, and the line that says where the metres come from."""
    if depth_map.ambiguity == "metric":
        return depth_map, "Distances are the depth map's own."
    near = ASSUMED_NEAR_M if stated.near_m is None else stated.near_m
    near_words = "assumed" if stated.near_m is None else "stated"
    if depth_map.ambiguity == "scale_invariant":
        nearest = float(np.nanmax(depth_map.values))
        metric = depth_map.with_scale_shift(1 / (near * nearest), 0)
        return metric, f"The nearest is taken to be {near:g} m away ({near_words}; --near)."
    far = far_of(found.shift, near) if stated.far_m is None else stated.far_m
    far_words = (
        "stated" if stated.far_m is not None else "told by the planes" if found.is_sure[1] else "usual"
    )
    words = (
        f"The nearest is taken to be {near:g} m away ({near_words}; --near), "
        f"the farthest {far:.3g} m ({far_words}; --far)."
    )
    return with_near_far(depth_map, near, far), words


def _about_focal(camera: Camera, stated: Stated, found: Calibration) -> str:
    if stated.fov_deg is not None:
        origin = "stated"
    elif stated.focal_px is not None:
        origin = "from the picture's EXIF data"
    else:
        low, high = found.focal_interval_px
        origin = f"{'told by the planes' if found.is_sure[0] else 'usual'}, {low:.0f} to {high:.0f} px"
    degrees = max(camera.fov_deg) if stated.fov_deg is None else stated.fov_deg
    return f"The longer side is taken to span {degrees:.0f}°, focal length {found.focal_px:.0f} px ({origin}; --fov)."
