"""Errors of a prediction after the least-squares fit of scale and shift in inverse depth (zero-shot protocol)."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float

from openmidas.alignment import align
from openmidas.depth_map import DepthMap

EDGE_RATIO = 1.25
SKY_RATIO = 50.0


class Scores(NamedTuple):
    """abs_rel: mean |z - z*| / z*. delta1: fraction of pixels with max(z / z*, z* / z) < 1.25."""

    abs_rel: float
    delta1: float


def fitted_scores(prediction: DepthMap, target: DepthMap) -> Scores:
    """Scores of a prediction of any ambiguity on the target's valid pixels.

    The prediction is resized (bilinear), fitted by least squares in inverse depth, clamped from below at half
    the smallest valid target inverse depth, and inverted. Raises ConventionError as `align`.
    Source: Ranftl et al., TPAMI 2022, section 6.
    """
    truth = target.to_inverse_depth().values[target.valid]
    fitted = align(prediction, target).values[target.valid]
    ratio = truth / np.maximum(fitted, truth.min() / 2)  # z / z*
    return Scores(float(np.mean(np.abs(ratio - 1))), float(np.mean(np.maximum(ratio, 1 / ratio) < 1.25)))


def boundary_f1(prediction: DepthMap, target: DepthMap) -> float:
    """How well depth edges stand where they are: F1 of neighbouring pixels whose depths differ by a quarter.

    The prediction is fitted as in `fitted_scores`; sky stands at fifty times the nearest depth. An edge is a
    pair of pixels side by side, or one above the other, with max(z / z', z' / z) > 1.25; a predicted pair counts
    where a true pair of the same direction is, to the pixel. The target must be valid everywhere.
    Source: Bochkovskii et al., Depth Pro, 2024, section 3.4, at one threshold.
    """
    truth = target.to_inverse_depth().values
    floor = truth.max() / SKY_RATIO
    found = _edges(np.maximum(align(prediction, target).values, floor))
    true = _edges(np.maximum(truth, floor))
    hits = sum(int((f & t).sum()) for f, t in zip(found, true, strict=True))
    total = sum(int(f.sum() + t.sum()) for f, t in zip(found, true, strict=True))
    return 2 * hits / max(total, 1)


def _edges(inverse_depth: Float[np.ndarray, "h w"]) -> list[Bool[np.ndarray, "h2 w2"]]:
    """Pairs across, then down, each nearer second and nearer first."""
    across = inverse_depth[:, 1:] / inverse_depth[:, :-1]
    down = inverse_depth[1:] / inverse_depth[:-1]
    return [pair for ratio in (across, down) for pair in (ratio > EDGE_RATIO, ratio < 1 / EDGE_RATIO)]
