"""What things are built from (boxes, balls, rods, wires, panels, holes), and how they are placed.

A thing is a list of primitives in its own frame: it stands on the ground at the origin, x right, y up, front
towards -z. `placed` turns and moves it into a scene.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import pairwise
from statistics import NormalDist
from typing import TypeVar

import numpy as np
from jaxtyping import Float, UInt8

from openmidas.training.synthetic import materials
from openmidas.training.synthetic.materials import Material
from openmidas.training.synthetic.ray_casting import Cutout, Primitive

Parts = list[Primitive]
Triple = Sequence[float] | Float[np.ndarray, " 3"]
Photos = Sequence[UInt8[np.ndarray, "h w 3"]]
Option = TypeVar("Option")


@dataclass(frozen=True, eq=False)
class Maker:
    """A scene's random numbers, its photographs, and the palette of materials its things share."""

    rng: np.random.Generator
    photos: Photos
    surfaces: tuple[Material, ...]
    leaves: tuple[Material, ...]
    patterns: tuple[Float[np.ndarray, "n n"], ...]
    facades: tuple[Material, ...]

    def between(self, low: float, high: float) -> float:
        """A number from a range."""
        return float(self.rng.uniform(low, high))

    def log_between(self, low: float, high: float) -> float:
        """A number from a range, each octave as likely as the next: distances."""
        return float(np.exp(self.rng.uniform(np.log(low), np.log(high))))

    def about(self, mean: float, spread: float) -> float:
        """A number near a mean."""
        return float(self.rng.normal(mean, spread))

    def chance(self, probability: float) -> bool:
        """True with a probability."""
        return bool(self.rng.random() < probability)

    def pick(self, options: Sequence[Option]) -> Option:
        """One of the options."""
        return options[int(self.rng.integers(len(options)))]

    def material(self) -> Material:
        """One of the scene's surfaces, tinted, moved and scaled."""
        return materials.varied(self.pick(self.surfaces), self.rng)

    def leaf(self) -> Material:
        """One of the scene's greens and browns, tinted, moved and scaled."""
        return materials.varied(self.pick(self.leaves), self.rng)


def new_maker(rng: np.random.Generator, photos: Photos) -> Maker:
    """A maker with a random palette."""
    surfaces = tuple(materials.furnishing(rng, photos) for _ in range(9))
    leaves = tuple(materials.made_of(materials.foliage(rng), 1.0) for _ in range(3))
    patterns = tuple(materials.noise(rng, (12, 12), 4, 1.0) for _ in range(3))
    facades = tuple(materials.made_of(materials.facade(rng), rng.uniform(4.5, 8)) for _ in range(4))
    return Maker(rng, photos, surfaces, leaves, patterns, facades)


@lru_cache(maxsize=256)
def plain(rgb: tuple[float, float, float], specular: float = 0.0) -> Material:
    """One sRGB colour all over."""
    picture = np.full((4, 4, 3), np.asarray(rgb) * 255, dtype=np.uint8)
    return materials.made_of(picture, 1.0, specular)


def yaw_axes(yaw: float) -> np.ndarray:
    """Columns x, y, z of a frame turned to the right about the vertical, in radians."""
    c, s = np.cos(yaw), np.sin(yaw)
    return np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]])


def tumbled(rng: np.random.Generator) -> np.ndarray:
    """A random rotation."""
    w, x, y, z = (q := rng.standard_normal(4)) / np.linalg.norm(q)
    return np.array(
        [
            (1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)),
            (2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)),
            (2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)),
        ]
    )


def solid(
    shape: str, center: Triple, size: Triple, material: Material, axes: np.ndarray | None = None
) -> Primitive:
    """A shape by its full extents in metres."""
    frame = np.eye(3) if axes is None else axes
    return Primitive(shape, np.asarray(center, float), frame, np.asarray(size, float) / 2, material)


def box(center: Triple, size: Triple, material: Material) -> Primitive:
    """A box by its full extents."""
    return solid("box", center, size, material)


def ball(center: Triple, radius: float, material: Material) -> Primitive:
    """A sphere."""
    return solid("ellipsoid", center, (2 * radius,) * 3, material)


def post(
    base: Triple, radius: float, height: float, material: Material, shape: str = "cylinder"
) -> Primitive:
    """An upright cylinder or cone that stands on `base`."""
    x, y, z = base
    return solid(shape, (x, y + height / 2, z), (2 * radius, height, 2 * radius), material)


def rod(start: Triple, end: Triple, radius: float, material: Material) -> Primitive:
    """A cylinder between two points."""
    (x0, y0, z0), (x1, y1, z1) = start, end
    # plain numbers: a scene has hundreds of rods, and arrays of three cost more to handle than to add
    length = max(math.dist((x0, y0, z0), (x1, y1, z1)), 1e-9)
    x, y, z = (x1 - x0) / length, (y1 - y0) / length, (z1 - z0) / length
    level = math.hypot(x, z)
    right, ahead = (z / level, -x / level) if level > 1e-9 else (1.0, 0.0)
    axes = np.array([(right, x, -ahead * y), (0.0, y, ahead * x - right * z), (ahead, z, right * y)])
    center = np.array([(x0 + x1) / 2, (y0 + y1) / 2, (z0 + z1) / 2])
    return Primitive("cylinder", center, axes, np.array([radius, length / 2, radius]), material)


def panel(center: Triple, width: float, height: float, material: Material, yaw: float = 0.0) -> Primitive:
    """An upright rectangle that faces -z (and +z)."""
    return Primitive(
        "quad", np.asarray(center, float), yaw_axes(yaw), np.array([width / 2, height / 2, 1.0]), material
    )


def ground(center: Triple, width: float, length: float, material: Material) -> Primitive:
    """A level rectangle, `width` along x and `length` along z."""
    axes = np.array([[1.0, 0, 0], [0, 0, 1], [0, 1, 0]])
    half_size = np.array([width / 2, length / 2, 1.0])
    return Primitive("quad", np.asarray(center, float), axes, half_size, material)


def wire(start: Triple, end: Triple, sag: float, radius: float, material: Material) -> Parts:
    """A hanging wire: short rods along a parabola."""
    steps = np.linspace(0, 1, 9)[:, None]
    a, b = np.asarray(start, float), np.asarray(end, float)
    points = a + steps * (b - a) - 4 * sag * steps * (1 - steps) * np.array([0, 1.0, 0])
    return [rod(p, q, radius, material) for p, q in pairwise(points)]


def placed(parts: Parts, position: Triple, yaw: float = 0.0, scale: float = 1.0) -> Parts:
    """The parts turned about the vertical, scaled and moved to `position`."""
    turn, offset = yaw_axes(yaw), np.asarray(position, float)
    # all at once, for a street has a thousand parts
    center = np.array([p.center for p in parts]) @ turn.T * scale + offset
    axes, half_size = turn @ np.array([p.axes for p in parts]), np.array([p.half_size for p in parts]) * scale
    return [
        Primitive(p.shape, c, a, h, p.material, p.cutout, p.casts_shadow)
        for p, c, a, h in zip(parts, center, axes, half_size, strict=True)
    ]


def leafy(m: Maker, tile_m: float, filled: float) -> Cutout:
    """A surface of leaves or torn cloth with gaps; `filled` is the share that is solid."""
    return Cutout(m.pick(m.patterns), NormalDist().inv_cdf(filled), tile_m)


def lattice(m: Maker, tile_m: float) -> Cutout:
    """Bars or mesh, straight or diagonal."""
    u, v = np.meshgrid(np.arange(64), np.arange(64))
    width = int(m.rng.integers(5, 14))
    if m.chance(0.4):
        return _bars((u + v) % 32, (u - v) % 32, width, tile_m)
    across = v % 32 if m.chance(0.6) else np.full_like(u, 32)
    return _bars(u % 32, across, width, tile_m)


def _bars(first: np.ndarray, second: np.ndarray, width: float, tile_m: float) -> Cutout:
    return Cutout(np.minimum(first, second).astype(np.float32), width, tile_m)


def shining(primitive: Primitive, emission: float) -> Primitive:
    """The same thing, giving light of its own colour."""
    return replace(primitive, material=replace(primitive.material, emission=emission))


def shadowless(parts: Parts) -> Parts:
    """The same things, casting no shadow: walls and grounds, which would only darken the whole scene."""
    return [replace(p, casts_shadow=False) for p in parts]


def footprint(parts: Parts) -> Float[np.ndarray, "2 2"]:
    """Lower and upper corner (x, z) of the ground the parts stand on or hang over."""
    reach = np.stack([np.abs(p.axes) @ p.half_size for p in parts])
    center = np.stack([p.center for p in parts])
    return np.stack([(center - reach).min(axis=0), (center + reach).max(axis=0)])[:, [0, 2]]


def overlap(first: np.ndarray, second: np.ndarray, slack_m: float = 0.02) -> bool:
    """Whether two footprints share ground."""
    return bool((np.minimum(first[1], second[1]) - np.maximum(first[0], second[0]) > slack_m).all())


def distances(parts: Parts, point: Triple) -> Float[np.ndarray, " n"]:
    """Metres from a point to each primitive's bounding box."""
    center = np.array([p.center for p in parts])
    half = np.array([p.half_size for p in parts])
    half[:, 2] *= [p.shape != "quad" for p in parts]
    local = np.einsum("nji,nj->ni", np.array([p.axes for p in parts]), np.asarray(point) - center)
    away: np.ndarray = np.linalg.norm(local - np.clip(local, -half, half), axis=1)
    return away


def clear_of(point: Triple, groups: Iterable[Parts], clear_m: float) -> Parts:
    """The parts of all groups but those that come too near the camera: nothing may swallow it."""
    groups = [group for group in groups if group]
    away = iter(distances([p for group in groups for p in group], point) if groups else ())
    nearest = [min(next(away) for _ in group) for group in groups]
    return [p for group, gap in zip(groups, nearest, strict=True) if gap > clear_m for p in group]


def photo_or(
    m: Maker, share: float, picture: UInt8[np.ndarray, "n n 3"], tile_m: float, specular: float = 0.0
) -> Material:
    """A photograph's crop with a probability, else the given picture, spanning `tile_m` metres."""
    return materials.made_of(
        materials.photo(m.rng, m.photos) if m.chance(share) else picture, tile_m, specular
    )
