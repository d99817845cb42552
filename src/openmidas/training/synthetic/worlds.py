"""Endless worlds: a seed and a number give a picture, its exact inverse depth and its camera."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import UInt8

from openmidas.camera import Camera
from openmidas.depth_map import DepthMap
from openmidas.training.annotations import Sample, annotated
from openmidas.training.synthetic import SHARES, new_scene, render_scene
from openmidas.training.synthetic.degrade import DEGRADATIONS
from openmidas.training.synthetic.ray_casting import View

Photos = Sequence[UInt8[np.ndarray, "_ _ 3"]]

# the layouts' y points up, a Camera's world has OpenCV's axes
_DOWN = np.array([1, -1, 1])


@dataclass(frozen=True, eq=False)
class World:
    """A picture (sRGB) with its truth.

    depth_map: metric inverse depth (1/m; sky valid, 0) of the nearest thing in each pixel, at the pixel's centre; in
    a pixel that shows several things, the mean over that thing's samples, at most a quarter of a pixel off.
    camera: in a world of x right, y down, z forward, in metres. name: usable as a file stem.
    """

    image: UInt8[np.ndarray, "h w 3"]
    depth_map: DepthMap
    camera: Camera
    name: str


def world(seed: int, index: int, size: tuple[int, int] = (256, 256), photos: Photos = ()) -> World:
    """World number `index` of a seed: the same in every thread, process and order.

    size: (height, width). photos: RGB photographs to cover some of the surfaces with; without, pictures are made up.
    Raises ValueError for a negative seed or index.
    """
    family, scene_seed = drawn_family(seed, index)
    return family_world(family, scene_seed, size, photos, f"{family}-{seed}-{index:06d}")


def drawn_family(seed: int, index: int) -> tuple[str, int]:
    """What kind of world a number is, by `SHARES`, and the seed of its scene."""
    if min(seed, index) < 0:
        raise ValueError(f"worlds have seeds and numbers from 0, not seed {seed}, number {index}")
    rng = np.random.default_rng([seed, index])
    family = str(rng.choice(list(SHARES), p=list(SHARES.values())))
    return family, int(rng.integers(2**62))


def family_world(family: str, seed: int, size: tuple[int, int], photos: Photos = (), name: str = "") -> World:
    """A world of one of `FAMILIES`, which ValueError names if there is no such one."""
    scene = new_scene(family, seed, size, photos)
    image, depth_map = render_scene(scene, seed)
    return World(image, depth_map, to_camera(scene.view), name or f"{family}-{seed}")


@dataclass(frozen=True, eq=False)
class Worlds:
    """A sequence without an end: `worlds(seed)[index]`, or a loop that its user leaves."""

    seed: int
    size: tuple[int, int]
    photos: Photos

    def __getitem__(self, index: int) -> World:
        """As `world`."""
        return world(self.seed, index, self.size, self.photos)


def worlds(seed: int, size: tuple[int, int] = (256, 256), photos: Photos = ()) -> Worlds:
    """All worlds of a seed. Nothing is rendered before it is asked for; it can be pickled, and holds no state."""
    return Worlds(seed, size, tuple(photos))


def world_sample(
    degradation: str, seed: int, index: int, size: tuple[int, int] = (256, 256), photos: Photos = ()
) -> Sample:
    """World number `index` of a seed as a training sample, its truth degraded by one of `DEGRADATIONS`.

    The same in every thread, process and order; raises KeyError for an unknown degradation.
    """
    degrade = DEGRADATIONS[degradation]
    made = world(seed, index, size, photos)
    return annotated(made.image, degrade(made.depth_map, made.image, np.random.default_rng([seed, index, 1])))


def to_camera(view: View) -> Camera:
    """The camera of a perspective view, in a world whose y points down."""
    height, width = view.size
    rotation = view.axes * _DOWN
    world_to_camera = np.eye(4)
    world_to_camera[:3, :3] = rotation
    world_to_camera[:3, 3] = -rotation @ (view.position * _DOWN)
    focal = view.focal_px
    intrinsics = np.array([[focal, 0, width / 2], [0, focal, height / 2], [0, 0, 1.0]])
    return Camera(intrinsics, view.size, world_to_camera)
