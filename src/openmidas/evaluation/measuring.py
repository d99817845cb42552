"""What a network is measured on while it is trained: a set's pictures, which are opened anew each time."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from openmidas.depth_map import DepthMap
from openmidas.evaluation.protocols import PROTOCOLS, Metric, Rule
from openmidas.evaluation.run import DataSet, read_set, spread
from openmidas.evaluation.scoring import score
from openmidas.files.errors import FileError, file_error
from openmidas.models.batch import one_line
from openmidas.models.preprocess import check_shape
from openmidas.training.datasets.entry import Entry, Target
from openmidas.training.datasets.layouts import LAYOUTS

MOST_PICTURES = 200  # of a set: measuring must not take longer than training
_OF_DEPTH: tuple[Metric, ...] = ("AbsRel", "δ<1.25")
_LOGGED: Mapping[Metric, str] = {"AbsRel": "abs_rel", "δ<1.25": "delta1", "WHDR": "whdr"}


def rule_of(layout: str) -> Rule:
    """How pictures of the layout are measured: as in the first protocol that has it, else as one's own pictures.

    The metrics are AbsRel and δ<1.25; WHDR where only the order of depths is known. Constants, which young networks
    answer with, have an error too.
    """
    rules = {r.layout: r for p in reversed([*PROTOCOLS.values()]) for r in p.rules.values()}
    alike = rules["diw" if LAYOUTS[layout].kind == "ordinal" else "measured"]
    rule = rules.get(layout) or replace(alike, set_name=layout, layout=layout, averaging="pictures")
    return replace(rule, metrics=rule.metrics if rule.alignment == "none" else _OF_DEPTH, constant="mean")


def read_chosen(layout: str, folder: Path) -> DataSet:
    """The set in that folder, or MOST_PICTURES of it, evenly spread; raises FileError where there is no such set."""
    whole = read_set(layout, rule_of(layout), folder)
    return replace(whole, entries=spread(whole.entries, MOST_PICTURES))


def measurable(data_set: DataSet, leave_out: Callable[[str], None], advance: Callable[[], None]) -> DataSet:
    """The set without the pictures that nothing can be measured on; leave_out is told why, in a line each.

    Every picture is read once, and `advance` called. Raises FileError for what cannot be read, and where nothing is
    left.
    """
    kept, problem = [], "it is empty"
    for entry in data_set.entries:
        found = _problem(entry, data_set.rule)
        if found is None:
            kept.append(entry)
        else:
            problem = f"{entry.name}: {found}"
            leave_out(f"{data_set.name} {problem}")
        advance()
    if not kept:
        raise file_error(data_set.folder, f"has no picture to measure on ({problem}): choose another set")
    return replace(data_set, entries=kept)


def errors_by_set(
    predict: Callable[[UInt8[np.ndarray, "h w 3"]], DepthMap], data_set: DataSet
) -> dict[str, dict[str, float]]:
    """Means of the rule's metrics, by their names in the log, and by set: each in `measured`, else "NAME measured".

    Raises FileError for a picture that can no longer be read, ConventionError for a prediction that is not finite.
    """
    rule = data_set.rule
    scores: dict[str, list[dict[str, float]]] = {}
    for entry in data_set.entries:
        of_picture = score(predict(entry.read_image()), entry.read_target(), rule)
        name = entry.group if rule.averaging == "groups" else f"{data_set.name} measured"
        scores.setdefault(name, []).append(of_picture)
    return {
        name: {_LOGGED[m]: float(np.mean([each[m] for each in of_set])) for m in rule.metrics}
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
