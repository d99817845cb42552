"""A NumPy ray caster for convex primitives: exact depth, and which primitive is seen.

Every primitive is a unit shape under a rotation and a stretch, so a ray is moved into the unit shape's frame,
where the intersection is a line or two of algebra. The frame change keeps the ray's parameter, and camera
rays advance by one metre of depth per unit, so the parameter *is* the depth. Each primitive is traced only
inside the screen rectangle that can contain it.

World: x right, y up, z forward, metres. Screen: x right, y down; pixel (0, 0) has its centre at (0.5, 0.5).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import reduce
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from openmidas.training.synthetic.materials import Material

Vector = Float[np.ndarray, " 3"]
# Rows and columns of the screen.
Rectangle = tuple[slice, slice]

_CORNERS = np.array([(x, y, z) for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)], dtype=np.float64)
NEAR_M = 0.05
# Samples are one apart: a rod of a smaller radius can pass between two of them and break into dots.
_THINNEST_PX = 0.55


@dataclass(frozen=True, eq=False)
class Cutout:
    """Holes in a surface: solid where a pattern is below `level`; the pattern repeats every `tile_m` metres."""

    pattern: Float[np.ndarray, "n n"]
    level: float
    tile_m: float


@dataclass(frozen=True, eq=False)
class Primitive:
    """A unit shape (of `SHAPES`) at `center`, stretched by `half_size` metres along the columns of `axes`."""

    shape: str
    center: Vector
    axes: Float[np.ndarray, "3 3"]
    half_size: Vector
    material: Material
    cutout: Cutout | None = None
    casts_shadow: bool = True


@dataclass(frozen=True, eq=False)
class View:
    """A camera: rows of `axes` are right, down, forward. Orthographic views measure the screen in metres."""

    position: Vector
    axes: Float[np.ndarray, "3 3"]
    size: tuple[int, int]
    focal_px: float
    orthographic: bool = False


class Rays(NamedTuple):
    """Origins and directions in a primitive's frame: x, y, z, each broadcasting to the rectangle's (h, w)."""

    origin: tuple[np.ndarray, ...]
    direction: tuple[np.ndarray, ...]


def looking(
    position: Sequence[float] | Vector,
    angles_deg: tuple[float, float, float],
    size: tuple[int, int],
    fov_deg: float,
) -> View:
    """A perspective view by yaw (to the right), pitch (up) and roll; `fov_deg` spans the longer side."""
    yaw, pitch, roll = np.radians(angles_deg)
    right = np.array([np.cos(yaw), 0, -np.sin(yaw)])
    down = np.array([np.sin(yaw) * np.sin(pitch), -np.cos(pitch), np.cos(yaw) * np.sin(pitch)])
    forward = np.array([np.sin(yaw) * np.cos(pitch), np.sin(pitch), np.cos(yaw) * np.cos(pitch)])
    rolled = np.cos(roll) * right + np.sin(roll) * down, np.cos(roll) * down - np.sin(roll) * right
    focal_px = max(size) / 2 / np.tan(np.radians(fov_deg) / 2)
    return View(np.asarray(position, float), np.stack([*rolled, forward]), size, float(focal_px))


def from_light(target: Vector, to_light: Vector, radius_m: float, side: int) -> View:
    """An orthographic view along the light: `radius_m` metres around `target` in (side, side) pixels."""
    forward = -to_light / np.linalg.norm(to_light)
    helper = np.array([1.0, 0, 0]) if abs(forward[1]) > 0.9 else np.array([0, 1.0, 0])
    right = np.cross(helper, forward)
    right /= np.linalg.norm(right)
    axes = np.stack([right, np.cross(forward, right), forward])
    return View(target + 3 * radius_m * to_light, axes, (side, side), side / 2 / radius_m, orthographic=True)


def supersampled(view: View, factor: int) -> View:
    """The same view with `factor` x `factor` samples in each pixel."""
    height, width = view.size
    return replace(view, size=(height * factor, width * factor), focal_px=view.focal_px * factor)


def screen_axes(view: View, rectangle: Rectangle | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Pixel centres as x (1, w) and y (h, 1) on the plane one metre ahead (orthographic: in metres)."""
    height, width = view.size
    rows, columns = rectangle or (slice(0, height), slice(0, width))
    x = (np.arange(columns.start, columns.stop, dtype=np.float32) + 0.5 - width / 2) / view.focal_px
    y = (np.arange(rows.start, rows.stop, dtype=np.float32) + 0.5 - height / 2) / view.focal_px
    return x[None, :].astype(np.float32), y[:, None].astype(np.float32)


def to_unit(primitive: Primitive) -> Float[np.ndarray, "3 3"]:
    """The matrix from world offsets (from the centre) to the unit shape's frame."""
    unit: np.ndarray = primitive.axes.T / primitive.half_size[:, None]
    return unit


def _rays(primitive: Primitive, view: View, rectangle: Rectangle) -> Rays:
    unit = to_unit(primitive)
    # Columns of numbers (3, 1, 1): they broadcast against the screen, float32 once their sums are made.
    start = (unit @ (view.position - primitive.center)).astype(np.float32).reshape(3, 1, 1)
    right, down, forward = (unit @ view.axes.T).T.astype(np.float32).reshape(3, 3, 1, 1)
    x, y = screen_axes(view, rectangle)
    across = zip(right, down, strict=True)
    if view.orthographic:
        return Rays(
            tuple(x * r + (y * d + s) for (r, d), s in zip(across, start, strict=True)), tuple(forward)
        )
    return Rays(tuple(start), tuple(x * r + (y * d + f) for (r, d), f in zip(across, forward, strict=True)))


def _interval(rays: Rays, components: Sequence[int]) -> tuple[np.ndarray, np.ndarray]:
    """Where rays are inside the unit ball of the given components (all three: sphere; two: endless cylinder).

    Measured from the point of closest approach: the textbook discriminant b² - 4ac cancels in float32 when a
    thin rod is far away.
    """
    o, d = [rays.origin[i] for i in components], [rays.direction[i] for i in components]
    speed = np.maximum(_summed(c * c for c in d), np.float32(1e-20))
    closest = -_summed(a * b for a, b in zip(o, d, strict=True)) / speed
    beside = _summed((a + closest * b) ** 2 for a, b in zip(o, d, strict=True))
    half = np.sqrt(np.maximum(1 - beside, 0) / speed)
    half[beside >= 1] = -np.inf
    return closest - half, closest + half


def _summed(terms: Iterable[np.ndarray]) -> np.ndarray:
    return reduce(np.add, terms)


def _slab(rays: Rays, component: int) -> tuple[np.ndarray, np.ndarray]:
    o, d = rays.origin[component], rays.direction[component]
    d = np.where(np.abs(d) < 1e-9, np.float32(1e-9), d)
    first, second = (-1 - o) / d, (1 - o) / d
    return np.minimum(first, second), np.maximum(first, second)


def _entered(enter: np.ndarray, leave: np.ndarray) -> np.ndarray:
    return np.where((enter < leave) & (enter > 0), enter, np.float32(np.inf))


def _hit_ellipsoid(rays: Rays) -> np.ndarray:
    return _entered(*_interval(rays, (0, 1, 2)))


def _hit_cylinder(rays: Rays) -> np.ndarray:
    around, along = _interval(rays, (0, 2)), _slab(rays, 1)
    return _entered(np.maximum(around[0], along[0]), np.minimum(around[1], along[1]))


def _hit_box(rays: Rays) -> np.ndarray:
    slabs = [_slab(rays, i) for i in range(3)]
    enter = np.maximum(np.maximum(slabs[0][0], slabs[1][0]), slabs[2][0])
    return _entered(enter, np.minimum(np.minimum(slabs[0][1], slabs[1][1]), slabs[2][1]))


def _hit_quad(rays: Rays) -> np.ndarray:
    (ox, oy, oz), (dx, dy, dz) = rays
    t = -oz / np.where(np.abs(dz) < 1e-9, np.float32(1e-9), dz)
    inside = (np.abs(ox + t * dx) <= 1) & (np.abs(oy + t * dy) <= 1) & (t > 0)
    return np.where(inside, t, np.float32(np.inf))


def _hit_cone(rays: Rays) -> np.ndarray:
    """Apex at y = 1, base of radius 1 at y = -1: x² + z² = ((1 - y) / 2)²."""
    (ox, oy, oz), (dx, dy, dz) = rays
    slope, height = -0.5 * dy, 0.5 * (1 - oy)
    a = dx * dx + dz * dz - slope * slope
    b = ox * dx + oz * dz - height * slope
    root = b * b - a * (ox * ox + oz * oz - height * height)
    a = np.where(np.abs(a) < 1e-9, np.float32(1e-9), a)
    spread = np.sqrt(np.maximum(root, 0))
    best = _entered_base(rays)
    for t in ((-b - spread) / a, (-b + spread) / a):
        on_side = (root >= 0) & (t > 0) & (np.abs(oy + t * dy) <= 1)
        best = np.where(on_side & (t < best), t, best)
    return best


def _entered_base(rays: Rays) -> np.ndarray:
    (ox, oy, oz), (dx, dy, dz) = rays
    t = (-1 - oy) / np.where(np.abs(dy) < 1e-9, np.float32(1e-9), dy)
    inside = ((ox + t * dx) ** 2 + (oz + t * dz) ** 2 <= 1) & (t > 0)
    return np.where(inside, t, np.float32(np.inf))


def _hit_planes(rays: Rays, planes: np.ndarray) -> np.ndarray:
    """The convex body where normal · point <= offset for every row (normal, offset)."""
    enter, leave = np.full((1, 1), -np.inf, np.float32), np.full((1, 1), np.inf, np.float32)
    for *normal, offset in planes:
        gap = offset - _summed(n * o for n, o in zip(normal, rays.origin, strict=True))
        speed = _summed(n * d for n, d in zip(normal, rays.direction, strict=True))
        t = gap / np.where(np.abs(speed) < 1e-9, np.float32(1e-9), speed)
        enter = np.where(speed < 0, np.maximum(enter, t), enter)
        leave = np.where(speed < 0, leave, np.minimum(leave, t))
    return _entered(enter, leave)


# A gable roof (ridge along z) and a car's cabin or lampshade (narrower at the top), inside the cube [-1, 1]³.
ROOF = np.array([(2, 1, 0, 1), (-2, 1, 0, 1), (0, -1, 0, 1), (0, 0, 1, 1), (0, 0, -1, 1)], dtype=np.float32)
TAPERED = np.array(
    [
        (1, 0.1, 0, 0.9),
        (-1, 0.1, 0, 0.9),
        (0, 0.25, 1, 0.75),
        (0, 0.25, -1, 0.75),
        (0, 1, 0, 1),
        (0, -1, 0, 1),
    ],
    dtype=np.float32,
)


def _normal_planes(p: np.ndarray, planes: np.ndarray) -> np.ndarray:
    outside = p @ planes[:, :3].T - planes[:, 3]
    return planes[np.argmax(outside / np.linalg.norm(planes[:, :3], axis=1), axis=1), :3]


def _largest(vectors: np.ndarray) -> np.ndarray:
    """Which of three components is largest: argmax along so short an axis is slow."""
    x, y, z = vectors.T
    return np.where(x >= np.maximum(y, z), 0, np.where(y >= z, 1, 2))


def _normal_box(p: np.ndarray) -> np.ndarray:
    face = _largest(np.abs(p))[:, None] == np.arange(3)
    normal: np.ndarray = np.sign(p) * face
    return normal


def _normal_cylinder(p: np.ndarray) -> np.ndarray:
    cap = np.abs(p[:, 1]) >= np.hypot(p[:, 0], p[:, 2])
    side = p * np.array([1, 0, 1], dtype=np.float32)
    return np.where(cap[:, None], p * np.array([0, 1, 0], dtype=np.float32), side)


def _normal_cone(p: np.ndarray) -> np.ndarray:
    side = np.stack([2 * p[:, 0], 0.5 * (1 - p[:, 1]), 2 * p[:, 2]], axis=1)
    return np.where((p[:, 1] < -0.9999)[:, None], np.array([0, -1, 0], dtype=np.float32), side)


def _normal_quad(p: np.ndarray) -> np.ndarray:
    return np.broadcast_to(np.array([0, 0, 1], dtype=np.float32), p.shape)


class Shape(NamedTuple):
    """How a unit shape is hit (rays -> parameter, inf where missed), and its normal at points on it."""

    hit: Callable[[Rays], np.ndarray]
    normal: Callable[[np.ndarray], np.ndarray]


SHAPES = {
    "box": Shape(_hit_box, _normal_box),
    "ellipsoid": Shape(_hit_ellipsoid, lambda p: p),
    "cylinder": Shape(_hit_cylinder, _normal_cylinder),
    "cone": Shape(_hit_cone, _normal_cone),
    "quad": Shape(_hit_quad, _normal_quad),
    "roof": Shape(lambda r: _hit_planes(r, ROOF), lambda p: _normal_planes(p, ROOF)),
    "tapered": Shape(lambda r: _hit_planes(r, TAPERED), lambda p: _normal_planes(p, TAPERED)),
}


def widened(primitive: Primitive, view: View) -> Primitive:
    """The primitive, thickened where the samples would miss it, so that wires stay whole."""
    (half_size,) = wide_enough(primitive.center[None], primitive.half_size[None], view)
    return replace(primitive, half_size=half_size)


def wide_enough(
    center: Float[np.ndarray, "n 3"], half_size: Float[np.ndarray, "n 3"], view: View
) -> Float[np.ndarray, "n 3"]:
    """Half sizes of n primitives, at least such that the samples of a view cannot miss them."""
    depth = np.maximum((center - view.position) @ view.axes[2], NEAR_M)
    thinnest = _THINNEST_PX * (np.ones_like(depth) if view.orthographic else depth) / view.focal_px
    widest: np.ndarray = np.maximum(half_size, thinnest[:, None])
    return widest


def screen_rectangles(primitives: Sequence[Primitive], view: View) -> list[Rectangle | None]:
    """Rows and columns that can show each primitive; None when it is behind the camera or off the screen."""
    if not primitives:
        return []
    center, half = np.stack([p.center for p in primitives]), np.stack([p.half_size for p in primitives])
    flat = np.array([(1, 1, 0) if p.shape == "quad" else (1, 1, 1) for p in primitives])
    turned = np.stack([p.axes for p in primitives]).transpose(0, 2, 1)
    corners = center[:, None] + (_CORNERS * (half * flat)[:, None]) @ turned
    return [_rectangle(seen, view) for seen in (corners - view.position) @ view.axes.T]


def _rectangle(corners: Float[np.ndarray, "8 3"], view: View) -> Rectangle | None:
    """Around corners in the camera's frame; the whole screen when some lie beside or behind the camera."""
    x, y, z = corners.T
    height, width = view.size
    if z.max() < NEAR_M:
        return None
    if z.min() < NEAR_M and not view.orthographic:
        return slice(0, height), slice(0, width)
    scale = view.focal_px / (1 if view.orthographic else z)
    columns, rows = x * scale + width / 2, y * scale + height / 2
    top, bottom = max(int(rows.min()) - 1, 0), min(int(rows.max()) + 2, height)
    left, right = max(int(columns.min()) - 1, 0), min(int(columns.max()) + 2, width)
    return (slice(top, bottom), slice(left, right)) if top < bottom and left < right else None


def surface_uv(
    points: Float[np.ndarray, "n 3"], normals: Float[np.ndarray, "n 3"]
) -> Float[np.ndarray, "n 2"]:
    """Drop the coordinate the normal points along most: box mapping, in the unit of the points."""
    face = _largest(np.abs(normals))
    u = np.where(face == 0, points[:, 2], points[:, 0])
    v = np.where(face == 1, points[:, 2], points[:, 1])
    return np.stack([u, v], axis=1)


def _punch(primitive: Primitive, rays: Rays, t: np.ndarray) -> np.ndarray:
    if primitive.cutout is None:
        return t
    rows, columns = np.nonzero(np.isfinite(t))
    parts = [np.broadcast_to(c, t.shape)[rows, columns] for c in (*rays.origin, *rays.direction)]
    points = np.stack([o + t[rows, columns] * d for o, d in zip(parts[:3], parts[3:], strict=True)], axis=1)
    normals = SHAPES[primitive.shape].normal(points) / primitive.half_size.astype(np.float32)
    pattern = primitive.cutout.pattern
    tile = surface_uv(points * primitive.half_size.astype(np.float32), normals) / primitive.cutout.tile_m
    u, v = (np.floor((tile % 1) * len(pattern)).astype(np.int64) % len(pattern)).T
    t[rows, columns] = np.where(pattern[v, u] < primitive.cutout.level, t[rows, columns], np.inf)
    return t


def trace(
    primitives: Sequence[Primitive], view: View
) -> tuple[Float[np.ndarray, "h w"], Int[np.ndarray, "h w"]]:
    """Depth (metres; inf: none) and index (-1: none) of the nearest primitive at every pixel centre."""
    depth = np.full(view.size, np.inf, dtype=np.float32)
    index = np.full(view.size, -1, dtype=np.int16)
    rectangles = screen_rectangles(primitives, view)
    for number, (primitive, rectangle) in enumerate(zip(primitives, rectangles, strict=True)):
        if rectangle is None:
            continue
        rays = _rays(primitive, view, rectangle)
        t = _punch(primitive, rays, SHAPES[primitive.shape].hit(rays))
        nearer = t < depth[rectangle]
        depth[rectangle][nearer] = t[nearer]
        index[rectangle][nearer] = number
    return depth, index
