"""Are depth edges where they should be? Two published measures."""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np
from jaxtyping import Bool, Float, Int

from openmidas.depth_map import ConventionError

# Depth Pro: from a step of a twentieth to one of a quarter
THRESHOLDS = np.linspace(1.05, 1.25, 10)

# iBims-1: Canny on depth that is stretched to 0 ... 1
CANNY_SIGMA_PX = 2**0.5
CANNY_LOW, CANNY_HIGH = 0.1, 0.2
REACH_PX = 10.0


class BoundaryScores(NamedTuple):
    """precision: share of the predicted edges that are true. recall: share of the true ones that are predicted."""

    precision: float
    recall: float
    f1: float


class EdgeErrors(NamedTuple):
    """accuracy_px: how far predicted edges are from true ones. completeness_px: true ones from predicted ones."""

    accuracy_px: float
    completeness_px: float


def boundary_scores(predicted: Float[np.ndarray, "h w"], true: Float[np.ndarray, "h w"]) -> BoundaryScores:
    """Precision, recall and F1 of depth edges, to the pixel, over ten thresholds; a common factor does not count.

    predicted, true: depth, NaN where not known. An edge at threshold t: of two neighbours, one is more than t times
    as far as the other. Precision and recall are means over the four directions (the nearer one to the left, right,
    top, bottom); their weighted means over t = 1.05 ... 1.25, and that of the F1 at each t, have weights in
    proportion to t. A direction, or a threshold, at which neither map has an edge says nothing and is left out
    (the authors' code counts it as 0). Raises ConventionError where there is none at all.
    Source: Bochkovskii et al., Depth Pro, 2024, section 3.4 and its code.
    """
    sides = zip(neighbour_ratios(predicted), neighbour_ratios(true), strict=True)
    hits, found, wanted = np.stack([_counts(*side) for side in sides], axis=1)
    known = (found + wanted) > 0
    directions = known.sum(axis=0)
    if not directions.any():
        raise ConventionError("neither the prediction nor the target has a depth edge between known pixels")
    seen = directions > 0
    precision = (hits / np.maximum(found, 1)).sum(axis=0)[seen] / directions[seen]
    recall = (hits / np.maximum(wanted, 1)).sum(axis=0)[seen] / directions[seen]
    total = precision + recall
    f1 = np.divide(2 * precision * recall, total, out=np.zeros_like(total), where=total > 0)
    weights = THRESHOLDS[seen] / THRESHOLDS[seen].sum()
    return BoundaryScores(float(precision @ weights), float(recall @ weights), float(f1 @ weights))


def neighbour_ratios(values: Float[np.ndarray, "h w"]) -> list[Float[np.ndarray, "h2 w2"]]:
    """Every value over its left, right, upper and lower neighbour; NaN where one of them is, or both are infinite."""
    with np.errstate(divide="ignore", invalid="ignore"):
        across, down = values[:, 1:] / values[:, :-1], values[1:] / values[:-1]
        return [across, values[:, :-1] / values[:, 1:], down, values[:-1] / values[1:]]


def _counts(found: Float[np.ndarray, "h w"], true: Float[np.ndarray, "h w"]) -> Int[np.ndarray, "3 t"]:
    """At every threshold: pairs that are edges in both, in the prediction, in the truth."""
    found_edges, true_edges = found > THRESHOLDS[0], true > THRESHOLDS[0]
    both = found_edges & true_edges
    ratios = (np.minimum(found[both], true[both]), found[found_edges], true[true_edges])
    return np.stack([_above_thresholds(part) for part in ratios])


def _above_thresholds(ratios: Float[np.ndarray, " n"]) -> Int[np.ndarray, " t"]:
    return ratios.size - np.searchsorted(np.sort(ratios), THRESHOLDS, side="right")


def depth_edges(depth: Float[np.ndarray, "h w"]) -> Bool[np.ndarray, "h w"]:
    """Edges of a map that is known everywhere, stretched to 0 ... 1: Canny at the scale and thresholds of iBims-1.

    Raises ConventionError for a map with holes.
    """
    low, high = float(depth.min()), float(depth.max())
    if not np.isfinite(high - low):
        raise ConventionError("depth edges are looked for in maps that are known, and finite, everywhere")
    if low == high:
        return np.zeros(depth.shape, bool)
    stretched = ((depth - low) / (high - low)).astype(np.float32)
    smooth = cv2.GaussianBlur(stretched, (0, 0), CANNY_SIGMA_PX, borderType=cv2.BORDER_REPLICATE)
    # a Sobel response to values of 0 ... 1 is within 4: this uses the 16 bits that Canny takes
    steps = 8000
    slopes = [
        np.rint(steps * cv2.Sobel(smooth, cv2.CV_32F, *axis, borderType=cv2.BORDER_REPLICATE)).astype(
            np.int16
        )
        for axis in ((1, 0), (0, 1))
    ]
    edges = cv2.Canny(slopes[0], slopes[1], CANNY_LOW * steps, CANNY_HIGH * steps, L2gradient=True)
    return edges > 0


def edge_errors(found: Bool[np.ndarray, "h w"], true: Bool[np.ndarray, "h w"]) -> EdgeErrors:
    """Depth boundary errors: mean distances between predicted and true edges, in pixels.

    Accuracy: from predicted edges to the nearest true one, of those nearer than 10 pixels to one. Completeness:
    from true edges to the nearest predicted one, at most 10. Both are 10 where no predicted edge is that near.
    Raises ConventionError for a truth without edges.
    Source: Koch et al., Evaluation of CNN-based Single-Image Depth Estimation Methods, 2018, section 4.2 (iBims-1).
    """
    if not true.any():
        raise ConventionError("the target has no depth edge: nothing to compare with")
    to_true = _distances(true, found)
    near = to_true < REACH_PX
    if not near.any():
        return EdgeErrors(REACH_PX, REACH_PX)
    to_found = np.minimum(_distances(found, true), REACH_PX)
    return EdgeErrors(float(to_true[near].mean()), float(to_found.mean()))


def _distances(edges: Bool[np.ndarray, "h w"], places: Bool[np.ndarray, "h w"]) -> Float[np.ndarray, " n"]:
    """Distance from each of the places to the nearest edge, in pixels between centres."""
    distances = cv2.distanceTransform((~edges).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    # squares of distances are whole: this takes float32's rounding away
    return np.sqrt(np.rint(np.square(distances[places].astype(np.float64))))


def depth_edge_errors(predicted: Float[np.ndarray, "h w"], true: Float[np.ndarray, "h w"]) -> EdgeErrors:
    """`edge_errors` between the `depth_edges` of two maps; where a set has its edges drawn by hand, use those."""
    return edge_errors(depth_edges(predicted), depth_edges(true))
