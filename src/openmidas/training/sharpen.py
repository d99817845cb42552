"""Soft depth edges moved to where the picture has its edges: what soft labels cannot teach, the photograph can."""

from __future__ import annotations

import cv2
import numpy as np
from jaxtyping import Float, UInt8

RADIUS_PX = 6
ROUNDS = 5
COLOUR_DEVIATION = 0.06  # of the CIELAB range: what counts as the same surface
DEPTH_DEVIATION = 0.25  # of the map's range: neighbours farther off are another surface

# every second pixel of a disc, as on a chessboard: half the work, and no direction is preferred
_NEIGHBOURS = tuple(
    (y, x)
    for y in range(-RADIUS_PX, RADIUS_PX + 1)
    for x in range(-RADIUS_PX, RADIUS_PX + 1)
    if 0 < y * y + x * x <= RADIUS_PX * RADIUS_PX and (y + x) % 2 == 0
)


def snap_to_edges(
    inverse_depth: Float[np.ndarray, "h w"], image: UInt8[np.ndarray, "h w 3"]
) -> Float[np.ndarray, "h w"]:
    """The map with every pixel moved, five times, to the mean of the neighbours that look like it.

    Neighbours count by their likeness in colour and in inverse depth (mean shift with a joint bilateral kernel).
    A ramp between two surfaces of different colour becomes a step at the picture's edge; what is smooth stays so.
    Every value stays within the map's range. Source: Kopf et al., Joint Bilateral Upsampling, SIGGRAPH 2007;
    Comaniciu and Meer, Mean Shift, TPAMI 2002.
    """
    colour = cv2.cvtColor(image, cv2.COLOR_RGB2LAB).astype(np.float32) / (255 * COLOUR_DEVIATION)
    features = [np.ascontiguousarray(channel) for channel in cv2.split(colour)]
    per_unit = np.float32(1 / (DEPTH_DEVIATION * max(float(np.ptp(inverse_depth)), 1e-6)))
    moved = inverse_depth.astype(np.float32) * per_unit
    for _ in range(ROUNDS):
        moved = _mean_of_alike(moved, features)
    return moved / per_unit


def _mean_of_alike(depth: np.ndarray, colour: list[np.ndarray]) -> np.ndarray:
    height, width = depth.shape
    padded = [
        cv2.copyMakeBorder(channel, *(RADIUS_PX,) * 4, cv2.BORDER_REFLECT) for channel in (depth, *colour)
    ]
    total, weights = depth.copy(), np.ones_like(depth)
    for y, x in _NEIGHBOURS:
        window = np.s_[RADIUS_PX + y : RADIUS_PX + y + height, RADIUS_PX + x : RADIUS_PX + x + width]
        distance = np.zeros_like(depth)
        for channel, own in zip(padded, (depth, *colour), strict=True):
            difference = channel[window] - own
            distance += difference * difference
        weight = cv2.exp(distance * np.float32(-0.5))
        weights += weight
        total += weight * padded[0][window]
    return total / weights
