"""TUM RGB-D: rooms seen by a moving Kinect; for evaluation the part with people who move.

Sources: Sturm et al., A Benchmark for the Evaluation of RGB-D SLAM Systems, IROS 2012; Li et al., Learning the Depths
of Moving People by Watching Frozen People, CVPR 2019 (the part with people, one HDF5 file a picture).
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np

from openmidas.depth_map import DepthMap
from openmidas.encoding import encoding_named
from openmidas.files.depths import read_depth
from openmidas.files.errors import file_error
from openmidas.files.images import Rgb
from openmidas.training.datasets.entry import Entry
from openmidas.training.datasets.folders import read_lines, require
from openmidas.training.datasets.hdf5 import read_array
from openmidas.training.datasets.timestamps import associated

LARGEST_DIFFERENCE_S = 0.02


def read_tum(root: Path) -> list[Entry]:
    """The pictures of tum_hdf5, or else those of the sequences as recorded, by sequence and time.

    root holds NAME.jpg.h5 files, itself or in `tum_hdf5`; or sequences, each a folder with rgb.txt, depth.txt and
    what these name. A picture belongs to the depth nearest in time, at most 0.02 s away, each depth to one picture;
    pictures without are no part of the set. Raises FileError.
    """
    packed = sorted([*root.glob("*.h5"), *root.glob("tum_hdf5/*.h5")], key=lambda path: path.name)
    if packed:
        return [_packed_entry(path) for path in packed]
    folders = sorted({path.parent for pattern in ("rgb.txt", "*/rgb.txt") for path in root.glob(pattern)})
    entries = [entry for folder in folders for entry in _read_sequence(folder)]
    require(root, entries, "tum_hdf5", "unpack tum_hdf5.tgz, or sequences such as freiburg3_walking_xyz.tgz")
    return entries


def _packed_entry(path: Path) -> Entry:
    name = path.name.removesuffix(".h5").removesuffix(".jpg")
    return Entry(
        name,
        path,
        partial(_read_packed_depth, path),
        unpack_image=partial(_read_packed_image, path),
        target=path,
    )


def _read_packed_image(path: Path) -> Rgb:
    values = read_array(path, "gt/img_1", (None, None, 3))
    if values.dtype == np.uint8:
        return values
    if not (values.min() >= 0 and values.max() <= 1):
        raise file_error(path, f"gt/img_1 goes from {values.min():g} to {values.max():g}, not from 0 to 1")
    return np.rint(values * 255).astype(np.uint8)


def _read_packed_depth(path: Path) -> DepthMap:
    metres = read_array(path, "gt/gt_depth", (None, None)).astype(np.float32)
    # the authors' own threshold: what was not measured is nearly, not always exactly, 0
    return DepthMap.from_values(metres, "depth", "metric", np.isfinite(metres) & (metres > 1e-8))


def _read_sequence(folder: Path) -> list[Entry]:
    images, depths = _stamped(folder / "rgb.txt"), _stamped(folder / "depth.txt")
    return [
        Entry(
            f"{folder.name}/{Path(image).stem}",
            folder / image,
            partial(_read_depth, folder / depth),
            target=folder / depth,
        )
        for image, depth in associated(images, depths, LARGEST_DIFFERENCE_S)
    ]


def _read_depth(path: Path) -> DepthMap:
    return read_depth(path, encoding_named("tum"))


def _stamped(listing: Path) -> list[tuple[float, str]]:
    """Time in seconds and file of every line that is no comment, by time."""
    lines = [line.split() for line in read_lines(listing) if not line.startswith("#")]
    try:
        return sorted((float(time), file) for time, file in lines)
    except ValueError as error:
        raise file_error(listing, "has lines other than a time and a file: download it again") from error
