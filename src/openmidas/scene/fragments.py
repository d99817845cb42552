"""The plain renderer: every pixel that triangles and points cover, in NumPy; what the fast one must agree with.

Corners are rounded to 4096ths of a pixel, so that all that decides coverage is whole numbers and exact: a pixel belongs
to a triangle when its centre is inside, or on a top or left edge (the rule of OpenGL and Direct3D), and triangles that
share an edge neither overlap nor leave holes. Inverse depth is affine on the screen, and so is attribute / depth.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields

import numpy as np
from jaxtyping import Bool, Float, Float32, Float64, Int32, Int64

from openmidas.camera import Camera
from openmidas.depth_map import ConventionError

SUBPIXELS = 4096
GUARD_PX = 131072
"""Further outside, corners are clipped: products of differences of their subpixels then fit 64 bits."""

_CHUNK = 1 << 20  # candidate pixels looked at together


@dataclass(frozen=True, eq=False)
class Drawing:
    """What was seen. attributes: perspective-correct, 0 where nothing is. depth: metres along the optical axis,
    +inf where nothing is. index: which triangle or point, -1 where none."""

    attributes: Float32[np.ndarray, "h w c"]
    depth: Float32[np.ndarray, "h w"]
    index: Int32[np.ndarray, "h w"]


@dataclass(frozen=True, eq=False)
class Fragments:
    """Pixels (row * width + column) that triangles or points cover, one entry for each of them; no depth test."""

    pixel: Int64[np.ndarray, " f"]
    depth: Float32[np.ndarray, " f"]
    index: Int32[np.ndarray, " f"]
    attributes: Float32[np.ndarray, "f c"]


def triangle_fragments(
    vertices: Float32[np.ndarray, "n 3"],
    triangles: Int32[np.ndarray, "m 3"],
    attributes: Float32[np.ndarray, "n c"],
    camera: Camera,
    near_m: float = 0.01,
    culls_back: bool = False,
) -> Fragments:
    """Every pixel of every triangle; arguments as in `zbuffer.render_triangles`."""
    check_drawable(vertices, attributes, camera, near_m)
    rows = np.concatenate([to_homogeneous(vertices, camera), attributes], axis=1, dtype=np.float64)
    safe = is_safe(rows[:, :3], near_m)[triangles].all(axis=1)
    pieces, numbers = clipped(rows[triangles[~safe]], near_m)
    corners = np.concatenate([rows[triangles[safe]], pieces])
    index = np.concatenate([np.flatnonzero(safe), np.flatnonzero(~safe)[numbers]]).astype(np.int32)
    xy, inverse = to_subpixels(corners[..., :3])
    area = _cross(xy[:, 1] - xy[:, 0], xy[:, 2] - xy[:, 0])
    # counter-clockwise where y points down is a negative area
    drawn = area < 0 if culls_back else area != 0
    flipped = area < 0
    for array in (xy, inverse, corners):
        array[flipped, 1:] = array[flipped, :0:-1]
    shaped = (xy[drawn], inverse[drawn], corners[drawn][..., 3:].astype(np.float32), index[drawn])
    return _joined(_covered(*shaped, camera.shape), attributes.shape[1])


def point_fragments(
    points: Float32[np.ndarray, "n 3"],
    attributes: Float32[np.ndarray, "n c"],
    camera: Camera,
    radius_px: float = 0.5,
    near_m: float = 0.01,
    is_disc: bool = False,
) -> Fragments:
    """Every pixel of every point's splat; arguments as in `zbuffer.render_points`."""
    check_drawable(points, attributes, camera, near_m)
    homogeneous = to_homogeneous(points, camera)
    index = np.flatnonzero(is_safe(homogeneous, near_m))
    xy, inverse = to_subpixels(homogeneous[index])
    radius = round(radius_px * SUBPIXELS)
    boxes = _boxes(xy - radius, xy + radius - (not is_disc), camera.shape)

    def parts() -> Iterator[Fragments]:
        for number, column, row in _candidates(boxes):
            away = _centres(column, row) - xy[number]
            inside = (away**2).sum(axis=1) <= radius**2 if is_disc else np.ones(len(away), bool)
            which = number[inside]
            pixel = row[inside] * camera.shape[1] + column[inside]
            depth = (1 / inverse[which]).astype(np.float32)
            yield Fragments(pixel, depth, index[which].astype(np.int32), attributes[index[which]])

    return _joined(parts(), attributes.shape[1])


def nearest(fragments: Fragments, shape: tuple[int, int]) -> Drawing:
    """The depth test: of each pixel's fragments the nearest, and of equally near ones that of the lowest index."""
    seen = first_of_each_pixel(fragments.pixel, fragments.depth, fragments.index)
    drawing = blank(shape, fragments.attributes.shape[1])
    for name in ("attributes", "depth", "index"):
        whole = getattr(drawing, name)
        whole.reshape(-1, *whole.shape[2:])[fragments.pixel[seen]] = getattr(fragments, name)[seen]
    return drawing


def first_of_each_pixel(
    pixel: Int64[np.ndarray, " f"], farness: Float[np.ndarray, " f"], index: Int32[np.ndarray, " f"]
) -> Int64[np.ndarray, " p"]:
    """Which fragment is the least far of its pixel, and of those the one of the lowest index."""
    order = np.lexsort((index, farness, pixel))
    _, first = np.unique(pixel[order], return_index=True)
    return order[first]


def check_drawable(
    vertices: Float32[np.ndarray, "n 3"],
    attributes: Float32[np.ndarray, "n c"],
    camera: Camera,
    near_m: float,
) -> None:
    """Raise ConventionError for what cannot be drawn."""
    if len(vertices) != len(attributes):
        raise ConventionError(f"attributes of {len(attributes)} vertices for {len(vertices)}")
    if not near_m > 0:
        raise ConventionError(f"the near plane must be in front of the camera, not at {near_m:g} m")
    if max(camera.shape) > GUARD_PX // 2:
        raise ConventionError(f"a picture of {camera.shape[0]}×{camera.shape[1]} pixels is too large to draw")


def blank(shape: tuple[int, int], channels: int) -> Drawing:
    """A drawing of nothing."""
    return Drawing(
        np.zeros((*shape, channels), np.float32),
        np.full(shape, np.inf, np.float32),
        np.full(shape, -1, np.int32),
    )


def to_matrix(camera: Camera) -> Float64[np.ndarray, "3 4"]:
    """From (x, y, z, 1) in the world to (x·z, y·z, z), x and y in pixels, z the depth."""
    return np.ascontiguousarray(camera.intrinsics @ camera.world_to_camera[:3])


def to_homogeneous(points: Float[np.ndarray, "n 3"], camera: Camera) -> Float64[np.ndarray, "n 3"]:
    """(x·z, y·z, z) of points in the world, x and y in pixels, z the depth."""
    x, y, z = np.asarray(points, np.float64).T
    with np.errstate(invalid="ignore"):
        # not a matrix product: the fast path has to come to the same last bit
        return np.stack([row[0] * x + row[1] * y + row[2] * z + row[3] for row in to_matrix(camera)], axis=1)


def is_safe(
    homogeneous: Float64[np.ndarray, "*n 3"], near_m: float, guard_px: float = GUARD_PX
) -> Bool[np.ndarray, "*n"]:
    """Whether a point is beyond the near plane and not too far outside the picture; never for NaN."""
    x, y, depth = (homogeneous[..., axis] for axis in range(3))
    limit = guard_px * depth
    return (depth >= near_m) & (np.abs(x) <= limit) & (np.abs(y) <= limit) & np.isfinite(limit)


def to_subpixels(
    homogeneous: Float64[np.ndarray, "*n 3"],
) -> tuple[Int64[np.ndarray, "*n 2"], Float64[np.ndarray, "*n"]]:
    """(x, y) in 4096ths of a pixel, and inverse depth, of points that are safe."""
    inverse = 1 / homogeneous[..., 2]
    return np.floor(homogeneous[..., :2] * inverse[..., None] * SUBPIXELS + 0.5).astype(np.int64), inverse


def clipped(
    corners: Float64[np.ndarray, "k 3 d"], near_m: float
) -> tuple[Float64[np.ndarray, "p 3 d"], Int64[np.ndarray, " p"]]:
    """The safe parts of triangles, as triangles, and which of the k each comes from.

    A row of a corner is its `to_homogeneous` and then whatever is interpolated along. Triangles with a corner that
    is not finite are left out (Sutherland and Hodgman 1974, a plane at a time).
    """
    number = np.flatnonzero(np.isfinite(corners[..., :3]).all(axis=(1, 2)))
    pieces = corners[number]
    for plane in ((0, 0, 1), (1, 0, GUARD_PX), (-1, 0, GUARD_PX), (0, 1, GUARD_PX), (0, -1, GUARD_PX)):
        # sums of products one by one: both triangles of an edge must cut it at the same place
        height = sum(pieces[..., axis] * plane[axis] for axis in range(3)) - near_m * (plane[:2] == (0, 0))
        pieces, source = _cut(pieces, np.asarray(height))
        number = number[source]
    # coordinates of 1e15 and more lose the plane in their rounding
    sound = is_safe(pieces[..., :3], near_m / 2, 1.5 * GUARD_PX).all(axis=1)
    return pieces[sound], number[sound]


def _cut(
    corners: Float64[np.ndarray, "k 3 d"], height: Float64[np.ndarray, "k 3"]
) -> tuple[Float64[np.ndarray, "p 3 d"], Int64[np.ndarray, " p"]]:
    """The parts of triangles where a height that is affine on them is not negative."""
    inside = height >= 0
    parts, sources = [corners[inside.all(axis=1)]], [np.flatnonzero(inside.all(axis=1))]
    for count in (1, 2):
        chosen = np.flatnonzero(inside.sum(axis=1) == count)
        # turned so that the corner alone on its side comes first
        alone = np.argmax(inside[chosen] == (count == 1), axis=1)
        turn = (alone[:, None] + np.arange(3)) % 3
        (a, b, c), (ha, hb, hc) = (
            np.moveaxis(array[chosen[:, None], turn], 1, 0) for array in (corners, height)
        )
        if count == 1:
            parts.append(np.stack([a, _between(a, b, ha, hb), _between(a, c, ha, hc)], axis=1))
        else:
            on_ab, on_ca = _between(b, a, hb, ha), _between(c, a, hc, ha)
            parts += [np.stack([on_ab, b, c], axis=1), np.stack([on_ab, c, on_ca], axis=1)]
        sources += [chosen] * count
    return np.concatenate(parts), np.concatenate(sources)


def _between(
    inner: Float64[np.ndarray, "k d"],
    outer: Float64[np.ndarray, "k d"],
    inner_height: Float64[np.ndarray, " k"],
    outer_height: Float64[np.ndarray, " k"],
) -> Float64[np.ndarray, "k d"]:
    """Where the line from inside to outside has height 0."""
    share = inner_height / (inner_height - outer_height)
    return inner + share[:, None] * (outer - inner)


def _covered(
    xy: Int64[np.ndarray, "m 3 2"],
    inverse: Float64[np.ndarray, "m 3"],
    attributes: Float32[np.ndarray, "m 3 c"],
    index: Int32[np.ndarray, " m"],
    shape: tuple[int, int],
) -> Iterator[Fragments]:
    """The fragments of triangles of positive area, some triangles at a time."""
    edges = np.roll(xy, -2, axis=1) - np.roll(xy, -1, axis=1)  # edge k is the one opposite corner k
    is_top_left = (edges[..., 1] < 0) | (edges[..., 1] == 0) & (edges[..., 0] > 0)
    area = _cross(edges[:, 2], -edges[:, 1])
    for number, column, row in _candidates(_boxes(xy.min(axis=1), xy.max(axis=1), shape)):
        away = _centres(column, row)[:, None] - np.roll(xy, -1, axis=1)[number]
        weights = _cross(edges[number], away)
        inside = ((weights > 0) | (weights == 0) & is_top_left[number]).all(axis=1)
        which = number[inside]
        shares = weights[inside] * inverse[which]
        scale = 1 / (shares[:, 0] + shares[:, 1] + shares[:, 2])
        mixed = np.einsum("fk,fkc->fc", shares, attributes[which]) * scale[:, None]
        pixel = row[inside] * shape[1] + column[inside]
        yield Fragments(
            pixel, (area[which] * scale).astype(np.float32), index[which], mixed.astype(np.float32)
        )


def _cross(a: Int64[np.ndarray, "*n 2"], b: Int64[np.ndarray, "*n 2"]) -> Int64[np.ndarray, "*n"]:
    return a[..., 0] * b[..., 1] - a[..., 1] * b[..., 0]


def _centres(column: Int64[np.ndarray, " f"], row: Int64[np.ndarray, " f"]) -> Int64[np.ndarray, "f 2"]:
    return np.stack([column, row], axis=1) * SUBPIXELS + SUBPIXELS // 2


def _boxes(
    low: Int64[np.ndarray, "m 2"], high: Int64[np.ndarray, "m 2"], shape: tuple[int, int]
) -> Int64[np.ndarray, "m 4"]:
    """First column, first row, columns and rows of the pixels whose centres lie from low to high."""
    half = SUBPIXELS // 2
    first = np.maximum(-((half - low) // SUBPIXELS), 0)
    last = np.minimum((high - half) // SUBPIXELS, np.array(shape[::-1]) - 1)
    return np.concatenate([first, np.maximum(last - first + 1, 0)], axis=1)


def _candidates(boxes: Int64[np.ndarray, "m 4"]) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """(number of the box, column, row) of every pixel of every box, about a million at a time."""
    ends = np.cumsum(boxes[:, 2] * boxes[:, 3])
    first = 0
    while first < len(boxes):
        done = ends[first - 1] if first else 0
        last = max(first + 1, int(np.searchsorted(ends, done + _CHUNK)))
        left, top, columns, rows = boxes[first:last].T
        number = np.repeat(np.arange(last - first), columns * rows)
        place = np.arange(len(number)) - (ends[first:last] - columns * rows - done)[number]
        yield number + first, left[number] + place % columns[number], top[number] + place // columns[number]
        first = last


def _joined(parts: Iterator[Fragments], channels: int) -> Fragments:
    empty = Fragments(
        np.zeros(0, np.int64),
        np.zeros(0, np.float32),
        np.zeros(0, np.int32),
        np.zeros((0, channels), np.float32),
    )
    found = [empty, *parts]
    return Fragments(
        *(np.concatenate([getattr(part, field.name) for part in found]) for field in fields(Fragments))
    )
