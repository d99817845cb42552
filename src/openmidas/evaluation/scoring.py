"""The protocol for a picture, or for a film: fit, clamp, and measure a prediction as a rule says.

Arithmetic is in float64; what a file or a network gives, and the resizing, is in float32.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType

import numpy as np
from jaxtyping import Bool, Float

from openmidas.alignment import ConstantError, fit_values
from openmidas.depth_map import ConventionError, DepthMap, Quantity
from openmidas.evaluation.boundaries import boundary_scores, depth_edge_errors
from openmidas.evaluation.metrics import PIXEL_METRICS, Depths
from openmidas.evaluation.ordinal import ordinal_error, whdr
from openmidas.evaluation.protocols import Rule
from openmidas.evaluation.temporal import temporal_alignment_error
from openmidas.training.datasets.entry import OrdinalPairs, View

# No published rule lets a fitted depth fall to 0, where logarithms and ratios end. Where one has no cap, Marigold's
# code keeps fitted inverse depth from 0 by this.
SMALLEST_M, FARTHEST_M = 1e-6, 1e3
# A prediction may have the size that its network rounds a picture to, but not another picture's shape.
ASPECT_SLACK = 1.15

_Map = Float[np.ndarray, "h w"]

COUNTED_METRICS: Mapping[str, Callable[[Depths], float]] = MappingProxyType(
    {**PIXEL_METRICS, "ordinal error": ordinal_error}
)
# Those that look at neighbours: of predicted and true depth, in maps that are NaN where not known.
MAP_METRICS: Mapping[tuple[str, ...], Callable[[_Map, _Map], tuple[float, ...]]] = MappingProxyType(
    {
        ("boundary precision", "boundary recall", "boundary F1"): boundary_scores,
        ("edge accuracy", "edge completeness"): depth_edge_errors,
    }
)


@dataclass(frozen=True, eq=False)
class Fitted:
    """A prediction and its target inside the rule's crop, ready to be measured.

    depth: predicted, fitted and clamped to limits_m, NaN where nothing is predicted. truth: depth, NaN where not
    valid, infinite where sky. counted: the pixels that errors of depth are measured on.
    """

    depth: Float[np.ndarray, "h w"]
    truth: Float[np.ndarray, "h w"]
    counted: Bool[np.ndarray, "h w"]
    limits_m: tuple[float, float]


def score(prediction: DepthMap, target: DepthMap | OrdinalPairs, rule: Rule) -> dict[str, float]:
    """The rule's metrics of one picture, by name: `fit`, then `measure`. Ordinal pairs need no fit.

    Raises ConventionError, in one line, for a picture that cannot count.
    """
    if isinstance(target, OrdinalPairs):
        _check_known(rule.metrics, ("WHDR",))
        return {"WHDR": whdr(_of_shape(prediction, target.shape), target)}
    if rule.fit == "group":
        raise ConventionError(f"{rule.set_name} is fitted over whole films: score its pictures together")
    return measure(fit(prediction, target, rule), rule.metrics)


def score_group(
    predictions: Sequence[DepthMap], targets: Sequence[DepthMap], rule: Rule, views: Sequence[View] = ()
) -> list[dict[str, float]]:
    """The rule's metrics of each picture of a film: as `score`, with one scale and shift for all.

    views: the cameras, in the pixels of the targets; the metric TAE needs them and is the same for every picture.
    """
    frames = fit_group(predictions, targets, rule)
    film: dict[str, float] = {}
    if "TAE" in rule.metrics:
        cameras = [_cropped_view(view, targets[0].shape, rule) for view in views]
        film["TAE"] = temporal_alignment_error([frame.depth for frame in frames], cameras)
    metrics = [name for name in rule.metrics if name != "TAE"]
    return [measure(frame, metrics) | film for frame in frames]


def fit(prediction: DepthMap, target: DepthMap, rule: Rule) -> Fitted:
    """The prediction as the rule wants it measured.

    It is resized to the target (bilinear, pixel centres at 0.5). Pixels count that are valid in the target, inside the
    crop and between min_m and max_m. Scale and shift are fitted by least squares over these, in inverse depth or in
    depth; affine-invariant inverse depth has no depth and is always fitted in inverse depth. With alignment "none" a
    metric prediction is taken as it is. Depth is clamped to min_m ... cap_m.

    Raises ConventionError where nothing of the target counts, or the prediction is constant (unless the rule scores
    that), of another shape, without a value at a pixel that counts, or of another kind than the rule takes.
    """
    return fit_group([prediction], [target], rule)[0]


def fit_group(predictions: Sequence[DepthMap], targets: Sequence[DepthMap], rule: Rule) -> list[Fitted]:
    """As `fit`, with one scale and shift for all frames of a film."""
    frames = [_frame(*pair, rule) for pair in zip(predictions, targets, strict=True)]
    scale, shift = (1.0, 0.0) if rule.alignment == "none" else _scale_shift(frames, rule)
    cap_m = rule.cap_m or 2 * max(float(frame.truth[frame.counted].max()) for frame in frames)
    limits_m = max(rule.min_m, SMALLEST_M), cap_m
    return [
        Fitted(_depth(frame, scale, shift, limits_m), frame.truth, frame.counted, limits_m)
        for frame in frames
    ]


def measure(fitted: Fitted, metrics: Sequence[str]) -> dict[str, float]:
    """Metrics by name: of COUNTED_METRICS over the pixels that count, of MAP_METRICS over all that is valid.

    For the latter both maps are clamped, so that the edge between a roof and the sky counts.
    Raises ConventionError for another name, and where a metric cannot be had of such maps.
    """
    _check_known(metrics, (*COUNTED_METRICS, *(name for names in MAP_METRICS for name in names)))
    found: dict[str, float] = {}
    if any(name in COUNTED_METRICS for name in metrics):
        depths = Depths(fitted.depth[fitted.counted], fitted.truth[fitted.counted])
        found |= {name: COUNTED_METRICS[name](depths) for name in metrics if name in COUNTED_METRICS}
    for names, of_maps in MAP_METRICS.items():
        if any(name in names for name in metrics):
            predicted = np.where(np.isnan(fitted.truth), np.nan, fitted.depth)
            values = of_maps(predicted, np.clip(fitted.truth, *fitted.limits_m))
            found |= dict(zip(names, values, strict=True))
    return {name: found[name] for name in metrics}


def _check_known(metrics: Sequence[str], known: Sequence[str]) -> None:
    unknown = [name for name in metrics if name not in known]
    if unknown:
        raise ConventionError(f"{', '.join(unknown)} cannot be measured on a target of this kind")


@dataclass(frozen=True, eq=False)
class _Frame:
    """A picture inside the crop.

    values: the prediction, in the quantity that is fitted. truth: depth, NaN where not valid. counted: what counts.
    """

    values: Float[np.ndarray, "h w"]
    quantity: Quantity
    truth: Float[np.ndarray, "h w"]
    counted: Bool[np.ndarray, "h w"]


def _frame(prediction: DepthMap, target: DepthMap, rule: Rule) -> _Frame:
    _check_kinds(prediction, target, rule)
    top, bottom, left, right = (
        rule.crop.window(target.shape) if rule.crop else (0, target.shape[0], 0, target.shape[1])
    )
    part = np.s_[top:bottom, left:right]
    truth = target.values[part].astype(np.float64)
    if target.quantity == "inverse_depth":
        truth = _inverted(truth)
    counted = (truth > rule.min_m) & (truth < rule.max_m)
    if not counted.any():
        raise ConventionError(
            f"no pixel of the target counts: of {truth.size}, {np.count_nonzero(~np.isnan(truth))} are valid, "
            f"and none of these is between {rule.min_m:g} and {rule.max_m:g} m"
        )
    fitted = _in_fitted_quantity(prediction, rule)
    values = _of_shape(fitted, target.shape).values[part]
    _check_complete(values[counted], rule)
    return _Frame(values, fitted.quantity, truth, counted)


def _check_kinds(prediction: DepthMap, target: DepthMap, rule: Rule) -> None:
    if target.ambiguity == "affine_invariant":
        raise ConventionError("the target is affine invariant itself: nothing can be measured against it")
    in_metres = rule.min_m > 0 or rule.max_m < np.inf or rule.cap_m is not None or rule.alignment == "none"
    if in_metres and target.ambiguity != "metric":
        raise ConventionError(f"the rule of {rule.set_name} is in metres: a scale-invariant target has none")
    if rule.alignment == "none" and prediction.ambiguity != "metric":
        raise ConventionError(
            f"the rule of {rule.set_name} fits nothing: a prediction must be in metres, not {prediction.ambiguity}"
        )


def _in_fitted_quantity(prediction: DepthMap, rule: Rule) -> DepthMap:
    """The prediction as the quantity that scale and shift are fitted in, or as it is when nothing is fitted."""
    if rule.alignment == "none":
        return prediction
    if rule.alignment == "inverse_depth":
        return prediction.to_inverse_depth()
    # what has no depth before it is fitted is fitted as what it is
    has_depth = prediction.quantity == "depth" or prediction.ambiguity != "affine_invariant"
    return prediction.to_depth() if has_depth else prediction


def _check_complete(values: Float[np.ndarray, " n"], rule: Rule) -> None:
    """Whoever leaves out what is difficult is not better for it. Sky is an answer, but no number to fit depth to."""
    known = ~np.isnan(values) if rule.alignment == "none" else np.isfinite(values)
    missing = values.size - np.count_nonzero(known)
    if missing:
        raise ConventionError(
            f"the prediction has no finite value at {missing} of the {values.size} pixels that count"
        )


def _of_shape(prediction: DepthMap, shape: tuple[int, int]) -> DepthMap:
    (height, width), (rows, columns) = prediction.shape, shape
    stretch = (width * rows) / (height * columns)
    if not 1 / ASPECT_SLACK < stretch < ASPECT_SLACK:
        raise ConventionError(
            f"a prediction of {height}×{width} is not of the picture of a target of {rows}×{columns}: "
            "give it the picture's size"
        )
    return prediction.resize(shape)


def _scale_shift(frames: Sequence[_Frame], rule: Rule) -> tuple[float, float]:
    if len({frame.quantity for frame in frames}) > 1:
        raise ConventionError("predictions of depth and of inverse depth cannot be fitted together")
    source = np.concatenate([frame.values[frame.counted] for frame in frames], dtype=np.float64)
    goal = np.concatenate([frame.truth[frame.counted] for frame in frames])
    if frames[0].quantity == "inverse_depth":
        goal = 1 / goal
    try:
        return fit_values(source, goal)
    except ConstantError:
        if rule.constant == "fails":
            raise
        return 0.0, float(goal.mean())


def _depth(
    frame: _Frame, scale: float, shift: float, limits_m: tuple[float, float]
) -> Float[np.ndarray, "h w"]:
    """Fitted values as depth, clamped: float64, NaN where there is none."""
    smallest_m, cap_m = limits_m
    fitted = frame.values.astype(np.float64)
    fitted *= scale
    fitted += shift
    if frame.quantity == "inverse_depth":
        lowest = 1 / (cap_m if cap_m < np.inf else FARTHEST_M)
        fitted = np.divide(1, np.maximum(fitted, lowest, out=fitted), out=fitted)
    return np.clip(fitted, smallest_m, cap_m, out=fitted)


def _inverted(values: Float[np.ndarray, "h w"]) -> Float[np.ndarray, "h w"]:
    with np.errstate(divide="ignore"):
        return 1 / values


def _cropped_view(view: View, shape: tuple[int, int], rule: Rule) -> View:
    """The camera of the part of the picture that the crop leaves."""
    if rule.crop is None:
        return view
    top, _, left, _ = rule.crop.window(shape)
    return replace(view, intrinsics=view.intrinsics - np.array([[0, 0, left], [0, 0, top], [0, 0, 0]]))
