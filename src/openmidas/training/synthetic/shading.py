"""Light on ray-cast scenes: sun with soft shadows, sky light with contact darkening, a lamp, haze, clouds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from jaxtyping import Bool, Float, Int, UInt8, UInt32

from openmidas.training.synthetic.materials import Texture, noise, sample
from openmidas.training.synthetic.ray_casting import (
    SHAPES,
    Primitive,
    View,
    from_light,
    screen_axes,
    supersampled,
    surface_uv,
    to_unit,
    trace,
    widened,
)

Rgb = Float[np.ndarray, " 3"]

SAMPLES = 2  # by as many rays in each pixel
SHADOW_SIDE = 448
TAPS = 4
# A shadow map is a picture from the sun; the sky's is one from above, read over a wide blur.
SUN_BLUR = 0.006
TO_SKY = np.array([0.02, 1.0, 0.03])
SKY_SALT = 0x51ED27F4  # a multiple of TAPS


@dataclass(frozen=True, eq=False)
class Light:
    """Where light comes from; colours are linear light, `haze_m` the distance that fades to 1/e."""

    to_sun: Float[np.ndarray, " 3"]
    sun: Rgb
    ambient: Rgb
    lamp: Rgb = field(default_factory=lambda: np.zeros(3))
    lamp_position: Float[np.ndarray, " 3"] = field(default_factory=lambda: np.array([0, 2.3, 0]))
    zenith: Rgb = field(default_factory=lambda: np.array([0.25, 0.45, 0.85]))
    horizon: Rgb = field(default_factory=lambda: np.array([0.85, 0.9, 0.95]))
    cloudiness: float = 0.5
    haze_m: float = np.inf
    brightness: float = 0.22


@dataclass(frozen=True, eq=False)
class Scene:
    """Things, camera and light; shadows fall within `extent_m`, `occlusion_m` blurs the sky's."""

    primitives: Sequence[Primitive]
    view: View
    light: Light
    extent_m: float = 6.0
    occlusion_m: float = 0.3


@dataclass(frozen=True, eq=False)
class _Surface:
    """Every sample that hits something, flattened: place, view direction, normal, and what it is made of."""

    points: Float[np.ndarray, "n 3"]
    towards_eye: Float[np.ndarray, "n 3"]
    normals: Float[np.ndarray, "n 3"]
    albedo: Float[np.ndarray, "n 3"]
    specular: Float[np.ndarray, " n"]
    emission: Float[np.ndarray, " n"]


def shade(scene: Scene, seed: int) -> tuple[UInt8[np.ndarray, "h w 3"], Float[np.ndarray, "h w"]]:
    """The picture (sRGB) and the inverse depth in 1/m (0 where only sky is seen)."""
    rng = np.random.default_rng([seed, 1])
    view = supersampled(scene.view, SAMPLES)
    fine = replace(scene, primitives=[widened(p, view) for p in scene.primitives], view=view)
    depth, index = trace(fine.primitives, view)
    samples = _lit_samples(fine, depth.ravel(), index.ravel(), rng).reshape(*view.size, 3)
    picture = developed(np.mean(_grids(samples), axis=0), scene.light.brightness)
    return picture, pixel_inverse_depth(depth, index)


def _grids(samples: np.ndarray) -> np.ndarray:
    """The samples of every pixel, one (h, w) grid for each place within the pixel."""
    return np.stack([samples[i::SAMPLES, j::SAMPLES] for i in range(SAMPLES) for j in range(SAMPLES)])


def pixel_inverse_depth(
    depth: Float[np.ndarray, "rows columns"], index: Int[np.ndarray, "rows columns"]
) -> Float[np.ndarray, "h w"]:
    """Inverse depth at pixel centres of the nearest thing in each pixel.

    The mean over the samples of that one thing: inverse depth is affine across a plane, so where a pixel
    shows one plane the mean of its samples is the exact value at the centre.
    """
    inverse, index = _grids(1 / depth), _grids(index)
    nearest = np.take_along_axis(index, np.argmax(inverse, axis=0)[None], axis=0)
    same = index == nearest
    mean: np.ndarray = (inverse * same).sum(axis=0) / same.sum(axis=0)
    return mean.astype(np.float32)


def developed(linear: Float[np.ndarray, "h w 3"], brightness: float) -> UInt8[np.ndarray, "h w 3"]:
    """Exposed for the given mean brightness; highlights roll off as on film rather than clip."""
    level = float(np.exp(np.log(linear.sum(axis=2) / 3 + 0.02).mean()))
    exposed = linear * np.float32(brightness / level)
    rolled = np.where(exposed < 0.6, exposed, 1 - 0.4 * np.exp(-(exposed - 0.6) / 0.4))
    return (np.clip(rolled, 0, 1) ** np.float32(1 / 2.2) * 255 + 0.5).astype(np.uint8)


def _lit_samples(
    scene: Scene, depth: Float[np.ndarray, " n"], index: Int[np.ndarray, " n"], rng: np.random.Generator
) -> Float[np.ndarray, "n 3"]:
    """Linear-light colour of every sample, sky where nothing is hit."""
    directions = _directions(scene.view)
    hit = index >= 0
    colour = np.empty_like(directions)
    colour[~hit] = _sky(scene.light, directions[~hit], cloud_texture(rng))
    if hit.any():
        surface = _surface(scene, depth[hit], index[hit], directions[hit])
        horizon = _float32(scene.light.horizon)
        clear = np.exp(-depth[hit] / np.float32(scene.light.haze_m))[:, None]
        lit = surface.albedo * _irradiance(scene, surface, np.flatnonzero(hit))
        colour[hit] = (lit + _highlight(scene.light, surface)) * clear + horizon * (1 - clear)
    return colour


def _directions(view: View) -> Float[np.ndarray, "n 3"]:
    x, y = screen_axes(view)
    right, down, forward = _float32(view.axes)
    directions: np.ndarray = x[..., None] * right + y[..., None] * down + forward
    return directions.reshape(-1, 3)


def _surface(scene: Scene, depth: np.ndarray, index: np.ndarray, directions: np.ndarray) -> _Surface:
    order = np.argsort(index, kind="stable")
    starts = np.searchsorted(index[order], np.arange(len(scene.primitives) + 1))
    points = _float32(scene.view.position) + depth[:, None] * directions
    surface = _Surface(
        points,
        -_unit(directions),
        np.empty_like(points),
        np.empty_like(points),
        *np.empty((2, len(points)), np.float32),
    )
    for number in np.flatnonzero(np.diff(starts)):
        at = order[starts[number] : starts[number + 1]]
        _cover(surface, at, scene.primitives[int(number)], depth[at] / np.float32(scene.view.focal_px))
    return surface


def _cover(surface: _Surface, at: np.ndarray, primitive: Primitive, pixel_m: np.ndarray) -> None:
    """Fill in the samples of one primitive; `pixel_m` is how wide a sample is there."""
    unit = _float32(to_unit(primitive))
    points = (surface.points[at] - _float32(primitive.center)) @ unit.T
    unit_normals = SHAPES[primitive.shape].normal(points)
    normals = _unit(unit_normals @ unit)
    facing = _dot(normals, surface.towards_eye[at])
    surface.normals[at] = normals * np.sign(facing)[:, None]
    slant = np.sqrt(np.maximum(np.abs(facing), np.float32(0.05)))
    surface.albedo[at] = _albedo(primitive, points, unit_normals, pixel_m / slant)
    surface.specular[at], surface.emission[at] = primitive.material.specular, primitive.material.emission


def _albedo(
    primitive: Primitive, points: np.ndarray, normals: np.ndarray, footprint_m: np.ndarray
) -> Float[np.ndarray, "n 3"]:
    """Texture colour at points of the unit shape."""
    material, size = primitive.material, _float32(primitive.half_size)
    if material.tile_m:
        span = material.tile_m
        uv = surface_uv(points * size, normals / size) / np.float32(span)
    else:
        span = 2 * float(size[:2].max())
        uv = surface_uv(points, normals / size) / 2 + np.float32(0.5)
    uv = uv * np.array([1, -1], dtype=np.float32) + np.array(material.offset, dtype=np.float32)
    texels = footprint_m * np.float32(len(material.texture.picture) / span)
    level = np.log2(np.maximum(texels, np.float32(1e-3)))
    return sample(material.texture, uv, level) * np.array(material.tint, dtype=np.float32)


def _irradiance(scene: Scene, surface: _Surface, samples: Int[np.ndarray, " n"]) -> Float[np.ndarray, "n 3"]:
    light = scene.light
    to_sun = light.to_sun / np.linalg.norm(light.to_sun)
    sunward = np.maximum(surface.normals @ _float32(to_sun), 0)
    sun = sunward * _lit_share(scene, to_sun, surface.points, SUN_BLUR * scene.extent_m, samples)
    salted = samples + SKY_SALT // TAPS
    open_sky = _lit_share(scene, TO_SKY, surface.points, scene.occlusion_m, salted)
    ambient = (0.65 + 0.35 * surface.normals[:, 1]) * (0.45 + 0.55 * open_sky)
    strengths = np.stack([ambient, sun, _lamp(light, surface)], axis=1).astype(np.float32)
    colours = _float32(np.stack([light.ambient, light.sun, light.lamp]))
    total: np.ndarray = strengths @ colours + surface.emission[:, None]
    return total


def _lit_share(
    scene: Scene, to_light: np.ndarray, points: np.ndarray, blur_m: float, numbers: Int[np.ndarray, " n"]
) -> Float[np.ndarray, " n"]:
    """The share of a light that reaches each point: a shadow map read at four places within `blur_m`.

    The places come from the points' numbers.
    """
    ahead = shadowed_place(scene)
    view = from_light(ahead, to_light, scene.extent_m, SHADOW_SIDE)
    nearest, _ = trace([widened(p, view) for p in _casters(scene, ahead)], view)
    # One row and column around the map, for ever lit, is where points outside it read.
    nearest = np.pad(nearest, 1, constant_values=np.inf)
    right, down, away = _float32(view.axes) @ (points - _float32(view.position)).T
    reach = away - np.float32(2.5 / view.focal_px + 0.4 * blur_m)
    lit = np.zeros(len(points), dtype=np.float32)
    for tap in range(TAPS):
        shift = _scattered(numbers * TAPS + tap) * np.float32(blur_m)
        place = (np.stack([down, right]) + shift) * np.float32(view.focal_px) + (SHADOW_SIDE / 2 + 1)
        row, column = np.clip(place, 0, SHADOW_SIDE + 1).astype(np.int32)
        lit += reach < nearest[row, column]
    return lit / TAPS


def shadowed_place(scene: Scene) -> Float[np.ndarray, " 3"]:
    """Around where shadows fall: before the camera, and at the height of what it sees."""
    place: np.ndarray = scene.view.position + 0.7 * scene.extent_m * scene.view.axes[2] * (1, 0.3, 1)
    return place


def _scattered(numbers: Int[np.ndarray, " n"]) -> Float[np.ndarray, "2 n"]:
    """Two numbers from -1 to 1 for each, the same for the same: noise that needs no order."""
    bits = hashed(numbers.astype(np.uint32))
    return np.stack([bits & 0xFFFF, bits >> 16]).astype(np.float32) / np.float32(32767.5) - 1


def hashed(numbers: UInt32[np.ndarray, " n"]) -> UInt32[np.ndarray, " n"]:
    """32 bits that look random (Wellons' lowbias32)."""
    numbers = (numbers ^ (numbers >> 16)) * np.uint32(0x7FEB352D)
    numbers = (numbers ^ (numbers >> 15)) * np.uint32(0x846CA68B)
    mixed: np.ndarray = numbers ^ (numbers >> 16)
    return mixed


def _casters(scene: Scene, middle: np.ndarray) -> list[Primitive]:
    center = np.stack([p.center for p in scene.primitives])
    size = np.stack([p.half_size for p in scene.primitives])
    near = is_near(center, size, middle, scene.extent_m)
    return [p for p, close in zip(scene.primitives, near, strict=True) if close and p.casts_shadow]


def is_near(
    center: Float[np.ndarray, "n 3"], half_size: Float[np.ndarray, "n 3"], place: np.ndarray, extent_m: float
) -> Bool[np.ndarray, " n"]:
    """What can throw a shadow into the shadow map around a place; most of a street is too far away."""
    gap = np.linalg.norm(center - place, axis=1) - np.linalg.norm(half_size, axis=1)
    near: np.ndarray = gap < 1.5 * extent_m
    return near


def _lamp(light: Light, surface: _Surface) -> Float[np.ndarray, " n"]:
    """A soft lamp without shadows: brighter near it, a little light around corners."""
    offset = _float32(light.lamp_position) - surface.points
    squared = _dot(offset, offset)
    facing = _dot(surface.normals, offset) / np.sqrt(squared + np.float32(1e-6))
    return np.maximum(facing * np.float32(0.8) + np.float32(0.2), 0) / (0.6 + 0.3 * squared)


def _highlight(light: Light, surface: _Surface) -> Float[np.ndarray, "n 3"]:
    """The sun's reflection (Blinn-Phong) and the horizon's at grazing angles, where anything is glossy."""
    shine = np.zeros_like(surface.points)
    at = np.flatnonzero(surface.specular)
    eye, normals = surface.towards_eye[at], surface.normals[at]
    half = _unit(eye + _float32(light.to_sun / np.linalg.norm(light.to_sun)))
    gloss = np.maximum(_dot(half, normals), 0) ** 40
    grazing = (1 - np.abs(_dot(eye, normals))) ** 4
    shine[at] = (surface.specular[at] * (gloss + 0.4 * grazing))[:, None] * _float32(light.horizon)
    return shine


def _sky(light: Light, directions: np.ndarray, clouds: Texture) -> Float[np.ndarray, "n 3"]:
    """A gradient to the zenith with clouds on a plane far above."""
    up = _unit(directions)[:, 1]
    height = np.sqrt(np.clip(up, 0, 1))[:, None]
    clear = _float32(light.horizon) * (1 - height) + _float32(light.zenith) * height
    plane = directions[:, [0, 2]] / (np.maximum(up, 0) + np.float32(0.15))[:, None]
    cover = sample(clouds, plane * np.float32(0.3), np.zeros_like(up))[:, :1]
    weight = np.clip((cover - 1 + light.cloudiness) * 4, 0, 1) * np.clip(up * 8, 0, 1)[:, None]
    colour: np.ndarray = clear * (1 - weight) + weight * (np.float32(0.75) + np.float32(0.35) * cover)
    return colour


def cloud_texture(rng: np.random.Generator) -> Texture:
    """How thick the clouds are."""
    cover = np.clip(0.5 + 0.22 * noise(rng, (4, 4), 6, 0.55), 0, 1)
    return Texture(np.repeat((255 * cover ** (1 / 2.2))[..., None], 3, axis=2).astype(np.uint8))


def _float32(array: np.ndarray) -> np.ndarray:
    return np.asarray(array, dtype=np.float32)


def _dot(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    dot: np.ndarray = np.einsum("ij,ij->i", first, second)
    return dot


def _unit(vectors: np.ndarray) -> np.ndarray:
    unit: np.ndarray = vectors / np.sqrt(_dot(vectors, vectors) + np.float32(1e-20))[:, None]
    return unit
