"""One picture of a data set: where it lies, and how its truth is read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int

from openmidas.depth_map import DepthMap
from openmidas.files.images import Rgb, read_image


@dataclass(frozen=True, eq=False)
class OrdinalPairs:
    """Which of two pixels is nearer, as people judged it.

    first, second: (row, column) of n pairs, from 0, in a picture of `shape` (height, width).
    relation: +1 the first is nearer, -1 the second is, 0 both are as far.
    """

    first: Int[np.ndarray, "n 2"]
    second: Int[np.ndarray, "n 2"]
    relation: Int[np.ndarray, " n"]
    shape: tuple[int, int]


Target = DepthMap | OrdinalPairs


@dataclass(frozen=True, eq=False)
class View:
    """The camera of one frame: OpenCV axes (x right, y down, z forward), lengths in metres.

    intrinsics: pixels of a picture whose first pixel has its centre at (0.5, 0.5).
    """

    intrinsics: Float[np.ndarray, "3 3"]
    world_to_camera: Float[np.ndarray, "4 4"]


@dataclass(frozen=True)
class Entry:
    """A picture of a data set. Nothing of it has been opened yet: reading raises FileError where it is missing.

    name: unique in its set and usable as a relative file stem; what stands before its last "/" is its group.
    image: the file that holds the picture. unpack_image: for pictures inside a larger file (HDF5).
    read_view: for sequences whose camera is known. target: the file that holds the truth. others: what else the truth
    is read from, such as pictures of what counts.
    """

    name: str
    image: Path
    read_target: Callable[[], Target]
    unpack_image: Callable[[], Rgb] | None = None
    read_view: Callable[[], View] | None = None
    target: Path | None = None
    others: tuple[Path, ...] = ()

    @property
    def group(self) -> str:
        """The sequence, scene or part of the set that the picture belongs to; "" for a set without any."""
        return self.name.rpartition("/")[0]

    @property
    def files(self) -> tuple[Path, ...]:
        """All that must be there for picture and truth to be read, each once."""
        targets = () if self.target is None else (self.target,)
        return tuple(dict.fromkeys((self.image, *targets, *self.others)))

    def read_image(self) -> Rgb:
        """The picture (height, width, 3), 0 to 255; raises FileError."""
        return read_image(self.image) if self.unpack_image is None else self.unpack_image()
