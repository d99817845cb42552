"""The frames of a clip: a scene rendered along a camera path."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from openmidas.camera import Camera
from openmidas.depth_map import ConventionError, DepthMap
from openmidas.files.images import Rgb
from openmidas.scene.paths import CameraPath, Shot, cameras_along


def clip_frames(
    path: CameraPath, shot: Shot, render: Callable[[Camera], Rgb], advance: Callable[[], None] | None = None
) -> Iterator[Rgb]:
    """One frame after the other, rendered when it is asked for; `advance` is called after each, for a progress bar.

    There are as many as `cameras_along` gives. For `write_clip` at the path's frames_per_s.
    """
    for camera in cameras_along(path, shot):
        yield render(camera)
        if advance is not None:
            advance()


def subject_depth(depth_map: DepthMap) -> float:
    """The depth at which to pivot: the median of the picture's middle ninth, or of all where only sky is there.

    In the map's unit. Raises ConventionError for an affine-invariant map, or when no depth is finite.
    """
    if depth_map.ambiguity == "affine_invariant":
        raise ConventionError(
            "an affine-invariant map has no distances: align it, or give near and far metres"
        )
    inverse = depth_map.to_inverse_depth().values
    height, width = inverse.shape
    middle = inverse[height // 3 : -(height // 3) or None, width // 3 : -(width // 3) or None]
    for part in (middle, inverse):
        seen = part[part > 0]  # neither sky nor invalid
        if seen.size:
            return float(1 / np.median(seen))
    raise ConventionError("the depth map has no pixel with a finite depth: there is nothing to look at")
