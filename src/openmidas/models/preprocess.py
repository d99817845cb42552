"""Picture to network input, network output to depth map: one way for training's end, PyTorch and ONNX Runtime."""

from __future__ import annotations

import cv2
import numpy as np
from jaxtyping import Float, UInt8

from openmidas.depth_map import DepthMap
from openmidas.models.presets import Preset

MULTIPLE_PX = 32
SMALLEST_PX = 32
LARGEST_ASPECT = 10


def check_shape(shape: tuple[int, int]) -> None:
    """ValueError, in one line, for a picture too small or too elongated to predict."""
    height, width = shape
    if min(shape) < SMALLEST_PX:
        raise ValueError(
            f"is {width}×{height} pixels: a depth map needs at least {SMALLEST_PX}×{SMALLEST_PX}"
        )
    if max(shape) > LARGEST_ASPECT * min(shape):
        raise ValueError(
            f"is {width}×{height} pixels, longer than 1:{LARGEST_ASPECT}: cut it into pieces first"
        )


def network_shape(shape: tuple[int, int], side_px: int) -> tuple[int, int]:
    """(height, width) at the network: the short side `side_px`, both sides the nearest multiples of 32."""
    scale = side_px / min(shape)
    height, width = (max(MULTIPLE_PX, round(n * scale / MULTIPLE_PX) * MULTIPLE_PX) for n in shape)
    return height, width


def to_network(
    image: UInt8[np.ndarray, "h w 3"], shape: tuple[int, int], preset: Preset
) -> Float[np.ndarray, "1 3 H W"]:
    """RGB picture, resized to `shape` and normalised; by area where it shrinks, else bicubic."""
    shrinks = image.shape[0] > shape[0] and image.shape[1] > shape[1]
    method = cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC
    resized = cv2.resize(image, shape[::-1], interpolation=method)
    mean, std = (np.array(constants, np.float32) * 255 for constants in (preset.mean, preset.std))
    normalised = (resized - mean) / std
    return np.ascontiguousarray(normalised.transpose(2, 0, 1)[None])


def to_depth_map(output: Float[np.ndarray, "H W"], shape: tuple[int, int], preset: Preset) -> DepthMap:
    """The network's map, resized bicubically to the picture's (height, width), never negative."""
    values = cv2.resize(output, shape[::-1], interpolation=cv2.INTER_CUBIC)
    np.maximum(values, 0, out=values)  # bicubic overshoots at edges
    values.flags.writeable = False  # handed over: the map need not copy it
    return DepthMap.from_values(values, preset.quantity, preset.ambiguity)
