"""What depth lets one do to a photograph: fog, new light, slices."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Float32, UInt8

from openmidas.camera import Camera
from openmidas.depth_map import DepthMap
from openmidas.scene.light import to_light, to_srgb
from openmidas.scene.nearness import check_metric, shares, whole_inverse

FOG_RGB = (198, 204, 210)
"""Overcast daylight in fog, sRGB."""

DIRECTIONS = {
    "left": (-1, -0.3, -0.6),
    "right": (1, -0.3, -0.6),
    "above": (0, -1, -0.6),
    "below": (0, 1, -0.6),
    "front": (0, 0, -1),
}
"""Where light may come from, by name, for `lit_from`."""

_SEEN_AT_VISIBILITY = 0.05


def fogged(
    image: UInt8[np.ndarray, "h w 3"],
    depth_map: DepthMap,
    visibility_m: float,
    colour: Sequence[int] = FOG_RGB,
) -> UInt8[np.ndarray, "h w 3"]:
    """The picture in even fog, mixed in light: of what is as far as the visibility, 5 % is seen.

    Light fades exponentially with depth (Koschmieder 1924; 5 % is the WMO's meteorological optical range), so that
    nothing is seen of the sky.
    Raises ConventionError for a map without metres, and ValueError for a visibility that is not above 0.
    """
    check_metric(depth_map)
    if not visibility_m > 0:
        raise ValueError(f"visibility must be above 0 metres, not {visibility_m:g}")
    seen = np.float32(_SEEN_AT_VISIBILITY) ** (_depth_m(depth_map) / np.float32(visibility_m))
    fog = to_light(np.array(colour, np.uint8))
    return to_srgb(fog + (to_light(image) - fog) * seen[..., None])


# ---------------------------------------------------------------------------------------------------- new light


def relit(
    image: UInt8[np.ndarray, "h w 3"], lit: Float[np.ndarray, "h w"], ambient: float = 0.4
) -> UInt8[np.ndarray, "h w 3"]:
    """The picture's light times the share that is ambient plus, for the rest, how much each pixel is lit.

    What is lit by 1 keeps its brightness. lit: of `lit_from` or `lit_at`. ValueError for a share not from 0 to 1.
    """
    if not 0 <= ambient <= 1:
        raise ValueError(f"the ambient share of light is from 0 to 1, not {ambient:g}")
    strength = np.float32(ambient) + np.float32(1 - ambient) * lit.astype(np.float32)
    return to_srgb(to_light(image) * strength[..., None])


def lit_from(direction: Sequence[float], normals: Float32[np.ndarray, "h w 3"]) -> Float32[np.ndarray, "h w"]:
    """How much light of a far source falls on each pixel: 1 where it is met head-on (Lambert's cosine).

    direction: towards the source in the camera's axes, x right, y down, z forward; (-1, -1, -1) stands behind the
    camera's left shoulder. Raises ValueError for no direction.
    """
    towards = np.asarray(direction, np.float32)
    length = float(np.linalg.norm(towards))
    if towards.shape != (3,) or not 0 < length < math.inf:
        raise ValueError(f"light comes from a direction (x, y, z), not {direction!r}")
    return _cosine(normals, towards / np.float32(length))


def lit_at(
    position_m: Sequence[float], normals: Float32[np.ndarray, "h w 3"], depth_map: DepthMap, camera: Camera
) -> Float32[np.ndarray, "h w"]:
    """As `lit_from`, for a lamp in the scene: 1 head-on at the median distance from it, falling with its square.

    position_m: in the camera's axes, (0, 0, 0) is the camera. The sky is not lit. Raises ConventionError for a map
    without metres.
    """
    check_metric(depth_map)
    depth = _depth_m(depth_map)
    solid = np.isfinite(depth)
    points = _rays(camera) * np.where(solid, depth, np.float32(0))[..., None]
    to_lamp = np.asarray(position_m, np.float32) - points
    distance = np.maximum(np.linalg.norm(to_lamp, axis=-1), np.float32(1e-6))
    falloff = (np.median(distance[solid]) / distance) ** 2 if solid.any() else np.zeros_like(depth)
    return np.where(solid, _cosine(normals, to_lamp / distance[..., None]) * falloff, np.float32(0))


def _rays(camera: Camera) -> Float32[np.ndarray, "h w 3"]:
    """Where each pixel's ray is at depth 1, in the camera's axes."""
    height, width = camera.shape
    per_x, per_y, start = np.linalg.inv(camera.intrinsics).astype(np.float32).T
    x, y = np.arange(width, dtype=np.float32) + 0.5, np.arange(height, dtype=np.float32) + 0.5
    return x[:, None] * per_x + (y[:, None] * per_y + start)[:, None]


def _cosine(
    normals: Float32[np.ndarray, "*shape 3"], towards: Float32[np.ndarray, "*_ 3"]
) -> Float32[np.ndarray, "*shape"]:
    # pixels without depth have no normal, and are not lit
    cosine: np.ndarray = np.fmax(np.sum(normals * towards, axis=-1), np.float32(0))
    return cosine


# ------------------------------------------------------------------------------------------------------- slices


def slice_in_metres(
    depth_map: DepthMap, near_m: float, far_m: float, soft_m: float = 0.0
) -> Float32[np.ndarray, "h w"]:
    """1 where depth is from near to far, 0 elsewhere and where nothing is known; far may be inf, to take in the sky.

    soft_m: over so many metres, half of them on either side, both ends fade. Raises ConventionError for a map
    without metres, and ValueError for ends that are no range.
    """
    check_metric(depth_map)
    return _between(_depth_m(depth_map), near_m, far_m, soft_m) * depth_map.valid


def slice_in_shares(
    depth_map: DepthMap, low: float, high: float, soft: float = 0.0
) -> Float32[np.ndarray, "h w"]:
    """As `slice_in_metres`, by shares of nearness: 0 at the map's farthest pixel, 1 at its nearest; for any map."""
    return _between(shares(depth_map), low, high, soft) * depth_map.valid


def cut_out(
    image: UInt8[np.ndarray, "h w 3"], opacity: Float[np.ndarray, "h w"]
) -> UInt8[np.ndarray, "h w 4"]:
    """The picture as RGBA, seen only by its opacity from 0 to 1."""
    return np.dstack([image, np.rint(255 * opacity).astype(np.uint8)])


def _between(
    values: Float32[np.ndarray, "h w"], low: float, high: float, soft: float
) -> Float32[np.ndarray, "h w"]:
    if not (low < high and 0 <= soft < math.inf):
        raise ValueError(
            f"a slice goes from a smaller to a larger number, not from {low:g} to {high:g} by {soft:g}"
        )
    if soft == 0:
        return ((values >= low) & (values <= high)).astype(np.float32)
    with np.errstate(invalid="ignore"):
        margins = np.fmin(values - np.float32(low), np.nan_to_num(np.float32(high) - values, nan=np.inf))
    return np.clip(margins / np.float32(soft) + np.float32(0.5), 0, 1)


def _depth_m(depth_map: DepthMap) -> Float32[np.ndarray, "h w"]:
    """Depth at every pixel, inf in the sky."""
    with np.errstate(divide="ignore"):
        return np.float32(1) / (whole_inverse(depth_map) + np.float32(0))
