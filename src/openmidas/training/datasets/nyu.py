"""NYU Depth v2, the labelled pictures: rooms seen by a Kinect.

Source: Silberman et al., Indoor Segmentation and Support Inference from RGBD Images, ECCV 2012.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from types import MappingProxyType

import numpy as np

from openmidas.depth_map import DepthMap
from openmidas.files.errors import file_error, missing_extra, open_file
from openmidas.files.images import Rgb
from openmidas.training.datasets.entry import Entry
from openmidas.training.datasets.folders import first_existing
from openmidas.training.datasets.hdf5 import Shape, array_length, read_array

_FOLDERS = (".", "nyu_depth_v2", "nyuv2")
_LABELLED = "nyu_depth_v2_labeled.mat"
# MATLAB's first axis is the fastest: rows and columns come swapped.
_SHAPES: Mapping[str, Shape] = MappingProxyType(
    {"images": (None, 3, None, None), "rawDepths": (None, None, None)}
)


def read_nyu(root: Path) -> list[Entry]:
    """The test pictures of splits.mat, named by their number in the labelled set, from 0001.

    root holds nyu_depth_v2_labeled.mat (2.8 GB, HDF5) and splits.mat. The target is the raw depth in metres, holes
    as the Kinect left them. Raises FileError, also when splits.mat is of another set.
    """
    return _read(root, "testNdxs")


def read_nyu_train(root: Path) -> list[Entry]:
    """The training pictures of splits.mat; as `read_nyu`."""
    return _read(root, "trainNdxs")


def _read(root: Path, split: str) -> list[Entry]:
    labelled = first_existing(root, [f"{folder}/{_LABELLED}" for folder in _FOLDERS], "download it")
    places = [f"{folder}/splits.mat" for folder in _FOLDERS]
    splits = first_existing(root, places, "download it: it says which pictures are the test set")
    numbers = _numbers(splits, split)
    count = min(array_length(labelled, key, shape) for key, shape in _SHAPES.items())
    if not numbers or min(numbers) < 1 or max(numbers) > count:
        raise file_error(
            splits, f"does not fit the {count} pictures of {_LABELLED}: use the split of that set"
        )
    return [
        Entry(
            f"{number:04d}",
            labelled,
            partial(_read_depth, labelled, number),
            unpack_image=partial(_read_image, labelled, number),
            target=labelled,
        )
        for number in numbers
    ]


def _numbers(splits: Path, split: str) -> list[int]:
    try:
        from scipy.io import loadmat
    except ImportError as error:
        raise missing_extra(splits, "MATLAB's format", "data") from error
    with open_file(splits) as stream:
        try:
            return [int(number) for number in loadmat(stream)[split].ravel()]
        except Exception as error:  # damaged bytes make the reader raise anything
            raise file_error(splits, f"has no {split} ({error}): download it again") from error


def _read_image(labelled: Path, number: int) -> Rgb:
    return np.ascontiguousarray(_read_one(labelled, "images", number).transpose(2, 1, 0))


def _read_depth(labelled: Path, number: int) -> DepthMap:
    metres = np.ascontiguousarray(_read_one(labelled, "rawDepths", number).T)
    return DepthMap.from_values(metres, "depth", "metric", np.isfinite(metres) & (metres > 0))


def _read_one(labelled: Path, key: str, number: int) -> np.ndarray:
    return read_array(labelled, key, _SHAPES[key], number - 1)
