"""Is the order of depths right? Measures that need no fit in metres."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int

from openmidas.depth_map import ConventionError, DepthMap
from openmidas.evaluation.metrics import Depths
from openmidas.training.datasets.entry import OrdinalPairs

SAMPLED_PAIRS = 50_000
EQUAL_RATIO = 1.03


def whdr(prediction: DepthMap, pairs: OrdinalPairs, equal_ratio: float | None = None) -> float:
    """Fraction of the annotated pairs that the prediction puts in another order, all of the same weight.

    The prediction has the size of the annotated picture. Without `equal_ratio` the nearer pixel is the one of the
    higher inverse depth, and equal predictions are wrong. With it, two depths are equal when the farther is at most
    that many times as far as the nearer; sets with equal pairs need it, and it needs a map that is not affine
    invariant. Raises ConventionError for that, for another size, and for a pair where nothing is predicted.
    Source: Chen et al., Single-Image Depth Perception in the Wild, 2016 (DIW).
    """
    if prediction.shape != pairs.shape or pairs.relation.size == 0:
        raise ConventionError(
            f"{pairs.relation.size} pairs in a picture of {pairs.shape[0]}×{pairs.shape[1]} "
            f"cannot be judged by a prediction of {prediction.shape[0]}×{prediction.shape[1]}"
        )
    if equal_ratio is None and not pairs.relation.all():
        raise ConventionError("the set has pairs of equal depth: state by which ratio depths still are equal")
    if equal_ratio is not None and prediction.ambiguity == "affine_invariant":
        raise ConventionError("an affine-invariant map has no ratios of depths: align it to a target first")
    first, second = (prediction.values[tuple(pixels.T)] for pixels in (pairs.first, pairs.second))
    if np.isnan(first).any() or np.isnan(second).any():
        raise ConventionError("the prediction has no value at a pixel of an annotated pair")
    if prediction.quantity == "inverse_depth":
        first, second = second, first
    return float(np.mean(_relations(first, second, equal_ratio or 1.0) != pairs.relation))


def ordinal_error(depths: Depths) -> float:
    """Fraction of 50,000 pairs, drawn at random from the pixels that count, that are put in another order.

    Both orders know "equal": the farther depth at most 1.03 times the nearer. The same pairs are drawn every time
    for as many pixels. Source: Xian et al., Structure-Guided Ranking Loss, 2020.
    """
    first, second = np.random.default_rng(0).integers(depths.true.size, size=(2, SAMPLED_PAIRS))
    predicted, true = (
        _relations(values[first], values[second], EQUAL_RATIO) for values in (depths.predicted, depths.true)
    )
    return float(np.mean(predicted != true))


def _relations(
    first: Float[np.ndarray, " n"], second: Float[np.ndarray, " n"], equal_ratio: float
) -> Int[np.ndarray, " n"]:
    """+1 where the first of two depths is nearer, -1 where the second is, 0 where they are within the ratio."""
    return (second > first * equal_ratio).astype(np.int8) - (first > second * equal_ratio)
