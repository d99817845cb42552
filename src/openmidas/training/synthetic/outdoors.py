"""Cars, trees, lamps, fences and houses made of primitives; the frame is that of `scene_objects`."""

from __future__ import annotations

import colorsys
from dataclasses import replace
from itertools import pairwise

import numpy as np

from openmidas.training.synthetic.materials import Material
from openmidas.training.synthetic.parts import (
    Maker,
    Parts,
    box,
    lattice,
    leafy,
    panel,
    plain,
    post,
    rod,
    solid,
    tumbled,
    wire,
)
from openmidas.training.synthetic.ray_casting import Primitive


def _car_paint(m: Maker) -> Material:
    grey = m.chance(0.65)
    rgb = colorsys.hsv_to_rgb(m.between(0, 1), 0.03 if grey else m.between(0.4, 0.9), m.between(0.06, 0.95))
    return plain(rgb, 0.7)


def car(m: Maker) -> Parts:
    """A car along z, its rear facing -z: body, cabin with dark glass, wheels, lights, plate."""
    length, width, belt, top = (
        m.between(3.6, 4.9),
        m.between(1.65, 1.95),
        m.between(0.8, 1.05),
        m.between(1.38, 1.85),
    )
    paint, glass = _car_paint(m), plain((0.07, 0.09, 0.1), 0.9)
    z = length * 0.04 + m.pick((0.0, m.between(-0.45, 0.0)))
    long, tall = length * m.between(0.55, 0.75), top - belt
    parts = [box((0, (belt + 0.25) / 2 + 0.02, 0), (width, belt - 0.25, length), paint)]
    parts += [solid("tapered", (0, belt + tall / 2 - 0.02, z), (width * 0.96, tall, long * 1.25), glass)]
    parts += [box((0, top - 0.03, z), (width * 0.8, 0.05, long * 0.68), paint)]
    parts += [
        w for sx in (-1, 1) for sz in (-1, 1) for w in _wheel(sx * (width / 2 - 0.1), sz * length * 0.31)
    ]
    return [*parts, *_bumpers(m, (width, belt, length), paint)]


def _bumpers(m: Maker, size: tuple[float, float, float], paint: Material) -> Parts:
    width, belt, length = size
    white, bumper, parts = plain((0.9, 0.9, 0.85)), m.pick((plain((0.1, 0.1, 0.1)), paint)), []
    for end, lights in ((-1, plain((0.75, 0.05, 0.05))), (1, white)):
        parts += [
            box((s * width * 0.4, belt - 0.15, end * length / 2), (0.28, 0.14, 0.04), lights) for s in (-1, 1)
        ]
        parts += [box((0, 0.36, end * length / 2), (width * 0.95, 0.18, 0.12), bumper)]
        parts += [box((0, 0.55, end * length / 2), (0.5, 0.11, 0.03), white)]
    return parts


def _wheel(x: float, z: float) -> Parts:
    tyre, hub, out = plain((0.06, 0.06, 0.06)), plain((0.6, 0.6, 0.62), 0.5), np.sign(x) * 0.105
    rim = rod((x + out - 0.01, 0.32, z), (x + out + 0.01, 0.32, z), 0.2, hub)
    return [rod((x - 0.1, 0.32, z), (x + 0.1, 0.32, z), 0.32, tyre), rim]


def van(m: Maker) -> Parts:
    """A van, lorry or bus along z."""
    length, width, height, paint = m.between(4.5, 10), m.between(1.9, 2.5), m.between(2.0, 3.4), _car_paint(m)
    glass, dark, side = plain((0.08, 0.1, 0.12), 0.8), plain((0.06, 0.06, 0.06)), width / 2
    parts = [box((0, height / 2 + 0.2, 0), (width, height - 0.4, length), paint)]
    for s in (-1, 1):
        parts += [box((0, height * 0.7, s * length / 2), (width * 0.8, height * 0.25, 0.04), glass)]
        parts += [box((s * side, height * 0.68, length * 0.2), (0.04, height * 0.25, length * 0.5), glass)]
        parts += [box((0, 0.35, s * length / 2), (width, 0.2, 0.1), dark)]
        parts += [w for end in (-1, 1) for w in _wheel(s * (side - 0.12), end * length * 0.32)]
    return parts


def tree(m: Maker) -> Parts:
    """A trunk, some branches, and clumps of leaves with gaps; or bare branches."""
    height, leaf = m.between(3.5, 11), m.leaf()
    spread = height * m.between(0.17, 0.34)
    bark = replace(m.leaf(), tint=(0.5, 0.42, 0.36))
    trunk, radius = height * m.between(0.25, 0.5), m.between(0.06, 0.25)
    fork = np.array([m.about(0, 0.15), trunk, m.about(0, 0.15)])
    parts, bare = [rod((0, 0, 0), fork, radius, bark)], m.chance(0.2)
    for _ in range(m.rng.integers(5, 10)):
        rise = m.between(0.1, 0.9) * (height - trunk)
        tip = fork + m.rng.normal((0, rise, 0), (spread * 0.6, 0, spread * 0.6))
        parts.append(rod(fork - (0, m.between(0, 0.3), 0), tip, radius * 0.35, bark))
        parts += _twigs(m, tip, bark) if bare else _clump(m, tip, spread * m.between(0.5, 1.1), leaf)
    return parts


def _twigs(m: Maker, tip: np.ndarray, bark: Material) -> Parts:
    return [
        rod(tip * (0.7, 0.8, 0.7), tip + m.rng.normal(0, 0.6, 3) + (0, 0.3, 0), 0.015, bark) for _ in range(4)
    ]


def _clump(m: Maker, center: np.ndarray, size: float, leaf: Material) -> Parts:
    """Loose leaves around denser, darker ones: the ragged rim hides that both are ellipsoids."""
    parts: Parts = []
    for share, filled, light in ((1.0, 0.3, 1.1), (0.85, 0.5, 0.9), (0.62, 0.85, 0.6)):
        extent = m.rng.uniform(1.1, 2.0, 3) * size * share
        tint = light * m.rng.uniform(0.85, 1.15, 3)
        shell = solid("ellipsoid", center, extent, replace(leaf, tint=tuple(tint)), tumbled(m.rng))
        parts.append(replace(shell, cutout=leafy(m, m.between(0.9, 1.6), filled)))
    return parts


def conifer(m: Maker) -> Parts:
    """A trunk under stacked cones."""
    height, leaf = m.between(3, 12), m.leaf()
    parts = [post((0, 0, 0), 0.12, height * 0.4, replace(leaf, tint=(0.5, 0.4, 0.35)))]
    layers, wide = int(m.rng.integers(4, 8)), m.between(0.16, 0.26)
    for share in np.linspace(0.1, 0.85, layers):
        radius = height * wide * (1 - share) * m.between(0.85, 1.15)
        layer = post((0, share * height, 0), radius, height * (0.3 - 0.15 * share), leaf, "cone")
        parts.append(replace(layer, cutout=leafy(m, 1.0, m.between(0.7, 0.95))))
    return parts


def bush(m: Maker) -> Parts:
    """A few clumps of leaves on the ground."""
    leaf, height = m.leaf(), m.between(0.4, 1.6)
    centers = m.rng.normal(0, (0.4, 0.12, 0.4), (4, 3)) * height + (0, height * 0.4, 0)
    return [p for c in centers for p in _clump(m, c, height * m.between(0.5, 0.8), leaf)]


def hedge(m: Maker, length: float) -> Parts:
    """A trimmed hedge along x."""
    height, thick, leaf = m.between(0.6, 2.2), m.between(0.5, 1.1), m.leaf()
    outer = box((0, height / 2, 0), (length, height, thick), leaf)
    inner = box(
        (0, height / 2, 0), (length - 0.1, height - 0.1, thick - 0.12), replace(leaf, tint=(0.55, 0.55, 0.55))
    )
    return [replace(outer, cutout=leafy(m, 1.2, m.between(0.5, 0.9))), inner]


def street_lamp(m: Maker) -> Parts:
    """A pole with an arm to the right."""
    height, arm, metal = m.between(4, 9), m.between(0, 2.2), plain((m.between(0.15, 0.6),) * 3, 0.2)
    head = box((arm, height, 0), (0.5, 0.1, 0.25), metal)
    pole = post((0, 0, 0), m.between(0.04, 0.11), height, metal)
    return [pole, rod((0, height - 0.3, 0), (arm, height, 0), 0.035, metal), head]


def sign(m: Maker) -> Parts:
    """A thin post with a plate or a traffic light."""
    height, metal = m.between(2.0, 3.2), plain((0.45, 0.45, 0.47), 0.2)
    pole = post((0, 0, 0), m.between(0.025, 0.05), height, metal)
    plate = Material(m.material().texture, 0.0)
    if m.chance(0.3):
        return [pole, box((0, height - 0.3, -0.1), (0.28, 0.8, 0.2), plain((0.1, 0.1, 0.1)))]
    if m.chance(0.5):
        return [pole, rod((0, height - 0.3, -0.06), (0, height - 0.3, -0.04), m.between(0.2, 0.4), plate)]
    return [pole, panel((0, height - 0.3, -0.06), m.between(0.4, 1.0), m.between(0.3, 0.8), plate)]


def bollard(m: Maker) -> Parts:
    """A short post."""
    return [post((0, 0, 0), m.between(0.05, 0.12), m.between(0.6, 1.1), m.material())]


def bin_or_box(m: Maker) -> Parts:
    """A bin, a junction box."""
    height = m.between(0.7, 1.3)
    return [box((0, height / 2, 0), (m.between(0.4, 0.9), height, m.between(0.4, 0.8)), m.material())]


def bicycle(m: Maker) -> Parts:
    """Two rims of short rods, a frame, handlebars and a saddle, along z."""
    metal, rubber = m.material(), plain((0.08, 0.08, 0.08))
    turn = np.linspace(0, 2 * np.pi, 13)
    parts = [box((0, 0.92, -0.22), (0.12, 0.05, 0.26), rubber)]
    for z in (-0.52, 0.52):
        rim = np.stack([0 * turn, 0.34 + 0.33 * np.cos(turn), z + 0.33 * np.sin(turn)], axis=1)
        parts += [rod(p, q, 0.02, rubber) for p, q in pairwise(rim)]
    return parts + [rod(a, b, 0.018, metal) for a, b in _BICYCLE_FRAME]


_BICYCLE_FRAME = (
    ((0, 0.34, 0.52), (0, 0.9, 0.4)),
    ((0, 0.34, -0.52), (0, 0.85, -0.2)),
    ((0, 0.3, 0), (0, 0.9, -0.22)),
    ((0, 0.3, 0), (0, 0.8, 0.42)),
    ((0, 0.8, -0.2), (0, 0.8, 0.42)),
    ((0.28, 1.0, 0.38), (-0.28, 1.0, 0.38)),
)


def fence(m: Maker, length: float) -> Parts:
    """A fence along x: mesh, pickets, or rails between posts."""
    height, material = m.between(0.7, 1.9), m.material()
    posts = [
        post((x, 0, 0), 0.035, height, material)
        for x in np.arange(-length / 2, length / 2, m.between(1.2, 2.5))
    ]
    if m.chance(0.5):
        mesh = panel((0, height / 2, 0.03), length, height, material)
        return [*posts, replace(mesh, cutout=lattice(m, m.between(0.15, 0.6)))]
    thick = m.pick((0.024, 0.1))
    rails = np.linspace(0.15, height - 0.05, m.rng.integers(2, 5))
    return posts + [box((0, y, -0.03), (length, thick, 0.03), material) for y in rails]


def power_line(m: Maker, length: float, height: float) -> Parts:
    """Poles along z with sagging wires between them."""
    wood, dark, step = replace(m.leaf(), tint=(0.6, 0.5, 0.42)), plain((0.05, 0.05, 0.06)), m.between(18, 30)
    lines, sag, parts = (
        m.rng.permutation([-0.7, -0.3, 0.3, 0.7])[: m.rng.integers(2, 5)],
        m.between(0.2, 0.9),
        [],
    )
    for z in np.arange(-5, length, step):
        parts += [post((0, 0, z), 0.11, height + 0.5, wood), box((0, height, z), (1.6, 0.1, 0.1), wood)]
        for x in lines:
            parts += wire((x, height, z), (x, height, z + step), sag, 0.012, dark)
    return parts


def house(m: Maker, size: tuple[float, float, float]) -> Parts:
    """A building (width, height, depth), its front at z = 0: windows, doors, gable or flat top, balconies."""
    width, height, depth = size
    wall = replace(
        m.pick(m.facades), offset=(m.between(0, 1), m.between(0, 1)), tint=tuple(m.rng.uniform(0.7, 1.15, 3))
    )
    parts = [box((0, height / 2, depth / 2), (width, height, depth), wall), _house_top(m, size)]
    for _ in range(m.rng.integers(0, 3)):
        door = (m.between(0.9, 2.8), 2.3, 0.12)
        parts += [box((m.between(-0.4, 0.4) * width, 1.15, 0), door, m.material())]
    if m.chance(0.35):
        place = m.between(-0.2, 0.2) * width
        parts += [p for y in np.arange(3.0, height - 2, 3.0) for p in _balcony(m, place, y)]
    if m.chance(0.3):
        parts.append(box((0, 2.9, -0.6), (width * 0.5, 0.12, 1.3), m.material()))
    return parts


def _house_top(m: Maker, size: tuple[float, float, float]) -> Primitive:
    width, height, depth = size
    if height < 11 and m.chance(0.6):
        return solid("roof", (0, height + 1.4, depth / 2), (width * 1.06, 2.8, depth * 1.06), m.material())
    return box((0, height + 0.1, depth / 2), (width + 0.3, 0.5, depth + 0.3), m.material())


def _balcony(m: Maker, x: float, y: float) -> Parts:
    rail = plain((m.between(0.1, 0.9),) * 3)
    bars = [rod((x + b, y, -0.9), (x + b, y + 1, -0.9), 0.015, rail) for b in np.linspace(-1.2, 1.2, 9)]
    floor = box((x, y, -0.45), (2.5, 0.15, 0.9), m.material())
    return [floor, *bars, rod((x - 1.2, y + 1, -0.9), (x + 1.2, y + 1, -0.9), 0.025, rail)]


def boulder(m: Maker) -> Parts:
    """A stone, half in the ground."""
    size = m.rng.uniform(0.3, 1.6, 3)
    return [solid("ellipsoid", (0, size[1] * 0.25, 0), size, m.leaf(), tumbled(m.rng))]
