"""Furniture, small things and people, each standing on the ground at the origin, front towards -z."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import numpy as np

from openmidas.training.synthetic import materials
from openmidas.training.synthetic.materials import Material
from openmidas.training.synthetic.parts import (
    Maker,
    Parts,
    ball,
    box,
    panel,
    placed,
    plain,
    post,
    rod,
    shining,
    solid,
    tumbled,
    yaw_axes,
)

_SHADES = ("tapered", "cone", "cylinder", "ellipsoid")


def _legs(m: Maker, size: tuple[float, float, float], material: Material) -> Parts:
    width, height, depth = size
    thick, inset = m.between(0.015, 0.07), m.between(0.02, 0.08)
    x, z = width / 2 - inset, depth / 2 - inset
    corners = [(sx * x, 0.0, sz * z) for sx in (-1, 1) for sz in (-1, 1)]
    if m.chance(0.5):
        return [post(c, thick / 2, height, material) for c in corners]
    return [box((cx, height / 2, cz), (thick, height, thick), material) for cx, _, cz in corners]


def table(m: Maker) -> Parts:
    """A table, high or low, with things on it."""
    width, depth = m.between(0.7, 1.9), m.between(0.6, 1.0)
    height, thick = m.pick((0.42, m.between(0.68, 0.78))), m.between(0.02, 0.06)
    material = m.material()
    if m.chance(0.15):
        round_top = post((0, height - thick, 0), depth * 0.6, thick, material)
        return [round_top, post((0, 0, 0), 0.04, height, material), post((0, 0, 0), 0.25, 0.03, material)]
    top = box((0, height - thick / 2, 0), (width, thick, depth), material)
    legs = _legs(m, (width, height - thick, depth), material if m.chance(0.5) else m.material())
    return [top, *legs, *on_top(m, (width, depth), height, 8)]


def on_top(m: Maker, area: tuple[float, float], height: float, most: int) -> Parts:
    """Up to `most` small things on a level surface around the origin."""
    things: Parts = []
    for _ in range(m.rng.integers(0, most)):
        x, z = (m.between(-0.42, 0.42) * extent for extent in area)
        things += placed(small_thing(m), (x, height, z), m.between(0, 6.3))
    return things


def small_thing(m: Maker) -> Parts:
    """A book, bottle, cup, ball, bowl, laptop, plant or lamp."""
    return m.pick(_SMALL)(m)


def book_pile(m: Maker) -> Parts:
    """One to four books, lying askew."""
    tops = np.cumsum([0, *m.rng.uniform(0.015, 0.05, m.rng.integers(1, 5))])
    books = []
    for low, high in pairwise(tops):
        size, askew = (
            (m.between(0.13, 0.24), high - low, m.between(0.18, 0.3)),
            yaw_axes(m.between(-0.3, 0.3)),
        )
        books.append(solid("box", (0, (low + high) / 2, 0), size, m.material(), askew))
    return books


def bottle(m: Maker) -> Parts:
    """A bottle with a neck."""
    radius, height, material = m.between(0.025, 0.05), m.between(0.12, 0.28), m.material()
    return [post((0, 0, 0), radius, height * 0.7, material), post((0, 0, 0), radius * 0.35, height, material)]


def cup(m: Maker) -> Parts:
    """A cup or tin."""
    return [post((0, 0, 0), m.between(0.03, 0.06), m.between(0.06, 0.14), m.material())]


def fruit(m: Maker) -> Parts:
    """A ball."""
    radius = m.between(0.03, 0.12)
    return [ball((0, radius, 0), radius, m.material())]


def carton(m: Maker) -> Parts:
    """A box."""
    width, height, depth = m.rng.uniform(0.06, 0.35, 3)
    return [box((0, height / 2, 0), (width, height, depth), m.material())]


def laptop(m: Maker) -> Parts:
    """An open laptop."""
    screen = panel((0, 0.12, 0.12), 0.33, 0.22, materials.painting(m.rng, m.photos))
    material = m.material()
    return [
        box((0, 0.01, 0), (0.34, 0.02, 0.24), material),
        box((0, 0.12, 0.13), (0.34, 0.23, 0.012), material),
        screen,
    ]


def twig_vase(m: Maker) -> Parts:
    """Twigs with buds in a vase."""
    radius, height = m.between(0.03, 0.08), m.between(0.12, 0.3)
    parts = [post((0, 0, 0), radius, height, m.material())]
    for _ in range(m.rng.integers(3, 9)):
        tip = m.rng.normal((0, height * 2.2, 0), (0.12, 0.06, 0.12))
        parts += [rod((0, height * 0.8, 0), tip, 0.003, m.leaf()), ball(tip, m.between(0.01, 0.04), m.leaf())]
    return parts


def table_lamp(m: Maker) -> Parts:
    """A small lamp."""
    height = m.between(0.3, 0.5)
    shade = solid(m.pick(_SHADES), (0, height, 0), (0.26, 0.2, 0.26), m.material())
    foot = [post((0, 0, 0), 0.08, 0.02, m.material()), post((0, 0, 0), 0.012, height, m.material())]
    return [*foot, shining(shade, m.between(0, 1.2))]


_SMALL: tuple[Callable[[Maker], Parts], ...]
_SMALL = (book_pile, bottle, bottle, cup, cup, fruit, carton, carton, laptop, twig_vase, table_lamp)


def chair(m: Maker) -> Parts:
    """A chair with a board or bars as its back."""
    width, seat, material = m.between(0.38, 0.5), m.between(0.42, 0.5), m.material()
    parts = [box((0, seat, 0), (width, 0.04, width), m.material() if m.chance(0.5) else material)]
    return [
        *parts,
        *_legs(m, (width, seat - 0.02, width), material),
        *_chair_back(m, width / 2 - 0.02, seat, material),
    ]


def _chair_back(m: Maker, half: float, seat: float, material: Material) -> Parts:
    top = m.between(0.75, 1.05)
    parts = [rod((s * half, seat, half), (s * half, top, half + 0.06), 0.014, material) for s in (-1, 1)]
    if m.chance(0.5):
        board = (2 * half, (top - seat) * 0.5, 0.025)
        return [*parts, box((0, (top + seat) / 2 + 0.12, half + 0.04), board, material)]
    bars = np.linspace(-half, half, m.rng.integers(4, 8))[1:-1]
    parts += [rod((x, seat, half), (x, top, half + 0.06), 0.008, material) for x in bars]
    return [*parts, rod((-half, top, half + 0.06), (half, top, half + 0.06), 0.018, material)]


def dining_set(m: Maker) -> Parts:
    """A table with chairs on both sides, pushed in or pulled out."""
    width, depth = m.between(1.0, 2.0), m.between(0.75, 1.0)
    top, seat = m.material(), chair(m)
    parts = [box((0, 0.73, 0), (width, 0.04, depth), top), *_legs(m, (width, 0.71, depth), top)]
    for side in (-1, 1):
        for x in np.linspace(-width / 2, width / 2, 2 + int(width / 0.6))[1:-1]:
            place = (x + m.about(0, 0.04), 0, side * (depth / 2 + m.between(-0.05, 0.4)))
            parts += (
                placed(seat, place, m.about(0, 0.2) + (np.pi if side < 0 else 0)) if m.chance(0.85) else []
            )
    return [*parts, *on_top(m, (width, depth), 0.75, 8)]


def desk(m: Maker) -> Parts:
    """A desk with a screen and a chair before it."""
    width, depth, top = m.between(1.0, 1.8), m.between(0.6, 0.8), m.material()
    parts = [box((0, 0.72, 0), (width, 0.03, depth), top), *_legs(m, (width, 0.705, depth), top)]
    wide, place = m.between(0.4, 0.7), m.between(-0.2, 0.2)
    screen, dark = materials.painting(m.rng, m.photos), plain((0.08, 0.08, 0.09), 0.3)
    parts += [box((place, 1.02, 0.15), (wide + 0.03, wide * 0.6 + 0.03, 0.03), dark)]
    parts += [
        panel((place, 1.02, 0.13), wide, wide * 0.6, screen),
        box((place, 0.8, 0.17), (0.06, 0.2, 0.04), dark),
    ]
    parts += [box((place, 0.745, -0.12), (0.42, 0.02, 0.14), m.material())]
    return [
        *parts,
        *on_top(m, (width, depth), 0.735, 6),
        *placed(chair(m), (place, 0, -depth / 2 - 0.2), np.pi + m.about(0, 0.3)),
    ]


def sofa(m: Maker) -> Parts:
    """An armchair or sofa with cushions."""
    width, depth, material = m.between(0.8, 2.3), m.between(0.8, 1.0), m.material()
    seat, back, arm = m.between(0.38, 0.46), m.between(0.7, 0.95), m.between(0.1, 0.22)
    parts = [box((0, seat / 2 + 0.04, 0), (width, seat - 0.08, depth), material)]
    parts += [box((0, back / 2 + 0.04, depth / 2 - 0.1), (width, back - 0.08, 0.2), material)]
    parts += [box((s * (width + arm) / 2, 0.34, 0), (arm, 0.6, depth), material) for s in (-1, 1)]
    for x in np.linspace(-width / 2, width / 2, m.rng.integers(1, 4) + 2)[1:-1]:
        cushion = solid("ellipsoid", (x, seat + 0.18, depth / 2 - 0.3), (0.5, 0.4, 0.2), m.material())
        parts.append(cushion)
    return parts


def bed(m: Maker) -> Parts:
    """A bed with its head at the back."""
    width, length, height, sheet = m.between(0.9, 1.8), 2.0, m.between(0.35, 0.6), m.material()
    parts = [box((0, height / 2, 0), (width, height, length), m.material())]
    parts += [box((0, height + 0.04, -0.25), (width + 0.04, 0.1, length - 0.5), sheet)]
    parts += [
        box((0, m.between(0.8, 1.2) / 2, length / 2), (width + 0.1, m.between(0.8, 1.2), 0.06), m.material())
    ]
    pillows = np.linspace(-width / 2, width / 2, 2 + int(width > 1.3) + 1)[1:-1]
    return parts + [
        solid("ellipsoid", (x, height + 0.1, 0.7), (0.6, 0.22, 0.42), m.material()) for x in pillows
    ]


def shelf(m: Maker) -> Parts:
    """Open boards with books and things standing on them."""
    width, height, depth, material = (
        m.between(0.5, 1.6),
        m.between(0.8, 2.2),
        m.between(0.25, 0.4),
        m.material(),
    )
    parts = [box((s * width / 2, height / 2, 0), (0.025, height, depth), material) for s in (-1, 1)]
    if m.chance(0.7):
        parts.append(box((0, height / 2, depth / 2), (width, height, 0.012), m.material()))
    levels = np.linspace(0.06, height, max(int(height / m.between(0.28, 0.42)), 2))
    for level, room in zip(levels, [*np.diff(levels), 0], strict=True):
        parts.append(box((0, level, 0), (width, 0.022, depth), material))
        parts += placed(_book_row(m, width, room, depth), (0, level + 0.011, 0)) if room else []
    return parts


def _book_row(m: Maker, width: float, room: float, depth: float) -> Parts:
    parts, x = [], -width / 2 + 0.03
    while x < width / 2 - 0.1:
        thick, height, deep = m.between(0.03, 0.16), m.between(0.4, 0.9) * room, m.between(0.5, 0.9) * depth
        parts.append(
            box((x + thick / 2, height / 2, (depth - deep) / 2), (thick - 0.004, height, deep), m.material())
        )
        x += thick + m.pick((0, 0, 0, m.between(0.05, 0.3)))
    return parts


def cabinet(m: Maker) -> Parts:
    """A closed cupboard with doors, gaps and knobs; low ones carry things."""
    height = m.pick((m.between(0.5, 1.0), m.between(1.6, 2.2)))
    width, depth, body = m.between(0.5, 1.8), m.between(0.35, 0.6), m.material()
    parts = [box((0, height / 2, 0), (width, height, depth), body), *_doors(m, (width, height, depth), body)]
    return parts + (on_top(m, (width, depth), height, 5) if height < 1.3 else [])


def _doors(m: Maker, size: tuple[float, float, float], knob: Material) -> Parts:
    width, height, depth = size
    columns, rows, front = max(int(width / 0.5), 1), int(m.rng.integers(1, 4)), m.material()
    wide, tall = width / columns, height / rows
    parts: Parts = []
    for x in (np.arange(columns) + 0.5) * wide - width / 2:
        for y in (np.arange(rows) + 0.5) * tall:
            parts.append(box((x, y, -depth / 2), (wide - 0.012, tall - 0.012, 0.03), front))
            parts.append(ball((x + 0.3 * wide, y, -depth / 2 - 0.025), 0.014, knob))
    return parts


def floor_lamp(m: Maker) -> Parts:
    """A lamp on a thin pole."""
    height, pole = m.between(1.3, 1.8), m.material()
    shade = solid(m.pick(_SHADES), (0, height, 0), (0.35, 0.28, 0.35), m.material())
    foot = [post((0, 0, 0), 0.14, 0.02, pole), post((0, 0, 0), 0.011, height, pole)]
    return [*foot, shining(shade, m.between(0, 1.0))]


def house_plant(m: Maker) -> Parts:
    """Thin stems and blades in a pot."""
    pot, height, leaf = m.between(0.1, 0.2), m.between(0.4, 1.4), m.leaf()
    parts = [post((0, 0, 0), pot, pot * 1.8, m.material())]
    for _ in range(m.rng.integers(5, 14)):
        tip = m.rng.normal(0, (0.3, 0.15, 0.3)) * height * 0.7 + (0, pot * 1.8 + height * 0.6, 0)
        blade = solid("ellipsoid", tip, (0.06, m.between(0.15, 0.4), 0.02), leaf, tumbled(m.rng))
        parts += [rod((0, pot * 1.7, 0), tip, 0.005, leaf), blade]
    return parts


def person(m: Maker) -> Parts:
    """Someone standing or walking: legs, torso, arms, head, hair."""
    trousers, shirt = (
        m.material() if m.chance(0.3) else plain(materials.random_rgb(m.rng, 0.6)) for _ in range(2)
    )
    tone = m.between(0.25, 1)
    skin, hair = plain((0.95 * tone, 0.72 * tone, 0.58 * tone)), plain((0.3 * m.between(0.1, 1),) * 3)
    stride = m.between(0, 0.25)
    parts = [rod((0.09 * s, 0.0, s * stride), (0.08 * s, 0.85, 0), 0.075, trousers) for s in (-1, 1)]
    parts += [solid("ellipsoid", (0, 1.15, 0), (0.44, 0.75, 0.28), shirt)]
    parts += [rod((0.2 * s, 1.38, 0), (0.27 * s, 0.85, -s * stride), 0.05, shirt) for s in (-1, 1)]
    parts += [
        solid("ellipsoid", (0, 1.63, 0), (0.18, 0.25, 0.22), skin),
        post((0, 1.4, 0), 0.055, 0.15, skin),
    ]
    parts += [solid("ellipsoid", (0, 1.67, 0.025), (0.19, 0.22, 0.21), hair)]
    return placed(parts, (0, 0, 0), 0, m.between(0.6 if m.chance(0.1) else 0.9, 1.08))
