"""The ray caster's loops, compiled: where rays meet unit shapes, and which solid is nearest at every sample.

The same algebra as `ray_casting`, the plain version these are held against: one solid after the other into a buffer
of depths, each only within its rectangle on the screen. The loops let go of the interpreter lock.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from openmidas.training.synthetic.ray_casting import NEAR_M, ROOF, SHAPES, TAPERED

compiled = njit(cache=True, nogil=True, error_model="numpy")
inlined = njit(cache=True, nogil=True, error_model="numpy", forceinline=True)

QUAD, BOX, ELLIPSOID, CYLINDER, CONE, ROOFED = (
    list(SHAPES).index(name) for name in ("quad", "box", "ellipsoid", "cylinder", "cone", "roof")
)
# in single precision throughout: a plain number would be double
_NONE, _HALF, _ONE, _FAR = np.float32(0), np.float32(0.5), np.float32(1), np.float32(np.inf)
_PARALLEL, _TINY = np.float32(1e-9), np.float32(1e-20)


class Seen(NamedTuple):
    """n solids from one view. `unit` takes world offsets to the unit shape's frame, `turn` the camera's axes.

    shape: (n,) place in SHAPES. start: (n, 3) the camera in the unit shape's frame. unit, turn: (n, 3, 3).
    hole: (n, 2) first cell and side of the pattern of holes in `patterns`; side 0 where there is none.
    holing: (n, 2) metres that one pattern spans, and the level below which it is solid.
    """

    shape: np.ndarray
    center: np.ndarray
    half_size: np.ndarray
    unit: np.ndarray
    start: np.ndarray
    turn: np.ndarray
    hole: np.ndarray
    holing: np.ndarray
    patterns: np.ndarray


@inlined
def _least(a, b):  # type: ignore[no-untyped-def]
    # the built-in one minds NaN, which keeps the compiler from taking eight at once
    return a if a < b else b


@inlined
def _most(a, b):  # type: ignore[no-untyped-def]
    return a if a > b else b


@inlined
def _speed(d):  # type: ignore[no-untyped-def]
    """A divisor: the speed along an axis, or almost nothing where it is less than that."""
    return d if abs(d) >= _PARALLEL else _PARALLEL


@inlined
def _slab(o, d):  # type: ignore[no-untyped-def]
    first, second = (-_ONE - o) / _speed(d), (_ONE - o) / _speed(d)
    return _least(first, second), _most(first, second)


@inlined
def _entered(enter, leave):  # type: ignore[no-untyped-def]
    return enter if (enter < leave) & (enter > _NONE) else _FAR


@inlined
def _at(ray, x):  # type: ignore[no-untyped-def]
    """Origin and direction, in the unit shape's frame, of the ray at x of a row."""
    o, do, d, dd = ray
    origin = o[0] + x * do[0], o[1] + x * do[1], o[2] + x * do[2]
    return origin, (d[0] + x * dd[0], d[1] + x * dd[1], d[2] + x * dd[2])


@inlined
def _round(o, d):  # type: ignore[no-untyped-def]
    """Where a ray is inside the unit ball; measured from its closest approach, as `ray_casting` does."""
    speed = _most(d[0] * d[0] + d[1] * d[1] + d[2] * d[2], _TINY)
    closest = -(o[0] * d[0] + o[1] * d[1] + o[2] * d[2]) / speed
    x, y, z = o[0] + closest * d[0], o[1] + closest * d[1], o[2] + closest * d[2]
    beside = _ONE - (x * x + y * y + z * z)
    half = np.sqrt(_most(beside, _NONE) / speed)
    half = half if beside > _NONE else -_FAR
    return closest - half, closest + half


@inlined
def _hit_box(o, d):  # type: ignore[no-untyped-def]
    (x0, x1), (y0, y1), (z0, z1) = _slab(o[0], d[0]), _slab(o[1], d[1]), _slab(o[2], d[2])
    return _entered(_most(_most(x0, y0), z0), _least(_least(x1, y1), z1))


@inlined
def _hit_quad(o, d):  # type: ignore[no-untyped-def]
    t = -o[2] / _speed(d[2])
    is_inside = (abs(o[0] + t * d[0]) <= _ONE) & (abs(o[1] + t * d[1]) <= _ONE) & (t > _NONE)
    return t if is_inside else _FAR


@inlined
def _hit_cylinder(o, d):  # type: ignore[no-untyped-def]
    enter, leave = _round((o[0], _NONE, o[2]), (d[0], _NONE, d[2]))
    low, high = _slab(o[1], d[1])
    return _entered(_most(enter, low), _least(leave, high))


@inlined
def _hit_ellipsoid(o, d):  # type: ignore[no-untyped-def]
    enter, leave = _round(o, d)
    return _entered(enter, leave)


@inlined
def _hit_cone(o, d):  # type: ignore[no-untyped-def]
    slope, height = -_HALF * d[1], _HALF * (_ONE - o[1])
    a = d[0] * d[0] + d[2] * d[2] - slope * slope
    b = o[0] * d[0] + o[2] * d[2] - height * slope
    root = b * b - a * (o[0] * o[0] + o[2] * o[2] - height * height)
    t = (-_ONE - o[1]) / _speed(d[1])
    x, z = o[0] + t * d[0], o[2] + t * d[2]
    best = t if (x * x + z * z <= _ONE) & (t > _NONE) else _FAR
    spread = np.sqrt(_most(root, _NONE))
    first, second = (-b - spread) / _speed(a), (-b + spread) / _speed(a)
    is_hit = (root >= _NONE) & (first > _NONE) & (abs(o[1] + first * d[1]) <= _ONE) & (first < best)
    best = first if is_hit else best
    is_hit = (root >= _NONE) & (second > _NONE) & (abs(o[1] + second * d[1]) <= _ONE) & (second < best)
    return second if is_hit else best


@inlined
def _hit_planes(o, d, planes):  # type: ignore[no-untyped-def]
    enter, leave = -_FAR, _FAR
    for n in range(len(planes)):
        a, b, c = planes[n, 0], planes[n, 1], planes[n, 2]
        gap = planes[n, 3] - (a * o[0] + b * o[1] + c * o[2])
        speed = a * d[0] + b * d[1] + c * d[2]
        t = gap / _speed(speed)
        enter = _most(enter, t) if speed < _NONE else enter
        leave = leave if speed < _NONE else _least(leave, t)
    return _entered(enter, leave)


@inlined
def _hit_roof(o, d):  # type: ignore[no-untyped-def]
    return _hit_planes(o, d, ROOF)


@inlined
def _hit_tapered(o, d):  # type: ignore[no-untyped-def]
    return _hit_planes(o, d, TAPERED)


@compiled
def _hit_row(shape, ray, x, t):  # type: ignore[no-untyped-def]
    """Fill t with the depths at which the rays at x of a row enter a unit shape; infinity where they do not."""
    # a loop for each shape, without branches inside, so that the compiler takes eight rays at once
    if shape == BOX:
        for k in range(len(x)):
            t[k] = _hit_box(*_at(ray, x[k]))
    elif shape == QUAD:
        for k in range(len(x)):
            t[k] = _hit_quad(*_at(ray, x[k]))
    elif shape == CYLINDER:
        for k in range(len(x)):
            t[k] = _hit_cylinder(*_at(ray, x[k]))
    elif shape == ELLIPSOID:
        for k in range(len(x)):
            t[k] = _hit_ellipsoid(*_at(ray, x[k]))
    elif shape == CONE:
        for k in range(len(x)):
            t[k] = _hit_cone(*_at(ray, x[k]))
    elif shape == ROOFED:
        for k in range(len(x)):
            t[k] = _hit_roof(*_at(ray, x[k]))
    else:
        for k in range(len(x)):
            t[k] = _hit_tapered(*_at(ray, x[k]))


@compiled
def _normal_planes(p, planes):  # type: ignore[no-untyped-def]
    best, most = 0, -np.inf
    for n in range(len(planes)):
        a, b, c = planes[n, 0], planes[n, 1], planes[n, 2]
        outside = (a * p[0] + b * p[1] + c * p[2] - planes[n, 3]) / np.sqrt(a * a + b * b + c * c)
        if outside > most:
            best, most = n, outside
    return np.float64(planes[best, 0]), np.float64(planes[best, 1]), np.float64(planes[best, 2])


@inlined
def largest(x, y, z):  # type: ignore[no-untyped-def]
    """Which of three components is largest in size; the first of equals."""
    x, y, z = abs(x), abs(y), abs(z)
    return 0 if x >= max(y, z) else (1 if y >= z else 2)


@inlined
def unit_normal(shape, p):  # type: ignore[no-untyped-def]
    """The outward normal, of any length, of a unit shape at a point on it."""
    x, y, z = p
    if shape == QUAD:
        return 0.0, 0.0, 1.0
    if shape == BOX:
        face = largest(x, y, z)
        return np.sign(x) * (face == 0), np.sign(y) * (face == 1), np.sign(z) * (face == 2)
    if shape == CYLINDER:
        is_cap = abs(y) >= np.sqrt(x * x + z * z)
        return (0.0, y, 0.0) if is_cap else (x, 0.0, z)
    if shape == ELLIPSOID:
        return x, y, z
    if shape == CONE:
        return (0.0, -1.0, 0.0) if y < -0.9999 else (2 * x, 0.5 * (1 - y), 2 * z)
    return _normal_planes(p, ROOF if shape == ROOFED else TAPERED)


@inlined
def surface_uv(p, normal):  # type: ignore[no-untyped-def]
    """Box mapping: without the coordinate that the normal points along most."""
    face = largest(normal[0], normal[1], normal[2])
    return (p[2] if face == 0 else p[0]), (p[2] if face == 1 else p[1])


@compiled
def _is_solid(seen, n, ray, x, t):  # type: ignore[no-untyped-def]
    o, d = _at(ray, x)
    p = np.float64(o[0] + t * d[0]), np.float64(o[1] + t * d[1]), np.float64(o[2] + t * d[2])
    a, b, c = unit_normal(seen.shape[n], p)
    hx, hy, hz = seen.half_size[n, 0], seen.half_size[n, 1], seen.half_size[n, 2]
    u, v = surface_uv((p[0] * hx, p[1] * hy, p[2] * hz), (a / hx, b / hy, c / hz))
    side, tile_m = seen.hole[n, 1], seen.holing[n, 0]
    row, column = int(np.floor((v / tile_m % 1) * side)), int(np.floor((u / tile_m % 1) * side))
    return seen.patterns[seen.hole[n, 0] + row % side * side + column % side] < seen.holing[n, 1]


@compiled
def _bounds(seen, n, is_flat, box):  # type: ignore[no-untyped-def]
    """Widen `box` (left, top, right, bottom on the plane one metre ahead) by the corners of a solid.

    In perspective its edges are cut at the near plane. is_flat: an orthographic view, measured in metres.
    """
    corners = np.empty((8, 3))
    depth_half = 0.0 if seen.shape[n] == QUAD else 1.0
    start, turn = seen.start, seen.turn
    # turn takes the camera's axes to the unit shape's: a rotation over half sizes; this is its inverse
    hx, hy, hz = seen.half_size[n]
    for k in range(8):
        x, y, z = (k & 1) * 2 - 1.0, (k >> 1 & 1) * 2 - 1.0, ((k >> 2) * 2 - 1.0) * depth_half
        x, y, z = (x - start[n, 0]) * hx * hx, (y - start[n, 1]) * hy * hy, (z - start[n, 2]) * hz * hz
        for axis in range(3):
            corners[k, axis] = x * turn[n, 0, axis] + y * turn[n, 1, axis] + z * turn[n, 2, axis]
    for k in range(8):
        _widen(corners[k, 0], corners[k, 1], corners[k, 2], is_flat, box)
        for bit in (1, 2, 4):
            other = k ^ bit
            if not is_flat and k < other and (corners[k, 2] < NEAR_M) != (corners[other, 2] < NEAR_M):
                share = (NEAR_M - corners[k, 2]) / (corners[other, 2] - corners[k, 2])
                x = corners[k, 0] + share * (corners[other, 0] - corners[k, 0])
                y = corners[k, 1] + share * (corners[other, 1] - corners[k, 1])
                _widen(x, y, NEAR_M, is_flat, box)


@inlined
def _widen(x, y, z, is_flat, box):  # type: ignore[no-untyped-def]
    if z < NEAR_M and not is_flat:
        return
    scale = 1.0 if is_flat else z
    box[0], box[2] = min(box[0], x / scale), max(box[2], x / scale)
    box[1], box[3] = min(box[1], y / scale), max(box[3], y / scale)


@inlined
def _single(a, b, c):  # type: ignore[no-untyped-def]
    return np.float32(a), np.float32(b), np.float32(c)


@inlined
def _ray(seen, n, y, is_flat):  # type: ignore[no-untyped-def]
    """Origin and direction at x = 0 of a row, and what either gains with x."""
    turn, start = seen.turn, seen.start
    across = _single(turn[n, 0, 0], turn[n, 1, 0], turn[n, 2, 0])
    none = _single(0.0, 0.0, 0.0)
    sx, sy, sz = start[n, 0], start[n, 1], start[n, 2]
    ax, ay, az = y * turn[n, 0, 1], y * turn[n, 1, 1], y * turn[n, 2, 1]
    fx, fy, fz = turn[n, 0, 2], turn[n, 1, 2], turn[n, 2, 2]
    if is_flat:
        return _single(sx + ax, sy + ay, sz + az), across, _single(fx, fy, fz), none
    return _single(sx, sy, sz), none, _single(ax + fx, ay + fy, az + fz), across


@compiled
def cast(seen, focal_px, is_flat, depth, index):  # type: ignore[no-untyped-def]
    """Bring the depth (metres) and the number of the nearest solid into buffers cleared to infinity and -1."""
    height, width = depth.shape
    box, t = np.empty(4), np.empty(width, np.float32)
    xs = ((np.arange(width) + 0.5 - width / 2) / focal_px).astype(np.float32)
    for n in range(len(seen.shape)):
        box[:2], box[2:] = np.inf, -np.inf
        _bounds(seen, n, is_flat, box)
        if box[0] > box[2]:
            continue
        top = max(int(max(box[1] * focal_px + height / 2, 0.0)) - 1, 0)
        bottom = min(int(min(box[3] * focal_px + height / 2, height + 0.0)) + 2, height)
        left = max(int(max(box[0] * focal_px + width / 2, 0.0)) - 1, 0)
        right = min(int(min(box[2] * focal_px + width / 2, width + 0.0)) + 2, width)
        is_whole = seen.hole[n, 1] == 0
        for row in range(top, bottom if left < right else top):
            ray = _ray(seen, n, (row + 0.5 - height / 2) / focal_px, is_flat)
            _hit_row(seen.shape[n], ray, xs[left:right], t)
            for column in range(left, right):
                hit = t[column - left]
                if hit < depth[row, column] and (is_whole or _is_solid(seen, n, ray, xs[column], hit)):
                    depth[row, column], index[row, column] = hit, n
