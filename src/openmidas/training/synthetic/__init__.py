"""Rendered scenes with exact inverse depth, to teach what photographs with estimated labels cannot.

Thin things, sharp edges, big planes, sky, portrait pictures. In Python: `render`. A folder of training pairs:
`python -m openmidas.training.synthetic OUT_DIR --textures PHOTOS --count 1000`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

import numpy as np
from jaxtyping import UInt8

from openmidas.depth_map import DepthMap
from openmidas.training.synthetic import indoor_layouts, outdoor_layouts
from openmidas.training.synthetic.shading import Scene, shade

__all__ = ["FAMILIES", "render"]

Layout = Callable[[np.random.Generator, tuple[int, int], Sequence[UInt8[np.ndarray, "h w 3"]]], Scene]

FAMILIES: Mapping[str, Layout] = MappingProxyType(
    {
        "room": indoor_layouts.room,
        "street": outdoor_layouts.street,
        "tabletop": indoor_layouts.tabletop,
        "clutter": outdoor_layouts.clutter,
        "landscape": outdoor_layouts.landscape,
    }
)


def render(
    family: str, seed: int, size: tuple[int, int], textures: Sequence[UInt8[np.ndarray, "_ _ 3"]]
) -> tuple[UInt8[np.ndarray, "h w 3"], DepthMap]:
    """A random scene of one of `FAMILIES`: an sRGB picture and its metric inverse depth (1/m; sky valid, 0).

    The same arguments give the same picture. `size` is (height, width); crops of the `textures` (RGB
    photographs of any size) cover some of the surfaces. Raises ValueError for an unknown family and for no
    textures.
    """
    if family not in FAMILIES:
        raise ValueError(f"no scene family {family!r}; there are {', '.join(FAMILIES)}")
    if not len(textures):
        raise ValueError("render needs at least one photograph for its textures")
    scene = FAMILIES[family](np.random.default_rng([seed, 0]), size, textures)
    picture, inverse_depth = shade(scene, seed)
    return picture, DepthMap.from_values(inverse_depth, "inverse_depth", "metric")
