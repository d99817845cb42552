"""Arrays in HDF5 files, which MATLAB 7.3 writes as well; h5py is imported when one is read."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from openmidas.files.errors import file_error, missing_extra, open_file

Shape = Sequence[int | None]  # None: of any size


def read_array(path: Path, key: str, shape: Shape, index: int | None = None) -> np.ndarray:
    """The array `key` of the file, or its part at `index` of the first axis.

    Raises FileError, also for an array of another shape, an empty one, and one of anything but numbers.
    """
    with _opened(path, key, shape) as array:
        return np.asarray(array[() if index is None else index])


def array_length(path: Path, key: str, shape: Shape) -> int:
    """The size of the first axis of the array `key`, from the header alone; as `read_array`."""
    with _opened(path, key, shape) as array:
        return int(array.shape[0])


@contextlib.contextmanager
def _opened(path: Path, key: str, shape: Shape) -> Iterator[Any]:
    try:
        import h5py
    except ImportError as error:
        raise missing_extra(path, "HDF5", "data") from error
    open_file(path).close()
    try:
        with h5py.File(path, "r") as file:
            array = file[key]
            if not (isinstance(array, h5py.Dataset) and _fits(array, shape)):
                sizes = " × ".join("n" if size is None else str(size) for size in shape)
                raise file_error(path, f"holds no {sizes} numbers as {key}: is it the right file?")
            yield array
    except KeyError as error:
        raise file_error(path, f"holds no array {key}: is it the right file?") from error
    except (OSError, RuntimeError) as error:
        raise file_error(path, f"is no HDF5 file or damaged ({error}): download it again") from error


def _fits(array: Any, shape: Shape) -> bool:
    """Whether these are numbers of that shape, and any at all."""
    sizes = array.shape or ()  # None where a file says that it left the array out
    if array.dtype.kind not in "fiu" or len(sizes) != len(shape):
        return False
    return all(size > 0 and wanted in (None, size) for size, wanted in zip(sizes, shape, strict=True))
