"""NumPy's own files: NPY holds bare numbers, NPZ a whole depth map."""

from __future__ import annotations

import io
import zipfile
from typing import Any, get_args

import numpy as np

from openmidas.depth_map import Ambiguity, Quantity
from openmidas.encoding import Encoding, lossless_encoding
from openmidas.files.atomic import write_bytes, written_beside
from openmidas.files.codes import Codes, Numbers, from_note, to_note
from openmidas.files.errors import FileError, FilePath, file_error, open_file
from openmidas.files.picture import MAX_PIXELS

# An archive may name any size; a depth map of the largest picture has five bytes a pixel.
_MAX_BYTES = 9 * MAX_PIXELS
_ENTRIES = ("values", "valid", "quantity", "ambiguity")


def read_npy(path: FilePath) -> Numbers:
    """The numbers of an NPY array (h, w) or (h, w, 1), which carries no meaning; raises FileError."""
    with open_file(path) as stream:
        codes = _array(path, stream)
    if codes.ndim == 3 and codes.shape[2] == 1:
        codes = codes[:, :, 0]
    if codes.ndim != 2 or codes.size == 0 or codes.dtype.kind not in "fui":
        shape = "×".join(map(str, codes.shape))
        raise file_error(path, f"holds {shape} {codes.dtype}, not the floats or codes (h, w) of one picture")
    return Numbers(codes, None)


def write_npy(path: FilePath, codes: Codes, encoding: Encoding) -> None:
    """Write codes of any type as NPY; the format cannot carry the encoding. Raises FileError."""
    stream = io.BytesIO()
    np.lib.format.write_array(stream, codes, allow_pickle=False)
    write_bytes(path, stream.getbuffer())


def read_npz(path: FilePath) -> Numbers:
    """A depth map's values, NaN where not valid, with their meaning; raises FileError."""
    with open_file(path) as stream:
        try:
            entries = _entries(path, stream)
        except FileError:
            raise
        except Exception as error:  # hostile bytes make zipfile raise anything
            raise file_error(path, f"is no NPZ archive or damaged ({error}): write it again") from error
    values, valid = entries["values"], entries["valid"]
    if values.ndim != 2 or values.size == 0 or values.dtype.kind != "f" or valid.shape != values.shape:
        raise file_error(path, "its values and valid are not floats and marks (h, w) of one picture")
    numbers = np.where(valid.astype(bool), values.astype(np.float32), np.float32(np.nan))
    if "encoding" in entries:
        return Numbers(numbers, from_note(path, str(entries["encoding"])))
    return Numbers(numbers, _as_stored(path, str(entries["quantity"]), str(entries["ambiguity"])))


def write_npz(path: FilePath, codes: Codes, encoding: Encoding) -> None:
    """Write float32 values as they are, with arrays values, valid, quantity, ambiguity and encoding (JSON).

    Raises FileError, also for an encoding whose codes are not the values themselves.
    """
    if encoding.outside != "keep":
        plain = _as_stored(path, encoding.quantity, encoding.ambiguity).name
        raise file_error(path, f"NPZ holds values as they are, not {encoding.name} codes: use {plain}")
    words = (encoding.quantity, encoding.ambiguity, to_note(encoding))
    arrays = (codes, ~np.isnan(codes), *(np.array(word) for word in words))
    with written_beside(path) as temporary, zipfile.ZipFile(temporary, "w") as archive:
        for name, array in zip((*_ENTRIES, "encoding"), arrays, strict=True):
            # Float noise hardly shrinks and takes long; marks shrink to nothing.
            how = zipfile.ZIP_DEFLATED if array.dtype == np.bool_ else zipfile.ZIP_STORED
            entry = zipfile.ZipInfo(f"{name}.npy")
            entry.compress_type = how
            with archive.open(entry, "w", force_zip64=True) as stream:
                np.lib.format.write_array(stream, array, allow_pickle=False)


def _entries(path: FilePath, stream: io.BufferedIOBase) -> dict[str, np.ndarray]:
    with zipfile.ZipFile(stream) as archive:
        if sum(info.file_size for info in archive.infolist()) > _MAX_BYTES:
            raise file_error(path, "unpacks to more than any depth map: do not trust it")
        names = {name.removesuffix(".npy") for name in archive.namelist()}
        missing = [name for name in _ENTRIES if name not in names]
        if missing:
            raise file_error(path, f"has no array {' or '.join(missing)}: it is no depth map of openmidas")
        wanted = [*_ENTRIES, *({"encoding"} & names)]
        return {name: _array(path, io.BytesIO(archive.read(f"{name}.npy"))) for name in wanted}


def _array(path: FilePath, stream: io.BufferedIOBase) -> np.ndarray:
    try:
        return np.asarray(np.lib.format.read_array(stream, allow_pickle=False))
    except FileError:
        raise
    except Exception as error:  # a hostile header makes NumPy raise anything
        raise file_error(path, f"is no NumPy array or damaged ({error}): write it again") from error


def _as_stored(path: FilePath, quantity: Any, ambiguity: Any) -> Encoding:
    """The encoding of float32 values that are the quantity itself."""
    if quantity not in get_args(Quantity) or ambiguity not in get_args(Ambiguity):
        raise file_error(path, f"says it holds {ambiguity} {quantity}, which has no meaning: write it again")
    return lossless_encoding(quantity, ambiguity)
