"""Arrays in HDF5: whatever else stands under their name is one line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from openmidas.files import FileError
from openmidas.training.datasets.hdf5 import array_length, read_array


def write(path: Path, content: Any) -> Path:
    with h5py.File(path, "w") as file:
        file["gt/depth"] = content
    return path


def test_an_array_comes_whole_or_in_parts(tmp_path: Path) -> None:
    values = np.arange(24, dtype=np.float32).reshape(2, 4, 3)
    path = write(tmp_path / "a.h5", values)
    np.testing.assert_array_equal(read_array(path, "gt/depth", (None, 4, 3)), values)
    np.testing.assert_array_equal(read_array(path, "gt/depth", (None, None, None), 1), values[1])
    assert array_length(path, "gt/depth", (None, 4, 3)) == 2


@pytest.mark.parametrize(
    "content",
    [
        np.ones(3),
        np.ones((4, 3, 1)),
        np.ones((4, 2)),
        np.ones((0, 3)),
        np.ones((4, 3), complex),
        np.full((4, 3), b"far"),
        np.zeros((4, 3), [("depth", np.float32)]),
        h5py.Empty("f"),
        "far",
    ],
)
def test_what_is_no_array_of_numbers_of_that_shape_is_named(content: Any, tmp_path: Path) -> None:
    path = write(tmp_path / "a.h5", content)
    for read in (read_array, array_length):
        with pytest.raises(
            FileError, match=r"a\.h5: holds no n × 3 numbers as gt/depth: is it the right file"
        ):
            read(path, "gt/depth", (None, 3))


def test_a_folder_within_the_file_is_no_array(tmp_path: Path) -> None:
    path = write(tmp_path / "a.h5", np.ones((4, 3)))
    with pytest.raises(FileError, match=r"a\.h5: holds no n × n numbers as gt:"):
        read_array(path, "gt", (None, None))
