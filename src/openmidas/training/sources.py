"""The sets of a recipe, opened: from folders of any known layout, or from the generator of worlds."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from threading import Lock
from types import MappingProxyType
from typing import TYPE_CHECKING
from zlib import crc32

import numpy as np

from openmidas.files.errors import file_error
from openmidas.training.annotations import Sample, sample_of
from openmidas.training.data import Source, source_of
from openmidas.training.datasets.layouts import LAYOUTS
from openmidas.training.held import read_kinect, read_labelled_photos, read_rendered
from openmidas.training.recipes import Part, Phase
from openmidas.training.sampling import Drawn

if TYPE_CHECKING:
    from openmidas.training.synthetic.worlds import World

WORLDS = "worlds-"  # how layouts begin that are made, not read; a name in DEGRADATIONS follows
HELD_OUT_SEED = 0
# A world takes longer to render than to learn from, so each is seen several times, cropped and coloured anew.
USES = 32
POOL = 16  # worlds that are drawn from at a time
KEPT_BYTES = 2**30  # of what has been read of a phase's sets, in each process
_MARGIN = 1.25  # by which worlds are larger than what is cropped from them


def is_made(part: Part) -> bool:
    """Whether the set's pictures are rendered while the network trains."""
    return part.layout.startswith(WORLDS)


def folder_names(part: Part) -> tuple[str, ...]:
    """The names under which the command line gives the folders of a set; none for one that is made."""
    return () if is_made(part) else part.folders or (part.name,)


def open_source(part: Part, folders: Mapping[str, Path], phase: Phase, seed: int) -> Source:
    """The set; raises FileError, also where there is no picture. seed: of worlds, which are others for another one.

    Small sets are read at once, others as they are drawn; of these, the first that fit into the set's share of
    KEPT_BYTES are kept.
    """
    if is_made(part):
        return _worlds(part, _world_size(phase), seed)
    places = [folders[name] for name in folder_names(part)]
    if part.layout in HELD:
        source = source_of(part, HELD[part.layout](part, *places))
    else:
        entries = LAYOUTS[part.layout].read(*places)
        listed = Source(part, len(entries), lambda drawn: sample_of(entries[drawn.index]))
        source = kept(listed, KEPT_BYTES // len(phase.parts))
    if source.count == 0:
        raise file_error(places[0], f"holds no picture of the layout {part.layout}: check the folder")
    return source


def kept(source: Source, size_bytes: int) -> Source:
    """The same set, which keeps what it has read while that takes no more than `size_bytes`.

    Nothing that is kept goes again: every epoch shows each picture once, so the one least recently read is the next.
    """
    samples: dict[int, Sample] = {}
    left = size_bytes
    lock = Lock()

    def read(drawn: Drawn) -> Sample:
        nonlocal left
        sample = samples.get(drawn.index)
        if sample is None:
            sample = source.read(drawn)
            size = sample.image.nbytes + sample.target.nbytes + sample.valid.nbytes
            with lock:
                if size <= left and drawn.index not in samples:
                    samples[drawn.index] = sample
                    left -= size
        return sample

    return Source(source.part, source.count, read)


def held_out_worlds(phase: Phase, count: int) -> Iterator[World]:
    """Worlds that no training sees."""
    from openmidas.training.synthetic.worlds import world  # compiles its renderer

    return (world(HELD_OUT_SEED, index, _world_size(phase)) for index in range(count))


def _worlds(part: Part, size: tuple[int, int], run_seed: int) -> Source:
    """A set without an end. A pool of worlds moves on by one every `USES` pictures."""
    from openmidas.training.synthetic.worlds import world_sample  # compiles its renderer

    seed = crc32(part.name.encode(), run_seed)
    degradation = part.layout.removeprefix(WORLDS)

    @lru_cache(2 * POOL)
    def made(number: int) -> Sample:
        return world_sample(degradation, seed, number, size)

    @lru_cache(2 * POOL)
    def lock(number: int) -> Lock:
        return Lock()

    def read(drawn: Drawn) -> Sample:
        rng = np.random.default_rng([seed, drawn.position])
        number = drawn.position // USES + int(rng.integers(POOL))
        with lock(number):  # of two threads that want the same world one renders it
            return made(number)

    return Source(part, POOL, read)


def _world_size(phase: Phase) -> tuple[int, int]:
    side_px = round(_MARGIN * max(side for size in phase.sizes for side in size))
    return side_px, side_px


def held_out(part: Part, number: int) -> bool:
    """Whether the set's picture of that number is measured on and never trained on."""
    return any(first <= number < end for first, end in part.held_out)


def _kinect(part: Part, folder: Path) -> list[Sample]:
    return read_kinect(folder, lambda number: not held_out(part, number))


HELD: Mapping[str, Callable[..., Sequence[Sample]]] = MappingProxyType(
    {
        "labelled": lambda part, photos, labels: read_labelled_photos(photos, labels),
        "kinect": _kinect,
        "rendered": lambda part, folder: read_rendered(folder),
    }
)
