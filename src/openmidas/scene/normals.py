"""Normal maps: which way every pixel's surface faces, as colours that game engines and 3D programs read."""

from __future__ import annotations

from collections.abc import Mapping

import cv2
import numpy as np
from jaxtyping import Float32, UInt8, UInt16

from openmidas.camera import Camera
from openmidas.depth_map import ConventionError, DepthMap, value_range
from openmidas.files.atomic import write_bytes
from openmidas.files.errors import FilePath
from openmidas.scene.nearness import shares
from openmidas.scene.place import Place
from openmidas.scene.reconstruct import surface_normals

CONVENTIONS: Mapping[str, tuple[int, int, int]] = {"opengl": (1, -1, -1), "directx": (1, 1, -1)}
"""What the camera's axes (x right, y down, z forward) are multiplied by. Red grows to the right and blue towards the
viewer in both; green grows upwards in OpenGL's and downwards in DirectX's."""

_SMOOTHED_SHARE = 0.015  # of the longer side: a network's slopes are not smooth enough for normals
_PASSES = 2
_SMALL_SHARE = 0.02  # of the range: smaller changes are smoothed
_PIXELS = {8: np.uint8, 16: np.uint16}


def normals_of(depth_map: DepthMap, camera: Camera, smooth_px: int = 0) -> Float32[np.ndarray, "h w 3"]:
    """Unit normals towards the viewer in the camera's axes, as `surface_normals`; NaN where not valid.

    smooth_px: over so many pixels around each, depth is smoothed without crossing edges (guided filter). A network's
    maps need it, 1 to 2 percent of the longer side, after `snap_depth`: slopes magnify what is not quite smooth.
    Raises ConventionError for an affine-invariant map, from which the direction of a surface is not known.
    """
    if depth_map.ambiguity == "affine_invariant":
        raise ConventionError(
            "an affine-invariant map does not tell which way surfaces face: state its near and far (in metres)"
        )
    return surface_normals(smoothed(depth_map, smooth_px) if smooth_px > 0 else depth_map, camera)


def place_normals(place: Place) -> Float32[np.ndarray, "h w 3"]:
    """`normals_of` a photograph's place, smoothed as a network's maps need it."""
    return normals_of(place.depth_map, place.camera, round(_SMOOTHED_SHARE * max(place.depth_map.shape)))


def to_normal_map(
    normals: Float32[np.ndarray, "h w 3"], convention: str = "opengl", bits: int = 8
) -> UInt8[np.ndarray, "h w 3"] | UInt16[np.ndarray, "h w 3"]:
    """RGB with -1 at 0 and 1 at the largest number; what has no normal faces the viewer.

    Raises ValueError for an unknown convention, or bits that are not 8 or 16.
    """
    if convention not in CONVENTIONS or bits not in _PIXELS:
        raise ValueError(
            f"normal maps are {' or '.join(CONVENTIONS)}, of 8 or 16 bits, not {convention} of {bits}"
        )
    known = np.where(np.isnan(normals), np.array([0, 0, -1], np.float32), normals)
    towards = known * np.array(CONVENTIONS[convention], np.float32)
    largest = np.float32(2**bits - 1)
    return np.rint((towards + 1) * (largest / 2)).astype(_PIXELS[bits])


def write_normal_map(
    path: FilePath, normals: Float32[np.ndarray, "h w 3"], convention: str = "opengl", bits: int = 8
) -> None:
    """Write `to_normal_map` as a PNG, whole or not at all; raises FileError and ValueError."""
    pixels = to_normal_map(normals, convention, bits)
    _, encoded = cv2.imencode(".png", pixels[..., ::-1])
    write_bytes(path, encoded.data)


def smoothed(depth_map: DepthMap, smooth_px: int) -> DepthMap:
    """Inverse depth smoothed within surfaces over smooth_px around each pixel; the sky stays.

    The guided filter of He, Sun and Tang (ECCV 2010), guided by the map itself, twice: where it varies by less than
    2 % of its range, it becomes its mean, at an edge it stays.
    """
    inverse = depth_map.to_inverse_depth()
    low, high = value_range(inverse)
    share = shares(inverse)
    for _ in range(_PASSES):
        share = _guided(share, 2 * smooth_px + 1)
    values = np.maximum(low + (high - low) * share, max(low, 0)).astype(np.float32)
    values[inverse.values == 0] = 0
    values[~inverse.valid] = np.nan
    return DepthMap(values, inverse.valid, "inverse_depth", inverse.ambiguity)


def _guided(share: Float32[np.ndarray, "h w"], window_px: int) -> Float32[np.ndarray, "h w"]:
    window = (window_px, window_px)
    mean = cv2.blur(share, window)
    variance = np.maximum(cv2.blur(share * share, window) - mean * mean, 0)
    keeps = variance / (variance + np.float32(_SMALL_SHARE**2))
    return cv2.blur(keeps, window) * share + cv2.blur(mean - keeps * mean, window)
