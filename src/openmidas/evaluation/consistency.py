"""Where a network disagrees with itself: it is shown one picture in several ways, and no truth is needed.

A network that has understood a place says the same of it in the mirror, from nearer and from farther. Where it does
not, at least one of its answers is wrong. Where it does, all may still be wrong together: agreement is no proof.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations

import numpy as np
from jaxtyping import Float, Int, UInt8

from openmidas.alignment import fit_scale_shift
from openmidas.depth_map import ConventionError, DepthMap, value_range

_ROUNDS = 2
_PAIRS = 100_000
_TIE = 0.02
_RAMP = 0.15
_RANGE_PERCENTILES = (1, 99)

_Answers = Float[np.ndarray, "n h w"]
_Map = Float[np.ndarray, "h w"]


@dataclass(frozen=True)
class Look:
    """One way to show a picture: rows and columns from and to, as shares of its height and width.

    What is outside the picture, below 0 or above 1, mirrors what is inside: all of it is there, smaller.
    flipped: left and right are exchanged.
    """

    rows: tuple[float, float]
    columns: tuple[float, float]
    flipped: bool


LOOKS: Sequence[Look] = (
    Look((0, 1), (0, 1), False),
    Look((0, 1), (0, 1), True),
    Look((0, 0.6), (0, 0.6), False),
    Look((0, 0.6), (0.4, 1), True),
    Look((0.4, 1), (0, 0.6), False),
    Look((0.4, 1), (0.4, 1), True),
    Look((-0.1, 1.1), (-0.1, 1.1), True),
    Look((-0.25, 1.25), (-0.25, 1.25), False),
)
"""The picture as it is, in the mirror, its four corners larger, all of it smaller; of each kind half in the mirror.

Chosen on rendered scenes: smaller corners and more of the surroundings make answers differ where none is wrong.
"""


@dataclass(frozen=True, eq=False)
class Consistency:
    """A network's answer to a picture, and how far its answers to all looks lie apart.

    answer: to the plain picture, as affine-invariant inverse depth.
    disagreement: how far two answers lie apart, the mean over all pairs, as a share of the range of inverse depth (of
    the median answer, from its 1st to its 99th percentile); NaN where fewer than two answers are valid.
    order_flips: share of random pairs of pixels of which one answer says that the first is nearer, and another that
    the second is, each by more than 2 % of the range.
    """

    answer: DepthMap
    disagreement: Float[np.ndarray, "h w"]
    order_flips: float

    @cached_property
    def median(self) -> float:
        """Of the disagreement."""
        return float(np.nanmedian(self.disagreement))

    @cached_property
    def percentile_95(self) -> float:
        """Of the disagreement."""
        return float(np.nanpercentile(self.disagreement, 95))


def consistency(
    predict: Callable[[UInt8[np.ndarray, "_ _ 3"]], DepthMap],
    image: UInt8[np.ndarray, "h w 3"],
    looks: Sequence[Look] = LOOKS,
) -> Consistency:
    """Predict the picture by every look, bring the answers onto one scale, and measure how far they lie apart.

    An answer is known up to scale and shift, so each is fitted to the median of all by medians and mean absolute
    deviations (the robust fit of Ranftl et al., TPAMI 2022), twice over; the first median is the first look's answer.
    Raises ConventionError for affine-invariant depth, or where there is nothing to compare, and what `predict` raises.
    """
    answers = np.stack([_answer(predict, image, look) for look in looks])
    middle = answers[0]
    plain = DepthMap.from_values(middle, "inverse_depth", "affine_invariant")
    low, high = value_range(plain)
    if low == high:
        raise ConventionError("the network says that every pixel is as far: there is nothing to compare")
    for _ in range(_ROUNDS):
        answers = np.stack([_fitted(answer, middle) for answer in answers])
        middle = _median(answers)
    span = _span(middle)
    weights = np.stack([_weight(look, middle.shape) for look in looks])
    disagreement = _mean_difference(answers, weights) / np.float32(span)
    if np.isnan(disagreement).all():
        raise ConventionError("no pixel has two answers with a value: there is nothing to compare")
    return Consistency(plain, disagreement, _order_flips(answers, _TIE * span))


def _answer(
    predict: Callable[[UInt8[np.ndarray, "_ _ 3"]], DepthMap], image: UInt8[np.ndarray, "h w 3"], look: Look
) -> _Map:
    """The answer to a look, in the picture's pixels; NaN where the look does not show the picture."""
    rows = _pixels(look.rows, image.shape[0])
    columns = _pixels(look.columns, image.shape[1])
    shown = image[rows][:, columns]
    answer = predict(np.ascontiguousarray(shown[:, ::-1] if look.flipped else shown))
    values = answer.to_inverse_depth().resize((rows.size, columns.size)).values
    return _brought_back(values[:, ::-1] if look.flipped else values, look, image.shape[:2])


def _pixels(span: tuple[float, float], length: int) -> Int[np.ndarray, " n"]:
    """The pixels of a span of shares, those outside 0 ... length mirrored at the edge."""
    first, end = _ends(span, length)
    pixels = np.arange(first, end) % (2 * length)
    return np.minimum(pixels, 2 * length - 1 - pixels)


def _ends(span: tuple[float, float], length: int) -> tuple[int, int]:
    return round(span[0] * length), round(span[1] * length)


def _brought_back(values: Float[np.ndarray, "_ _"], look: Look, shape: tuple[int, int]) -> _Map:
    (top, bottom), (left, right) = (
        _ends(span, n) for span, n in zip((look.rows, look.columns), shape, strict=True)
    )
    height, width = shape
    inside = np.s_[max(top, 0) : min(bottom, height), max(left, 0) : min(right, width)]
    whole = np.full(shape, np.nan, np.float32)
    whole[inside] = values[max(-top, 0) :, max(-left, 0) :][
        : whole[inside].shape[0], : whole[inside].shape[1]
    ]
    return whole


def _fitted(answer: _Map, goal: _Map) -> _Map:
    """The answer on the goal's scale; one that is the same everywhere becomes the goal's median there."""
    both = np.isfinite(answer) & np.isfinite(goal)
    if not both.any():
        return np.full_like(answer, np.nan)
    if answer[both].min() == answer[both].max():
        return np.where(np.isfinite(answer), np.float32(np.median(goal[both])), np.float32(np.nan))
    source = DepthMap.from_values(answer, "inverse_depth", "affine_invariant")
    # only the spread of the goal matters here: it starts at 0, as inverse depth with a scale has to
    lowest = np.nanmin(goal)
    ruler = DepthMap.from_values(goal - lowest, "inverse_depth", "scale_invariant")
    scale, shift = fit_scale_shift(source, ruler, "robust")
    return (answer * scale + (shift + lowest)).astype(np.float32)


def _median(answers: _Answers) -> _Map:
    """Over the first axis and its numbers, NaN where there are none."""
    in_order = np.sort(answers, axis=0)  # NaN come last
    count = np.isfinite(answers).sum(axis=0)
    low, high = np.maximum(count - 1, 0) // 2, np.minimum(count // 2, len(answers) - 1)
    pair = np.take_along_axis(in_order, np.stack([low, high]), axis=0)
    return (pair[0] + pair[1]) / 2


def _mean_difference(answers: _Answers, weights: _Answers) -> _Map:
    """Mean |one answer - another| over all pairs, each weighed by both; NaN where no two answers are."""
    known = np.where(np.isfinite(answers), weights, np.float32(0))
    values = np.nan_to_num(answers)
    total, weight = np.zeros_like(values[0]), np.zeros_like(values[0])
    for first, second in combinations(range(len(answers)), 2):
        both = known[first] * known[second]
        weight += both
        total += both * np.abs(values[first] - values[second])
    return np.divide(total, weight, out=np.full_like(total, np.nan), where=weight > 0)


def _weight(look: Look, shape: tuple[int, int]) -> _Map:
    """1, and less towards the look's ends inside the picture: else the map would show the ends as lines."""
    rows, columns = (_ramps(span, n) for span, n in zip((look.rows, look.columns), shape, strict=True))
    return (rows[:, None] * columns).astype(np.float32)


def _ramps(span: tuple[float, float], length: int) -> Float[np.ndarray, " n"]:
    first, end = _ends(span, length)
    centres = np.arange(length) + 0.5
    weights = np.ones(length)
    if first > 0:
        weights *= np.clip((centres - first) / (_RAMP * length), 0, 1)
    if end < length:
        weights *= np.clip((end - centres) / (_RAMP * length), 0, 1)
    return weights


def _span(middle: _Map) -> float:
    known = middle[np.isfinite(middle)]
    low, high = np.percentile(known, _RANGE_PERCENTILES)
    return float(high - low) or float(np.ptp(known))


def _order_flips(answers: _Answers, tie: float) -> float:
    """Pairs count that two answers or more say something of."""
    flat = answers.reshape(len(answers), -1)
    first, second = np.random.default_rng(0).integers(flat.shape[1], size=(2, _PAIRS))
    nearer_by = flat[:, first] - flat[:, second]
    counts = np.isfinite(nearer_by).sum(axis=0) > 1
    if not counts.any():
        return float("nan")
    both_ways = (np.fmax.reduce(nearer_by) > tie) & (np.fmin.reduce(nearer_by) < -tie)
    return float((both_ways & counts).sum() / counts.sum())
