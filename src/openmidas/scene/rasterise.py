"""The fast renderer's loops, in Numba: the same whole-number geometry as `fragments`, a band of rows at a time.

A band of the picture belongs to one thread, so that no two threads write the same pixel. Threads are Python's and
the loops let go of the interpreter lock: unlike Numba's own threading layers this is safe when several threads of
the caller draw at once, needs no library of the system, and leaves the process's settings alone.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from jaxtyping import Float32, Int32
from numba import njit

from openmidas.camera import Camera
from openmidas.depth_map import ConventionError
from openmidas.scene.fragments import (
    GUARD_PX,
    SUBPIXELS,
    Drawing,
    clipped,
    to_homogeneous,
    to_matrix,
    to_subpixels,
)

UNSAFE = -(1 << 31)
BLOCK = 4096  # triangles that are sorted, kept or passed over together
_SHIFT = SUBPIXELS.bit_length() - 1
_HALF = SUBPIXELS // 2
_PARTS_A_THREAD = 4  # so that none waits long for the other
# a zero in a division gives infinity, as in NumPy, and no branch
_compiled = njit(cache=True, nogil=True, error_model="numpy")
_inlined = njit(cache=True, nogil=True, error_model="numpy", forceinline=True)


class Corners(NamedTuple):
    """Vertices on the screen: (n, 2) in subpixels, and (n,) inverse depth.

    Where a vertex is in front of the near plane or too far aside, x is UNSAFE, and y has a bit for each such plane.
    """

    xy: np.ndarray
    inverse: np.ndarray


class Bins(NamedTuple):
    """Triangles by blocks: in `kept`, at each block's start, those that may have a pixel, at its end, turned
    round, those to clip; (blocks, 2) how many of either; (blocks, 2) first and last row of the kept."""

    kept: np.ndarray
    counts: np.ndarray
    rows: np.ndarray


class Surface(NamedTuple):
    """Triangles to draw. numbers: (m,) their indices in the drawing, or none where they count themselves."""

    triangles: np.ndarray
    numbers: np.ndarray
    corners: Corners
    attributes: np.ndarray
    bins: Bins


class Target(NamedTuple):
    """The arrays of a Drawing; indices as unsigned, so that none, -1, is above all others."""

    attributes: np.ndarray
    depth: np.ndarray
    indices: np.ndarray


@_compiled
def place_corners(vertices, matrix, near_m, first, last, corners):  # type: ignore[no-untyped-def]
    """Project the vertices from first to last by the 3×4 matrix."""
    for n in range(first, last):
        x, y, z = np.float64(vertices[n, 0]), np.float64(vertices[n, 1]), np.float64(vertices[n, 2])
        u = matrix[0, 0] * x + matrix[0, 1] * y + matrix[0, 2] * z + matrix[0, 3]
        v = matrix[1, 0] * x + matrix[1, 1] * y + matrix[1, 2] * z + matrix[1, 3]
        depth = matrix[2, 0] * x + matrix[2, 1] * y + matrix[2, 2] * z + matrix[2, 3]
        limit = GUARD_PX * depth
        is_safe = (depth >= near_m) & (abs(u) <= limit) & (abs(v) <= limit) & (limit < np.inf)
        aside = 2.0 * (u < -limit) + 4.0 * (u > limit) + 8.0 * (v < -limit) + 16.0 * (v > limit)
        planes = aside + (0.0 if depth >= near_m else 1.0)
        inverse = 1 / depth
        # one store for all, so that the compiler takes several vertices at once
        corners.inverse[n] = inverse
        corners.xy[n, 0] = np.floor(u * inverse * SUBPIXELS + 0.5) if is_safe else np.float64(UNSAFE)
        corners.xy[n, 1] = np.floor(v * inverse * SUBPIXELS + 0.5) if is_safe else planes


@_compiled
def sort_triangles(triangles, corners, shape, culls_back, blocks, bins):  # type: ignore[no-untyped-def]
    """Fill the bins of the blocks from first to last; False if a triangle names a vertex that is not there."""
    xy, vertices = corners.xy, np.uintp(len(corners.xy))
    kept, counts, rows = bins.kept, bins.counts, bins.rows
    height, width = shape
    for block in range(blocks[0], blocks[1]):
        start, end = block * BLOCK, min((block + 1) * BLOCK, len(triangles))
        next_kept, unsafe, first_row, last_row = start, end, height, -1
        for t in range(np.uintp(start), np.uintp(end)):
            a, b, c = np.uintp(triangles[t, 0]), np.uintp(triangles[t, 1]), np.uintp(triangles[t, 2])
            if max(a, b, c) >= vertices:
                return False
            (ax, ay), (bx, by), (cx, cy) = _corner(xy, a), _corner(xy, b), _corner(xy, c)
            lowest = min(ax, bx, cx)
            if lowest == UNSAFE:
                # not if all its corners are on the wrong side of one plane
                if _planes(ax, ay) & _planes(bx, by) & _planes(cx, cy) == 0:
                    unsafe -= 1
                    kept[np.uintp(unsafe)] = t
                continue
            left, right = _first(lowest, 0), _last(max(ax, bx, cx), width)
            top, bottom = _first(min(ay, by, cy), 0), _last(max(ay, by, cy), height)
            area = _edge(ax, ay, bx, by, cx, cy)
            x, y = _centre(left), _centre(top)
            at_a, at_b = _edge(bx, by, cx, cy, x, y), _edge(cx, cy, ax, ay, x, y)
            at_c = area - at_a - at_b
            # most triangles of a picture's mesh have one pixel in their box, and half of those do not cover it
            may_cover = (
                (left < right)
                | (top < bottom)
                | (((at_a | at_b | at_c) >= 0) if area > 0 else ((-at_a | -at_b | -at_c) >= 0))
            )
            is_seen = (area != 0) & (not (culls_back & (area > 0)))
            keeps = may_cover & is_seen & (left <= right) & (top <= bottom)
            # without a branch, for it would be guessed wrong every other time
            kept[np.uintp(next_kept)] = t
            next_kept += keeps
            first_row, last_row = min(first_row, top), max(last_row, bottom)
        counts[block, 0], counts[block, 1] = next_kept - start, end - unsafe
        rows[block, 0], rows[block, 1] = first_row, last_row
    return True


@_compiled
def clear_rows(target, first, last):  # type: ignore[no-untyped-def]
    """Nothing drawn in the rows from first to last."""
    for y in range(first, last):
        target.attributes[y] = 0
        target.depth[y] = np.inf
        target.indices[y] = 0xFFFFFFFF


@_compiled
def draw_rows(surface, target, channels, first, last):  # type: ignore[no-untyped-def]
    """Draw a surface into the rows from first to last. channels: 0, 1, …, as a tuple, for loops of known length."""
    numbers, counts, rows = surface.numbers, surface.bins.counts, surface.bins.rows
    triangles, kept = surface.triangles, surface.bins.kept
    xy, inverse, attributes = surface.corners.xy, surface.corners.inverse, surface.attributes
    depths, indices, drawn = target.depth, target.indices, target.attributes
    for block in range(len(counts)):
        if rows[block, 0] >= last or rows[block, 1] < first:
            continue
        start = block * BLOCK
        for place in range(np.uintp(start), np.uintp(start + counts[block, 0])):
            t = np.uintp(kept[place])
            a, b, c = np.uintp(triangles[t, 0]), np.uintp(triangles[t, 1]), np.uintp(triangles[t, 2])
            (ax, ay), (bx, by), (cx, cy) = _corner(xy, a), _corner(xy, b), _corner(xy, c)
            top, bottom = _first(min(ay, by, cy), first), _last(max(ay, by, cy), last)
            if top > bottom:
                continue
            left, right = _first(min(ax, bx, cx), 0), _last(max(ax, bx, cx), depths.shape[1])
            area = _edge(ax, ay, bx, by, cx, cy)
            if area < 0:
                area, b, c, bx, by, cx, cy = -area, c, b, cx, cy, bx, by
            number = np.uint32(numbers[t] if len(numbers) else t)
            x, y = _centre(left), _centre(top)
            # the edge opposite each corner: twice the area between it and the centre, positive inside
            at_a, at_b, at_c = (
                _edge(bx, by, cx, cy, x, y),
                _edge(cx, cy, ax, ay, x, y),
                _edge(ax, ay, bx, by, x, y),
            )
            out_a, out_b, out_c = _outside(bx, by, cx, cy), _outside(cx, cy, ax, ay), _outside(ax, ay, bx, by)
            for row in range(np.uintp(top), np.uintp(bottom + 1)):
                w_a, w_b, w_c = at_a, at_b, at_c
                for column in range(np.uintp(left), np.uintp(right + 1)):
                    if ((w_a - out_a) | (w_b - out_b) | (w_c - out_c)) >= 0:
                        share_a, share_b, share_c = w_a * inverse[a], w_b * inverse[b], w_c * inverse[c]
                        scale = 1 / (share_a + share_b + share_c)
                        depth = np.float32(area * scale)
                        if _is_nearer(depth, number, depths[row, column], indices[row, column]):
                            depths[row, column] = depth
                            indices[row, column] = number
                            for k in channels:
                                mixed = share_a * attributes[a, k] + share_b * attributes[b, k]
                                drawn[row, column, k] = (mixed + share_c * attributes[c, k]) * scale
                    w_a += (by - cy) << _SHIFT
                    w_b += (cy - ay) << _SHIFT
                    w_c += (ay - by) << _SHIFT
                at_a += (cx - bx) << _SHIFT
                at_b += (ax - cx) << _SHIFT
                at_c += (bx - ax) << _SHIFT


@_compiled
def draw_point_rows(corners, attributes, radius, is_disc, target, first, last):  # type: ignore[no-untyped-def]
    """Draw every point's square or disc, its radius in subpixels, into the rows from first to last."""
    width, channels = target.depth.shape[1], attributes.shape[1]
    for n in range(len(corners.inverse)):
        x, y = _corner(corners.xy, n)
        # a square has its left and upper border, not the other two; a disc has all of its border
        end = radius if is_disc else radius - 1
        top, bottom = _first(y - radius, first), _last(y + end, last)
        if x == UNSAFE or top > bottom:
            continue
        depth, number = np.float32(1 / corners.inverse[n]), np.uint32(n)
        for row in range(top, bottom + 1):
            for column in range(_first(x - radius, 0), _last(x + end, width) + 1):
                away_x, away_y = _centre(column) - x, _centre(row) - y
                if is_disc and away_x * away_x + away_y * away_y > radius * radius:
                    continue
                if _is_nearer(depth, number, target.depth[row, column], target.indices[row, column]):
                    target.depth[row, column] = depth
                    target.indices[row, column] = number
                    for k in range(channels):
                        target.attributes[row, column, k] = attributes[n, k]


@_inlined
def _corner(xy, n):  # type: ignore[no-untyped-def]
    return np.int64(xy[n, 0]), np.int64(xy[n, 1])


@_inlined
def _planes(x, y):  # type: ignore[no-untyped-def]
    """A bit for every plane on whose wrong side a vertex is."""
    return y if x == UNSAFE else 0


@_inlined
def _first(low, limit):  # type: ignore[no-untyped-def]
    """The first pixel, from `limit` on, whose centre is not below."""
    return max((low + _HALF - 1) >> _SHIFT, limit)


@_inlined
def _last(high, limit):  # type: ignore[no-untyped-def]
    """The last pixel, before `limit`, whose centre is not above."""
    return min((high - _HALF) >> _SHIFT, limit - 1)


@_inlined
def _centre(pixel):  # type: ignore[no-untyped-def]
    return (pixel << _SHIFT) + _HALF


@_inlined
def _edge(ax, ay, bx, by, x, y):  # type: ignore[no-untyped-def]
    """Twice the area of a, b and the point: positive where it is to the right of a to b on the screen."""
    return (bx - ax) * (y - ay) - (by - ay) * (x - ax)


@_inlined
def _outside(ax, ay, bx, by):  # type: ignore[no-untyped-def]
    """0 for a top or left edge, whose own points belong to the triangle, else 1."""
    return np.int64(not ((by < ay) | ((by == ay) & (bx > ax))))


@_inlined
def _is_nearer(depth, number, other_depth, other_number):  # type: ignore[no-untyped-def]
    return depth < other_depth or (depth == other_depth and number < other_number)


def triangles_drawn(
    vertices: Float32[np.ndarray, "n 3"],
    triangles: Int32[np.ndarray, "m 3"],
    attributes: Float32[np.ndarray, "n c"],
    camera: Camera,
    near_m: float,
    culls_back: bool,
    threads: int,
) -> Drawing:
    """`zbuffer.render_triangles` by this many threads; the arrays must lie in one piece, row by row."""
    corners = _placed(vertices, camera, near_m, threads)
    bins = _binned(triangles, corners, camera.shape, culls_back, threads)
    whole = Surface(triangles, np.zeros(0, np.int32), corners, attributes, bins)
    surfaces = [whole, *_pieces(whole, vertices, camera, near_m, culls_back)]
    drawing, target = _empty(camera.shape, attributes.shape[1])
    channels = tuple(range(attributes.shape[1]))

    def draw(first: int, last: int) -> None:
        clear_rows(target, first, last)
        for surface in surfaces:
            draw_rows(surface, target, channels, first, last)

    _in_parts(draw, camera.shape[0], threads)
    return drawing


def points_drawn(
    points: Float32[np.ndarray, "n 3"],
    attributes: Float32[np.ndarray, "n c"],
    camera: Camera,
    near_m: float,
    radius_px: float,
    is_disc: bool,
    threads: int,
) -> Drawing:
    """`zbuffer.render_points` by this many threads."""
    corners = _placed(points, camera, near_m, threads)
    drawing, target = _empty(camera.shape, attributes.shape[1])

    def draw(first: int, last: int) -> None:
        clear_rows(target, first, last)
        draw_point_rows(corners, attributes, round(radius_px * SUBPIXELS), is_disc, target, first, last)

    _in_parts(draw, camera.shape[0], threads)
    return drawing


def _empty(shape: tuple[int, int], channels: int) -> tuple[Drawing, Target]:
    """A drawing not yet cleared, and the same arrays as the loops see them."""
    attributes = np.empty((*shape, channels), np.float32)
    depth, index = np.empty(shape, np.float32), np.empty(shape, np.int32)
    return Drawing(attributes, depth, index), Target(attributes, depth, index.view(np.uint32))


def _placed(vertices: Float32[np.ndarray, "n 3"], camera: Camera, near_m: float, threads: int) -> Corners:
    corners = Corners(np.empty((len(vertices), 2), np.int32), np.empty(len(vertices)))
    matrix = to_matrix(camera)

    def place(first: int, last: int) -> None:
        place_corners(vertices, matrix, near_m, first, last, corners)

    _in_parts(place, len(vertices), threads)
    return corners


def _binned(
    triangles: Int32[np.ndarray, "m 3"],
    corners: Corners,
    shape: tuple[int, int],
    culls_back: bool,
    threads: int,
) -> Bins:
    blocks = -(-len(triangles) // BLOCK)
    kept, counts, rows = (np.empty(size, np.int32) for size in (len(triangles), (blocks, 2), (blocks, 2)))
    bins = Bins(kept, counts, rows)

    def sort(first: int, last: int) -> None:
        if not sort_triangles(triangles, corners, shape, culls_back, (first, last), bins):
            raise ConventionError(f"a triangle names a vertex that is not among the {len(corners.inverse)}")

    _in_parts(sort, blocks, threads)
    return bins


def _pieces(
    whole: Surface, vertices: Float32[np.ndarray, "n 3"], camera: Camera, near_m: float, culls_back: bool
) -> list[Surface]:
    """The safe parts of the triangles that must be clipped, if there are any."""
    counts, kept = whole.bins.counts[:, 1], whole.bins.kept
    ends = np.minimum(np.arange(1, len(counts) + 1) * BLOCK, len(kept))
    unsafe = np.concatenate(
        [kept[:0], *(kept[ends[k] - counts[k] : ends[k]] for k in np.flatnonzero(counts))]
    )
    if not len(unsafe):
        return []
    used = whole.triangles[unsafe].ravel()
    rows = np.concatenate([to_homogeneous(vertices[used], camera), whole.attributes[used]], axis=1)
    pieces, source = clipped(rows.reshape(-1, 3, rows.shape[1]), near_m)
    flat = pieces.reshape(-1, rows.shape[1])
    xy, inverse = to_subpixels(flat[:, :3])
    corners, own = Corners(xy.astype(np.int32), inverse), np.arange(len(flat), dtype=np.int32).reshape(-1, 3)
    bins = _binned(own, corners, camera.shape, culls_back, 1)
    return [Surface(own, unsafe[source], corners, flat[:, 3:].astype(np.float32), bins)]


def _in_parts(work: Callable[[int, int], None], count: int, threads: int) -> None:
    """work(first, last) over parts of range(count), in this thread and others; raises what the work raises."""
    parts = _PARTS_A_THREAD * threads
    borders = [count * part // parts for part in range(parts + 1)]
    waiting = deque(pair for pair in pairwise(borders) if pair[0] < pair[1])

    def take() -> None:
        while True:
            try:
                part = waiting.popleft()
            except IndexError:
                return
            work(*part)

    with ThreadPoolExecutor(threads) as pool:
        others = [pool.submit(take) for _ in range(threads - 1)]
        take()
    for other in others:
        other.result()
