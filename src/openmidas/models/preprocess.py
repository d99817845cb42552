"""Picture to network input, network output to depth map: one way for training's end, PyTorch and ONNX Runtime."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

import cv2
import numpy as np
from jaxtyping import Float, UInt8

from openmidas.depth_map import DepthMap
from openmidas.models.presets import Preset, Resize

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


def network_shape(shape: tuple[int, int], side_px: int, resize: Resize = "short_side") -> tuple[int, int]:
    """(height, width) at the network, both multiples of 32, the aspect nearly kept.

    short_side: the shorter one comes to `side_px`. lower_bound: the same, and neither falls below it. upper_bound:
    the longer one comes to it, and neither exceeds it. minimal: the one that has to change less comes to it.
    square: both are `side_px`, whatever the aspect.
    """
    if resize == "square":
        return side_px, side_px
    scale = _SCALES[resize]([side_px / n for n in shape])
    height, width = (_multiple(n * scale, side_px, resize) for n in shape)
    return height, width


_SCALES: Mapping[Resize, Callable[[Sequence[float]], float]] = {
    "short_side": max,
    "lower_bound": max,
    "upper_bound": min,
    "minimal": lambda scales: min(scales, key=lambda scale: abs(1 - scale)),
}


def _multiple(length: float, side_px: int, resize: Resize) -> int:
    """The nearest multiple of 32, on the right side of a bound."""
    blocks = round(length / MULTIPLE_PX)
    if resize == "upper_bound" and blocks * MULTIPLE_PX > side_px:
        blocks = math.floor(length / MULTIPLE_PX)
    if resize == "lower_bound" and blocks * MULTIPLE_PX < side_px:
        blocks = math.ceil(length / MULTIPLE_PX)
    return max(1, blocks) * MULTIPLE_PX


def to_network(
    image: UInt8[np.ndarray, "h w 3"], shape: tuple[int, int], preset: Preset
) -> Float[np.ndarray, "1 3 H W"]:
    """RGB picture, resized to `shape` by the preset's interpolation and normalised."""
    resized = _RESAMPLERS[preset.interpolation](image, shape)
    mean, std = (np.array(constants, np.float32) * 255 for constants in (preset.mean, preset.std))
    normalised = np.empty((1, 3, *shape), np.float32)
    # plane by plane, in place: eight times as fast as on interleaved colours
    for plane, channel, its_mean, its_std in zip(normalised[0], cv2.split(resized), mean, std, strict=True):
        np.subtract(channel, its_mean, out=plane)
        plane /= its_std
    return normalised


def _by_area(image: UInt8[np.ndarray, "h w 3"], shape: tuple[int, int]) -> UInt8[np.ndarray, "H W 3"]:
    """By area where it shrinks, else bicubic; bytes, as that is fast."""
    shrinks = image.shape[0] > shape[0] and image.shape[1] > shape[1]
    method = cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC
    return cv2.resize(image, shape[::-1], interpolation=method)


def _bicubic(image: UInt8[np.ndarray, "h w 3"], shape: tuple[int, int]) -> Float[np.ndarray, "H W 3"]:
    """As in the authors' scripts: where it shrinks, pixels between are left out; overshoot is kept."""
    return cv2.resize(image.astype(np.float32), shape[::-1], interpolation=cv2.INTER_CUBIC)


_RESAMPLERS = {"area": _by_area, "bicubic": _bicubic}


def to_depth_map(output: Float[np.ndarray, "H W"], shape: tuple[int, int], preset: Preset) -> DepthMap:
    """The network's numbers as the preset's quantity, resized bicubically to the picture's (height, width).

    Inverse depth is never negative. Depth is inverted before it is resized, as the authors of networks that know 1/m
    do it, and is never nearer than the network says anywhere.
    """
    numbers = output if preset.quantity == preset.output else 1 / output
    values = cv2.resize(numbers, shape[::-1], interpolation=cv2.INTER_CUBIC)
    lowest = numbers.min() if preset.quantity == "depth" else 0
    np.maximum(values, lowest, out=values)  # bicubic overshoots at edges
    values.flags.writeable = False  # handed over: the map need not copy it
    return DepthMap.from_values(values, preset.quantity, preset.ambiguity)
