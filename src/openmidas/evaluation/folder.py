"""A folder of pictures with measured depth, and a predictor's errors on it."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float, UInt8

from openmidas.depth_map import DepthMap
from openmidas.evaluation.metrics import Scores, fitted_scores
from openmidas.files.images import read_image


@dataclass(frozen=True)
class Measured:
    """A picture, the set it belongs to, and its inverse depth (1/m or disparity; 0 where not known)."""

    set_name: str
    image: UInt8[np.ndarray, "h w 3"]
    inverse_depth: Float[np.ndarray, "h w"]


def read_measured(folder: Path) -> list[Measured]:
    """`index.csv` with columns name, set; `NAME.webp`; `NAME_target.npz` with `inverse_depth`."""
    with (folder / "index.csv").open(encoding="utf8", newline="") as file:
        rows = list(csv.DictReader(file))
    return [_read_row(folder, row["name"], row["set"]) for row in rows]


def _read_row(folder: Path, name: str, set_name: str) -> Measured:
    with np.load(folder / f"{name}_target.npz") as stored:
        target = stored["inverse_depth"].astype(np.float32)
    return Measured(set_name, read_image(folder / f"{name}.webp"), target)


def scores_by_set(
    predict: Callable[[UInt8[np.ndarray, "h w 3"]], DepthMap], pictures: Iterable[Measured]
) -> dict[str, Scores]:
    """Mean scores of every set, and under `mean` the mean over the sets."""
    by_set: dict[str, list[Scores]] = {}
    for picture in pictures:
        prediction = predict(picture.image).values
        scores = fitted_scores(prediction, picture.inverse_depth, picture.inverse_depth > 0)
        by_set.setdefault(picture.set_name, []).append(scores)
    means = {name: mean_scores(scores) for name, scores in by_set.items()}
    return means | {"mean": mean_scores(list(means.values()))}


def mean_scores(scores: Sequence[Scores]) -> Scores:
    """The mean of each score."""
    abs_rel, delta1 = np.mean(scores, axis=0)
    return Scores(float(abs_rel), float(delta1))
