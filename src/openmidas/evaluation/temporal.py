"""Does the depth of a film hold together from frame to frame?"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from jaxtyping import Float

from openmidas.depth_map import ConventionError
from openmidas.training.datasets.entry import View


def temporal_alignment_error(depths: Sequence[Float[np.ndarray, "h w"]], views: Sequence[View]) -> float:
    """TAE: how far the depth of one frame, seen from the next frame's camera, is from that frame's, in percent.

    depths: metres, NaN where not known, of frames of one size in order. The pixels of frame k become points, are
    moved into the camera of frame k + 1 and fall into its pixels, the nearest in front; there AbsRel is taken
    against the depth of frame k + 1. The same from k + 1 to k. The result is 100 times the mean of all of these.
    Source: Chen et al., Video Depth Anything, 2025, section 4.1 and its code, which lets any of the points that share
    a pixel win, and counts 0 where frames share none; here such a pair of frames raises ConventionError.
    """
    if len(depths) != len(views) or len(depths) < 2:
        raise ConventionError(
            f"{len(depths)} frames with {len(views)} cameras: two or more of each are needed"
        )
    frames = list(zip(depths, views, strict=True))
    there_and_back = [pair for one, two in pairwise(frames) for pair in ((one, two), (two, one))]
    return 100 * float(np.mean([_seen_error(*one, *two) for one, two in there_and_back]))


def _seen_error(
    depth: Float[np.ndarray, "h w"], view: View, other_depth: Float[np.ndarray, "h w"], other_view: View
) -> float:
    """AbsRel of one frame's depth in another's camera, on the pixels that it covers."""
    seen = _seen_depth(depth, view, other_view)
    shared = np.isfinite(seen) & np.isfinite(other_depth)
    if not shared.any():
        raise ConventionError("two neighbouring frames see nothing in common: their cameras do not fit")
    return float(np.mean(np.abs(seen[shared] / other_depth[shared] - 1)))


def _seen_depth(depth: Float[np.ndarray, "h w"], view: View, other: View) -> Float[np.ndarray, "h w"]:
    """Depth in the other camera, the nearest of the points that fall into a pixel; infinite where none does."""
    rows, columns = np.nonzero(np.isfinite(depth))
    pixels = np.stack([columns + 0.5, rows + 0.5, np.ones(rows.size)])
    points = np.linalg.solve(view.intrinsics.astype(np.float64), pixels) * depth[rows, columns]
    motion = other.world_to_camera.astype(np.float64) @ np.linalg.inv(view.world_to_camera.astype(np.float64))
    moved = motion[:3, :3] @ points + motion[:3, 3:]
    moved = moved[:, moved[2] > 0]
    image = other.intrinsics @ moved
    column, row = np.floor(image[:2] / image[2])
    height, width = depth.shape
    inside = (row >= 0) & (row < height) & (column >= 0) & (column < width)
    nearest = np.full(height * width, np.inf)
    np.minimum.at(nearest, (row[inside] * width + column[inside]).astype(np.int64), moved[2, inside])
    return nearest.reshape(height, width)
