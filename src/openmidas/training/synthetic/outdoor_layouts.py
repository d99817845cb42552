"""Random streets, landscapes, and clutter floating in the open.

A layout takes random numbers, the picture's (height, width) and photographs, and returns a `Scene`.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from jaxtyping import Float

from openmidas.training.synthetic import furniture, materials, outdoors
from openmidas.training.synthetic.parts import (
    Maker,
    Parts,
    Photos,
    box,
    clear_of,
    ground,
    lattice,
    leafy,
    new_maker,
    panel,
    photo_or,
    placed,
    rod,
    shadowless,
    solid,
    tumbled,
    wire,
    yaw_axes,
)
from openmidas.training.synthetic.ray_casting import View, looking
from openmidas.training.synthetic.shading import Light, Scene

_KERBSIDE = (
    outdoors.tree,
    outdoors.tree,
    outdoors.street_lamp,
    outdoors.sign,
    outdoors.sign,
    outdoors.bollard,
    outdoors.bin_or_box,
    outdoors.bush,
    outdoors.bicycle,
    furniture.person,
    furniture.person,
)
_WILD = (
    outdoors.tree,
    outdoors.tree,
    outdoors.tree,
    outdoors.conifer,
    outdoors.bush,
    outdoors.bush,
    outdoors.boulder,
    furniture.person,
    outdoors.bollard,
)


def outdoor_light(m: Maker, haze_m: float) -> Light:
    """Anything between full sun under a blue sky and grey overcast."""
    sunny, warm = m.between(0, 1), m.between(0, 0.25)
    elevation, azimuth = m.between(0.3, 1.3), m.between(0, 2 * np.pi)
    level = np.cos(elevation)
    blue = np.array([m.between(0.1, 0.4), m.between(0.3, 0.55), m.between(0.6, 1.0)])
    return Light(
        np.array([level * np.cos(azimuth), np.sin(elevation), level * np.sin(azimuth)]),
        sun=2.6 * sunny * np.array([1, 0.95 - warm / 2, 0.85 - warm]),
        ambient=0.55 * (1 - 0.35 * sunny) * np.array([0.95, 1, 1.1]),
        zenith=blue * sunny + m.between(0.6, 1.0) * (1 - sunny),
        horizon=np.array([0.85, 0.9 - 0.36 * warm, 0.95 - 0.95 * warm]),
        cloudiness=m.between(0, 1),
        haze_m=haze_m,
        brightness=m.between(0.14, 0.27),
    )


def street(rng: np.random.Generator, size: tuple[int, int], photos: Photos) -> Scene:
    """A road between pavements, houses, trees, poles and cars, seen by a driver or a walker."""
    m = new_maker(rng, photos)
    half, pavement, walking = m.between(2.8, 7), m.between(1.2, 4), m.chance(0.25)
    x = m.pick((-1, 1)) * (half + 0.6) if walking else m.between(-0.6, 0.6) * half
    angles = (m.about(0, 18 if walking else 5), m.about(-1.5, 3), m.about(0, 1))
    view = looking((x, m.between(1.3, 1.9), 0), angles, size, m.between(50, 90))
    groups = [*_traffic(m, half), *_roadside(m, half, pavement), *_overhead(m, half)]
    for side in (-1, 1):
        groups += (
            _built_up(m, side, half + pavement) if m.chance(0.75) else _overgrown(m, side, half + pavement)
        )
    parts = [*_road(m, half, pavement), *clear_of(view.position, groups, 1.2)]
    return Scene(parts, view, outdoor_light(m, m.log_between(80, 2000)), extent_m=22.0, occlusion_m=0.8)


def _road(m: Maker, half: float, pavement: float) -> Parts:
    earth = materials.made_of(m.pick((materials.foliage, materials.foliage, materials.asphalt))(m.rng), 4.0)
    road = photo_or(m, 0.08, materials.asphalt(m.rng), m.between(3, 6))
    verge = materials.made_of(
        m.pick((materials.tiles, materials.asphalt, materials.bricks, materials.foliage))(m.rng), 2.5
    )
    parts = [ground((0, -0.03, 100), 600, 600, earth), ground((0, 0, 140), 2 * half, 320, road)]
    parts += [box((s * (half + pavement / 2), 0.06, 140), (pavement, 0.12, 320), verge) for s in (-1, 1)]
    return shadowless([*parts, *_markings(m, half)])


def _markings(m: Maker, half: float) -> Parts:
    white, parts = replace(materials.made_of(materials.plaster(m.rng), 1.0), tint=(1.1, 1.1, 1.1)), []
    if m.chance(0.7):
        parts += [ground((0, 0.005, z), 0.14, 2.5, white) for z in range(-2, 90, 6)]
    if m.chance(0.4):
        parts += [ground((s * (half - 0.3), 0.005, 140), 0.12, 320, white) for s in (-1, 1)]
    if m.chance(0.25):
        z = m.between(6, 25)
        parts += [ground((x, 0.006, z), 0.45, 3, white) for x in np.arange(-half + 0.5, half, 0.95)]
    return parts


def _traffic(m: Maker, half: float) -> list[Parts]:
    """Rows of parked cars, and a few that drive."""
    groups = []
    for side in (-1, 1):
        z, packed = m.between(-2, 8), m.between(0.2, 1)
        while z < 70:
            if m.chance(packed):
                kerb = (side * (half - 1.05), 0, z)
                groups.append(placed(_vehicle(m), kerb, _heading(side) + m.about(0, 0.04)))
            z += m.between(5.2, 9)
    lanes = m.rng.choice([-1, 1], m.rng.integers(0, 4)).tolist()
    driving = [placed(_vehicle(m), (s * half * 0.35, 0, m.between(7, 60)), _heading(s)) for s in lanes]
    return groups + driving


def _vehicle(m: Maker) -> Parts:
    return outdoors.van(m) if m.chance(0.14) else outdoors.car(m)


def _heading(side: int) -> float:
    return np.pi if side < 0 else 0.0


def _roadside(m: Maker, half: float, pavement: float) -> list[Parts]:
    groups = []
    for side in (-1, 1):
        z, step = m.between(1, 6), m.between(1.5, 6)
        while z < 60:
            x = side * (half + m.between(0.3, max(pavement - 0.4, 0.5)))
            groups.append(placed(m.pick(_KERBSIDE)(m), (x, 0.12, z), np.pi - _heading(side)))
            z += step * m.between(0.5, 1.6)
    return groups


def _overhead(m: Maker, half: float) -> list[Parts]:
    """Wires along and across the road."""
    groups: list[Parts] = []
    if m.chance(0.35):
        line = outdoors.power_line(m, 70, m.between(5.5, 8.5))
        groups += [[p] for p in placed(line, (m.pick((-1, 1)) * (half + 0.8), 0, 0))]
    if m.chance(0.2):
        z, height = m.between(8, 30), m.between(5, 7)
        groups.append(wire((-half - 2, height, z), (half + 2, height + 0.5, z + 1), 0.4, 0.015, m.material()))
    return groups


def _built_up(m: Maker, side: int, edge: float) -> list[Parts]:
    """Houses in a row, near the road or behind front gardens, with gaps."""
    setback, density, storeys = m.pick((0.0, m.between(1, 8))), m.between(0.3, 1.0), m.between(3.5, 18)
    groups, z = [], m.between(-12, 2)
    while z < 110:
        width, height = m.between(6, 16), storeys * m.between(0.7, 1.4)
        middle = z + width / 2
        if m.chance(density):
            house = outdoors.house(m, (width - 0.05, height, m.between(7, 14)))
            groups.append(
                placed(house, (side * (edge + setback + m.between(0, 0.6)), 0, middle), side * np.pi / 2)
            )
        elif m.chance(0.7):
            groups += _trees(m, (side, edge), (z, z + width), 2)
        if setback > 2 and m.chance(0.5):
            garden = m.pick((outdoors.fence, outdoors.hedge))(m, width)
            groups.append(placed(garden, (side * (edge + 0.2), 0, middle), side * np.pi / 2))
        z += width + m.pick((0.0, 0.0, m.between(0, 5)))
    return groups


def _overgrown(m: Maker, side: int, edge: float) -> list[Parts]:
    """Trees, bushes and a hedge or fence along the road."""
    groups = _trees(m, (side, edge), (0, 70), int(m.rng.integers(6, 16)))
    for z in m.rng.uniform(2, 40, 6):
        groups.append(placed(outdoors.bush(m), (side * (edge + m.between(0.3, 2)), 0, z)))
    if m.chance(0.6):
        border = m.pick((outdoors.fence, outdoors.hedge))(m, 60)
        groups.append(placed(border, (side * (edge + 0.3), 0, 34), side * np.pi / 2))
    return groups


def _trees(m: Maker, edge: tuple[int, float], span: tuple[float, float], count: int) -> list[Parts]:
    side, start = edge
    kinds = [m.pick((outdoors.tree, outdoors.tree, outdoors.conifer)) for _ in range(count)]
    return [placed(k(m), (side * (start + m.between(1, 9)), 0, m.between(*span))) for k in kinds]


def landscape(rng: np.random.Generator, size: tuple[int, int], photos: Photos) -> Scene:
    """Open ground with hills, trees, fences, a power line or a house under the sky."""
    m = new_maker(rng, photos)
    angles = (0.0, m.about(-3, 5), m.about(0, 1.5))
    view = looking((0, m.between(1.2, 3.0), 0), angles, size, m.between(45, 80))
    groups = [_hill(m) for _ in range(rng.integers(0, 7))]
    for _ in range(rng.integers(4, 26)):
        depth = m.log_between(3, 120)
        groups.append(placed(m.pick(_WILD)(m), (m.between(-0.8, 0.8) * depth, 0, depth), m.between(0, 6.3)))
    groups += _man_made(m)
    grass = ground((0, 0, 0), 3000, 3000, photo_or(m, 0.1, materials.foliage(rng), m.between(2, 8)))
    parts = [grass, *clear_of(view.position, groups, 1.6)]
    return Scene(parts, view, outdoor_light(m, m.log_between(150, 4000)), extent_m=18.0, occlusion_m=0.8)


def _hill(m: Maker) -> Parts:
    span, away = m.between(100, 700), m.between(120, 900)
    rise = span * m.between(0.04, 0.22)
    green = replace(m.leaf(), tile_m=12.0)
    return [
        solid(
            "ellipsoid",
            (m.between(-0.8, 0.8) * away, 0, away),
            (span, rise, span),
            green,
            yaw_axes(m.between(0, 3)),
        )
    ]


def _man_made(m: Maker) -> list[Parts]:
    groups: list[Parts] = []
    if m.chance(0.5):
        groups.append(
            placed(outdoors.fence(m, 40), (m.between(-5, 5), 0, m.between(3, 15)), m.between(-0.9, 0.9))
        )
    if m.chance(0.3):
        line = outdoors.power_line(m, 120, m.between(6, 9))
        groups += [[p] for p in placed(line, (m.between(-8, 8), 0, 0), m.between(-0.5, 0.5))]
    if m.chance(0.3):
        house = outdoors.house(m, (m.between(6, 14), m.between(3, 7), 9))
        groups.append(placed(house, (m.between(-15, 15), 0, m.between(12, 50)), m.between(-0.7, 0.7)))
    if m.chance(0.3):
        road = ground((0, 0.02, 150), m.between(2, 6), 320, materials.made_of(materials.asphalt(m.rng), 4.0))
        groups.append(shadowless(placed([road], (m.between(-3, 3), 0, 0), m.between(-0.3, 0.3))))
    return groups


def clutter(rng: np.random.Generator, size: tuple[int, int], photos: Photos) -> Scene:
    """Random shapes, sticks and wires floating at all distances before a wall or the sky."""
    m = new_maker(rng, photos)
    view = looking((0, 1.6, 0), (0.0, m.about(0, 6), m.about(0, 6)), size, m.between(45, 80))
    far, behind = m.log_between(4, 40), []
    if m.chance(0.6):
        wall = photo_or(m, 0.6, materials.plaster(rng), far / 2)
        behind.append(panel((0, 1.6, far), 6 * far, 6 * far, wall, m.between(-0.6, 0.6)))
    if m.chance(0.6):
        behind.append(
            ground((0, 0, 0), 12 * far, 12 * far, photo_or(m, 0.3, materials.speckle(rng), far / 3))
        )
    depths = [m.log_between(1.2, far) for _ in range(rng.integers(10, 45))]
    groups = [_floating(m, _in_view(m, view, depth), depth) for depth in depths]
    parts = [*behind, *clear_of(view.position, groups, 0.6)]
    return Scene(
        parts, view, outdoor_light(m, far * m.log_between(8, 80)), extent_m=min(far, 12), occlusion_m=0.3
    )


def _in_view(m: Maker, view: View, depth: float) -> Float[np.ndarray, " 3"]:
    height, width = view.size
    x, y = m.between(-0.55, 0.55) * width / view.focal_px, m.between(-0.55, 0.55) * height / view.focal_px
    place: np.ndarray = view.position + depth * (view.axes[2] + x * view.axes[0] + y * view.axes[1])
    return place


def _floating(m: Maker, center: Float[np.ndarray, " 3"], depth: float) -> Parts:
    kind = m.rng.integers(8)
    if kind < 2:
        reach = m.rng.normal(0, 1, 3) * depth * 0.5
        return [rod(center - reach, center + reach, depth * m.between(0.002, 0.02), m.material())]
    if kind == 2:
        reach = np.array([m.between(0.6, 1.5), m.between(-0.3, 0.3), m.between(-0.4, 0.4)]) * depth
        return wire(center - reach, center + reach, depth * m.between(0, 0.2), depth * 0.002, m.material())
    shape = m.pick(("box", "ellipsoid", "cylinder", "cone", "quad", "roof", "tapered"))
    thing = solid(shape, center, depth * m.rng.uniform(0.04, 0.3, 3), m.material(), tumbled(m.rng))
    holes = m.pick((None, lattice(m, depth * 0.12), leafy(m, depth * 0.3, 0.6)))
    return [replace(thing, cutout=holes if shape == "quad" else None)]
