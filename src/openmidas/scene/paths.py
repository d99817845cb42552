"""Camera paths for clips: where the camera stands and what it frames at every moment.

No path turns the camera. The lens is shifted instead (`displaced`), so that the whole plane at the pivot's depth holds
still on the screen, and nearer and farther things move against each other. Turning towards the pivot would hold
still only its middle, and swing the frame and every straight edge with it.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from openmidas.camera import Camera
from openmidas.depth_map import ConventionError
from openmidas.scene.views import displaced

_AS_GOOD_AS_INFINITE = 1e6  # times the pivot's depth: nothing so far away moves by a pixel


class Step(NamedTuple):
    """One moment of a path.

    right, down, forward: the displacement as shares of what is allowed along each axis; together at most 1 long.
    zoom: magnification of the view. pan: how far the frame moves in what zoom leaves over, -1 left to 1 right.
    """

    right: float = 0.0
    down: float = 0.0
    forward: float = 0.0
    zoom: float = 1.0
    pan: float = 0.0


@dataclass(frozen=True)
class CameraPath:
    """A motion, and how long and how finely it is shown unless somebody `replace`s that.

    step: from progress, 0 to 1, to where it stands. loops: the end is the beginning, in position and velocity.
    """

    step: Callable[[float], Step]
    loops: bool
    duration_s: float
    frames_per_s: float


@dataclass(frozen=True, eq=False)
class Shot:
    """What a path is followed with.

    camera: that of the picture. pivot_m: the depth in it that holds still. limits_m: how far the camera may go
    (right or left, down or up, forward or backward). zoom: magnifies all, so that the picture's edges stay outside.
    Raises ConventionError for numbers that are no distances, or a camera that would reach the pivot.
    """

    camera: Camera
    pivot_m: float
    limits_m: tuple[float, float, float]
    zoom: float = 1.0

    def __post_init__(self) -> None:
        if not all(0 <= limit_m < math.inf for limit_m in self.limits_m):
            raise ConventionError(f"a camera's limits are metres, 0 or more, not {self.limits_m}")
        if not self.limits_m[2] < self.pivot_m < math.inf:
            raise ConventionError(
                f"the pivot at {self.pivot_m:g} m must be beyond the {self.limits_m[2]:g} m that the camera may go"
            )
        if not 1 <= self.zoom < math.inf:
            raise ConventionError(
                f"a zoom is 1 or more, not {self.zoom:g}: less would show more than the picture"
            )


def camera_at(path: CameraPath, progress: float, shot: Shot) -> Camera:
    """The camera at that progress, 0 to 1, along the path."""
    step = path.step(progress)
    offset_m = np.array([step.right, step.down, step.forward]) * shot.limits_m
    camera = displaced(shot.camera, offset_m, shot.pivot_m)
    intrinsics = camera.intrinsics
    for zoom, pan in ((step.zoom, step.pan), (shot.zoom, 0)):
        intrinsics = _framing(camera.shape, zoom, pan) @ intrinsics
    return replace(camera, intrinsics=intrinsics)


def cameras_along(path: CameraPath, shot: Shot) -> list[Camera]:
    """The camera of every frame. A path that loops leaves out its end, which is the first frame again."""
    count = max(1, round(path.duration_s * path.frames_per_s))
    last = count if path.loops else max(1, count - 1)
    return [camera_at(path, number / last, shot) for number in range(count)]


def zoom_without_edges(path: CameraPath, shot: Shot, nearest_m: float, farthest_m: float) -> float:
    """The least zoom of a shot at which nothing beyond the picture's edges shows anywhere along the path.

    nearest_m, farthest_m: between which depths the edges lie; the sky's is inf. Gives inf where no zoom is enough.
    Raises ConventionError for other numbers, or what the camera may run into.
    """
    if not shot.limits_m[2] < nearest_m <= farthest_m:
        raise ConventionError(
            f"depths must go up from beyond the {shot.limits_m[2]:g} m that the camera may go, "
            f"not from {nearest_m:g} to {farthest_m:g}"
        )
    depths_m = (nearest_m, min(farthest_m, _AS_GOOD_AS_INFINITE * shot.pivot_m))
    cameras = cameras_along(path, replace(shot, zoom=1.0))
    return max(1.0, *(_zoom_needed(shot.camera, camera, z) for camera in cameras for z in depths_m))


def _zoom_needed(picture: Camera, camera: Camera, depth_m: float) -> float:
    """How much `camera` must zoom into its middle so that the picture, all at one depth, fills its frame."""
    size = np.array(picture.shape[::-1], float)
    corners = picture.unproject(np.array([[0, 0], size]), np.full(2, depth_m))
    left_top, right_bottom = camera.project(corners)[0]
    room = np.minimum(size / 2 - left_top, right_bottom - size / 2)
    return float((size / 2 / room).max()) if room.min() > 0 else math.inf


def _framing(shape: tuple[int, int], zoom: float, pan: float) -> np.ndarray:
    """What turns pixels of the view into those of a part of it, magnified to the same size."""
    height, width = shape
    room = 1 - zoom
    return np.array([[zoom, 0, room * (1 + pan) * width / 2], [0, zoom, room * height / 2], [0, 0, 1]])


def _circle(progress: float) -> Step:
    angle = math.tau * progress
    return Step(right=math.sin(angle), down=-math.cos(angle))


def _swing(progress: float) -> Step:
    return Step(right=math.sin(math.tau * progress))


def _dolly_zoom(progress: float) -> Step:
    # Backwards, where the lens holds the subject's size: the background grows and keeps the edges covered.
    return Step(forward=-_eased(progress))


def _ken_burns(progress: float) -> Step:
    there = _eased(progress)
    side = 2 * there - 1
    return Step(right=0.8 * side, forward=0.6 * there, zoom=1.06 + 0.08 * there, pan=0.8 * side)


def _eased(progress: float) -> float:
    """From 0 to 1, at rest at both ends."""
    return progress**2 * (3 - 2 * progress)


PATHS = {
    "circle": CameraPath(_circle, loops=True, duration_s=4, frames_per_s=30),
    "swing": CameraPath(_swing, loops=True, duration_s=4, frames_per_s=30),
    "dolly-zoom": CameraPath(_dolly_zoom, loops=False, duration_s=4, frames_per_s=30),
    "ken-burns": CameraPath(_ken_burns, loops=False, duration_s=6, frames_per_s=30),
    # middle, right, middle, left: the few views of an animated GIF
    "wiggle": CameraPath(_swing, loops=True, duration_s=0.5, frames_per_s=8),
}
