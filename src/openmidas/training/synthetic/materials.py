"""Surfaces for rendered scenes: crops of photographs, and paint, wood, tiles, leaves made from noise."""

from __future__ import annotations

import colorsys
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float, Int, UInt8

_SIDE = 256


@dataclass(frozen=True, eq=False)
class Texture:
    """A square picture at every half size, in one row: linear RGB, each level's first index and side."""

    texels: Float[np.ndarray, "n 3"]
    first: Int[np.ndarray, " levels"]
    side: Int[np.ndarray, " levels"]


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


# Linear light of every 8-bit value.
_LINEAR: Float[np.ndarray, " 256"] = (np.arange(256, dtype=np.float32) / 255) ** np.float32(2.2)


def to_texture(picture: UInt8[np.ndarray, "n n 3"]) -> Texture:
    """The picture with all its half sizes; its side must be a power of two."""
    levels = [_LINEAR[picture]]
    while len(levels[-1]) > 1:
        rows = levels[-1][::2] + levels[-1][1::2]
        levels.append((rows[:, ::2] + rows[:, 1::2]) / 4)
    sides = np.array([len(level) for level in levels])
    first = np.concatenate([[0], np.cumsum(sides**2)[:-1]])
    return Texture(np.concatenate([level.reshape(-1, 3) for level in levels]), first, sides)


def sample(
    texture: Texture, uv: Float[np.ndarray, "n 2"], level: Float[np.ndarray, " n"]
) -> Float[np.ndarray, "n 3"]:
    """Bilinear colour at `uv` (1 = one tile, mirrored beyond) from the level of detail nearest to `level`."""
    level = np.clip(np.rint(level), 0, len(texture.side) - 1).astype(np.int64)
    first, side = texture.first[level], texture.side[level]
    place = np.abs((uv + 1) % 2 - 1) * (side - 1)[:, None].astype(np.float32)
    corner = np.minimum(place.astype(np.int64), np.maximum(side - 2, 0)[:, None])
    fx, fy = (place - corner).T[:, :, None].astype(np.float32)
    index = first + corner[:, 1] * side + corner[:, 0]
    step = (side > 1).astype(np.int64)
    upper = texture.texels[index] * (1 - fx) + texture.texels[index + step] * fx
    index += step * side
    lower = texture.texels[index] * (1 - fx) + texture.texels[index + step] * fx
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

    total = np.zeros((_SIDE, _SIDE), dtype=np.float32)
    for octave in range(octaves):
        cells = [min(g * 2**octave, _SIDE) for g in grid]
        coarse = rng.standard_normal(cells).astype(np.float32)
        total += roughness**octave * cv2.resize(coarse, (_SIDE, _SIDE), interpolation=cv2.INTER_CUBIC)
    normal: np.ndarray = (total - total.mean()) / max(float(total.std()), 1e-6)
    return normal.astype(np.float32)


def random_rgb(
    rng: np.random.Generator, saturation: float = 0.35, value: tuple[float, float] = (0.25, 0.95)
) -> Rgb:
    """An sRGB colour in [0, 1]; most are pale, as in houses and streets."""
    return colorsys.hsv_to_rgb(rng.random(), min(1.6 * saturation * rng.beta(1.2, 2), 1), rng.uniform(*value))


def coloured(rgb: Rgb, shade: np.ndarray) -> UInt8[np.ndarray, "n n 3"]:
    """A colour brightened and darkened by a map around 1."""
    colour: np.ndarray = np.clip(np.asarray(rgb) * shade[..., None], 0, 1) * 255
    return colour.astype(np.uint8)


def mixed(first: Rgb, second: Rgb, weight: np.ndarray) -> UInt8[np.ndarray, "n n 3"]:
    """The second colour over the first by a map of weights in [0, 1]."""
    weight = np.clip(weight, 0, 1)[..., None]
    colour: np.ndarray = np.asarray(first) * (1 - weight) + np.asarray(second) * weight
    return (255 * colour).astype(np.uint8)


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
    grout = np.array(random_rgb(rng, 0.1)) * 255
    return np.where((edge[:, None] | edge)[..., None], grout, face).astype(np.uint8)


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
    return np.where(edge[..., None], np.array(random_rgb(rng, 0.1)) * 255, brick).astype(np.uint8)


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
    trimmed = np.where(frame[..., None], np.array(random_rgb(rng, 0.15, (0.3, 1))) * 255, wall)
    return np.where(pane[..., None], glass, trimmed).astype(np.uint8)


def photo(rng: np.random.Generator, textures: Sequence[UInt8[np.ndarray, "h w 3"]]) -> np.ndarray:
    """A crop of a random photograph, sometimes faded towards its mean colour."""
    picture = textures[int(rng.integers(len(textures)))]
    side = max(int(rng.uniform(0.3, 1.0) * min(picture.shape[:2])), 1)
    top, left = (int(rng.integers(0, extent - side + 1)) for extent in picture.shape[:2])
    crop = resized(picture[top : top + side, left : left + side]).astype(np.float32)
    keep = float(rng.choice([1.0, rng.uniform(0.15, 0.8)]))
    faded: np.ndarray = np.clip(crop * keep + crop.mean(axis=(0, 1)) * (1 - keep), 0, 255)
    return faded.astype(np.uint8)


def painting(rng: np.random.Generator, textures: Sequence[UInt8[np.ndarray, "h w 3"]]) -> Material:
    """A whole photograph stretched over one face: a poster, a screen, a cover."""
    return Material(to_texture(resized(textures[int(rng.integers(len(textures)))])), 0.0, specular=0.1)


def made_of(picture: np.ndarray, tile_m: float, specular: float = 0.0) -> Material:
    """A material from a square picture that spans `tile_m` metres."""
    return Material(to_texture(picture), tile_m, specular=specular)


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
