"""KITTI: streets from a moving car, with laser depth gathered over eleven scans.

Sources: Uhrig et al., Sparsity Invariant CNNs, 3DV 2017 (the depths); Eigen et al., Depth Map Prediction from a Single
Image using a Multi-Scale Deep Network, NIPS 2014 (the test pictures).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from openmidas.depth_map import DepthMap
from openmidas.encoding import encoding_named
from openmidas.files.depths import read_depth
from openmidas.files.errors import file_error
from openmidas.training.datasets.entry import Entry
from openmidas.training.datasets.folders import first_existing, read_lines, require

# Names under which the list goes round, with the pictures' paths or, as in the last, drive and number.
_LISTS = (
    "eigen_test_files.txt",
    "eigen_test_files_with_gt.txt",
    "test_files.txt",
    "splits/eigen/test_files.txt",
)
_PICTURE = re.compile(r"(\d{4}_\d\d_\d\d)_drive_\d{4}_sync(?:\S*?/data/|\s+)(\d{1,10})\b")
_DEPTHS = "proj_depth/groundtruth/image_02"
_RAW = (".", "raw", "raw_data", "kitti_raw")


def read_kitti(root: Path) -> list[Entry]:
    """The pictures of the Eigen test list whose drives are in the official validation set of the depth benchmark.

    root holds eigen_test_files.txt (any of its common forms); val/DRIVE/proj_depth/groundtruth/image_02/NUMBER.png
    of data_depth_annotated, or that folder itself; and DATE/DRIVE/image_02/data/NUMBER.png of the raw data, here or
    in `raw`. Listed are the pictures between the first and the last depth of their drive: no depth was published for
    a drive's first and last few. What of these is missing on disk raises FileError when it is read; so does a root
    without list, depths, or any picture that is in both.
    """
    return _read(root, ("val",))


def read_kitti_eigen(root: Path) -> list[Entry]:
    """All pictures of the Eigen test list that have a depth in the benchmark's train and val; as `read_kitti`."""
    return _read(root, ("val", "train"))


def _read(root: Path, splits: Sequence[str]) -> list[Entry]:
    listing = first_existing(root, _LISTS, "put the list of the Eigen test pictures there")
    places = [f"{above}{split}" for split in splits for above in ("", "data_depth_annotated/")]
    first_existing(root, places, "unpack data_depth_annotated.zip")
    drives = {path.name: path / _DEPTHS for place in places for path in (root / place).glob("*_sync")}
    pictures = _pictures(listing)
    entries = [
        Entry(
            f"{drive}/{number:010d}", _image(root, drive, number), partial(_read_depth, drives[drive], number)
        )
        for drive, number in pictures
        if drive in drives and _has_depth(drives[drive], number)
    ]
    require(
        root, entries, places[0], f"it has depth of none of the {len(pictures)} pictures in {listing.name}"
    )
    return entries


def _pictures(listing: Path) -> list[tuple[str, int]]:
    """Drive and number of every picture of the list, in its order."""
    pictures = []
    for line in read_lines(listing):
        match = _PICTURE.search(line)
        if match is None:
            raise file_error(
                listing, f"its line {line!r:.80} names no KITTI picture: use the Eigen test list"
            )
        drive = re.split(r"(?<=_sync)", match[0], maxsplit=1)[0]
        pictures.append((drive, int(match[2])))
    return list(dict.fromkeys(pictures))


def _has_depth(folder: Path, number: int) -> bool:
    """Whether a depth of that number was published: numbers of the first and last on disk enclose it."""
    if (folder / f"{number:010d}.png").exists():
        return True
    numbers = [int(path.stem) for path in folder.glob("*.png") if path.stem.isdigit()]
    return bool(numbers) and min(numbers) < number < max(numbers)


def _read_depth(folder: Path, number: int) -> DepthMap:
    return read_depth(folder / f"{number:010d}.png", encoding_named("kitti"))


def _image(root: Path, drive: str, number: int) -> Path:
    """The picture of the left colour camera: PNG, or JPEG as many keep them; where it should be if nowhere."""
    place = f"{drive[:10]}/{drive}/image_02/data/{number:010d}"
    paths = [root / raw / f"{place}{suffix}" for raw in _RAW for suffix in (".png", ".jpg")]
    return next((path for path in paths if path.exists()), paths[0])
