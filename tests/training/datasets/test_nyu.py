"""NYU Depth v2: MATLAB's files, as HDF5 with swapped axes and as version 5."""

from __future__ import annotations

import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
from scipy.io import savemat

from openmidas.depth_map import DepthMap
from openmidas.files import FileError
from openmidas.training.datasets.nyu import read_nyu, read_nyu_train

rng = np.random.default_rng(0)
IMAGES = rng.integers(0, 256, (6, 5, 3, 4), np.uint8)  # height, width, colour, number, as MATLAB has them
DEPTHS = rng.uniform(0.5, 9, (6, 5, 4)).astype(np.float32)
DEPTHS[0, 1, 2] = 0


def write(root: Path, test: list[int]) -> None:
    root.mkdir(exist_ok=True)
    with h5py.File(root / "nyu_depth_v2_labeled.mat", "w", userblock_size=512) as file:
        file["images"], file["rawDepths"] = IMAGES.T, DEPTHS.T
    savemat(root / "splits.mat", {"testNdxs": np.array(test, float)[:, None]}, do_compression=True)


@pytest.mark.parametrize("folder", [".", "nyu_depth_v2"])
def test_pictures_and_raw_depths_of_the_split_come_upright(tmp_path: Path, folder: str) -> None:
    write(tmp_path / folder, [2, 3])
    entries = read_nyu(tmp_path)
    assert [entry.name for entry in entries] == ["0002", "0003"]
    for entry, index in zip(entries, (1, 2), strict=True):
        np.testing.assert_array_equal(entry.read_image(), IMAGES[..., index])
        target = entry.read_target()
        assert isinstance(target, DepthMap)
        assert (target.quantity, target.ambiguity) == ("depth", "metric")
        np.testing.assert_array_equal(target.valid, DEPTHS[..., index] > 0)
        np.testing.assert_array_equal(target.values[target.valid], DEPTHS[..., index][target.valid])


@pytest.mark.parametrize("numbers", [[4, 5], [0, 1], []])
def test_a_split_of_another_set_is_refused(tmp_path: Path, numbers: list[int]) -> None:
    write(tmp_path, numbers)
    with pytest.raises(FileError, match=r"splits\.mat: does not fit the 4 pictures of nyu_depth"):
        read_nyu(tmp_path)


def test_what_is_missing_or_damaged_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileError, match=r"nyu_depth_v2_labeled\.mat: is not there: download it"):
        read_nyu(tmp_path)
    write(tmp_path, [1])
    (tmp_path / "splits.mat").write_bytes(b"MATLAB 5.0 MAT-file")
    with pytest.raises(FileError, match=r"splits\.mat: has no testNdxs"):
        read_nyu(tmp_path)
    (tmp_path / "splits.mat").unlink()
    with pytest.raises(FileError, match=r"splits\.mat: is not there: download it: it says which"):
        read_nyu(tmp_path)
    write(tmp_path, [1])
    (tmp_path / "nyu_depth_v2_labeled.mat").write_bytes(b"half a download")
    with pytest.raises(FileError, match=r"labeled\.mat: is no HDF5 file or damaged"):
        read_nyu(tmp_path)
    with h5py.File(tmp_path / "nyu_depth_v2_labeled.mat", "w") as file:
        file["images"] = IMAGES.T
    with pytest.raises(FileError, match=r"labeled\.mat: holds no array rawDepths"):
        read_nyu(tmp_path)
    with h5py.File(tmp_path / "nyu_depth_v2_labeled.mat", "w") as file:
        file["images"], file["rawDepths"] = IMAGES.T[:, 0], DEPTHS.T
    with pytest.raises(FileError, match=r"labeled\.mat: holds no n × 3 × n × n numbers as images"):
        read_nyu(tmp_path)


@pytest.mark.parametrize("library", ["h5py", "scipy.io"])
def test_a_library_that_is_not_installed_is_named_with_its_extra(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, library: str
) -> None:
    write(tmp_path, [1])
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(FileError, match=r"needs an optional library: pip install 'openmidas\[data\]'"):
        read_nyu(tmp_path)


def test_the_training_pictures_are_the_other_part_of_the_split(tmp_path: Path) -> None:
    write(tmp_path, [2, 3])
    parts = {"testNdxs": np.array([[2], [3]], float), "trainNdxs": np.array([[1], [4]], float)}
    savemat(tmp_path / "splits.mat", parts)
    entries = read_nyu_train(tmp_path)
    assert [entry.name for entry in entries] == ["0001", "0004"]
    np.testing.assert_array_equal(entries[1].read_image(), IMAGES[..., 3])
