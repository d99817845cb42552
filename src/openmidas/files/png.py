"""PNG pictures of 8 or 16 bits, written fast.

With a common encoder a depth map takes longer to compress than to predict. This one filters every row by the
row above (depth is smooth), deflates bands of rows in parallel with Intel's ISA-L and joins them.
The bytes depend on the picture alone, never on the machine's number of threads.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from jaxtyping import UInt8, UInt16
from numpy.typing import NDArray

from openmidas.files.cores import usable_cores

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_FILTER_UP = 2
_BAND_BYTES = 1 << 21
_LEVEL = 1
_ZLIB_HEADER = b"\x78\x01"
_ADLER_BASE = 65521

Pixels = UInt8[np.ndarray, "h w"] | UInt8[np.ndarray, "h w 3"] | UInt16[np.ndarray, "h w"]


def encode_png(pixels: Pixels, text: Mapping[str, str] | None = None) -> bytes:
    """The bytes of a lossless PNG: gray of 8 or 16 bits or RGB of 8, with `text` (ASCII) in tEXt chunks.

    Raises ValueError for another type or shape, or no pixels. Format: W3C PNG specification, third edition.
    """
    _check(pixels)
    packed = _deflated(pixels)
    checksum = 1
    for _, adler, length in packed:
        checksum = _combined_adler32(checksum, adler, length)
    return b"".join(
        [
            _SIGNATURE,
            _header(pixels),
            *(_text(key, value) for key, value in (text or {}).items()),
            _chunk(b"IDAT", _ZLIB_HEADER),
            *(chunk for chunk, _, _ in packed),
            _chunk(b"IDAT", struct.pack(">I", checksum)),
            _chunk(b"IEND", b""),
        ]
    )


def _check(pixels: NDArray[np.generic]) -> None:
    gray = pixels.ndim == 2 and pixels.dtype in (np.uint8, np.uint16)
    colour = pixels.ndim == 3 and pixels.shape[2] == 3 and pixels.dtype == np.uint8
    if not (gray or colour):
        raise ValueError(
            f"a PNG holds (h, w) uint8 or uint16 or (h, w, 3) uint8, not {pixels.shape} of {pixels.dtype}"
        )
    if pixels.size == 0:
        raise ValueError("a PNG cannot be empty")


def _deflated(pixels: NDArray[np.generic]) -> list[tuple[bytes, int, int]]:
    """What `_deflate_rows` gives of every band."""
    bands = _bands(pixels)
    threads = min(len(bands), usable_cores())
    if threads == 1:  # a thread takes as long to start as a small picture to pack
        return [_deflate_rows(pixels, *band) for band in bands]
    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(lambda band: _deflate_rows(pixels, *band), bands))


def _bands(pixels: NDArray[np.generic]) -> list[tuple[int, int]]:
    height = pixels.shape[0]
    rows = max(1, _BAND_BYTES * height // pixels.nbytes)
    return [(top, min(top + rows, height)) for top in range(0, height, rows)]


def _deflate_rows(pixels: NDArray[np.generic], top: int, bottom: int) -> tuple[bytes, int, int]:
    """The IDAT chunk of rows top to bottom, and the Adler-32 and length of what it unpacks to."""
    from isal import isal_zlib

    rows = _filtered_rows(pixels, top, bottom).reshape(-1).data
    deflate = isal_zlib.compressobj(_LEVEL, isal_zlib.DEFLATED, -15)
    # A flush ends on a whole byte, so that bands packed each by a compressor of its own join into one stream.
    last = bottom == pixels.shape[0]
    packed = deflate.compress(rows) + deflate.flush(isal_zlib.Z_FINISH if last else isal_zlib.Z_FULL_FLUSH)
    return _chunk(b"IDAT", packed), isal_zlib.adler32(rows), len(rows)


def _filtered_rows(pixels: NDArray[np.generic], top: int, bottom: int) -> UInt8[np.ndarray, "n bytes"]:
    """Rows top to bottom as PNG stores them: the filter's number, then each byte less the byte above it."""
    first = top == 0
    big_endian = pixels[max(top - 1, 0) : bottom].astype(pixels.dtype.newbyteorder(">"), order="C")
    rows = big_endian.view(np.uint8).reshape(len(big_endian), -1)
    filtered = np.empty((bottom - top, 1 + rows.shape[1]), np.uint8)
    filtered[:, 0] = _FILTER_UP
    if first:
        filtered[0, 1:] = rows[0]
    np.subtract(rows[1:], rows[:-1], out=filtered[int(first) :, 1:])
    return filtered


def _combined_adler32(first: int, second: int, second_length: int) -> int:
    """The Adler-32 of two strings joined, from theirs (RFC 1950, section 8.2)."""
    low = (first & 0xFFFF) + (second & 0xFFFF) - 1
    high = (first >> 16) + (second >> 16) + second_length * ((first & 0xFFFF) - 1)
    return (high % _ADLER_BASE) << 16 | low % _ADLER_BASE


def _header(pixels: NDArray[np.generic]) -> bytes:
    height, width = pixels.shape[:2]
    colour_type = 2 if pixels.ndim == 3 else 0
    return _chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8 * pixels.itemsize, colour_type, 0, 0, 0))


def _text(keyword: str, value: str) -> bytes:
    return _chunk(b"tEXt", keyword.encode("ascii") + b"\0" + value.encode("ascii"))


def _chunk(kind: bytes, data: bytes) -> bytes:
    from isal import isal_zlib

    checksum = isal_zlib.crc32(data, isal_zlib.crc32(kind))
    return b"".join([struct.pack(">I", len(data)), kind, data, struct.pack(">I", checksum)])
