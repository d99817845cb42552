"""Which pixels of a target count, and which are sky, where pictures beside it say so."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from jaxtyping import Bool

from openmidas.depth_map import DepthMap
from openmidas.files.errors import file_error
from openmidas.files.gray import read_gray


def only_valid(target: DepthMap, marks: Path) -> DepthMap:
    """The target without the pixels that are black in the gray picture `marks`; raises FileError."""
    valid = target.valid & _marked(marks, target.shape)
    return DepthMap(target.values, valid, target.quantity, target.ambiguity)


def with_sky(target: DepthMap, marks: Path) -> DepthMap:
    """The target with sky, valid and farthest, where the gray picture `marks` is not black; raises FileError.

    Sky is depth infinity, inverse depth 0; without a known shift it is the least valid inverse depth where that is
    below 0, as of stereo pairs whose cameras converge.
    """
    sky = _marked(marks, target.shape)
    seen = target.valid & ~sky
    least = float(np.min(target.values, where=seen, initial=0))
    values = np.where(sky, np.inf if target.quantity == "depth" else least, target.values)
    return DepthMap(values, seen | sky, target.quantity, target.ambiguity)


def _marked(marks: Path, shape: tuple[int, int]) -> Bool[np.ndarray, "h w"]:
    levels = read_gray(marks).codes
    if levels.shape != shape:
        (height, width), (wanted_height, wanted_width) = levels.shape, shape
        raise file_error(marks, f"has {height}×{width} pixels, its target {wanted_height}×{wanted_width}")
    return levels > 0
