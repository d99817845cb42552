"""The axes of 3D files: viewers expect y upwards, where ours points down."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Float32

from openmidas.camera import Camera

VIEWER_AXES = "x right, y up, z towards the viewer"
CAMERA_AXES = "x right, y down, z forward"
UNIT = "metre"

_HALF_TURN = np.array([1, -1, -1], np.float32)


def to_viewer_axes(vectors: Float32[np.ndarray, "n 3"]) -> Float32[np.ndarray, "n 3"]:
    """Positions or directions of our world in `VIEWER_AXES`: half a turn about x, so left stays left."""
    # adding 0 turns -0.0 into 0.0
    return vectors * _HALF_TURN + np.float32(0)


def camera_in_viewer_axes(camera: Camera) -> tuple[Float[np.ndarray, "3 3"], Float[np.ndarray, " 3"]]:
    """Where the camera stands in `VIEWER_AXES`: rotation from its own axes (right, up, backward), and position."""
    camera_to_world = camera.world_to_camera[:3, :3].T
    return camera_to_world * np.outer(_HALF_TURN, _HALF_TURN), camera.position * _HALF_TURN


def quaternion(rotation: Float[np.ndarray, "3 3"]) -> Float[np.ndarray, " 4"]:
    """The unit quaternion (w, x, y, z) of a rotation, w not negative.

    By the greatest eigenvector of Bar-Itzhack's matrix (2000), which no angle makes inaccurate.
    """
    (xx, xy, xz), (yx, yy, yz), (zx, zy, zz) = rotation
    lower = [
        [xx + yy + zz, 0, 0, 0],
        [zy - yz, xx - yy - zz, 0, 0],
        [xz - zx, xy + yx, yy - xx - zz, 0],
        [yx - xy, xz + zx, yz + zy, zz - xx - yy],
    ]
    greatest = np.linalg.eigh(np.array(lower))[1][:, -1]
    return np.copysign(1, greatest[0]) * greatest
