"""Surfaces for rendered scenes: crops of photographs, and paint, wood, tiles, leaves made from noise."""

from __future__ import annotations

import colorsys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from jaxtyping import Bool, Float, Int, UInt8

_SIDE = 256


@dataclass(frozen=True, eq=False)
class Levels:
    """A square picture at every half size, in one row: sRGB, each level's first index and side."""

    texels: UInt8[np.ndarray, "n 3"]
    first: Int[np.ndarray, " levels"]
    side: Int[np.ndarray, " levels"]


@dataclass(frozen=True, eq=False)
class Texture:
    """A square sRGB picture whose side is a power of two."""

    picture: UInt8[np.ndarray, "n n 3"]

    @cached_property
    def levels(self) -> Levels:
        """Its half sizes, made when it is first looked at: half of a scene's textures are not in view."""
        return _halved(self.picture)


@dataclass(frozen=True, eq=False)
class Material:
    """A texture repeated (mirrored) every `tile_m` metres, or stretched over the face when `tile_m` is 0."""

    texture: Texture
    tile_m: float = 1.0
    tint: tuple[float, float, float] = (1.0, 1.0, 1.0)
    specular: float = 0.0
    emission: float = 0.0
    offset: tuple[float, float] = (0.0, 0.0)


Rgb = tuple[float, float, float]


# Linear light of every 8-bit value, and the 8-bit value of linear light in steps of 1/65535.
LINEAR: Float[np.ndarray, " 256"] = (np.arange(256, dtype=np.float32) / 255) ** np.float32(2.2)
_TO_8_BIT: UInt8[np.ndarray, " 65536"]
_TO_8_BIT = np.rint(255 * (np.arange(65536) / 65535) ** (1 / 2.2)).astype(np.uint8)


def _halved(picture: UInt8[np.ndarray, "n n 3"]) -> Levels:
    import cv2

    levels, linear = [picture], cv2.LUT(picture, LINEAR)
    while len(linear) > 1:
        # the mean of each two by two, in linear light: far stripes stay as bright as near ones
        linear = cv2.resize(linear, (len(linear) // 2,) * 2, interpolation=cv2.INTER_AREA)
        levels.append(_TO_8_BIT.take((linear * np.float32(65535) + np.float32(0.5)).astype(np.uint16)))
    sides = np.array([len(level) for level in levels])
    first = np.concatenate([[0], np.cumsum(sides**2)[:-1]])
    return Levels(np.concatenate([level.reshape(-1, 3) for level in levels]), first, sides)


def sample(
    texture: Texture, uv: Float[np.ndarray, "n 2"], level: Float[np.ndarray, " n"]
) -> Float[np.ndarray, "n 3"]:
    """Bilinear colour at `uv` (1 = one tile, mirrored beyond), linear light, from the nearest level of detail."""
    levels = texture.levels
    level = np.clip(np.rint(level), 0, len(levels.side) - 1).astype(np.int64)
    first, side = levels.first[level], levels.side[level]
    place = np.abs((uv + 1) % 2 - 1) * (side - 1)[:, None].astype(np.float32)
    corner = np.minimum(place.astype(np.int64), np.maximum(side - 2, 0)[:, None])
    fx, fy = (place - corner).T[:, :, None].astype(np.float32)
    index = first + corner[:, 1] * side + corner[:, 0]
    step = (side > 1).astype(np.int64)
    upper = LINEAR[levels.texels[index]] * (1 - fx) + LINEAR[levels.texels[index + step]] * fx
    index += step * side
    lower = LINEAR[levels.texels[index]] * (1 - fx) + LINEAR[levels.texels[index + step]] * fx
    colour: np.ndarray = upper * (1 - fy) + lower * fy
    return colour


def resized(picture: np.ndarray, side: int = _SIDE) -> np.ndarray:
    """The picture as a square of the given side."""
    import cv2

    smooth = cv2.INTER_AREA if min(picture.shape[:2]) > side else cv2.INTER_CUBIC
    square: np.ndarray = cv2.resize(picture, (side, side), interpolation=smooth)
    return square


def noise(
    rng: np.random.Generator, grid: tuple[int, int], octaves: int = 5, roughness: float = 0.6
) -> np.ndarray:
    """Value noise, (side, side) float32 with mean near 0 and spread near 1, coarsest cells as `grid` says."""
    import cv2

    total: np.ndarray = np.zeros(grid, np.float32)
    for octave in range(octaves):
        cells = [min(g * 2**octave, _SIDE) for g in grid]
        # enlarged from octave to octave: most of the work is then done at the small ones
        total = cv2.resize(total, cells[::-1], interpolation=cv2.INTER_CUBIC) if octave else total
        total += np.float32(roughness**octave) * rng.standard_normal(cells).astype(np.float32)
    total = cv2.resize(total, (_SIDE, _SIDE), interpolation=cv2.INTER_CUBIC)
    (mean,), (spread,) = cv2.meanStdDev(total)
    normal: np.ndarray = (total - np.float32(mean[0])) / np.float32(max(float(spread[0]), 1e-6))
    return normal


def random_rgb(
    rng: np.random.Generator, saturation: float = 0.35, value: tuple[float, float] = (0.25, 0.95)
) -> Rgb:
    """An sRGB colour in [0, 1]; most are pale, as in houses and streets."""
    return colorsys.hsv_to_rgb(rng.random(), min(1.6 * saturation * rng.beta(1.2, 2), 1), rng.uniform(*value))


def coloured(rgb: Rgb, shade: np.ndarray) -> UInt8[np.ndarray, "n n 3"]:
    """A colour brightened and darkened by a map around 1."""
    picture = np.empty((*shade.shape, 3), np.uint8)
    # one channel at a time, in single precision: textures are most of what a scene costs
    single = shade.astype(np.float32)
    for channel, level in enumerate(rgb):
        picture[..., channel] = np.clip(single * np.float32(255 * level), 0, 255)
    return picture


def mixed(first: Rgb, second: Rgb, weight: np.ndarray) -> UInt8[np.ndarray, "n n 3"]:
    """The second colour over the first by a map of weights in [0, 1]."""
    picture = np.empty((*weight.shape, 3), np.uint8)
    single = np.clip(weight, 0, 1).astype(np.float32)
    for channel, (low, high) in enumerate(zip(first, second, strict=True)):
        picture[..., channel] = np.float32(255 * low) + np.float32(255 * (high - low)) * single
    return picture


def framed(
    picture: UInt8[np.ndarray, "n n 3"], at: Bool[np.ndarray, "n n"], rgb: Rgb
) -> UInt8[np.ndarray, "n n 3"]:
    """The picture with one colour where `at` says."""
    painted = picture.copy()
    painted[at] = (np.asarray(rgb) * 255).astype(np.uint8)
    return painted


def paint(rng: np.random.Generator) -> np.ndarray:
    """Plain paint with faint stains."""
    return coloured(random_rgb(rng), 1 + rng.uniform(0.005, 0.06) * noise(rng, (3, 3)))


def plaster(rng: np.random.Generator) -> np.ndarray:
    """A pale wall."""
    return coloured(random_rgb(rng, 0.15, (0.6, 0.95)), 1 + rng.uniform(0.005, 0.04) * noise(rng, (4, 4)))


def speckle(rng: np.random.Generator) -> np.ndarray:
    """Fine grain: carpet, asphalt, cloth."""
    return coloured(random_rgb(rng), 1 + rng.uniform(0.05, 0.2) * noise(rng, (32, 32), 3, 1.0))


def asphalt(rng: np.random.Generator) -> np.ndarray:
    """Grey road with grain and patches."""
    grain = 0.08 * noise(rng, (64, 64), 3, 1.0) + 0.1 * noise(rng, (2, 4), 4)
    return coloured(random_rgb(rng, 0.08, (0.25, 0.6)), 1 + grain)


def wood(rng: np.random.Generator) -> np.ndarray:
    """Grain along the first axis, in boards."""
    boards = int(rng.integers(1, 7))
    tone = np.repeat(rng.uniform(0.75, 1.1, boards), -(-_SIDE // boards))[:_SIDE]
    seam = (np.arange(_SIDE) % -(-_SIDE // boards)) < (2 if boards > 1 else 0)
    shade = (1 + 0.12 * noise(rng, (2, 24), 4, 0.8)) * np.where(seam, 0.45, tone)
    hue = rng.uniform(0.04, 0.11)
    return coloured(colorsys.hsv_to_rgb(hue, rng.uniform(0.25, 0.65), rng.uniform(0.3, 0.85)), shade)


def tiles(rng: np.random.Generator) -> np.ndarray:
    """Square tiles or a checkerboard."""
    count = int(rng.choice([2, 4, 8]))
    place = np.arange(_SIDE) * count // _SIDE
    edge = (np.arange(_SIDE) % (_SIDE // count)) < rng.integers(1, 4)
    odd = (place[:, None] + place) % 2 * rng.choice([0, 0, 1.0])
    face = mixed(random_rgb(rng), random_rgb(rng), odd + 0.05 * noise(rng, (4, 4)))
    return framed(face, edge[:, None] | edge, random_rgb(rng, 0.1))


def bricks(rng: np.random.Generator) -> np.ndarray:
    """Rows of bricks, each second one shifted by half."""
    row = np.arange(_SIDE) // 32
    column = (np.arange(_SIDE)[None, :] + 32 * (row[:, None] % 2)) % _SIDE // 64
    tone = rng.uniform(0.7, 1.15, (8, 4))[row[:, None], column]
    edge = (np.arange(_SIDE)[:, None] % 32 < 4) | (
        (np.arange(_SIDE)[None, :] + 32 * (row[:, None] % 2)) % 64 < 4
    )
    brick = coloured(
        colorsys.hsv_to_rgb(rng.uniform(0, 0.1), rng.uniform(0.2, 0.6), rng.uniform(0.35, 0.8)), tone
    )
    return framed(brick, edge, random_rgb(rng, 0.1))


def stripes(rng: np.random.Generator) -> np.ndarray:
    """Soft or hard stripes in two colours."""
    wave = np.sin(np.arange(_SIDE) * 2 * np.pi * rng.integers(2, 16) / _SIDE) * rng.choice([0.5, 20])
    return mixed(random_rgb(rng, 0.7), random_rgb(rng, 0.7), np.broadcast_to(0.5 + wave, (_SIDE, _SIDE)))


def foliage(rng: np.random.Generator) -> np.ndarray:
    """Leaves, grass, earth: deep contrast in greens and browns."""
    hue = rng.choice([rng.uniform(0.2, 0.36), rng.uniform(0.06, 0.18)], p=[0.75, 0.25])
    rgb = colorsys.hsv_to_rgb(hue, rng.uniform(0.25, 0.7), rng.uniform(0.3, 0.65))
    return coloured(rgb, np.exp(rng.uniform(0.12, 0.4) * noise(rng, (16, 16), 5, 0.95)))


def facade(rng: np.random.Generator) -> np.ndarray:
    """Two by two windows, frames and sills on a wall."""
    wall = [plaster, bricks, paint, speckle][rng.integers(4)](rng)
    width, height = rng.uniform(0.25, 0.75, 2)
    u = np.abs((np.arange(_SIDE) * 2 / _SIDE) % 1 - 0.5) * 2
    pane = (u[None, :] < width) & (u[:, None] < height)
    frame = (u[None, :] < width + 0.08) & (u[:, None] < height + 0.06)
    glass = coloured(random_rgb(rng, 0.2, (0.08, 0.6)), 1 + 0.25 * noise(rng, (2, 2)))
    trimmed = framed(wall, frame, random_rgb(rng, 0.15, (0.3, 1)))
    trimmed[pane] = glass[pane]
    return trimmed


def photo(rng: np.random.Generator, textures: Sequence[UInt8[np.ndarray, "h w 3"]]) -> np.ndarray:
    """A crop of a random photograph, sometimes faded towards its mean colour."""
    import cv2

    picture = textures[int(rng.integers(len(textures)))]
    side = max(int(rng.uniform(0.3, 1.0) * min(picture.shape[:2])), 1)
    top, left = (int(rng.integers(0, extent - side + 1)) for extent in picture.shape[:2])
    crop = resized(picture[top : top + side, left : left + side])
    keep = float(rng.choice([1.0, rng.uniform(0.15, 0.8)]))
    mean = np.broadcast_to(np.array(cv2.mean(crop)[:3], np.uint8), crop.shape)
    return np.asarray(cv2.addWeighted(crop, keep, mean, 1 - keep, 0))


def painting(rng: np.random.Generator, textures: Sequence[UInt8[np.ndarray, "h w 3"]]) -> Material:
    """A whole photograph stretched over one face: a poster, a screen, a cover."""
    return Material(Texture(resized(textures[int(rng.integers(len(textures)))])), 0.0, specular=0.1)


def made_of(picture: np.ndarray, tile_m: float, specular: float = 0.0) -> Material:
    """A material from a square picture that spans `tile_m` metres."""
    return Material(Texture(picture), tile_m, specular=specular)


def varied(material: Material, rng: np.random.Generator) -> Material:
    """The same texture on another object: other place, tint and scale."""
    tint = tuple(rng.uniform(0.75, 1.2) * rng.uniform(0.85, 1.15, 3))
    shift = tuple(rng.uniform(0, 2, 2))
    return replace(material, tint=tint, offset=shift, tile_m=material.tile_m * rng.uniform(0.6, 1.7))


_SURFACES = (paint, paint, wood, wood, speckle, tiles, stripes, plaster)


def furnishing(rng: np.random.Generator, textures: Sequence[UInt8[np.ndarray, "h w 3"]]) -> Material:
    """Something objects are made of."""
    picture = photo(rng, textures) if rng.random() < 0.4 else _SURFACES[rng.integers(len(_SURFACES))](rng)
    return made_of(picture, float(rng.uniform(0.3, 1.8)), float(rng.choice([0, 0, 0.15, 0.6])))
