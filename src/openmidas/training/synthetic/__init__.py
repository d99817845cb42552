"""Rendered scenes with exact inverse depth, to teach what photographs with estimated labels cannot.

Thin things, sharp edges, big planes, sky, portrait pictures. In Python: `render`, or `worlds.worlds(seed)` for ever
more. A folder of training pairs: `folder.render_folder`.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

import numpy as np
from jaxtyping import UInt8

from openmidas.depth_map import ConventionError, DepthMap
from openmidas.training.synthetic import indoor_layouts, outdoor_layouts
from openmidas.training.synthetic.pictures import procedural_pictures
from openmidas.training.synthetic.shading import Scene

__all__ = ["FAMILIES", "SHARES", "new_scene", "render", "render_scene"]

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

# how often each comes in an endless mix
SHARES: Mapping[str, float] = MappingProxyType(
    {"room": 0.35, "street": 0.25, "tabletop": 0.15, "clutter": 0.15, "landscape": 0.10}
)


def render(
    family: str, seed: int, size: tuple[int, int], textures: Sequence[UInt8[np.ndarray, "_ _ 3"]] = ()
) -> tuple[UInt8[np.ndarray, "h w 3"], DepthMap]:
    """A random scene of one of `FAMILIES`: an sRGB picture and its metric inverse depth (1/m; sky valid, 0).

    The same arguments give the same picture. `size` is (height, width); crops of the `textures` (RGB
    photographs of any size) cover some of the surfaces, or of pictures made up where there are none. Raises
    ValueError for an unknown family, ConventionError where Numba is not installed.
    """
    return render_scene(new_scene(family, seed, size, textures), seed)


def new_scene(
    family: str, seed: int, size: tuple[int, int], textures: Sequence[UInt8[np.ndarray, "_ _ 3"]] = ()
) -> Scene:
    """The things, light and camera of `render`."""
    if family not in FAMILIES:
        raise ValueError(f"no scene family {family!r}; there are {', '.join(FAMILIES)}")
    photos = textures if len(textures) else procedural_pictures(np.random.default_rng([seed, 2]))
    return FAMILIES[family](np.random.default_rng([seed, 0]), size, photos)


def render_scene(scene: Scene, seed: int) -> tuple[UInt8[np.ndarray, "h w 3"], DepthMap]:
    """The picture and metric inverse depth of a scene; the seed is that of its clouds."""
    if importlib.util.find_spec("numba") is None:
        raise ConventionError("rendering needs an optional library: pip install 'openmidas[train]'")
    from openmidas.training.synthetic.drawing import draw

    picture, inverse_depth = draw(scene, seed)
    return picture, DepthMap.from_values(inverse_depth, "inverse_depth", "metric")
