"""What a network is measured on while it is trained: a set's pictures, which are opened anew each time."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np
from jaxtyping import UInt8

from openmidas.depth_map import DepthMap
from openmidas.evaluation.protocols import PROTOCOLS, Metric, Rule
from openmidas.evaluation.run import DataSet
from openmidas.evaluation.scoring import score
from openmidas.files.errors import FileError, file_error
from openmidas.models.batch import one_line
from openmidas.models.preprocess import check_shape
from openmidas.training.datasets.entry import Entry, Target

Left = Callable[[str], None]
_LOGGED: Mapping[Metric, str] = {"AbsRel": "abs_rel", "δ<1.25": "delta1"}


def rule_of(layout: str) -> Rule:
    """How pictures of the layout are measured; constants, which young networks answer with, have an error too."""
    return replace(PROTOCOLS["measured"].rules[layout], constant="mean")


def measurable(data_set: DataSet, leave_out: Left, advance: Callable[[], None]) -> DataSet:
    """The set without the pictures that nothing can be measured on; leave_out is told why, in a line each.

    Every picture is read once, and `advance` called. Raises FileError for what cannot be read, and where nothing is
    left.
    """
    kept = []
    for entry in data_set.entries:
        problem = _problem(entry, data_set.rule)
        if problem is None:
            kept.append(entry)
        else:
            leave_out(f"{data_set.name} {entry.name}: {problem}")
        advance()
    if not kept:
        raise file_error(data_set.folder, "has no picture that can be measured on: choose another set")
    return replace(data_set, entries=kept)


def errors_by_set(
    predict: Callable[[UInt8[np.ndarray, "h w 3"]], DepthMap], data_set: DataSet
) -> dict[str, dict[str, float]]:
    """Means of the rule's metrics, by the names of the log and of the sets: those in `measured`, or this one.

    Raises FileError for a picture that can no longer be read, ConventionError for a prediction that is not finite.
    """
    scores: dict[str, list[dict[str, float]]] = {}
    for entry in data_set.entries:
        of_picture = score(predict(entry.read_image()), entry.read_target(), data_set.rule)
        scores.setdefault(entry.group, []).append(of_picture)
    return {
        name: {_LOGGED[m]: float(np.mean([each[m] for each in of_set])) for m in data_set.rule.metrics}
        for name, of_set in scores.items()
    }


def _problem(entry: Entry, rule: Rule) -> str | None:
    """Why nothing can be measured on the picture, whatever is predicted."""
    image, target = _read(entry)
    flat = DepthMap.from_values(np.ones(image.shape[:2], np.float32), "inverse_depth", "affine_invariant")
    try:
        check_shape(image.shape[:2])
        score(flat, target, rule)
    except ValueError as error:
        return str(error)
    return None


def _read(entry: Entry) -> tuple[UInt8[np.ndarray, "h w 3"], Target]:
    try:
        return entry.read_image(), entry.read_target()
    except Exception as error:
        raise FileError(one_line(entry.image, error)) from error
