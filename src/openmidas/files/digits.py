"""Columns of numbers as text, by array: a hundred million bytes a second, where formatting one by one takes ten.

A cell is a row of bytes of one width for the whole column; what a number does not fill is FILLER, and goes when
the cells are joined.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from jaxtyping import Bool, Float, Int, Integer, UInt8

from openmidas.files.errors import FilePath, file_error

Cells = UInt8[np.ndarray, "n _"]

BLOCK = 1 << 15
"""Lines that are made at a time: their cells stay in the cache."""

_LARGEST = 1e11  # with seven decimals it still fits into 64 bits
_FILLER = 0
_ZERO, _MINUS = b"0-"


def blocks(count: int) -> Iterator[slice]:
    """The parts of `count` lines, BLOCK at a time."""
    return (slice(start, min(start + BLOCK, count)) for start in range(0, count, BLOCK))


def joined(*columns: Cells | str) -> bytes:
    """The text of the columns, line after line; a string is the same in all of them."""
    text = side_by_side(*columns)
    return text[text != _FILLER].tobytes()


def side_by_side(*columns: Cells | str) -> Cells:
    """The columns as one; a string is the same in every line."""
    count = next(len(column) for column in columns if not isinstance(column, str))
    return np.concatenate(
        [_repeated(column, count) if isinstance(column, str) else column for column in columns], axis=1
    )


def check_range(path: FilePath, values: Float[np.ndarray, "n columns"]) -> None:
    """FileError for a number too great to be written with decimals."""
    if np.abs(values).max(initial=0) > _LARGEST:
        raise file_error(
            path, f"has a coordinate beyond {_LARGEST:g} metres: leave out what is so far, or the sky"
        )


def integers(values: Integer[np.ndarray, " n"]) -> Cells:
    """Whole numbers, none of them negative."""
    return _digits(values.astype(np.int64), 1)


def decimals(values: Float[np.ndarray, " n"], places: int) -> Cells:
    """Numbers with `places` decimals, such as `check_range` has passed."""
    steps = np.rint(np.abs(values.astype(np.float64)) * 10**places).astype(np.int64)
    digits = _digits(steps, places + 1)
    sign = np.where((values < 0) & (steps > 0), _MINUS, _FILLER).astype(np.uint8)
    return side_by_side(sign[:, None], digits[:, :-places], ".", digits[:, -places:])


def only_where(cells: Cells, kept: Bool[np.ndarray, " n"]) -> Cells:
    """The cells, blank in the lines that are not kept."""
    return np.where(kept[:, None], cells, np.uint8(_FILLER))


def _digits(values: Int[np.ndarray, " n"], least: int) -> Cells:
    """Decimal digits, at least so many of them."""
    width = max(least, len(str(values.max(initial=0))))
    digits = np.empty((len(values), width), np.uint8)
    rest = values
    for place in range(width):
        rest, before = rest // 10, rest
        digits[:, -1 - place] = _ZERO + (before - 10 * rest)
        if place >= least:
            digits[before == 0, -1 - place] = _FILLER
    return digits


def _repeated(text: str, count: int) -> Cells:
    return np.broadcast_to(np.frombuffer(text.encode("ascii"), np.uint8), (count, len(text)))
