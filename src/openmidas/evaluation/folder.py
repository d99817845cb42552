"""A folder of pictures with measured depth, and a predictor's errors on it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np
from jaxtyping import UInt8

from openmidas.depth_map import DepthMap
from openmidas.evaluation.metrics import Scores, fitted_scores
from openmidas.training.datasets import measured


@dataclass(frozen=True)
class Measured:
    """A picture, the set it belongs to, and its measured inverse depth."""

    set_name: str
    image: UInt8[np.ndarray, "h w 3"]
    target: DepthMap


def read_measured(folder: Path) -> list[Measured]:
    """The pictures of the data set `measured` in that folder, all read; raises FileError."""
    return [
        Measured(entry.group, entry.read_image(), cast(DepthMap, entry.read_target()))
        for entry in measured.read_measured(folder)
    ]


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
