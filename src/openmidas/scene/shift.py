"""A picture whose pixels move sideways by their nearness, the nearer before the farther, with what comes to light
filled from the farther side.

Every pixel is a piece of its row that moves with its depth. Pieces of one surface stay joined, so that no gap opens
where it is stretched; where the depth jumps they are cut. Into each pixel of the new view the nearest surface goes
by the share it covers, the one behind it takes what is left, and a share that nothing covers is filled.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float32, Int, UInt8

from openmidas.files.cores import usable_cores
from openmidas.scene.nearness import farther_in_row, grown_over_mixed_pixels

MAX_WIDTH_PX = 32766  # of OpenCV's remap

_BAND_PIXELS = 1 << 18
_LARGEST_STEP_PX = 0.2  # neighbours that move further apart are cut
_SAME_SURFACE_PX = 0.25  # pieces in one pixel that have moved further apart are two surfaces
_OUTLINE_PX = 1.0  # an edge across which pixels move further apart takes its mixed colours along
_LEAST = 1e-3  # a share of a pixel that is too small to count

_Band = Float32[np.ndarray, "h w"]


class _Surface(NamedTuple):
    """cover: the share of each pixel that it covers. column: where its colour lies in the picture, in pixel centres."""

    cover: _Band
    column: _Band
    shift: _Band


class _Piece(NamedTuple):
    """Parts of pixels that each lie in one pixel of the new view: flat numbers, shares, colours' columns, shifts."""

    cell: Int[np.ndarray, " n"]
    cover: Float32[np.ndarray, " n"]
    column: Float32[np.ndarray, " n"]
    shift: Float32[np.ndarray, " n"]

    def chosen(self, which: Bool[np.ndarray, " n"]) -> _Piece:
        return _Piece(*(values[which] for values in self))


def shifted(
    image: UInt8[np.ndarray, "h w 3"], shift_px: Float32[np.ndarray, "h w"]
) -> UInt8[np.ndarray, "h w 3"]:
    """The picture with every pixel moved right by its shift, the larger shift in front.

    Raises ValueError for a picture that is wider than 32766 pixels.
    """
    height, width = shift_px.shape
    if width > MAX_WIDTH_PX:
        raise ValueError(
            f"a stereo view is at most {MAX_WIDTH_PX} pixels wide, not {width}: make it smaller first"
        )
    shift = grown_over_mixed_pixels(shift_px, _OUTLINE_PX)
    rows = max(1, _BAND_PIXELS // width)
    bands = [slice(top, top + rows) for top in range(0, height, rows)]
    view = np.empty_like(image)

    def draw(band: slice) -> None:
        view[band] = _shifted_band(np.ascontiguousarray(image[band]), shift[band])

    with ThreadPoolExecutor(usable_cores()) as pool:
        list(pool.map(draw, bands))
    return view


def _shifted_band(image: UInt8[np.ndarray, "h w 3"], shift: _Band) -> UInt8[np.ndarray, "h w 3"]:
    pieces = list(_pieces(shift))
    front, rest = _nearest_surface(pieces, shift.shape)
    view = _colours(image, front.column)
    open_cells = np.flatnonzero(front.cover < 1 - _LEAST)
    if open_cells.size == 0:
        return view
    behind, _ = _nearest_surface(rest, shift.shape)
    share = np.minimum(behind.cover, 1 - front.cover)
    filled = _filled_columns(front, _Surface(share, behind.column, behind.shift))
    rows, columns = np.divmod(open_cells, shift.shape[1])
    at = rows, columns
    cover, second = front.cover[at][:, None], share[at][:, None]
    mixed = cover * view[at] + second * _colours_at(image, rows, behind.column[at])
    mixed += (1 - cover - second) * _colours_at(image, rows, filled[at])
    view[at] = np.rint(mixed).astype(np.uint8)
    return view


def _pieces(shift: _Band) -> Iterator[_Piece]:
    """The parts of every pixel that lie in the first, second and third pixel of the new view that it reaches."""
    height, width = shift.shape
    step = np.diff(shift, axis=1)
    cut, middle = np.abs(step) > _LARGEST_STEP_PX, shift[:, :-1] + step / 2
    left, right, first_cut, last_cut = (
        shift.copy(),
        shift.copy(),
        np.ones(shift.shape, bool),
        np.ones(shift.shape, bool),
    )
    left[:, 1:] = np.where(cut, shift[:, 1:], middle)
    right[:, :-1] = np.where(cut, shift[:, :-1], middle)
    first_cut[:, 1:], last_cut[:, :-1] = cut, cut
    whole = np.floor(left)
    start, length = left - whole, 1 + right - left
    # at a cut the colour is that of the pixel's centre, beyond which it mixes with the other side's
    lowest, highest = np.where(first_cut, np.float32(0), -0.5), np.where(last_cut, np.float32(0), 0.5)
    column = np.arange(width, dtype=np.float32)
    cell = whole.astype(np.int32) + np.arange(width, dtype=np.int32)
    row_start = np.arange(height, dtype=np.int32)[:, None] * width
    for reached in range(3):
        begin, end = np.maximum(start, reached), np.minimum(start + length, reached + 1)
        chosen = (end - begin > 1e-5) & (cell >= -reached) & (cell < width - reached)
        share = ((begin + end)[chosen] / 2 - start[chosen]) / length[chosen] - np.float32(0.5)
        yield _Piece(
            (row_start + cell)[chosen] + reached,
            (end - begin)[chosen],
            np.broadcast_to(column, shift.shape)[chosen] + np.clip(share, lowest[chosen], highest[chosen]),
            shift[chosen],
        )


def _nearest_surface(pieces: list[_Piece], shape: tuple[int, int]) -> tuple[_Surface, list[_Piece]]:
    """What is nearest in every pixel, and the pieces behind it where it leaves something open."""
    size = shape[0] * shape[1]
    nearest = np.full(size, -np.inf, np.float32)
    for piece in pieces:
        np.maximum.at(nearest, piece.cell, piece.shift)
    cover, moment = np.zeros(size), np.zeros(size)
    hidden = []
    for piece in pieces:
        front = piece.shift >= nearest[piece.cell] - np.float32(_SAME_SURFACE_PX)
        hidden.append(piece.chosen(~front))
        seen = piece.chosen(front)
        cover += np.bincount(seen.cell, seen.cover, size)
        moment += np.bincount(seen.cell, seen.cover * (seen.column - seen.cell % shape[1]), size)
    with np.errstate(invalid="ignore"):
        column = np.arange(size) % shape[1] + moment / cover
    rest = [piece.chosen(cover[piece.cell] < 1 - _LEAST) for piece in hidden]
    surface = (np.minimum(cover, 1), np.nan_to_num(column), nearest)
    return _Surface(*(values.astype(np.float32).reshape(shape) for values in surface)), rest


def _filled_columns(front: _Surface, behind: _Surface) -> _Band:
    """Where in the picture to take the colours of what nothing covers: the farther side, mirrored at the edge."""
    known = front.cover + behind.cover > 1 - _LEAST
    has_behind = behind.cover > _LEAST
    column = np.where(has_behind, behind.column, front.column)
    depth = np.where(has_behind, behind.shift, front.shift)
    edge = farther_in_row(known, depth)
    rows, columns = np.nonzero(~known & (edge >= 0))
    border = edge[rows, columns]
    mirrored = np.clip(2 * border - columns, 0, known.shape[1] - 1)
    same = known[rows, mirrored] & (np.abs(depth[rows, mirrored] - depth[rows, border]) <= _OUTLINE_PX)
    chosen = np.where(same, mirrored, border)
    filled = column.copy()
    filled[rows, columns] = column[rows, chosen]
    return filled


def _colours(image: UInt8[np.ndarray, "h w 3"], column: _Band) -> UInt8[np.ndarray, "h w 3"]:
    import cv2

    rows = np.broadcast_to(np.arange(len(column), dtype=np.float32)[:, None], column.shape)
    return cv2.remap(
        image, column, np.ascontiguousarray(rows), cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE
    )


def _colours_at(
    image: UInt8[np.ndarray, "h w 3"], rows: Int[np.ndarray, " n"], columns: Float32[np.ndarray, " n"]
) -> Float32[np.ndarray, "n 3"]:
    """Colours between the pixels of a row, linear."""
    first = np.clip(np.floor(columns).astype(np.int32), 0, image.shape[1] - 1)
    share = (columns - first)[:, None]
    here, next_one = image[rows, first], image[rows, np.minimum(first + 1, image.shape[1] - 1)]
    return (here + share * (next_one.astype(np.float32) - here)).astype(np.float32)
