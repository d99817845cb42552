"""How near: inverse depth without holes, and the numbers by which a user says where something lies in it."""

from __future__ import annotations

import cv2
import numpy as np
from jaxtyping import Bool, Float32, Int

from openmidas.depth_map import ConventionError, DepthMap, value_range

_MIXED_PX = 2  # beside an edge the colours of a photograph are those of both sides, so far
_MIXED_SHARE = 1 / 1000  # of the longer side, and so much farther in a large one


def whole_inverse(depth_map: DepthMap) -> Float32[np.ndarray, "h w"]:
    """Inverse depth at every pixel; one that is not valid takes that of the farther known neighbour in its row.

    What a sensor misses lies mostly beside edges, and there on the farther side. Rows without any valid pixel
    are as far as the farthest one. Raises ConventionError for a map without values, or affine-invariant depth.
    """
    inverse = depth_map.to_inverse_depth()
    farthest, _ = value_range(inverse)
    if inverse.valid.all():
        return inverse.values
    source = farther_in_row(inverse.valid, inverse.values)
    filled = np.take_along_axis(inverse.values, np.maximum(source, 0), axis=1)
    return np.where(source < 0, np.float32(farthest), filled)


def shares(depth_map: DepthMap) -> Float32[np.ndarray, "h w"]:
    """Nearness of every pixel: 0 at the lowest inverse depth of the map, 1 at the highest, linear between.

    Raises ConventionError as `whole_inverse`, and for a constant map.
    """
    low, high = _span(depth_map)
    share: np.ndarray = (whole_inverse(depth_map) - np.float32(low)) / np.float32(high - low)
    return share


def inverse_at_share(depth_map: DepthMap, share: float) -> float:
    """The inverse depth of a share of nearness as in `shares`; ConventionError as there."""
    low, high = _span(depth_map)
    return low + (high - low) * share


def inverse_at_metres(depth_map: DepthMap, depth_m: float) -> float:
    """1/metres, once it is known that the map has metres; inf lies at 0. Raises ConventionError."""
    check_metric(depth_map)
    if not depth_m > 0:
        raise ConventionError(f"a distance must be above 0 metres, not {depth_m:g}")
    return 1 / depth_m


def check_metric(depth_map: DepthMap) -> None:
    """ConventionError, in one line that says what to do, for a map that does not know metres."""
    if depth_map.ambiguity != "metric":
        raise ConventionError(
            f"metres mean nothing in a map of {depth_map.ambiguity.replace('_', ' ')} "
            f"{depth_map.quantity.replace('_', ' ')}: state its near and far (in metres), or give a share"
        )


def farther_in_row(
    known: Bool[np.ndarray, "h w"], inverse: Float32[np.ndarray, "h w"]
) -> Int[np.ndarray, "h w"]:
    """The column of each pixel's nearest known one to the left or the right, whichever is farther away in depth.

    A known pixel has its own column, a row where none is known has -1.
    """
    width = known.shape[1]
    columns = np.arange(width, dtype=np.int32)
    left = np.maximum.accumulate(np.where(known, columns, -1), axis=1)
    right = np.minimum.accumulate(np.where(known, columns, width)[:, ::-1], axis=1)[:, ::-1]
    on_left = np.take_along_axis(inverse, np.maximum(left, 0), axis=1)
    on_right = np.take_along_axis(inverse, np.minimum(right, width - 1), axis=1)
    takes_left = (right == width) | ((left >= 0) & (on_left <= on_right))
    return np.where(takes_left, left, right)


def nearest_pixels(
    chosen: Bool[np.ndarray, "h w"],
) -> tuple[Float32[np.ndarray, "h w"], Int[np.ndarray, "h w"]]:
    """For every pixel the distance in pixels to the nearest chosen one, and that one's flat index."""
    distance, label = cv2.distanceTransformWithLabels(
        (~chosen).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_5, labelType=cv2.DIST_LABEL_PIXEL
    )
    index = np.zeros(int(label.max()) + 1, np.int64)
    index[label[chosen]] = np.flatnonzero(chosen)
    return distance, index[label]


def grown_over_mixed_pixels(nearness: Float32[np.ndarray, "h w"], step: float) -> Float32[np.ndarray, "h w"]:
    """Nearness with what is nearer by more than `step` grown over the mixed colours at its edge: they go with it.

    Left on the farther surface they would draw the outline of the nearer one there once more. They reach two pixels,
    and a thousandth of the longer side.
    """
    reach = _MIXED_PX + round(max(nearness.shape) * _MIXED_SHARE)
    around = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * reach + 1, 2 * reach + 1))
    grown = cv2.dilate(nearness, around)
    return np.where(grown - nearness > step, grown, nearness)


def _span(depth_map: DepthMap) -> tuple[float, float]:
    low, high = value_range(depth_map.to_inverse_depth())
    if low == high:
        raise ConventionError("the depth map is constant: no pixel is nearer than another")
    return low, high
