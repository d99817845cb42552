"""A folder of pictures with measured depth, and a predictor's errors on it."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from openmidas.depth_map import Ambiguity, DepthMap
from openmidas.evaluation.metrics import Scores, fitted_scores
from openmidas.files.images import read_image

# A disparity in pixels has no unit; its shift, if any, is left to the fit.
_AMBIGUITY: dict[str, Ambiguity] = {"metric": "metric", "disparity": "scale_invariant"}


@dataclass(frozen=True)
class Measured:
    """A picture, the set it belongs to, and its measured inverse depth."""

    set_name: str
    image: UInt8[np.ndarray, "h w 3"]
    target: DepthMap


def read_measured(folder: Path) -> list[Measured]:
    """`index.csv` with columns name, set, target (metric or disparity); `NAME.webp`; `NAME_target.npz`.

    The NPZ holds `inverse_depth`, 0 where not known.
    """
    with (folder / "index.csv").open(encoding="utf8", newline="") as file:
        return [_read_row(folder, row) for row in csv.DictReader(file)]


def _read_row(folder: Path, row: dict[str, str]) -> Measured:
    with np.load(folder / f"{row['name']}_target.npz") as stored:
        values = stored["inverse_depth"]
    target = DepthMap.from_values(values, "inverse_depth", _AMBIGUITY[row["target"]], values > 0)
    return Measured(row["set"], read_image(folder / f"{row['name']}.webp"), target)


def scores_by_set(
    predict: Callable[[UInt8[np.ndarray, "h w 3"]], DepthMap], pictures: Iterable[Measured]
) -> dict[str, Scores]:
    """Mean scores of every set, and under `mean` the mean over the sets."""
    by_set: dict[str, list[Scores]] = {}
    for picture in pictures:
        by_set.setdefault(picture.set_name, []).append(fitted_scores(predict(picture.image), picture.target))
    means = {name: mean_scores(scores) for name, scores in by_set.items()}
    return means | {"mean": mean_scores(list(means.values()))}


def mean_scores(scores: Sequence[Scores]) -> Scores:
    """The mean of each score."""
    abs_rel, delta1 = np.mean(scores, axis=0)
    return Scores(float(abs_rel), float(delta1))
