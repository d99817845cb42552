"""DIODE: rooms and streets under a laser scanner.

Source: Vasiljevic et al., DIODE: A Dense Indoor and Outdoor DEpth Dataset, 2019.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

from openmidas.files import dataset_depths
from openmidas.training.datasets.entry import Entry
from openmidas.training.datasets.folders import require

_DEPTH, _MARKS = "_depth.npy", "_depth_mask.npy"


def read_diode(root: Path) -> list[Entry]:
    """All pictures of the validation set, by place in the archive; depth in metres where the mask says so.

    root holds val/indoors/SCENE/SCAN/NAME.png, NAME_depth.npy, NAME_depth_mask.npy, and val/outdoor alike; or is
    `val` itself. A picture that only has its PNG or only its depth is listed: reading what is missing raises
    FileError. FileError also where there is no picture at all.
    """
    return _read(root, "val", "*")


def read_diode_indoor(root: Path) -> list[Entry]:
    """The indoor pictures of the validation set; as `read_diode`."""
    return _read(root, "val", "indoors")


def read_diode_train(root: Path) -> list[Entry]:
    """All pictures of the training set, in `train` or as root itself; as `read_diode`."""
    return _read(root, "train", "*")


def _read(root: Path, split: str, part: str) -> list[Entry]:
    top = root / split if (root / split).is_dir() else root
    stems = {path.with_suffix("") for path in top.glob(f"{part}/*/*/*.png")}
    stems |= {path.with_name(path.name[: -len(_DEPTH)]) for path in top.glob(f"{part}/*/*/*{_DEPTH}")}
    require(root, sorted(stems), f"{split}/indoors", f"unpack {split}.tar.gz of DIODE")
    return [_entry(top, stem) for stem in sorted(stems)]


def _entry(top: Path, stem: Path) -> Entry:
    target, marks = (stem.with_name(stem.name + ending) for ending in (_DEPTH, _MARKS))
    return Entry(
        stem.relative_to(top).as_posix(),
        stem.with_name(f"{stem.name}.png"),
        partial(dataset_depths.read_diode, target, marks),
        target=target,
        others=(marks,),
    )
