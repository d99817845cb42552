"""Pictures out of nothing, for posters, screens and patterned surfaces where no photographs are given."""

from __future__ import annotations

import numpy as np
from jaxtyping import UInt8

from openmidas.training.synthetic.materials import random_rgb

_SHAPE = (192, 256)
_COUNT = 3


def procedural_pictures(rng: np.random.Generator) -> list[UInt8[np.ndarray, "h w 3"]]:
    """A handful of pictures, enough for one scene."""
    return [dead_leaves(rng) for _ in range(_COUNT)]


def dead_leaves(rng: np.random.Generator) -> UInt8[np.ndarray, "h w 3"]:
    """Opaque shapes of all sizes fallen on each other over a soft ground, lit from one side.

    Their edges and contrasts are as frequent as those of photographs: sizes follow a cubic law (Lee, Mumford and
    Huang, Occlusion models for natural images, 2001). A palette of few colours makes it one picture.
    """
    import cv2

    height, width = _SHAPE
    palette = (np.array([random_rgb(rng, 0.6) for _ in range(6)]) * 255).astype(np.uint8)
    blots = palette[rng.integers(3, size=(4, 4))]
    picture = cv2.resize(blots, (width, height), interpolation=cv2.INTER_CUBIC)
    count, smallest, largest = int(rng.integers(20, 110)), 4.0, float(rng.uniform(50, 160))
    # the cubic law by its inverse distribution; a few large ones more, for parts of a picture are larger than itself
    share = np.append(rng.random(count) ** 2, rng.uniform(0.98, 1, 5))
    radius = (smallest**-2 - share * (smallest**-2 - largest**-2)) ** -0.5
    places = rng.uniform((0, 0), (width, height), (len(radius), 2))
    shapes = np.stack([radius, radius * rng.uniform(0.3, 1, len(radius))], axis=1) * 2
    order = np.argsort(-radius * rng.uniform(0.3, 1, len(radius)))
    bright = rng.uniform(0.7, 1.2, (len(radius), 1))
    colours = np.minimum(palette[rng.integers(6, size=len(radius))] * bright, 255)
    for n, angle in zip(order, rng.uniform(0, 180, len(radius)), strict=True):
        box = (places[n].tolist(), shapes[n].tolist(), float(angle))
        if n % 2:
            cv2.fillConvexPoly(picture, cv2.boxPoints(box).astype(np.int32), colours[n].tolist())
        else:
            cv2.ellipse(picture, box, colours[n].tolist(), -1)
    left, right = rng.uniform(0.6, 1.15, 2).tolist()
    light = np.broadcast_to(np.linspace(left, right, width)[:, None], picture.shape)
    return np.asarray(cv2.multiply(cv2.blur(picture, (2, 2)), light.copy(), dtype=cv2.CV_8U))
