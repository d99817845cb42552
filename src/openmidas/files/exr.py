"""OpenEXR files: one channel of floats, the encoding in a header attribute."""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from openmidas.encoding import Encoding
from openmidas.files.atomic import written_beside
from openmidas.files.codes import Codes, Numbers, from_note, to_note
from openmidas.files.errors import FileError, FilePath, file_error, missing_extra, open_file
from openmidas.files.picture import MAX_PIXELS

_ATTRIBUTE = "openmidas"
# Other programs look for depth under Z and show Y as a gray picture.
_DEPTH_CHANNEL = "Z"
_OTHER_CHANNEL = "Y"


def read_exr(path: FilePath) -> Numbers:
    """The numbers of an EXR's depth channel (Z, NAME.Z or its only one); needs an extra; raises FileError."""
    library = _library(path)
    open_file(path).close()
    try:
        header = library.File(os.fspath(path), header_only=True).header()
        _check_size(path, header)
        channels = library.File(os.fspath(path), separate_channels=True).channels()
        pixels = {name: channel.pixels for name, channel in channels.items()}
    except FileError:
        raise
    except Exception as error:  # the library raises several kinds for damaged files
        raise file_error(path, f"is no EXR file or damaged ({error}): copy it again") from error
    codes = _whole(path, pixels[_depth_channel(path, list(pixels))], header)
    return Numbers(codes.astype(np.float32), from_note(path, header.get(_ATTRIBUTE)))


def write_exr(path: FilePath, codes: Codes, encoding: Encoding) -> None:
    """Write float32 codes as a ZIP-compressed EXR; needs an extra; raises FileError."""
    library = _library(path)
    channel = _DEPTH_CHANNEL if encoding.quantity == "depth" else _OTHER_CHANNEL
    header = {
        "compression": library.ZIP_COMPRESSION,
        "type": library.scanlineimage,
        _ATTRIBUTE: to_note(encoding),
    }
    # The library writes an array that is not contiguous wrong, and says nothing.
    file = library.File(header, {channel: np.ascontiguousarray(codes, dtype=np.float32)})
    with written_beside(path) as temporary:
        try:
            file.write(os.fspath(temporary))
        except RuntimeError as error:
            raise file_error(path, f"cannot be written ({error}): is there space?") from error


def _library(path: FilePath) -> Any:
    try:
        import OpenEXR
    except ImportError as error:
        raise missing_extra(path, "EXR", "files") from error
    return OpenEXR


def _check_size(path: FilePath, header: dict[str, Any]) -> None:
    height, width = _shape(header)
    if not 0 < height * width <= MAX_PIXELS:
        raise file_error(path, f"has {width}×{height} pixels, not 1 to {MAX_PIXELS // 1_000_000} million")


def _shape(header: dict[str, Any]) -> tuple[int, int]:
    (left, top), (right, bottom) = header["dataWindow"]
    return int(bottom) - int(top) + 1, int(right) - int(left) + 1


def _depth_channel(path: FilePath, names: list[str]) -> str:
    depth = [name for name in names if name == _DEPTH_CHANNEL or name.endswith(f".{_DEPTH_CHANNEL}")]
    for choice in (depth, names):
        if len(choice) == 1:
            return choice[0]
    raise file_error(path, f"has the channels {', '.join(names)}, not one of depth (Z): save that one alone")


def _whole(path: FilePath, codes: Codes, header: dict[str, Any]) -> Codes:
    if codes.shape != _shape(header):
        raise file_error(path, "lacks a part of its pixels: copy it again")
    return codes
