"""Which pixels of a target count, where a picture beside it says so."""

from __future__ import annotations

from pathlib import Path

from openmidas.depth_map import DepthMap
from openmidas.files.errors import file_error
from openmidas.files.gray import read_gray


def only_valid(target: DepthMap, marks: Path) -> DepthMap:
    """The target without the pixels that are black in the gray picture `marks`; raises FileError."""
    levels = read_gray(marks).codes
    if levels.shape != target.shape:
        (height, width), (wanted_height, wanted_width) = levels.shape, target.shape
        raise file_error(marks, f"has {height}×{width} pixels, its target {wanted_height}×{wanted_width}")
    return DepthMap(target.values, target.valid & (levels > 0), target.quantity, target.ambiguity)
