"""A red card before a green wall: a scene whose every view can be worked out by hand."""

from __future__ import annotations

import numpy as np

from openmidas.camera import Camera
from openmidas.depth_map import DepthMap

SHAPE = (90, 120)
FOCAL_PX = 100.0
NEAR_M, FAR_M = 1.0, 4.0
CARD = np.s_[30:60, 40:80]
RED, GREEN = (200, 30, 30), (30, 160, 60)


def card_before_wall() -> tuple[np.ndarray, DepthMap, Camera]:
    """Picture, depth and camera."""
    image, depth = np.full((*SHAPE, 3), GREEN, np.uint8), np.full(SHAPE, FAR_M)
    image[CARD], depth[CARD] = RED, NEAR_M
    return image, DepthMap.from_values(depth, "depth", "metric"), Camera.from_focal(SHAPE, FOCAL_PX)


def wall(depth_m: float = 2.0) -> tuple[np.ndarray, DepthMap, Camera]:
    """Picture, depth and camera of nothing but a wall."""
    image = np.full((*SHAPE, 3), GREEN, np.uint8)
    return (
        image,
        DepthMap.from_values(np.full(SHAPE, depth_m), "depth", "metric"),
        Camera.from_focal(SHAPE, FOCAL_PX),
    )
