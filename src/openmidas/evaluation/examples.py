"""Pictures of a run, measured once more to be looked at: the best, the median, the worst; and errors by distance."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Float, Int, UInt8

from openmidas.depth_map import DepthMap
from openmidas.evaluation.panels import INFERNO, TWO_SIDED, Panel, Scale
from openmidas.evaluation.protocols import Crop
from openmidas.evaluation.scoring import Fitted
from openmidas.files.heatmap import to_heatmap
from openmidas.training.datasets.entry import OrdinalPairs

# an odd number, so that the best, the median and the worst are among them
SPREAD_PICTURES = 9

_WIDTH_PX = 440
_MOST_WRONG = 0.5
_PERCENTILES = (0.5, 99.5)
# two bins an octave of depth, from 1 mm to 16 km; what is outside falls into the outermost
_BINS_AN_OCTAVE = 2
_LEAST_SHARE = 0.002
_FIRST_OCTAVE, _LAST_OCTAVE = -10, 14
_BINS = (_LAST_OCTAVE - _FIRST_OCTAVE) * _BINS_AN_OCTAVE

_Rgb = UInt8[np.ndarray, "_ _ 3"]


@dataclass(frozen=True, eq=False)
class ByDistance:
    """Sums of |z - z*| / z* over the pixels in bins of true depth, and how many pixels and pictures there are."""

    total: Float[np.ndarray, " n"]
    pixels: Int[np.ndarray, " n"]
    pictures: int

    def __add__(self, other: ByDistance) -> ByDistance:
        """Both together."""
        return ByDistance(
            self.total + other.total, self.pixels + other.pixels, self.pictures + other.pictures
        )

    def means(self) -> tuple[Float[np.ndarray, " m"], Float[np.ndarray, " m"]]:
        """The middle of every bin in metres, and the mean error there; bins with hardly a pixel are left out."""
        filled = self.pixels > _LEAST_SHARE * self.pixels.sum()
        middles_m = 2.0 ** (_FIRST_OCTAVE + (np.arange(_BINS) + 0.5) / _BINS_AN_OCTAVE)
        return middles_m[filled], self.total[filled] / self.pixels[filled]


NOTHING = ByDistance(np.zeros(_BINS), np.zeros(_BINS, np.int64), 0)


def depth_error(fitted: Fitted) -> Float[np.ndarray, "h w"]:
    """(z - z*) / z*, above 0 where the prediction is too far away, NaN where it does not count."""
    error = np.full(fitted.depth.shape, np.nan)
    np.divide(fitted.depth, fitted.truth, out=error, where=fitted.counted)
    return error - 1


def by_distance(fitted: Fitted) -> ByDistance:
    """The errors of one picture whose target is in metres."""
    octaves = np.log2(fitted.truth[fitted.counted]) - _FIRST_OCTAVE
    bins = np.clip(np.floor(octaves * _BINS_AN_OCTAVE), 0, _BINS - 1).astype(np.int64)
    error = np.abs(depth_error(fitted)[fitted.counted])
    return ByDistance(np.bincount(bins, error, _BINS), np.bincount(bins, minlength=_BINS), 1)


def ranked(scores: Sequence[tuple[str, float]], higher_is_better: bool) -> dict[str, tuple[str, float]]:
    """By name and score: the best, the median (of two the better) and the worst picture, as far as there are three."""
    in_order = sorted(scores, key=lambda pair: (-pair[1] if higher_is_better else pair[1], pair[0]))
    last = len(in_order) - 1
    # of one picture it is the best, of two the best and the worst
    words = {last: "worst", last // 2: "median", 0: "best"}
    return {words[place]: in_order[place] for place in sorted(words)}


def spread(scores: Sequence[tuple[str, float]], count: int = SPREAD_PICTURES) -> list[str]:
    """Names of pictures from the lowest score to the highest, at even steps: they stand for all of them."""
    in_order = sorted(scores, key=lambda pair: (pair[1], pair[0]))
    places = np.unique(np.linspace(0, len(in_order) - 1, min(count, len(in_order))).round().astype(int))
    return [in_order[place][0] for place in places]


def panels(
    image: UInt8[np.ndarray, "_ _ 3"], fitted: Fitted, target: DepthMap, crop: Crop | None
) -> list[Panel]:
    """The picture, prediction and target in the same colours, and the error: red is too far, blue too near.

    crop: the rule's, which the fitted maps are inside.
    """
    whole = cv2.resize(image, target.shape[::-1], interpolation=cv2.INTER_AREA)
    top, bottom, left, right = crop.window(target.shape) if crop else (0, whole.shape[0], 0, whole.shape[1])
    nearness, true_nearness = 1 / fitted.depth, 1 / fitted.truth
    scale = _distances(true_nearness[fitted.counted], " m" if target.ambiguity == "metric" else "")
    return [
        Panel("Picture", _reduced_picture(whole[top:bottom, left:right])),
        Panel("Prediction, fitted", scale.paint(_reduced(nearness)), scale),
        Panel("Target", scale.paint(_reduced(true_nearness)), scale),
        Panel("Error of depth", _ERRORS.paint(_reduced(depth_error(fitted))), _ERRORS),
    ]


def ordinal_panels(
    image: UInt8[np.ndarray, "_ _ 3"], prediction: DepthMap, pairs: OrdinalPairs
) -> list[Panel]:
    """The picture and the prediction (near is bright) with the annotated points: the nearer white, the other black."""
    heatmap = to_heatmap(prediction.resize(pairs.shape))
    whole = cv2.resize(image, pairs.shape[::-1], interpolation=cv2.INTER_AREA)
    return [
        Panel("Picture", _with_points(whole, pairs)),
        Panel("Prediction, near is bright", _with_points(heatmap, pairs)),
    ]


def _label_error(share: float) -> str:
    beyond = {-_MOST_WRONG: "< ", _MOST_WRONG: "> "}.get(share, "")
    return f"{beyond}{100 * share:+.0f} %" if share else "0 %"


_ERRORS = Scale(-_MOST_WRONG, _MOST_WRONG, TWO_SIDED, _label_error)


def _distances(nearness: Float[np.ndarray, " n"], unit: str) -> Scale:
    """Colours of inverse depth, labelled with the depth."""
    low, high = np.percentile(nearness, _PERCENTILES)
    if not high > low:
        low, high = low * 0.9, low * 1.1
    return Scale(
        float(low), float(high), INFERNO, lambda near: f"{1 / near:.2g}{unit}" if near > 0 else "inf"
    )


def _reduced(values: Float[np.ndarray, "h w"]) -> Float[np.ndarray, "h2 w2"]:
    """Means of blocks over what is known in each, so that sparse targets stay to be seen."""
    step = _step(values.shape[1])
    rows, columns = (-(-n // step) for n in values.shape)
    padded = np.full((rows * step, columns * step), np.nan, np.float32)
    padded[: values.shape[0], : values.shape[1]] = values
    known = np.isfinite(padded)
    padded[~known] = 0
    total, count = (part.reshape(rows, step, columns, step).sum(axis=(1, 3)) for part in (padded, known))
    return np.divide(total, count, out=np.full(total.shape, np.nan), where=count > 0)


def _step(width_px: int) -> int:
    """How many pixels become one, so that the width is about that of a panel."""
    return max(1, round(width_px / _WIDTH_PX))


def _reduced_picture(pixels: _Rgb) -> _Rgb:
    step = _step(pixels.shape[1])
    size = (-(-pixels.shape[1] // step), -(-pixels.shape[0] // step))
    return cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)


def _with_points(pixels: _Rgb, pairs: OrdinalPairs) -> _Rgb:
    """Of equal pairs both points are white."""
    marked = np.ascontiguousarray(pixels)
    radius = max(4, pixels.shape[1] // 60)
    for first, second, relation in zip(pairs.first, pairs.second, pairs.relation, strict=True):
        nearer, farther = (first, second) if relation >= 0 else (second, first)
        for (row, column), inner in ((farther, 0 if relation else 255), (nearer, 255)):
            place = (int(column), int(row))
            cv2.circle(marked, place, radius + 2, (255 - inner,) * 3, -1, cv2.LINE_AA)
            cv2.circle(marked, place, radius, (inner,) * 3, -1, cv2.LINE_AA)
    return _reduced_picture(marked)
