"""Random changes to a training picture and its target: geometry alike for both, colour for the picture only."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
from jaxtyping import Bool, Float, UInt8
from numpy.random import Generator

from openmidas.training.annotations import Sample, move
from openmidas.training.datasets.entry import OrdinalPairs

MAX_ROTATION_DEG = 6.0
MIN_CROP = 0.45  # of the largest crop's side
CUT_MARGIN = 2.0  # around a crop, in pixels of the new picture: smoothing reaches less far


def warp(sample: Sample, size: tuple[int, int], rng: Generator) -> Sample:
    """A random crop, stretched a little, sometimes turned and mirrored, at `size` (height, width); see `move`.

    The crop never leaves the picture but for the corners of a turned one, which are mirrored in.
    """
    to_source = _random_crop(sample.image.shape[:2], size, rng)
    return move(*_cut_out(sample, to_source, size), size)


def _cut_out(
    sample: Sample, to_source: Float[np.ndarray, "2 3"], size: tuple[int, int]
) -> tuple[Sample, Float[np.ndarray, "2 3"]]:
    """What of a picture the new one shows, with a margin, as views, and the map to it: the rest costs no time."""
    (height, width), m = size, CUT_MARGIN
    corners = np.array([[-m, width + m, -m, width + m], [-m, -m, height + m, height + m]])
    places = to_source[:, :2] @ corners + to_source[:, 2:]
    limits = np.array(sample.image.shape[1::-1])
    left, top = np.clip(np.floor(places.min(axis=1)).astype(int) - 1, 0, limits)
    right, bottom = np.clip(np.ceil(places.max(axis=1)).astype(int) + 1, 0, limits)
    part = np.s_[top:bottom, left:right]
    pairs = sample.pairs
    if pairs is not None:
        shape = (int(bottom - top), int(right - left))
        pairs = OrdinalPairs(pairs.first - [top, left], pairs.second - [top, left], pairs.relation, shape)
    cut = Sample(sample.image[part], sample.target[part], sample.valid[part], sample.ambiguity, pairs)
    return cut, to_source - np.array([[0, 0, left], [0, 0, top]])


def _random_crop(shape: tuple[int, ...], size: tuple[int, int], rng: Generator) -> Float[np.ndarray, "2 3"]:
    """From points of the new picture to those of the old."""
    (h, w), (height, width) = shape, size
    aspect = width / height * np.exp(rng.uniform(-0.2, 0.2))
    crop_w = min(w, h * aspect) * rng.uniform(MIN_CROP, 1.0) ** 0.7
    crop_h = crop_w / aspect
    centre = np.array([rng.uniform(crop_w, 2 * w - crop_w), rng.uniform(crop_h, 2 * h - crop_h)]) / 2
    angle = np.radians(rng.normal(0, MAX_ROTATION_DEG / 2)) if rng.random() < 0.3 else 0.0
    mirror = -1.0 if rng.random() < 0.5 else 1.0
    cos, sin = np.cos(angle), np.sin(angle)
    linear = np.array([[cos, -sin], [sin, cos]]) @ np.diag([mirror * crop_w / width, crop_h / height])
    return np.column_stack([linear, centre - linear @ np.array([width, height]) / 2])


def paste_shapes(sample: Sample, texture: UInt8[np.ndarray, "h w 3"], rng: Generator) -> Sample:
    """Lay one to three textured flat shapes in front of the scene: exact edges on real backgrounds.

    Each is nearer than everything it covers, as far as that is known, and flat or slanted; the picture's edge is
    soft by one pixel. Sparse truth stays sparse: a shape's depth is told where the scene's was, lest shapes outnumber
    the dots of a laser. Shapes fall only where some depth is known; pairs with a covered point are dropped.
    """
    image, target, valid = sample.image.astype(np.float32), sample.target.copy(), sample.valid
    height, width = target.shape
    texture = cv2.resize(texture, (width, height), interpolation=cv2.INTER_LINEAR).astype(np.float32)
    spread = float(np.std(target[valid], dtype=np.float64)) if valid.any() else 1.0
    hidden = np.zeros_like(valid)
    for _ in range(rng.integers(1, 4)):
        cover = _random_shape((height, width), rng)
        y, x = np.nonzero((cover > 0.5) & valid)
        if not y.size:
            continue
        image += cover[..., None] * (_random_surface(texture, rng) - image)
        hidden |= cover > 0
        near = float(np.max(target[y, x])) + spread * rng.uniform(0.15, 1.5)
        slant = rng.normal(0, 0.3, 2) * spread
        target[y, x] = near + slant[0] * (y / height - 0.5) + slant[1] * (x / width - 0.5)
    pairs = None if sample.pairs is None else _in_sight(sample.pairs, hidden)
    return replace(sample, image=image.clip(0, 255).astype(np.uint8), target=target, pairs=pairs)


def _in_sight(pairs: OrdinalPairs, hidden: Bool[np.ndarray, "h w"]) -> OrdinalPairs:
    kept = ~(hidden[tuple(pairs.first.T)] | hidden[tuple(pairs.second.T)])
    return OrdinalPairs(pairs.first[kept], pairs.second[kept], pairs.relation[kept], pairs.shape)


def _random_surface(texture: Float[np.ndarray, "h w 3"], rng: Generator) -> Float[np.ndarray, "h w 3"]:
    """The texture itself, one colour, or that colour with a trace of the texture."""
    share = rng.choice([1.0, 0.0, 0.2], p=[0.5, 0.25, 0.25])
    shifted = np.roll(texture, int(rng.integers(texture.shape[1])), axis=1)
    return shifted * np.float32(share) + (rng.uniform(0, 255, 3) * (1 - share)).astype(np.float32)


def _random_shape(shape: tuple[int, int], rng: Generator) -> Float[np.ndarray, "h w"]:
    """Coverage in 0 ... 1 of a polygon, an ellipse or a few thin strokes, drawn at twice the size."""
    height, width = shape
    canvas = np.zeros((2 * height, 2 * width), np.uint8)
    extent = np.array([2 * width, 2 * height])
    kind = rng.integers(3)
    centre = rng.uniform(0.1, 0.9, 2) * extent
    radius = rng.uniform(0.05, 0.25) * extent.min() * 1.5
    if kind == 0:
        angles = np.sort(rng.uniform(0, 2 * np.pi, rng.integers(3, 9)))
        radii = radius * rng.uniform(0.4, 1.2, angles.size)
        points = centre + np.stack([radii * np.cos(angles), radii * np.sin(angles)], 1)
        cv2.fillPoly(canvas, [points.astype(np.int32)], 255)
    elif kind == 1:
        axes = (int(radius), int(radius * rng.uniform(0.2, 1.0)))
        cv2.ellipse(canvas, centre.astype(int).tolist(), axes, float(rng.uniform(0, 180)), 0, 360, 255, -1)
    else:
        for _ in range(rng.integers(1, 5)):
            ends = rng.uniform(0, 1, (int(rng.integers(2, 4)), 2)) * extent
            cv2.polylines(canvas, [ends.astype(np.int32)], False, 255, int(rng.integers(2, 14)))
    return cv2.resize(canvas, (width, height), interpolation=cv2.INTER_AREA).astype(np.float32) / 255


def recolour(image: UInt8[np.ndarray, "h w 3"], rng: Generator) -> UInt8[np.ndarray, "h w 3"]:
    """Exposure, contrast, white balance, saturation; then now and then blur, noise, fewer pixels, JPEG."""
    out: np.ndarray = image
    if rng.random() < 0.8:
        out = _regraded(out, rng)
    if rng.random() < 0.15:
        out = np.asarray(cv2.GaussianBlur(out, (0, 0), float(rng.uniform(0.4, 1.6))))
    if rng.random() < 0.2:
        noise = rng.standard_normal(out.shape, np.float32)
        out = _rounded(out + noise * np.float32(255 * rng.uniform(0.005, 0.06)))
    if rng.random() < 0.1:
        out = _coarser(out, float(rng.uniform(0.4, 0.8)))
    if rng.random() < 0.25:
        quality = [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(20, 90))]
        out = np.asarray(cv2.imdecode(cv2.imencode(".jpg", out, quality)[1], cv2.IMREAD_COLOR))
    return out


def _regraded(image: UInt8[np.ndarray, "h w 3"], rng: Generator) -> UInt8[np.ndarray, "h w 3"]:
    """Another gamma, contrast, brightness, white balance and saturation; one in sixteen gray."""
    # what a channel becomes depends on its own value alone until they are mixed: 256 rows instead of every pixel
    x = np.linspace(0, 1, 256) ** np.exp(rng.normal(0, 0.25))
    x = (x - 0.5) * np.exp(rng.normal(0, 0.2)) + 0.5 + rng.normal(0, 0.07)
    table = 255 * x[:, None, None] * np.exp(rng.normal(0, 0.08, 3))
    saturation = rng.choice([0.0, rng.uniform(0.4, 1.6)], p=[0.06, 0.94])
    mixing = saturation * np.eye(3) + (1 - saturation) / 3
    return _rounded(cv2.transform(cv2.LUT(image, table.astype(np.float32)), mixing))


def _rounded(x: Float[np.ndarray, "h w 3"]) -> UInt8[np.ndarray, "h w 3"]:
    """The nearest whole number from 0 to 255."""
    return np.asarray(cv2.convertScaleAbs(np.maximum(x, 0)))


def _coarser(image: UInt8[np.ndarray, "h w 3"], factor: float) -> UInt8[np.ndarray, "h w 3"]:
    """The detail of a picture `factor` times as large, at the same size."""
    height, width = image.shape[:2]
    small = cv2.resize(image, (int(width * factor), int(height * factor)), interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC))
