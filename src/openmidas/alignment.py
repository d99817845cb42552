"""Fit what a prediction leaves open, its scale and shift, to a target; always in inverse depth."""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np
import numpy.typing as npt
from jaxtyping import Float

from openmidas.depth_map import ConventionError, DepthMap

Method = Literal["least_squares", "robust", "ransac"]
_Values = Float[np.ndarray, " n"]
_SAMPLES = 512
_SCORED_PIXELS = 4096


class ConstantError(ConventionError):
    """A prediction that is the same at every pixel that counts: every scale fits it as well."""


def align(prediction: DepthMap, target: DepthMap, method: Method = "least_squares") -> DepthMap:
    """The prediction as inverse depth of the target's size, on the target's scale.

    Affine-invariant inverse depth gets a scale and a shift, scale-invariant maps a scale alone, and metric
    maps come back as they are. The result is metric (or scale invariant, as the target is). A prediction
    of another size is resized. Fitted values below 0 become 0, the sky: no inverse depth is negative.
    Raises ConventionError as `fit_scale_shift`.
    """
    inverse = _inverse_depth(prediction).resize(target.shape)
    if inverse.ambiguity == "metric":
        return inverse
    scale, shift = fit_scale_shift(inverse, target, method)
    values = np.maximum(inverse.values.astype(np.float64) * scale + shift, 0).astype(np.float32)
    return DepthMap(values, inverse.valid, "inverse_depth", target.ambiguity)


def fit_scale_shift(
    prediction: DepthMap, target: DepthMap, method: Method = "least_squares"
) -> tuple[float, float]:
    """Scale and shift that take the prediction's inverse depth to the target's, over pixels valid in both.

    least_squares: the closed form of Ranftl et al., Towards Robust Monocular Depth Estimation (TPAMI 2022).
    robust: its other one, in which medians and mean absolute deviations agree.
    ransac: the best line through random pairs of pixels (always the same ones), then least squares over
    its inliers; for targets of which many pixels, though fewer than half, are wrong.
    Nothing keeps the scale positive: a prediction that runs against its target gets a negative one, except
    by robust. Scale-invariant predictions get shift 0 (robust: the median ratio), metric ones (1, 0).
    Raises ConventionError for affine-invariant depth or targets, or too few valid pixels, and its ConstantError for a
    prediction that is the same everywhere.
    """
    if method not in get_args(Method):
        raise ConventionError(f"{method!r} is not one of {', '.join(get_args(Method))}")
    if target.ambiguity == "affine_invariant":
        raise ConventionError("the target is affine invariant itself: no scale and shift can be fitted to it")
    if prediction.ambiguity == "metric":
        return 1.0, 0.0
    shifts = prediction.ambiguity == "affine_invariant"
    source, goal = _valid_in_both(prediction, target, 2 if shifts else 1)
    return fit_values(source, goal, shifts, method)


def fit_values(
    source: _Values, goal: _Values, shifts: bool = True, method: Method = "least_squares"
) -> tuple[float, float]:
    """Scale and shift that take the numbers of `source` to those of `goal`, whatever they measure.

    shifts: False leaves the shift at 0. Methods as in `fit_scale_shift`.
    Raises ConstantError for a source that is the same everywhere (without a shift: 0 everywhere).
    """
    if shifts and source.min() == source.max():
        raise ConstantError(f"the prediction is {source[0]:g} at every valid pixel: no scale can be fitted")
    if not source.any():
        raise ConstantError("the prediction is 0 at every valid pixel: no scale can be fitted")
    return (_SCALE_AND_SHIFT if shifts else _SCALE)[method](source, goal)


def _inverse_depth(prediction: DepthMap) -> DepthMap:
    if (prediction.quantity, prediction.ambiguity) == ("depth", "affine_invariant"):
        raise ConventionError(
            "affine-invariant depth cannot be fitted in inverse depth: predict inverse depth"
        )
    return prediction.to_inverse_depth()


def _valid_in_both(prediction: DepthMap, target: DepthMap, needed: int) -> tuple[_Values, _Values]:
    source = _inverse_depth(prediction).resize(target.shape)
    goal = target.to_inverse_depth()
    valid = source.valid & goal.valid
    count = np.count_nonzero(valid)
    if count < needed:
        raise ConventionError(f"{count} pixels are valid in both prediction and target, {needed} are needed")
    return source.values[valid].astype(np.float64), goal.values[valid].astype(np.float64)


def _least_squares(source: _Values, goal: _Values) -> tuple[float, float]:
    """argmin over (s, t) of the sum of (s * source + t - goal)²."""
    # centred first: the textbook sums cancel when the values are far from 0
    centre, goal_centre = source.mean(), goal.mean()
    centred = source - centre
    scale = float(centred @ (goal - goal_centre) / (centred @ centred))
    return scale, float(goal_centre - scale * centre)


def _least_squares_scale(source: _Values, goal: _Values) -> tuple[float, float]:
    return float(source @ goal / (source @ source)), 0.0


def _robust(source: _Values, goal: _Values) -> tuple[float, float]:
    centre, goal_centre = np.median(source), np.median(goal)
    scale = float(np.abs(goal - goal_centre).mean() / np.abs(source - centre).mean())
    return scale, float(goal_centre - scale * centre)


def _robust_scale(source: _Values, goal: _Values) -> tuple[float, float]:
    """The median of the ratios; pixels where the prediction is 0 have none."""
    known = source > 0
    return float(np.median(goal[known] / source[known])), 0.0


def _ransac(source: _Values, goal: _Values) -> tuple[float, float]:
    first, second = _drawn(source.size, 2 * _SAMPLES).reshape(2, -1)
    differ = source[first] != source[second]
    first, second = first[differ], second[differ]
    scales = (goal[first] - goal[second]) / (source[first] - source[second])
    # least squares stands among the guesses, should hardly any pair differ
    scale, shift = _least_squares(source, goal)
    shifts = np.append(goal[first] - scales * source[first], shift)
    scale, shift = _best_guess(source, goal, np.append(scales, scale), shifts)
    near = _inliers(np.abs(scale * source + shift - goal), goal)
    spread = np.ptp(source[near]) if near.any() else 0.0
    return _least_squares(source[near], goal[near]) if spread > 0 else (scale, shift)


def _ransac_scale(source: _Values, goal: _Values) -> tuple[float, float]:
    known = source > 0
    source, goal = source[known], goal[known]
    drawn = _drawn(source.size, _SAMPLES)
    scales = goal[drawn] / source[drawn]
    scale, _ = _best_guess(source, goal, scales, np.zeros_like(scales))
    near = _inliers(np.abs(scale * source - goal), goal)
    return _least_squares_scale(source[near], goal[near]) if near.any() else (scale, 0.0)


def _drawn(size: int, count: int) -> npt.NDArray[np.int64]:
    return np.random.default_rng(0).integers(size, size=count)


def _best_guess(source: _Values, goal: _Values, scales: _Values, shifts: _Values) -> tuple[float, float]:
    """The guess with the least sum of square roots of residuals.

    Gross errors weigh little there, and many equal pixels, as of the sky, do not outvote the rest, as they
    would in a median.
    """
    scored = _drawn(source.size, _SCORED_PIXELS) if source.size > _SCORED_PIXELS else slice(None)
    some_source, some_goal = source[scored], goal[scored]
    scores = [
        np.sqrt(np.abs(scale * some_source + shift - some_goal)).sum()
        for scale, shift in zip(scales, shifts, strict=True)
    ]
    best = int(np.argmin(scores))
    return float(scales[best]), float(shifts[best])


def _inliers(residuals: _Values, goal: _Values) -> npt.NDArray[np.bool_]:
    """Residuals within 2.5 deviations of the normal distribution that has their median."""
    # float32 rounds, so an exact fit leaves residuals as well
    floor = 1e-6 * np.abs(goal).max()
    near: npt.NDArray[np.bool_] = residuals <= 2.5 * 1.4826 * np.median(residuals) + floor
    return near


_SCALE_AND_SHIFT = {"least_squares": _least_squares, "robust": _robust, "ransac": _ransac}
_SCALE = {"least_squares": _least_squares_scale, "robust": _robust_scale, "ransac": _ransac_scale}
