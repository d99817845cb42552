"""Checkpoints that a later run goes on from, whole or not at all: the last one, and the best network so far."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple, Protocol

import torch
from torch import nn

from openmidas.files.atomic import written_beside
from openmidas.files.errors import file_error
from openmidas.networks.stored import read_stored
from openmidas.training.run_folder import read_log

LAST = "last.pt"
BEST = "best.pt"
AVERAGE = "average"
_ERROR = "error"


class Stateful(Protocol):
    """A network, an optimiser, a scaler of gradients."""

    def state_dict(self) -> dict[str, Any]: ...

    def load_state_dict(self, state: Any) -> object: ...


class Progress(NamedTuple):
    """How far a run is: steps done, and the least error measured before, inf before any.

    numbers: what the log says of the steps before, but speed and errors; a checkpoint is written before it is measured.
    """

    steps: int
    least_error: float
    numbers: Mapping[str, float] = MappingProxyType({})


NOTHING_DONE = Progress(0, math.inf)


def write_last(folder: Path, parts: Mapping[str, Stateful], progress: Progress) -> None:
    """Write everything that training goes on from as `last.pt`; raises FileError."""
    _write(
        folder / LAST, {"progress": tuple(progress), **{name: p.state_dict() for name, p in parts.items()}}
    )


def write_network(path: Path, network: Stateful) -> None:
    """Write the averaged weights alone; raises FileError."""
    _write(path, {AVERAGE: network.state_dict()})


def write_best(folder: Path, network: Stateful, error: float) -> None:
    """Write the averaged weights and their error as `best.pt`; raises FileError."""
    _write(folder / BEST, {AVERAGE: network.state_dict(), _ERROR: error})


def read_network(path: Path, network: nn.Module) -> None:
    """Load the averaged weights of `last.pt`, `best.pt` or a run's end, all of them, else FileError."""
    stored, prefix = read_stored(path).get(AVERAGE, {}), "module."
    weights = {key.removeprefix(prefix): value for key, value in stored.items() if key != "n_averaged"}
    try:
        network.load_state_dict(weights)
    except RuntimeError as error:
        raise file_error(
            path, "is no checkpoint of a run of this version and network: name another"
        ) from error


def read_progress(folder: Path) -> Progress:
    """How far the run in that folder is, the error of its `best.pt` included; FileError for what is no checkpoint."""
    path = folder / LAST
    if not path.exists():
        return NOTHING_DONE
    try:
        progress = Progress(*read_stored(path)["progress"])
    except KeyError as error:
        raise file_error(path, "is no checkpoint of this version: choose another folder") from error
    best = folder / BEST
    least_error = read_stored(best).get(_ERROR, math.inf) if best.exists() else math.inf
    return progress._replace(least_error=min(least_error, progress.least_error))


def is_measured(folder: Path, progress: Progress) -> bool:
    """Whether the last checkpoint was measured and noted; not so where the run was killed in between."""
    return not progress.numbers or any(line["step"] == progress.steps for line in read_log(folder))


def resume(folder: Path, parts: Mapping[str, Stateful]) -> None:
    """Load every part's state from `last.pt`; raises FileError."""
    stored = read_stored(folder / LAST)
    for name, part in parts.items():
        part.load_state_dict(stored[name])


def _write(path: Path, entries: Mapping[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with written_beside(path) as temporary:
        torch.save(dict(entries), temporary)
