"""Random rooms and still lifes.

A layout takes random numbers, the picture's (height, width) and photographs, and returns a `Scene`.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from jaxtyping import Float

from openmidas.training.synthetic import furniture, materials, outdoors
from openmidas.training.synthetic.materials import Material
from openmidas.training.synthetic.parts import (
    Maker,
    Parts,
    Photos,
    box,
    clear_of,
    footprint,
    ground,
    leafy,
    new_maker,
    overlap,
    panel,
    photo_or,
    placed,
    rod,
    shadowless,
    shining,
    solid,
)
from openmidas.training.synthetic.ray_casting import looking
from openmidas.training.synthetic.shading import Light, Scene

# Width (x), height (y) and depth (z) of the room in metres; its floor's middle is the origin.
Extent = Float[np.ndarray, " 3"]

_CLEAR_M = 0.45
_AGAINST_WALL = (
    furniture.sofa,
    furniture.cabinet,
    furniture.cabinet,
    furniture.shelf,
    furniture.shelf,
    furniture.bed,
    furniture.desk,
    furniture.desk,
    furniture.table,
)
_STANDING = (
    furniture.dining_set,
    furniture.table,
    furniture.table,
    furniture.chair,
    furniture.chair,
    furniture.floor_lamp,
    furniture.house_plant,
    furniture.sofa,
    furniture.small_thing,
    furniture.carton,
    furniture.person,
    furniture.shelf,
)
_FLOORS = (materials.wood, materials.wood, materials.tiles, materials.speckle)
_WALLS = (materials.plaster,) * 3 + (materials.paint,) * 2 + (materials.stripes,)


def indoor_light(m: Maker, extent: Extent) -> Light:
    """Daylight from anywhere above, and a lamp near the ceiling when the day is dim."""
    dim, warm = 1.4 - m.between(0, 1), np.array([1, m.between(0.78, 1), m.between(0.5, 1)])
    return Light(
        np.array([m.between(-1, 1), m.between(0.5, 2), m.between(-1, 1)]),
        sun=m.between(0.05, 0.7) * np.array([1, 0.96, 0.9]),
        ambient=m.between(0.25, 0.6) * np.array([0.97, 1, 1.05]),
        lamp=dim * m.between(0.4, 1.3) * warm,
        lamp_position=extent * (m.between(-0.3, 0.3), 1, m.between(-0.3, 0.3)) - (0, 0.15, 0),
        brightness=m.between(0.12, 0.26),
    )


def room(rng: np.random.Generator, size: tuple[int, int], photos: Photos) -> Scene:
    """A furnished box room seen from inside by a hand-held camera."""
    m = new_maker(rng, photos)
    extent = np.array([m.between(2.8, 6.5), m.between(2.35, 3.1), m.between(3.2, 7.5)])
    position, angles = _scanning_camera(m, extent) if m.chance(0.4) else _standing_camera(m, extent)
    groups = _furniture(m, extent)
    if m.chance(0.5):
        groups.append(_hanging_lamp(m, extent))
    if m.chance(0.5):
        rug = (m.between(1.2, 2.4), 0.012, m.between(1.2, 3))
        groups.append([box((m.between(-0.5, 0.5), 0.006, 0), rug, m.material())])
    parts = [*_shell(m, extent), *_outside(m), *clear_of(position, groups, _CLEAR_M)]
    view = looking(position, angles, size, m.between(50, 80))
    return Scene(parts, view, indoor_light(m, extent), extent_m=4.5, occlusion_m=0.25)


def _standing_camera(m: Maker, extent: Extent) -> tuple[Extent, tuple[float, float, float]]:
    """Near one end, looking along the room or into a corner."""
    position = np.array(
        [m.between(-0.36, 0.36) * extent[0], m.between(1.0, 1.8), m.between(-0.42, -0.1) * extent[2]]
    )
    aim = m.between(-0.45, 0.45) * extent[0] - position[0], m.between(0.1, 0.5) * extent[2] - position[2]
    return position, (float(np.degrees(np.arctan2(*aim))), m.between(-35, 8), m.about(0, 2.5))


def _scanning_camera(m: Maker, extent: Extent) -> tuple[Extent, tuple[float, float, float]]:
    """Anywhere in the room, turned anywhere, looking down at furniture, as when scanning with a phone."""
    position = np.array(
        [m.between(-0.3, 0.3) * extent[0], m.between(1.1, 1.8), m.between(-0.3, 0.3) * extent[2]]
    )
    return position, (m.between(-180, 180), m.between(-50, -5), m.about(0, 5))


def _shell(m: Maker, extent: Extent) -> Parts:
    width, height, depth = extent
    floor = photo_or(m, 0.2, m.pick(_FLOORS)(m.rng), m.between(0.8, 2.5), m.pick((0.0, 0.15)))
    wall = photo_or(m, 0.15, m.pick(_WALLS)(m.rng), m.between(1.5, 3))
    ceiling = materials.made_of(materials.plaster(m.rng), 3.0)
    parts = [ground((0, 0, 0), width, depth, floor), ground((0, height, 0), width, depth, ceiling)]
    for turn in range(4):
        long, out = (width, depth) if turn % 2 == 0 else (depth, width)
        surface = m.material() if m.chance(0.1) else wall
        parts += placed(placed(_wall(m, long, height, surface), (0, 0, out / 2)), (0, 0, 0), turn * np.pi / 2)
    return shadowless(parts)


def _wall(m: Maker, width: float, height: float, material: Material) -> Parts:
    """A wall seen from -z: plain or with a window; skirting, door, pictures."""
    if width > 2.6 and m.chance(0.45):
        parts = _window_wall(m, width, height, material)
    else:
        parts = [panel((0, height / 2, 0), width, height, material), *_on_wall(m, width, height)]
    return [*parts, box((0, 0.05, 0), (width, 0.1, 0.03), m.material())] if m.chance(0.6) else parts


def _on_wall(m: Maker, width: float, height: float) -> Parts:
    parts: Parts = []
    if m.chance(0.5):
        x, door = m.between(-0.35, 0.35) * width, m.material()
        parts += [
            box((x, 1.02, 0), (0.98, 2.06, 0.08), m.material()),
            box((x, 1.0, -0.02), (0.84, 2.0, 0.06), door),
        ]
        parts += [rod((x + 0.36, 1.0, -0.1), (x + 0.26, 1.0, -0.1), 0.012, m.material())]
    for _ in range(m.rng.integers(0, 4)):
        w, h, x, y = (
            *m.rng.uniform(0.2, 1.0, 2),
            m.between(-0.4, 0.4) * width,
            m.between(1.3, min(1.9, height - 0.5)),
        )
        parts.append(box((x, y, 0), (w + 0.06, h + 0.06, 0.05), m.material()))
        parts.append(panel((x, y, -0.03), w, h, materials.painting(m.rng, m.photos)))
    return parts


def _window_wall(m: Maker, width: float, height: float, material: Material) -> Parts:
    """A wall around a hole that shows the outside, or a bright blind in the hole; bars, curtains."""
    w, sill, top = m.between(0.8, min(2.6, width - 0.8)), m.pick((0.1, 0.85)), m.between(1.9, height - 0.2)
    side, middle, frame = (width - w) / 2, (sill + top) / 2, m.material()
    parts = [panel((s * (w + side) / 2, height / 2, 0), side, height, material) for s in (-1, 1)]
    parts += [
        panel((0, sill / 2, 0), w, sill, material),
        panel((0, (top + height) / 2, 0), w, height - top, material),
    ]
    parts += [box((0, y, 0), (w + 0.08, 0.06, 0.12), frame) for y in (sill, top)]
    bars = np.linspace(-w / 2, w / 2, m.rng.integers(2, 5))
    parts += [box((x, middle, 0), (0.05, top - sill, 0.08), frame) for x in bars]
    if m.chance(0.5):
        parts.append(shining(panel((0, middle, 0.06), w, top - sill, m.material()), m.between(0.8, 2.5)))
    if m.chance(0.5):
        cloth, folds = m.material(), [s * (w / 2 + 0.06 * k) for s in (-1, 1) for k in range(5)]
        parts += [rod((x, 0.05, -0.12), (x, top + 0.15, -0.12), 0.045, cloth) for x in folds]
    return parts


def _furniture(m: Maker, extent: Extent) -> list[Parts]:
    """Things along the four walls, then things anywhere, none standing in another."""
    groups = [group for turn in range(4) for group in _along_wall(m, extent, turn)]
    for _ in range(m.rng.integers(2, 9)):
        spot = m.rng.uniform(-0.4, 0.4, 3) * extent * (1, 0, 1)
        groups.append(placed(m.pick(_STANDING)(m), spot, m.between(0, 2 * np.pi)))
    return _disjoint(groups)


def _along_wall(m: Maker, extent: Extent, turn: int) -> list[Parts]:
    long, out = (extent[0], extent[2]) if turn % 2 == 0 else (extent[2], extent[0])
    groups, x = [], -long / 2 + m.between(0.1, 0.9)
    while m.chance(0.85):
        parts = m.pick(_AGAINST_WALL)(m)
        (left, _), (right, back) = footprint(parts)
        if x + right - left > long / 2:
            break
        against = placed(parts, (x - left, 0, out / 2 - back - 0.04))
        groups.append(placed(against, (0, 0, 0), turn * np.pi / 2))
        x += right - left + m.between(0.02, 1.2)
    return groups


def _disjoint(groups: list[Parts]) -> list[Parts]:
    kept: list[Parts] = []
    taken: list[Float[np.ndarray, "2 2"]] = []
    for group in groups:
        area = footprint(group)
        if not any(overlap(area, other) for other in taken):
            kept.append(group)
            taken.append(area)
    return kept


def _hanging_lamp(m: Maker, extent: Extent) -> Parts:
    top, drop = extent * (m.between(-0.2, 0.2), 1, m.between(-0.2, 0.2)), m.between(0.3, 0.9)
    end = top - (0, drop, 0)
    shade = solid(m.pick(("ellipsoid", "cone", "tapered")), end, (0.4, 0.25, 0.4), m.material())
    return [rod(top, end, 0.006, m.material()), shining(shade, m.between(0.5, 2))]


def _outside(m: Maker) -> Parts:
    """Ground and houses around and below the room, for its windows."""
    level = -m.between(0.3, 8)
    parts = [ground((0, level, 0), 400, 400, m.leaf())]
    for angle in m.rng.uniform(0, 2 * np.pi, 6):
        place = m.between(14, 60) * np.array([np.cos(angle), 0, np.sin(angle)]) + (0, level, 0)
        parts += placed(
            outdoors.house(m, (m.between(6, 14), m.between(4, 14), 8))[:2], place, m.between(0, 6.3)
        )
    return shadowless(parts)


def tabletop(rng: np.random.Generator, size: tuple[int, int], photos: Photos) -> Scene:
    """Things on a table in front of slanted, textured boards, one to three metres away."""
    m = new_maker(rng, photos)
    away, height = m.between(0.9, 2.2), m.between(0.15, 0.7)
    pitch = -np.degrees(np.arctan2(height - m.between(0.1, 0.3), away))
    view = looking(
        (m.between(-0.2, 0.2), height, -away), (m.about(0, 4), pitch, m.about(0, 2)), size, m.between(32, 55)
    )
    groups = _boards(m)
    for _ in range(rng.integers(6, 20)):
        spot = (m.between(-0.9, 0.9), 0.0, m.between(-0.5, 0.9))
        groups.append(placed(_still_life_thing(m), spot, m.between(0, 6.3), m.between(0.9, 2.2)))
    table = ground((0, 0, 0.6), 6, 5, photo_or(m, 0.4, materials.wood(rng), m.between(0.4, 1.2)))
    parts = [table, *clear_of(view.position, groups, 0.4)]
    light = replace(
        indoor_light(m, np.array([2, 2.4, 2])), lamp_position=np.array([m.between(-1, 1), 1.4, -0.6])
    )
    return Scene(parts, view, light, extent_m=2.2, occlusion_m=0.08)


def _boards(m: Maker) -> list[Parts]:
    """A back wall and a few slanted boards before it."""
    wall = photo_or(m, 0.7, materials.plaster(m.rng), 1.2)
    groups = [[panel((0, 1.4, m.between(1.0, 2.5)), 9, 4, wall, m.between(-0.4, 0.4))]]
    tilted = np.array([[1, 0, 0], [0, 0.97, 0.24], [0, -0.24, 0.97]])
    for _ in range(m.rng.integers(0, 5)):
        width, height = m.rng.uniform(0.3, 1.2, 2)
        surface = photo_or(m, 0.7, materials.paint(m.rng), 0.6)
        board = solid("box", (0, height / 2, 0), (width, height, 0.015), surface, tilted)
        groups.append(placed([board], (m.between(-1, 1), 0, m.between(0.2, 1.2)), m.between(-0.8, 0.8)))
    return groups


def _geometric_solid(m: Maker) -> Parts:
    extent = m.rng.uniform(0.08, 0.4, 3)
    return [
        solid(
            m.pick(("cone", "ellipsoid", "tapered", "roof", "cylinder")),
            (0, extent[1] / 2, 0),
            extent,
            m.material(),
        )
    ]


def _sticks(m: Maker) -> Parts:
    tips = m.rng.normal((0, 0.35, 0), (0.12, 0.0, 0.12), (6, 3))
    return [rod((0, 0, 0), tip, m.between(0.003, 0.01), m.material()) for tip in tips]


def _torn_mask(m: Maker) -> Parts:
    sheet = panel((0, 0.2, 0), 0.35, 0.4, m.material())
    return [
        replace(sheet, cutout=leafy(m, m.between(0.2, 0.8), 0.6)),
        rod((0, 0, 0.01), (0, 0.2, 0.01), 0.006, m.material()),
    ]


def _still_life_thing(m: Maker) -> Parts:
    return m.pick((_geometric_solid, _sticks, _torn_mask, *(furniture.small_thing,) * 4))(m)
