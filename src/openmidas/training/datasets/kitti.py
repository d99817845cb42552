"""KITTI: streets from a moving car, with laser depth gathered over eleven scans.

Sources: Uhrig et al., Sparsity Invariant CNNs, 3DV 2017 (the depths); Eigen et al., Depth Map Prediction from a Single
Image using a Multi-Scale Deep Network, NIPS 2014 (the lists).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from openmidas.encoding import encoding_named
from openmidas.files.depths import read_depth
from openmidas.files.errors import file_error
from openmidas.training.datasets.entry import Entry
from openmidas.training.datasets.folders import first_existing, read_lines, require

# Names under which the lists go round, with the pictures' paths or, as in the last, drive, number and l or r.
_LISTS = (
    "eigen_{}_files.txt",
    "eigen_{}_files_with_gt.txt",
    "{}_files.txt",
    "splits/eigen/{}_files.txt",
)
_PICTURE = re.compile(
    r"(?P<drive>\d{4}_\d\d_\d\d_drive_\d{4}_sync)(?:\S*?(?P<camera>image_0[23])/data/|\S*?/data/|\s+)"
    r"(?P<number>\d{1,10})\b(?:\s+(?P<side>[lr])\b)?"
)
_LEFT, _RIGHT = "image_02", "image_03"
_DEPTHS = "proj_depth/groundtruth"
_RAW = (".", "raw", "raw_data", "kitti_raw")
_UNPACK = "unpack data_depth_annotated.zip"


def read_kitti(root: Path) -> list[Entry]:
    """The pictures of the Eigen test list whose drives are in the official validation set of the depth benchmark.

    root holds eigen_test_files.txt (any of its common forms); val/DRIVE/proj_depth/groundtruth/image_02/NUMBER.png
    of data_depth_annotated, or that folder itself; and DATE/DRIVE/image_02/data/NUMBER.png of the raw data, here or
    in `raw`. Listed are the pictures between the first and the last depth of their drive: no depth was published for
    a drive's first and last few. What of these is missing on disk raises FileError when it is read; so does a root
    without list, depths, or any picture that is in both.
    """
    return _read_listed(root, "test", ("val",))


def read_kitti_eigen(root: Path) -> list[Entry]:
    """All pictures of the Eigen test list that have a depth in the benchmark's train and val; as `read_kitti`."""
    return _read_listed(root, "test", ("val", "train"))


def read_kitti_eigen_train(root: Path) -> list[Entry]:
    """All pictures of the list eigen_train_files.txt that have a depth, named DRIVE/CAMERA/NUMBER; as `read_kitti`."""
    return _read_listed(root, "train", ("train", "val"))


def read_kitti_train(root: Path) -> list[Entry]:
    """All depths of the benchmark's training part, of both colour cameras, named DRIVE/CAMERA/NUMBER.

    root as in `read_kitti`, without a list. FileError where there is no depth at all.
    """
    drives = _drives(root, ("train",))
    entries = [
        entry
        for drive in sorted(drives)
        for camera in (_LEFT, _RIGHT)
        for entry in _read_drive(root, drives[drive] / camera, drive, camera)
    ]
    require(root, entries, "train", _UNPACK)
    return entries


@dataclass(frozen=True)
class _Picture:
    drive: str
    camera: str
    number: int

    @property
    def file(self) -> str:
        return f"{self.number:010d}"


def _read_drive(root: Path, depths: Path, drive: str, camera: str) -> list[Entry]:
    """Every depth of a drive's camera, with its picture: the folders are listed, the files not asked for one by one."""
    folders = [root / raw / _image_folder(drive, camera) for raw in _RAW]
    images = {path.stem: path for folder in folders for path in sorted(folder.glob("*.[jp][pn]g"))}
    return [
        _entry(f"{drive}/{camera}/{path.stem}", images.get(path.stem, folders[0] / path.name), path)
        for path in sorted(depths.glob("*.png"))
    ]


def _read_listed(root: Path, part: str, splits: Sequence[str]) -> list[Entry]:
    lists = [name.format(part) for name in _LISTS]
    listing = first_existing(root, lists, f"put the list of the Eigen {part} pictures there")
    drives = _drives(root, splits)
    pictures = _pictures(listing, part)
    entries = []
    for picture in pictures:
        depths = drives.get(picture.drive, root) / picture.camera
        if picture.drive in drives and _has_depth(depths, picture):
            camera = "" if part == "test" else f"{picture.camera}/"
            name = f"{picture.drive}/{camera}{picture.file}"
            entries.append(_entry(name, _image(root, picture), depths / f"{picture.file}.png"))
    remedy = f"it has depth of none of the {len(pictures)} pictures in {listing.name}"
    require(root, entries, splits[0], remedy)
    return entries


def _drives(root: Path, splits: Sequence[str]) -> dict[str, Path]:
    """The folders of the depths of every drive's cameras."""
    places = [f"{above}{split}" for split in splits for above in ("", "data_depth_annotated/")]
    first_existing(root, places, _UNPACK)
    return {path.name: path / _DEPTHS for place in places for path in (root / place).glob("*_sync")}


def _pictures(listing: Path, part: str) -> list[_Picture]:
    """Every picture of the list, in its order."""
    pictures = []
    for line in read_lines(listing):
        match = _PICTURE.search(line)
        if match is None:
            raise file_error(
                listing, f"its line {line!r:.80} names no KITTI picture: use the Eigen {part} list"
            )
        camera = match["camera"] or (_RIGHT if match["side"] == "r" else _LEFT)
        pictures.append(_Picture(match["drive"], camera, int(match["number"])))
    return list(dict.fromkeys(pictures))


def _has_depth(folder: Path, picture: _Picture) -> bool:
    """Whether a depth of that number was published: numbers of the first and last on disk enclose it."""
    if (folder / f"{picture.file}.png").exists():
        return True
    numbers = [int(path.stem) for path in folder.glob("*.png") if path.stem.isdigit()]
    return bool(numbers) and min(numbers) < picture.number < max(numbers)


def _entry(name: str, image: Path, depth: Path) -> Entry:
    return Entry(name, image, partial(read_depth, depth, encoding_named("kitti")), target=depth)


def _image(root: Path, picture: _Picture) -> Path:
    """The picture of a colour camera: PNG, or JPEG as many keep them; where it should be if nowhere."""
    place = f"{_image_folder(picture.drive, picture.camera)}/{picture.file}"
    paths = [root / raw / f"{place}{suffix}" for raw in _RAW for suffix in (".png", ".jpg")]
    return next((path for path in paths if path.exists()), paths[0])


def _image_folder(drive: str, camera: str) -> str:
    return f"{drive[:10]}/{drive}/{camera}/data"
