"""The depth map beside the photo in a HEIC file, as Apple's portrait mode writes it."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from openmidas.depth_map import Ambiguity, Quantity
from openmidas.encoding import Encoding
from openmidas.files.codes import Codes, Numbers
from openmidas.files.errors import FilePath, file_error, open_file
from openmidas.files.picture import MAX_PIXELS, open_picture


class _Kind(NamedTuple):
    """quantity at code 0 and at 255: the names of the two numbers, and whether they stand as 1/number."""

    quantity: Quantity
    zero: str
    one: str
    inverted: bool = False


# depth_representation_type of the SEI message, ISO/IEC 23008-2 (HEVC) annex G, by number; 3 is not uniform
_KINDS = {
    0: _Kind("inverse_depth", "z_far", "z_near", inverted=True),
    1: _Kind("inverse_depth", "d_min", "d_max"),
    2: _Kind("depth", "z_near", "z_far"),
}
_RELATIVE = rb"depthData:Accuracy\s*(>|=\s*[\"'])\s*relative"


def read_heic_depth(path: FilePath) -> Numbers | None:
    """The 8-bit numbers of the depth image in a HEIC file, upright, at their own size; None without one.

    With its range in the file the map is metric: disparity in 1/m (Apple's unit), 1/z or z. It is affine
    invariant without, with a range below 0, and where Apple's metadata call its accuracy relative.
    Raises FileError, also when pillow-heif is not installed.
    """
    with open_picture(path) as picture:
        images = picture.info.get("depth_images") or []
        if not images:
            return None
        width, height = images[0].size
        if width * height > MAX_PIXELS:
            raise file_error(path, f"its depth map claims {width}×{height} pixels")
        stated = images[0].info.get("metadata") or {}
        levels = np.array(images[0].to_pillow())
    return Numbers(levels, _encoding(path, levels, stated))


def _encoding(path: FilePath, levels: Codes, stated: Mapping[str, Any]) -> Encoding:
    kind = _KINDS.get(stated.get("representation_type", 1))
    if kind is None or levels.dtype != np.uint8:
        raise file_error(path, "its depth map is not of 8 bits in even steps: such a kind is not read")
    zero, one = (_value(stated.get(name), kind) for name in (kind.zero, kind.one))
    if zero == one or not (math.isfinite(zero) and math.isfinite(one)):
        zero, one = 0.0, 1.0
        ambiguity: Ambiguity = "affine_invariant"
    else:
        ambiguity = _ambiguity(path, kind, min(zero, one))
    unit = {"depth": "m", "inverse_depth": "1/m"}[kind.quantity] if ambiguity == "metric" else None
    return Encoding("heic", kind.quantity, ambiguity, unit, 8, zero, one)


def _value(stated: float | None, kind: _Kind) -> float:
    """NaN for what is not stated or has no inverse."""
    if stated is None or (kind.inverted and stated == 0):
        return math.nan
    return 1 / stated if kind.inverted else stated


def _ambiguity(path: FilePath, kind: _Kind, lowest: float) -> Ambiguity:
    impossible = lowest < 0 or (kind.quantity == "depth" and lowest == 0)
    with open_file(path) as stream:
        is_relative = re.search(_RELATIVE, stream.read()) is not None
    return "affine_invariant" if impossible or is_relative else "metric"
