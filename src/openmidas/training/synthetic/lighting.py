"""The light on ray-cast samples, compiled: what `shading` says plainly, one sample after the other."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from openmidas.training.synthetic.casting import Seen, compiled, inlined, surface_uv, unit_normal
from openmidas.training.synthetic.shading import TAPS


class Shadows(NamedTuple):
    """A shadow map with a border that is for ever lit: how deep the light of an orthographic view reaches.

    salt: makes the places differ at which two maps are read.
    """

    nearest: np.ndarray
    position: np.ndarray
    axes: np.ndarray
    focal_px: float
    bias_m: float
    blur_m: float
    salt: int


class Surfaces(NamedTuple):
    """What the solids are made of. texels: (t, 3) sRGB of every texture at every half size, in one row.

    texture: (n,) of each solid. first, side: (textures, levels). tint: (n, 3). scaling: (n, 3) tile in metres and
    offset. shine: (n, 2) specular, emission. linear: (256,) linear light of an 8-bit value.
    """

    texels: np.ndarray
    texture: np.ndarray
    first: np.ndarray
    side: np.ndarray
    levels: np.ndarray
    tint: np.ndarray
    scaling: np.ndarray
    shine: np.ndarray
    linear: np.ndarray


class Lamps(NamedTuple):
    """The fields of a `Light`, with a unit vector to the sun."""

    to_sun: np.ndarray
    sun: np.ndarray
    ambient: np.ndarray
    lamp: np.ndarray
    lamp_position: np.ndarray
    zenith: np.ndarray
    horizon: np.ndarray
    cloudiness: float
    haze_m: float


class Eye(NamedTuple):
    """A perspective view with `samples` by `samples` rays in each pixel."""

    position: np.ndarray
    axes: np.ndarray
    focal_px: float
    samples: int


class Lit(NamedTuple):
    """A whole scene, ready to be looked at."""

    eye: Eye
    seen: Seen
    surfaces: Surfaces
    lamps: Lamps
    sun: Shadows
    sky: Shadows


@inlined
def _dot(a, b):  # type: ignore[no-untyped-def]
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]


@inlined
def _turned(axes, a):  # type: ignore[no-untyped-def]
    """Along each row of a 3×3; indexed one by one, for views of arrays cost more than the sums."""
    x, y, z = a
    return (
        axes[0, 0] * x + axes[0, 1] * y + axes[0, 2] * z,
        axes[1, 0] * x + axes[1, 1] * y + axes[1, 2] * z,
        axes[2, 0] * x + axes[2, 1] * y + axes[2, 2] * z,
    )


@inlined
def _vector(rows, n):  # type: ignore[no-untyped-def]
    return rows[n, 0], rows[n, 1], rows[n, 2]


@inlined
def _normalised(a):  # type: ignore[no-untyped-def]
    scale = 1 / np.sqrt(_dot(a, a) + 1e-20)
    return a[0] * scale, a[1] * scale, a[2] * scale


@inlined
def _hashed(number):  # type: ignore[no-untyped-def]
    """As `shading.hashed`: 32 bits that look random."""
    number = np.uint32(number)
    number = np.uint32((number ^ (number >> np.uint32(16))) * np.uint32(0x7FEB352D))
    number = np.uint32((number ^ (number >> np.uint32(15))) * np.uint32(0x846CA68B))
    return np.uint32(number ^ (number >> np.uint32(16)))


@inlined
def _lit_share(shadows, point, sample):  # type: ignore[no-untyped-def]
    """The share of a light that reaches a point: the map read at places within its blur."""
    side = len(shadows.nearest)
    offset = (
        point[0] - shadows.position[0],
        point[1] - shadows.position[1],
        point[2] - shadows.position[2],
    )
    right, down, reach = _turned(shadows.axes, offset)
    reach -= shadows.bias_m
    blur_px = shadows.blur_m * shadows.focal_px
    step_px = blur_px / 32767.5
    row, column = down * shadows.focal_px + side / 2 - blur_px, right * shadows.focal_px + side / 2 - blur_px
    lit = 0
    for tap in range(TAPS):
        bits = _hashed(np.uint32(sample) * np.uint32(TAPS) + np.uint32(tap) + np.uint32(shadows.salt))
        y = row + np.float64(bits & np.uint32(0xFFFF)) * step_px
        x = column + np.float64(bits >> np.uint32(16)) * step_px
        i, j = int(min(max(y, 0.0), side - 1.0)), int(min(max(x, 0.0), side - 1.0))
        lit += reach < shadows.nearest[i, j]
    return lit / TAPS


@inlined
def _mirrored(place):  # type: ignore[no-untyped-def]
    """Forth and back between 0 and 1; by floor, for the remainder of a division is slow."""
    place += 1
    return abs(place - 2 * np.floor(place * 0.5) - 1)


@inlined
def _texture_colour(surfaces, number, uv, level):  # type: ignore[no-untyped-def]
    """Bilinear linear-light colour, mirrored beyond the tile, from the level of detail nearest to `level`."""
    step = min(max(int(np.rint(level)), 0), surfaces.levels[number] - 1)
    first, side = surfaces.first[number, step], surfaces.side[number, step]
    u, v = _mirrored(uv[0]) * (side - 1), _mirrored(uv[1]) * (side - 1)
    x, y = min(int(u), max(side - 2, 0)), min(int(v), max(side - 2, 0))
    fx, fy = u - x, v - y
    at = first + y * side + x
    across = 1 if side > 1 else 0
    below = at + across * side
    a, b, c, d = (1 - fx) * (1 - fy), fx * (1 - fy), (1 - fx) * fy, fx * fy
    texels, linear = surfaces.texels, surfaces.linear
    red = a * linear[texels[at, 0]] + b * linear[texels[at + across, 0]]
    green = a * linear[texels[at, 1]] + b * linear[texels[at + across, 1]]
    blue = a * linear[texels[at, 2]] + b * linear[texels[at + across, 2]]
    red += c * linear[texels[below, 0]] + d * linear[texels[below + across, 0]]
    green += c * linear[texels[below, 1]] + d * linear[texels[below + across, 1]]
    blue += c * linear[texels[below, 2]] + d * linear[texels[below + across, 2]]
    return red, green, blue


@inlined
def _albedo(surfaces, n, half, local, normal, footprint_m):  # type: ignore[no-untyped-def]
    tile_m = surfaces.scaling[n, 0]
    mapped = normal[0] / half[0], normal[1] / half[1], normal[2] / half[2]
    if tile_m > 0:
        u, v = surface_uv((local[0] * half[0], local[1] * half[1], local[2] * half[2]), mapped)
        span = tile_m
        u, v = u / span, v / span
    else:
        span = 2 * max(half[0], half[1])
        u, v = surface_uv(local, mapped)
        u, v = u / 2 + 0.5, v / 2 + 0.5
    number = surfaces.texture[n]
    level = np.log2(max(footprint_m * surfaces.side[number, 0] / span, 1e-3))
    place = u + surfaces.scaling[n, 1], surfaces.scaling[n, 2] - v
    red, green, blue = _texture_colour(surfaces, number, place, level)
    return red * surfaces.tint[n, 0], green * surfaces.tint[n, 1], blue * surfaces.tint[n, 2]


@inlined
def _sky(surfaces, lamps, direction):  # type: ignore[no-untyped-def]
    """A gradient to the zenith with clouds, the last texture, on a plane far above."""
    up = _normalised(direction)[1]
    height = np.sqrt(min(max(up, 0.0), 1.0))
    reach = 0.3 / (max(up, 0.0) + 0.15)
    place = direction[0] * reach, direction[2] * reach
    cover = _texture_colour(surfaces, len(surfaces.levels) - 1, place, 0.0)[0]
    weight = min(max((cover - 1 + lamps.cloudiness) * 4, 0.0), 1.0) * min(max(up * 8, 0.0), 1.0)
    cloud = weight * (0.75 + 0.35 * cover)
    clear, high = (1 - weight) * (1 - height), (1 - weight) * height
    return (
        clear * lamps.horizon[0] + high * lamps.zenith[0] + cloud,
        clear * lamps.horizon[1] + high * lamps.zenith[1] + cloud,
        clear * lamps.horizon[2] + high * lamps.zenith[2] + cloud,
    )


@inlined
def _lamp(lamps, point, normal):  # type: ignore[no-untyped-def]
    place = lamps.lamp_position
    offset = place[0] - point[0], place[1] - point[1], place[2] - point[2]
    squared = _dot(offset, offset)
    facing = _dot(normal, offset) / np.sqrt(squared + 1e-6)
    return max(facing * 0.8 + 0.2, 0.0) / (0.6 + 0.3 * squared)


@inlined
def _highlight(lamps, eye, normal):  # type: ignore[no-untyped-def]
    sun = lamps.to_sun
    half = _normalised((eye[0] + sun[0], eye[1] + sun[1], eye[2] + sun[2]))
    gloss = max(_dot(half, normal), 0.0)
    # to the power of 40
    gloss *= gloss
    gloss *= gloss
    gloss *= gloss
    gloss = gloss * gloss * gloss * gloss * gloss
    grazing = 1 - abs(_dot(eye, normal))
    grazing *= grazing
    return gloss + 0.4 * grazing * grazing


@inlined
def _surface_colour(lit, n, depth, direction, sample):  # type: ignore[no-untyped-def]
    eye, seen, surfaces, lamps = lit.eye, lit.seen, lit.surfaces, lit.lamps
    point = (
        eye.position[0] + depth * direction[0],
        eye.position[1] + depth * direction[1],
        eye.position[2] + depth * direction[2],
    )
    cx, cy, cz = _vector(seen.center, n)
    offset = point[0] - cx, point[1] - cy, point[2] - cz
    unit = seen.unit
    x_axis = unit[n, 0, 0], unit[n, 0, 1], unit[n, 0, 2]
    y_axis = unit[n, 1, 0], unit[n, 1, 1], unit[n, 1, 2]
    z_axis = unit[n, 2, 0], unit[n, 2, 1], unit[n, 2, 2]
    local = _dot(x_axis, offset), _dot(y_axis, offset), _dot(z_axis, offset)
    towards = _normalised((-direction[0], -direction[1], -direction[2]))
    a, b, c = unit_normal(seen.shape[n], local)
    normal = _normalised(
        (
            a * x_axis[0] + b * y_axis[0] + c * z_axis[0],
            a * x_axis[1] + b * y_axis[1] + c * z_axis[1],
            a * x_axis[2] + b * y_axis[2] + c * z_axis[2],
        )
    )
    facing = _dot(normal, towards)
    side = np.sign(facing)
    normal = normal[0] * side, normal[1] * side, normal[2] * side
    footprint_m = depth / eye.focal_px / np.sqrt(max(abs(facing), 0.05))
    albedo = _albedo(surfaces, n, _vector(seen.half_size, n), local, (a, b, c), footprint_m)
    sunward = max(_dot(normal, lamps.to_sun), 0.0)
    sun = sunward * _lit_share(lit.sun, point, sample) if sunward > 0 else 0.0
    sky = (0.65 + 0.35 * normal[1]) * (0.45 + 0.55 * _lit_share(lit.sky, point, sample))
    lamp = _lamp(lamps, point, normal)
    specular, emission = surfaces.shine[n, 0], surfaces.shine[n, 1]
    shine = specular * _highlight(lamps, towards, normal) if specular else 0.0
    clear = np.exp(-depth / lamps.haze_m) if lamps.haze_m < np.inf else 1.0
    red = albedo[0] * (sky * lamps.ambient[0] + sun * lamps.sun[0] + lamp * lamps.lamp[0] + emission)
    green = albedo[1] * (sky * lamps.ambient[1] + sun * lamps.sun[1] + lamp * lamps.lamp[1] + emission)
    blue = albedo[2] * (sky * lamps.ambient[2] + sun * lamps.sun[2] + lamp * lamps.lamp[2] + emission)
    return (
        (red + shine * lamps.horizon[0]) * clear + lamps.horizon[0] * (1 - clear),
        (green + shine * lamps.horizon[1]) * clear + lamps.horizon[1] * (1 - clear),
        (blue + shine * lamps.horizon[2]) * clear + lamps.horizon[2] * (1 - clear),
    )


@compiled
def light_pixels(lit, depth, index, picture):  # type: ignore[no-untyped-def]
    """Fill the picture (h, w, 3) with the mean linear light of each pixel's samples."""
    rows, columns = depth.shape
    eye, samples = lit.eye, lit.eye.samples
    right, down, forward = eye.axes[0], eye.axes[1], eye.axes[2]
    picture[:] = 0
    share = 1 / (samples * samples)
    for row in range(rows):
        y = (row + 0.5 - rows / 2) / eye.focal_px
        for column in range(columns):
            x = (column + 0.5 - columns / 2) / eye.focal_px
            direction = (
                x * right[0] + y * down[0] + forward[0],
                x * right[1] + y * down[1] + forward[1],
                x * right[2] + y * down[2] + forward[2],
            )
            n = index[row, column]
            if n < 0:
                colour = _sky(lit.surfaces, lit.lamps, direction)
            else:
                colour = _surface_colour(lit, n, depth[row, column], direction, row * columns + column)
            i, j = row // samples, column // samples
            picture[i, j, 0] += colour[0] * share
            picture[i, j, 1] += colour[1] * share
            picture[i, j, 2] += colour[2] * share
