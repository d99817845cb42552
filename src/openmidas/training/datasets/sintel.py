"""MPI Sintel: an animated film, with the renderer's own depth.

Source: Butler et al., A Naturalistic Open Source Movie for Optical Flow Evaluation, ECCV 2012.
"""

from __future__ import annotations

import struct
from functools import partial
from pathlib import Path

import numpy as np

from openmidas.files.depths import read_depth
from openmidas.files.errors import file_error, open_file
from openmidas.training.datasets.entry import Entry, View
from openmidas.training.datasets.folders import require

_TRAINING = ("training", ".", "MPI-Sintel-complete/training", "MPI-Sintel-depth/training")
_TAG = struct.pack("<f", 202021.25)
_CAMERA_FLOATS = 21


def read_sintel(root: Path) -> list[Entry]:
    """The frames of the training scenes, final pass, by scene and number; depth in metres, far sky as rendered.

    root holds training/final/SCENE/frame_0001.png, training/depth/SCENE/frame_0001.dpt, and for the cameras
    training/camdata_left/SCENE/frame_0001.cam; or is `training` itself. A frame that only the pictures or only
    the depths have is listed: reading the other raises FileError. FileError also where there is no frame at all.
    """
    final, depth, cameras = (_part(root, part) for part in ("final", "depth", "camdata_left"))
    names = {
        f"{path.parent.name}/{path.stem}"
        for folder, suffix in ((final, "png"), (depth, "dpt"))
        for path in folder.glob(f"*/frame_*.{suffix}")
    }
    remedy = "unpack MPI-Sintel-complete.zip and the depth archive into one folder"
    require(root, sorted(names), "training/final", remedy)
    return [
        Entry(
            name,
            final / f"{name}.png",
            partial(read_depth, depth / f"{name}.dpt"),
            read_view=partial(read_camera, cameras / f"{name}.cam") if cameras.is_dir() else None,
            target=depth / f"{name}.dpt",
        )
        for name in sorted(names)
    ]


def read_camera(path: Path) -> View:
    """The camera of a Sintel `.cam` file: a float tag, nine doubles of intrinsics, twelve of a 3×4 matrix.

    The file counts pixels from their centres at 0, a View from 0.5. Raises FileError.
    """
    with open_file(path) as stream:
        data = stream.read()
    if data[:4] != _TAG or len(data) != 4 + 8 * _CAMERA_FLOATS:
        raise file_error(
            path, "is not a Sintel .cam file: its first number must be 202021.25, 21 more follow"
        )
    numbers = np.frombuffer(data, "<f8", offset=4)
    intrinsics = numbers[:9].reshape(3, 3).copy()
    intrinsics[:2, 2] += 0.5
    return View(intrinsics, np.vstack([numbers[9:].reshape(3, 4), [0, 0, 0, 1]]))


def _part(root: Path, part: str) -> Path:
    below = (root / place / part for place in _TRAINING)
    return next((folder for folder in below if folder.is_dir()), root / "training" / part)
