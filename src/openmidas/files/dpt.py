"""Depth files of the MPI Sintel data set: a float tag, width, height, then metres, all little-endian."""

from __future__ import annotations

import struct

from openmidas.encoding import encoding_named
from openmidas.files.codes import Numbers
from openmidas.files.errors import FilePath, file_error, open_file
from openmidas.files.pfm import floats

_TAG = struct.pack("<f", 202021.25)
_HEADER_BYTES = 12


def read_dpt(path: FilePath) -> Numbers:
    """The metres of a Sintel `.dpt` file; raises FileError."""
    with open_file(path) as stream:
        data = stream.read()
    if len(data) < _HEADER_BYTES or data[:4] != _TAG:
        raise file_error(path, "is not a Sintel .dpt file: its first number must be 202021.25")
    width, height = struct.unpack_from("<ii", data, 4)
    return Numbers(floats(path, data[_HEADER_BYTES:], (height, width), "<"), encoding_named("metres"))
