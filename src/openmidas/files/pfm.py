"""Portable float maps: one float32 a pixel, bottom row first, the scale's sign telling the byte order."""

from __future__ import annotations

import re

import numpy as np

from openmidas.encoding import Encoding
from openmidas.files.atomic import write_bytes
from openmidas.files.codes import Codes, Numbers
from openmidas.files.errors import FilePath, file_error, open_file

_HEADER = re.compile(rb"(P[fF])\s+(?:#[^\n]*\n\s*)*(\d{1,9})\s+(\d{1,9})\s+([-+.\deE]+)[ \t]*\r?\n")
_LONGEST_HEADER = 1024


def read_pfm(path: FilePath) -> Numbers:
    """The numbers of a gray PFM of either byte order, top row first, without a meaning; raises FileError."""
    with open_file(path) as stream:
        data = stream.read()
    header = _HEADER.match(data[:_LONGEST_HEADER])
    if header is None:
        raise file_error(path, "is not a PFM file: check its kind")
    kind, width, height, scale = header.groups()
    if kind == b"PF":
        raise file_error(path, "is a colour PFM: save it as gray (Pf)")
    byte_order = "<" if scale.startswith(b"-") else ">"
    rows = floats(path, data[header.end() :], (int(height), int(width)), byte_order)
    return Numbers(rows[::-1], None)


def write_pfm(path: FilePath, codes: Codes, encoding: Encoding) -> None:
    """Write float32 codes as PFM, little-endian; the format cannot carry the encoding. Raises FileError."""
    height, width = codes.shape
    rows = np.ascontiguousarray(codes[::-1], dtype="<f4")
    write_bytes(path, f"Pf\n{width} {height}\n-1.0\n".encode("ascii"), rows.reshape(-1).data)


def floats(path: FilePath, data: bytes, shape: tuple[int, int], byte_order: str) -> Codes:
    """Float32 (height, width) from the bytes that must be exactly that many; raises FileError."""
    height, width = shape
    if min(shape) < 1 or len(data) != 4 * height * width:
        problem = f"should hold {width}×{height} floats but has {len(data)} bytes for them"
        raise file_error(path, f"{problem}: it is damaged or of another size")
    return np.frombuffer(data, f"{byte_order}f4").reshape(shape).astype(np.float32)
