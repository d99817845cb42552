"""Depth maps as coloured pictures for people; the colours are not meant to be read back."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, get_args

import numpy as np
from jaxtyping import Float, UInt8

from openmidas.depth_map import DepthMap
from openmidas.files.atomic import write_bytes
from openmidas.files.errors import FilePath, file_error
from openmidas.files.jpeg import encode_jpeg
from openmidas.files.png import encode_png

Colormap = Literal["inferno", "magma", "turbo", "gray"]

INVALID_RGB = (90, 105, 120)
"""The slate gray of pixels without a value; no colormap here contains it."""

_PERCENTILES = (0.5, 99.5)
_SAMPLE_PIXELS = 200_000
_BAND_PIXELS = 65536  # they stay in the cache from one step to the next


def to_heatmap(
    depth_map: DepthMap,
    colormap: Colormap = "inferno",
    near_bright: bool = True,
    span: tuple[float, float] | None = None,
) -> UInt8[np.ndarray, "h w 3"]:
    """RGB (h, w, 3) with near bright, or far bright; pixels that are not valid get INVALID_RGB.

    Shows inverse depth, so that what is near gets most of the colours (affine-invariant depth: the depth
    itself, turned round). The colours span the 0.5 to 99.5 percentile of the valid values, so that a few
    stray pixels do not take them all; a constant map gets the middle colour.
    span: the lowest and highest inverse depth instead, for pictures that are to have the same colours.
    Raises ValueError for an unknown colormap.
    """
    table = _colours(colormap, near_bright)
    nearness = _nearness(depth_map)
    shades = _shades(nearness, _span(nearness) if span is None else span)
    import cv2

    heatmap = cv2.applyColorMap(shades, table)
    if not depth_map.valid.all():
        heatmap[~depth_map.valid] = INVALID_RGB
    return heatmap


def write_heatmap(
    path: FilePath,
    depth_map: DepthMap,
    colormap: Colormap = "inferno",
    near_bright: bool = True,
) -> None:
    """Write `to_heatmap` as PNG or JPEG, by the suffix, whole or not at all; raises FileError."""
    suffix = Path(path).suffix.lower()
    if suffix not in (".png", ".jpg", ".jpeg"):
        raise file_error(path, "heatmaps are written as .png or .jpg: choose one of them")
    heatmap = to_heatmap(depth_map, colormap, near_bright)
    write_bytes(path, encode_png(heatmap) if suffix == ".png" else encode_jpeg(path, heatmap))


def _nearness(depth_map: DepthMap) -> Float[np.ndarray, "h w"]:
    """Numbers that grow towards the viewer, NaN where not valid."""
    if (depth_map.quantity, depth_map.ambiguity) == ("depth", "affine_invariant"):
        return -depth_map.values
    inverse_depth: np.ndarray = depth_map.to_inverse_depth().values
    return inverse_depth


def _shades(nearness: Float[np.ndarray, "h w"], span: tuple[float, float]) -> UInt8[np.ndarray, "h w"]:
    """0 to 255 over the span; 127 for a constant map."""
    low, high = span
    if not high > low:
        return np.full(nearness.shape, 127, np.uint8)
    shades = np.empty(nearness.shape, np.uint8)
    rows = max(1, _BAND_PIXELS // nearness.shape[1])
    for top in range(0, len(nearness), rows):
        # In float32 the span of the smallest and of the largest numbers would overflow.
        share = nearness[top : top + rows].astype(np.float64)
        share -= low
        share *= 255 / (high - low)
        np.fmin(np.fmax(share, 0, out=share), 255, out=share)  # not a number becomes 0
        shades[top : top + rows] = np.rint(share, out=share)
    return shades


def _span(nearness: Float[np.ndarray, "h w"]) -> tuple[float, float]:
    flat = nearness.reshape(-1)
    sample = flat[:: max(1, flat.size // _SAMPLE_PIXELS)]
    known = sample[np.isfinite(sample)]
    if known.size:
        low, high = np.percentile(known.astype(np.float64), _PERCENTILES)
        if high > low:
            return float(low), float(high)
    # Few known pixels, or few that differ: they are what there is to see.
    known = flat[np.isfinite(flat)]
    return (float(known.min()), float(known.max())) if known.size else (0.0, 0.0)


def _colours(colormap: str, near_bright: bool) -> UInt8[np.ndarray, "256 1 3"]:
    """The RGB of every shade, in the form OpenCV looks colours up in."""
    import cv2

    maps = {"inferno": cv2.COLORMAP_INFERNO, "magma": cv2.COLORMAP_MAGMA, "turbo": cv2.COLORMAP_TURBO}
    shades = np.arange(256, dtype=np.uint8).reshape(-1, 1)
    if colormap in maps:
        table = cv2.applyColorMap(shades, maps[colormap])[:, :, ::-1]
    elif colormap == "gray":
        table = np.repeat(shades[:, :, None], 3, axis=2)
    else:
        raise ValueError(f"unknown colormap {colormap!r}; known: {', '.join(get_args(Colormap))}")
    return np.ascontiguousarray(table if near_bright else table[::-1])
