"""Arrays in HDF5 files, which MATLAB 7.3 writes as well; h5py is imported when one is read."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from openmidas.files.errors import file_error, missing_extra, open_file


def read_array(path: Path, key: str, index: int | None = None) -> np.ndarray:
    """The array `key` of the file, or its part at `index` of the first axis; raises FileError."""
    with _opened(path, key) as array:
        return np.asarray(array[() if index is None else index])


def array_shape(path: Path, key: str) -> tuple[int, ...]:
    """The shape of the array `key`, from the header alone; raises FileError."""
    with _opened(path, key) as array:
        return tuple(array.shape)


@contextlib.contextmanager
def _opened(path: Path, key: str) -> Iterator[Any]:
    try:
        import h5py
    except ImportError as error:
        raise missing_extra(path, "HDF5", "data") from error
    open_file(path).close()
    try:
        with h5py.File(path, "r") as file:
            yield file[key]
    except KeyError as error:
        raise file_error(path, f"holds no array {key}: is it the right file?") from error
    except (OSError, RuntimeError) as error:
        raise file_error(path, f"is no HDF5 file or damaged ({error}): download it again") from error
