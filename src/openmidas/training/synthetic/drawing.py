"""Scenes to pictures at full speed: what `shading.shade` does plainly, with the compiled loops."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Float32, Int16, UInt8

from openmidas.training.synthetic.casting import Seen, cast
from openmidas.training.synthetic.lighting import Eye, Lamps, Lit, Shadows, Surfaces, light_pixels
from openmidas.training.synthetic.materials import LINEAR, Texture
from openmidas.training.synthetic.ray_casting import (
    SHAPES,
    Cutout,
    Primitive,
    View,
    from_light,
    supersampled,
    wide_enough,
)
from openmidas.training.synthetic.shading import (
    SAMPLES,
    SHADOW_SIDE,
    SKY_SALT,
    SUN_BLUR,
    TO_SKY,
    Light,
    Scene,
    cloud_texture,
    developed,
    is_near,
    pixel_inverse_depth,
    shadowed_place,
)

_NUMBER = {name: number for number, name in enumerate(SHAPES)}
_NO_HOLE = (0, 0, 0.0, 0.0)


@dataclass(frozen=True, eq=False)
class Solids:
    """The geometry of n primitives as arrays; fields as in `Seen`."""

    shape: np.ndarray
    center: Float[np.ndarray, "n 3"]
    axes: Float[np.ndarray, "n 3 3"]
    half_size: Float[np.ndarray, "n 3"]
    hole: np.ndarray
    holing: np.ndarray
    patterns: Float32[np.ndarray, " p"]

    def seen(self, view: View, chosen: Bool[np.ndarray, " n"] | slice = slice(None)) -> Seen:
        """The chosen ones from one view, thickened where its samples would miss them."""
        center, axes = self.center[chosen], self.axes[chosen]
        half_size = wide_enough(center, self.half_size[chosen], view)
        unit = np.ascontiguousarray(axes.transpose(0, 2, 1) / half_size[:, :, None])
        start = np.einsum("nij,nj->ni", unit, view.position - center)
        turn = np.ascontiguousarray(unit @ view.axes.T)
        hole, holing = self.hole[chosen], self.holing[chosen]
        return Seen(self.shape[chosen], center, half_size, unit, start, turn, hole, holing, self.patterns)


def to_solids(primitives: Sequence[Primitive]) -> Solids:
    """The geometry of a scene's primitives."""
    patterns: dict[int, tuple[int, Cutout]] = {}
    cells = 0
    for p in primitives:
        if p.cutout is not None and id(p.cutout.pattern) not in patterns:
            patterns[id(p.cutout.pattern)] = cells, p.cutout
            cells += p.cutout.pattern.size
    holes = [
        (patterns[id(c.pattern)][0], len(c.pattern), c.tile_m, c.level) if (c := p.cutout) else _NO_HOLE
        for p in primitives
    ]
    hole = np.array(holes, np.float64).reshape(-1, 4)
    flat = [cutout.pattern.ravel() for _, cutout in patterns.values()]
    return Solids(
        np.array([_NUMBER[p.shape] for p in primitives], np.int64),
        np.array([p.center for p in primitives], np.float64).reshape(-1, 3),
        np.array([p.axes for p in primitives], np.float64).reshape(-1, 3, 3),
        np.array([p.half_size for p in primitives], np.float64).reshape(-1, 3),
        hole[:, :2].astype(np.int64),
        np.ascontiguousarray(hole[:, 2:]),
        np.concatenate([np.zeros(1, np.float32), *flat])[1:].astype(np.float32),
    )


def trace(solids: Seen, view: View) -> tuple[Float32[np.ndarray, "h w"], Int16[np.ndarray, "h w"]]:
    """Depth (metres; inf: none) and number (-1: none) of the nearest solid at every pixel centre of a view."""
    depth = np.full(view.size, np.inf, dtype=np.float32)
    index = np.full(view.size, -1, dtype=np.int16)
    cast(solids, view.focal_px, view.orthographic, depth, index)
    return depth, index


def draw(scene: Scene, seed: int) -> tuple[UInt8[np.ndarray, "h w 3"], Float32[np.ndarray, "h w"]]:
    """The picture (sRGB) and the inverse depth in 1/m (0 where only sky is seen); as `shading.shade`."""
    view = supersampled(scene.view, SAMPLES)
    solids = to_solids(scene.primitives)
    seen = solids.seen(view)
    depth, index = trace(seen, view)
    clouds = cloud_texture(np.random.default_rng([seed, 1]))
    visible = np.flatnonzero(np.bincount(index.ravel() + 1)[1:])
    surfaces = _surfaces(scene.primitives, visible, clouds)
    lamps = _lamps(scene.light)
    sun = _shadows(scene, solids, lamps.to_sun, SUN_BLUR * scene.extent_m, 0)
    sky = _shadows(scene, solids, TO_SKY, scene.occlusion_m, SKY_SALT)
    eye = Eye(view.position, view.axes, view.focal_px, SAMPLES)
    linear = np.empty((*scene.view.size, 3), np.float32)
    light_pixels(Lit(eye, seen, surfaces, lamps, sun, sky), depth, index, linear)
    return developed(linear, scene.light.brightness), pixel_inverse_depth(depth, index)


def _shadows(scene: Scene, solids: Solids, to_light: np.ndarray, blur_m: float, salt: int) -> Shadows:
    place = shadowed_place(scene)
    view = from_light(place, to_light, scene.extent_m, SHADOW_SIDE)
    throws = np.array([p.casts_shadow for p in scene.primitives], bool)
    near = is_near(solids.center, solids.half_size, place, scene.extent_m)
    nearest, _ = trace(solids.seen(view, throws & near), view)
    nearest = np.pad(nearest, 1, constant_values=np.inf)
    bias_m = 2.5 / view.focal_px + 0.4 * blur_m
    return Shadows(nearest, view.position, view.axes, view.focal_px, bias_m, float(blur_m), salt)


def _surfaces(primitives: Sequence[Primitive], visible: np.ndarray, clouds: Texture) -> Surfaces:
    """The materials of all primitives; the textures only of the visible ones, and the clouds after them."""
    textures: dict[int, Texture] = {}
    for number in visible:
        texture = primitives[number].material.texture
        textures[id(texture)] = texture
    places = {key: place for place, key in enumerate(textures)}
    every = [texture.levels for texture in (*textures.values(), clouds)]
    starts = np.cumsum([0, *(len(t.texels) for t in every[:-1])])
    first, side = np.zeros((2, len(every), max(len(t.side) for t in every)), np.int64)
    for place, (levels, start) in enumerate(zip(every, starts, strict=True)):
        first[place, : len(levels.first)] = levels.first + start
        side[place, : len(levels.side)] = levels.side
    made_of = [p.material for p in primitives]
    return Surfaces(
        np.concatenate([t.texels for t in every]),
        np.array([places.get(id(m.texture), 0) for m in made_of], np.int64),
        first,
        side,
        np.array([len(t.side) for t in every], np.int64),
        np.array([m.tint for m in made_of], np.float64).reshape(-1, 3),
        np.array([(m.tile_m, *m.offset) for m in made_of], np.float64).reshape(-1, 3),
        np.array([(m.specular, m.emission) for m in made_of], np.float64).reshape(-1, 2),
        LINEAR,
    )


def _lamps(light: Light) -> Lamps:
    return Lamps(
        light.to_sun / np.linalg.norm(light.to_sun),
        _doubles(light.sun),
        _doubles(light.ambient),
        _doubles(light.lamp),
        _doubles(light.lamp_position),
        _doubles(light.zenith),
        _doubles(light.horizon),
        float(light.cloudiness),
        float(light.haze_m),
    )


def _doubles(values: np.ndarray) -> np.ndarray:
    """Of the one type for which the loops are compiled."""
    return np.array(values, np.float64)
