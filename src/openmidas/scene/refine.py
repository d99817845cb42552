"""A depth map made ready for a surface: edges where the picture has them, nothing between surfaces, sky far away."""

from __future__ import annotations

import cv2
import numpy as np
from jaxtyping import Bool, Float32, UInt8

from openmidas.depth_map import ConventionError, DepthMap, value_range
from openmidas.scene.nearness import nearest_pixels
from openmidas.scene.reconstruct import LARGEST_STEP, depth_cuts
from openmidas.training.sharpen import snap_to_edges

_SNAPPED_SIDE_PX = 512  # at this size the soft edges of a network are as wide as snapping reaches
_SKY_WITHIN = 0.2  # of the map's range, from the farthest
_SKY_ROUGHNESS = 7.0  # of 255: grey levels by which neighbours differ, clouds less, leaves more
_SKY_WINDOW_PX = 5


def snap_depth(depth_map: DepthMap, image: UInt8[np.ndarray, "h w 3"]) -> DepthMap:
    """Inverse depth whose soft edges lie, as steps, where the picture has edges (`snap_to_edges`).

    Snapped at 512 px first, where an edge of a network is narrow enough, then, if the picture is larger, once more
    at its own size. Pixels that are not valid stay so, sky stays sky.
    Raises ConventionError for sizes that differ and for affine-invariant depth.
    """
    if image.shape[:2] != depth_map.shape:
        sizes = [f"{height}×{width}" for height, width in (image.shape[:2], depth_map.shape)]
        raise ConventionError(f"the picture is {sizes[0]}, its depth map {sizes[1]}: resize one of them")
    inverse = depth_map.to_inverse_depth()
    # the sky is no surface that its neighbours could be snapped to
    is_sky = (inverse.values == 0) & (inverse.ambiguity != "affine_invariant")
    snaps = inverse.valid & ~is_sky
    if not snaps.any():
        return inverse
    values = _snapped_small(_with_nearest(inverse.values, snaps), image)
    values = np.clip(snap_to_edges(values, image), *value_range(inverse))
    return DepthMap(
        np.where(snaps, values, inverse.values), inverse.valid, "inverse_depth", inverse.ambiguity
    )


def without_flying_pixels(depth_map: DepthMap, largest_step: float = LARGEST_STEP) -> DepthMap:
    """Inverse depth in which no pixel hangs between two surfaces: each has the depth of the nearest that does not.

    A pixel flies when it is cut off (`depth_cuts`) from both neighbours in its row, or its column, and lies between
    them in depth. A pole, nearer or farther than both, stays. Filled and not left out, because a hole would show
    even from where the picture was taken; and from the pixel nearest in the picture, so that the edge comes to the
    middle of what was a ramp and neither surface grows at the other's cost.
    """
    inverse = depth_map.to_inverse_depth()
    right, below = depth_cuts(inverse, largest_step)
    flying = _between_along_rows(inverse.values, right) | _between_along_rows(inverse.values.T, below.T).T
    if not flying.any():
        return inverse
    values = _with_nearest(inverse.values, inverse.valid & ~flying)
    return DepthMap(
        np.where(inverse.valid, values, np.float32(np.nan)), inverse.valid, "inverse_depth", inverse.ambiguity
    )


def find_sky(depth_map: DepthMap, image: UInt8[np.ndarray, "h w 3"]) -> Bool[np.ndarray, "h w"]:
    """Where the sky is in a picture that has one: smooth, in the farthest fifth of the range, and from the top down.

    Whether there is one the caller must know: to a network's map, the white wall behind a cup is the same thing.
    """
    inverse = depth_map.to_inverse_depth()
    low, high = value_range(inverse)
    far = inverse.values <= low + _SKY_WITHIN * (high - low)
    smooth = far & (_roughness(image) < _SKY_ROUGHNESS)
    count, labels = cv2.connectedComponents(smooth.astype(np.uint8), connectivity=4)
    reaches_top = np.zeros(count, bool)
    reaches_top[labels[0]] = True
    reaches_top[0] = False  # what is not smooth
    sky = reaches_top[labels].astype(np.uint8)
    # the roughness of an edge reaches half its window into the sky
    grown = cv2.dilate(sky, np.ones((_SKY_WINDOW_PX, _SKY_WINDOW_PX), np.uint8))
    return (grown > 0) & far


def with_sky(depth_map: DepthMap, sky: Bool[np.ndarray, "h w"]) -> DepthMap:
    """The map as inverse depth, 0 and valid where the sky is; ConventionError for an affine-invariant map.

    An affine-invariant map has no 0 that means infinity: give near and far first (`with_near_far`).
    """
    if depth_map.ambiguity == "affine_invariant":
        raise ConventionError("an affine-invariant map has no infinity: give near and far metres first")
    inverse = depth_map.to_inverse_depth()
    values = np.where(sky, np.float32(0), inverse.values)
    return DepthMap(values, inverse.valid | sky, "inverse_depth", inverse.ambiguity)


def _snapped_small(
    values: Float32[np.ndarray, "h w"], image: UInt8[np.ndarray, "h w 3"]
) -> Float32[np.ndarray, "h w"]:
    """Snapped at the working size and brought back; as they are where the picture is no larger."""
    scale = _SNAPPED_SIDE_PX / max(values.shape)
    if scale >= 1:
        return values
    height, width = values.shape
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    small, small_image = (cv2.resize(array, size, interpolation=cv2.INTER_AREA) for array in (values, image))
    return cv2.resize(snap_to_edges(small, small_image), (width, height), interpolation=cv2.INTER_LINEAR)


def _between_along_rows(inverse: np.ndarray, cut: np.ndarray) -> Bool[np.ndarray, "h w"]:
    """Cut off on both sides, one side nearer, the other farther."""
    with np.errstate(invalid="ignore"):
        steps = np.sign(np.diff(inverse, axis=1)) * cut
    same_way = np.zeros(inverse.shape, bool)
    same_way[:, 1:-1] = steps[:, :-1] * steps[:, 1:] > 0
    return same_way


def _with_nearest(
    values: Float32[np.ndarray, "h w"], known: Bool[np.ndarray, "h w"]
) -> Float32[np.ndarray, "h w"]:
    """Every pixel that is not known has the value of the nearest known one in the picture."""
    if known.all() or not known.any():
        return values
    filled: np.ndarray = values.ravel()[nearest_pixels(known)[1]]
    return filled


def _roughness(image: UInt8[np.ndarray, "h w 3"]) -> Float32[np.ndarray, "h w"]:
    """The standard deviation of grey in a small window."""
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY).astype(np.float32)
    window = (_SKY_WINDOW_PX, _SKY_WINDOW_PX)
    mean, square = cv2.blur(grey, window), cv2.blur(grey * grey, window)
    return np.sqrt(np.maximum(square - mean * mean, 0))
