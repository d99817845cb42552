"""Errors of depth, pixel by pixel: pure functions of the depths that count. A table of them: docs/metrics.md."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from openmidas.alignment import ConstantError, align
from openmidas.depth_map import ConventionError, DepthMap
from openmidas.evaluation.boundaries import neighbour_ratios

EDGE_RATIO = 1.25
SKY_RATIO = 50.0


@dataclass(frozen=True, eq=False)
class Depths:
    """Predicted and true depth of the pixels that count, all above 0 and finite; metres where a metric has a unit.

    Which pixels count, and how predictions are clamped, is decided before: a metric knows neither masks nor caps.
    Raises ConventionError for no pixel, and for depths that are not above 0 and finite.
    """

    predicted: Float[np.ndarray, " n"]
    true: Float[np.ndarray, " n"]

    def __post_init__(self) -> None:
        if self.true.size == 0:
            raise ConventionError("there is no pixel to measure")
        for name, values in (("predicted", self.predicted), ("true", self.true)):
            if not (values.min() > 0 and values.max() < np.inf):
                raise ConventionError(f"every {name} depth that counts must be above 0 and finite")

    @cached_property
    def ratio(self) -> Float[np.ndarray, " n"]:
        """Predicted over true, float64."""
        return np.divide(self.predicted, self.true, dtype=np.float64)

    @cached_property
    def log_ratio(self) -> Float[np.ndarray, " n"]:
        """Natural logarithm of predicted over true."""
        return np.log(self.ratio)

    @cached_property
    def factor(self) -> Float[np.ndarray, " n"]:
        """How many times too far or too near: the larger of ratio and 1 / ratio."""
        return np.maximum(self.ratio, 1 / self.ratio)


def abs_rel(depths: Depths) -> float:
    """Mean of |z - z*| / z*."""
    return float(np.mean(np.abs(depths.ratio - 1)))


def sq_rel(depths: Depths) -> float:
    """Mean of (z - z*)² / z*, metres."""
    return float(np.mean(np.square(depths.ratio - 1) * depths.true))


def rmse(depths: Depths) -> float:
    """Root of the mean of (z - z*)², metres."""
    error = np.subtract(depths.predicted, depths.true, dtype=np.float64)
    return float(np.sqrt(error @ error / error.size))


def rmse_log(depths: Depths) -> float:
    """Root of the mean of (ln z - ln z*)²."""
    return float(np.sqrt(depths.log_ratio @ depths.log_ratio / depths.log_ratio.size))


def log10(depths: Depths) -> float:
    """Mean of |log10 z - log10 z*|."""
    return float(np.mean(np.abs(depths.log_ratio)) / np.log(10))


def silog(depths: Depths) -> float:
    """100 times the standard deviation of ln z - ln z*: a common factor in z does not count.

    As 100 √(mean d² - (mean d)²) in the KITTI benchmark (Uhrig et al., Sparsity Invariant CNNs, 2017), which takes
    the whole of (mean d)² away; Eigen et al., 2014, whose loss it was, take away half.
    """
    return float(100 * np.std(depths.log_ratio))


def delta(depths: Depths, power: int = 1) -> float:
    """Fraction of pixels with max(z / z*, z* / z) < 1.25 ** power."""
    return float(np.count_nonzero(depths.factor < EDGE_RATIO**power) / depths.factor.size)


def bad_percent(depths: Depths) -> float:
    """Percentage of pixels with max(z / z*, z* / z) not below 1.25: 100 (1 - δ<1.25)."""
    return 100 * (1 - delta(depths))


PIXEL_METRICS: Mapping[str, Callable[[Depths], float]] = MappingProxyType(
    {
        "AbsRel": abs_rel,
        "SqRel": sq_rel,
        "RMSE": rmse,
        "RMSE log": rmse_log,
        "log10": log10,
        "SILog": silog,
        "δ<1.25": delta,
        "δ<1.25²": partial(delta, power=2),
        "δ<1.25³": partial(delta, power=3),
        "% δ>1.25": bad_percent,
    }
)


class Scores(NamedTuple):
    """abs_rel: mean |z - z*| / z*. delta1: fraction of pixels with max(z / z*, z* / z) < 1.25."""

    abs_rel: float
    delta1: float


def fitted_scores(prediction: DepthMap, target: DepthMap) -> Scores:
    """Scores of a prediction of any ambiguity on the target's valid pixels, without the sky.

    The prediction is resized (bilinear), fitted by least squares in inverse depth, clamped from below at half
    the smallest valid target inverse depth, and inverted. One that is the same everywhere becomes the mean of the
    target's inverse depth, which is its fit whatever the scale. Else raises ConventionError as `align`.
    Source: Ranftl et al., TPAMI 2022, section 6.
    """
    inverse = target.to_inverse_depth().values
    known = inverse > 0  # not so where it is NaN
    truth = inverse[known].astype(np.float64)
    fitted = _fitted(prediction, target)[known].astype(np.float64)
    depths = Depths(1 / np.maximum(fitted, truth.min() / 2), 1 / truth)
    return Scores(abs_rel(depths), delta(depths))


def _fitted(prediction: DepthMap, target: DepthMap) -> Float[np.ndarray, "h w"]:
    try:
        return align(prediction, target).values
    except ConstantError:
        missing = np.isnan(prediction.resize(target.shape).values)
        return np.where(missing, np.nan, np.nanmean(target.to_inverse_depth().values, dtype=np.float64))


def boundary_f1(prediction: DepthMap, target: DepthMap) -> float:
    """How well depth edges stand where they are: F1 of neighbouring pixels whose depths differ by a quarter.

    The prediction is fitted as in `fitted_scores`; sky stands at fifty times the nearest depth. An edge is a
    pair of pixels side by side, or one above the other, with max(z / z', z' / z) > 1.25; a predicted pair counts
    where a true pair of the same direction is, to the pixel. The target must be valid everywhere.
    `boundary_scores` is the published measure, over ten thresholds and by direction.
    Source: Bochkovskii et al., Depth Pro, 2024, section 3.4, at one threshold.
    """
    truth = target.to_inverse_depth().values
    floor = truth.max() / SKY_RATIO
    found = _edges(np.maximum(align(prediction, target).values, floor))
    true = _edges(np.maximum(truth, floor))
    hits = sum(np.count_nonzero(f & t) for f, t in zip(found, true, strict=True))
    total = sum(np.count_nonzero(f) + np.count_nonzero(t) for f, t in zip(found, true, strict=True))
    return 2 * hits / max(total, 1)


def _edges(inverse_depth: Float[np.ndarray, "h w"]) -> list[np.ndarray]:
    return [ratio > EDGE_RATIO for ratio in neighbour_ratios(inverse_depth)]
