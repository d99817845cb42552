"""A folder of pictures with measured inverse depth: the simplest layout, for one's own data."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np

from openmidas.depth_map import Ambiguity, DepthMap
from openmidas.files.errors import file_error, open_file
from openmidas.training.datasets.entry import Entry
from openmidas.training.datasets.folders import first_existing, read_table, require

# A disparity in pixels has no unit; its shift, if any, is left to the fit.
_AMBIGUITY: dict[str, Ambiguity] = {"metric": "metric", "disparity": "scale_invariant"}


def read_measured(root: Path) -> list[Entry]:
    """The pictures of index.csv, named SET/NAME: columns name, set, target (metric or disparity).

    root holds NAME.webp and NAME_target.npz with `inverse_depth` (height, width), 0 where not known. Raises
    FileError.
    """
    remedy = "list the pictures there, with columns name, set, target"
    index = first_existing(root, ("index.csv",), remedy)
    _, rows = read_table(index)
    require(root, rows, index.name, remedy)
    try:
        return [_entry(root, row["name"], row["set"], _AMBIGUITY[row["target"]]) for row in rows]
    except KeyError as error:
        remedy = "give every picture a name, a set, and metric or disparity as target"
        raise file_error(index, f"lacks a column or has another word, {error}: {remedy}") from error


def _entry(root: Path, name: str, set_name: str, ambiguity: Ambiguity) -> Entry:
    target = root / f"{name}_target.npz"
    read_target = partial(_read_target, target, ambiguity)
    return Entry(f"{set_name}/{name}", root / f"{name}.webp", read_target, target=target)


def _read_target(path: Path, ambiguity: Ambiguity) -> DepthMap:
    with open_file(path) as stream:
        try:
            values = np.load(stream, allow_pickle=False)["inverse_depth"].astype(np.float32)
            return DepthMap.from_values(values, "inverse_depth", ambiguity, values > 0)
        except Exception as error:  # a damaged archive makes NumPy and zipfile raise anything
            raise file_error(path, f"holds no inverse_depth ({error}): write it again") from error
