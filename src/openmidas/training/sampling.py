"""Which pictures are in which minibatch: it follows from the seed and the step alone, so resuming needs no state."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from zlib import crc32

import numpy as np
from jaxtyping import Int

from openmidas.training.distributed import ALONE, Processes

ORDERS_HELD = 32  # of one epoch of one set: 8 bytes a picture


@dataclass(frozen=True)
class Stage:
    """From step `first` on, each minibatch has `per_batch` pictures of each set named, all processes together.

    A set that is not named is not in. Several stages in order are a curriculum: first the set to pretrain on, then
    the mix.
    """

    first: int
    per_batch: Mapping[str, int]


@dataclass(frozen=True)
class Drawn:
    """A picture of a minibatch: `index` in its set; `position` counts the set's draws since the start of the run.

    A random generator seeded by (seed, set, position) augments it alike however many processes there are.
    """

    name: str
    index: int
    position: int


def stage_at(stages: Sequence[Stage], step: int) -> Stage:
    """The stage that a step is in; raises ValueError unless the stages begin at step 0 and follow one another."""
    firsts = [stage.first for stage in stages]
    if firsts[:1] != [0] or any(b <= a for a, b in pairwise(firsts)):
        raise ValueError(
            f"stages begin at steps {firsts}: the first must at 0, each later than the one before"
        )
    return max((stage for stage in stages if stage.first <= step), key=lambda stage: stage.first)


def draw(
    stages: Sequence[Stage], sizes: Mapping[str, int], seed: int, step: int, processes: Processes = ALONE
) -> list[Drawn]:
    """This process's part of the minibatch of a step, set by set; sizes: how many pictures each set has.

    Each epoch of a set shows each of its pictures once, in an order of its own; it goes on where a minibatch ends, and
    where the set was out for a while. The parts of all processes together are the minibatch of one.
    Raises ValueError where a set is empty or unknown, or cannot be shared out equally.
    """
    drawn = []
    for name, per_batch in stage_at(stages, step).per_batch.items():
        part = _part(name, per_batch, processes)
        start = _drawn_before(stages, name, step) + part * processes.number
        drawn += _draws(seed, name, _size(sizes, name), range(start, start + part))
    return drawn


def _part(name: str, per_batch: int, processes: Processes) -> int:
    part, rest = divmod(per_batch, processes.count)
    if rest:
        raise ValueError(
            f"{per_batch} pictures of {name} in a minibatch cannot be shared out to {processes.count} processes: "
            f"choose a multiple"
        )
    return part


def _size(sizes: Mapping[str, int], name: str) -> int:
    if sizes.get(name, 0) < 1:
        raise ValueError(f"set {name} has no pictures: the sets with pictures are {sorted(sizes)}")
    return sizes[name]


def _drawn_before(stages: Sequence[Stage], name: str, step: int) -> int:
    """How many pictures of a set the steps before this one took."""
    firsts = [min(stage.first, step) for stage in stages]
    lengths = [b - a for a, b in pairwise([*firsts, step])]
    return sum(n * stage.per_batch.get(name, 0) for n, stage in zip(lengths, stages, strict=True))


def _draws(seed: int, name: str, size: int, positions: range) -> list[Drawn]:
    """The pictures at these positions of a set's endless sequence of epochs."""
    return [
        Drawn(name, int(order(seed, name, size, position // size)[position % size]), position)
        for position in positions
    ]


@lru_cache(ORDERS_HELD)
def order(seed: int, name: str, size: int, epoch: int) -> Int[np.ndarray, " size"]:
    """The order of a set's pictures in an epoch (read-only).

    Sorted by raw random bits: unlike NumPy's `permutation`, these stay the same in every version.
    """
    bits = np.random.PCG64([seed, crc32(name.encode()), epoch]).random_raw(size)
    shuffled = np.argsort(bits, kind="stable")
    shuffled.flags.writeable = False
    return shuffled
