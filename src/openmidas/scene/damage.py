"""How far the camera may go: what a view from elsewhere shows that the picture never saw, or not well enough."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Literal, NamedTuple, get_args

import numpy as np
from jaxtyping import Float, Float32, Int32

from openmidas.camera import Camera
from openmidas.scene.clips import subject_depth
from openmidas.scene.layers import Scene, as_map, grid_surface, whole_inverse_depth
from openmidas.scene.reconstruct import depth_cuts
from openmidas.scene.views import displaced
from openmidas.scene.zbuffer import render_triangles

Direction = Literal["left", "right", "up", "down", "forward", "backward"]

STEPS: Mapping[Direction, tuple[int, int, int]] = MappingProxyType(
    {
        "left": (-1, 0, 0),
        "right": (1, 0, 0),
        "up": (0, -1, 0),
        "down": (0, 1, 0),
        "forward": (0, 0, 1),
        "backward": (0, 0, -1),
    }
)
"""Every direction as (right, down, forward) in the camera's own axes."""

DAMAGE = 0.05
"""The share of a view's pixels that may be wrong before it looks wrong."""

LARGEST_STRETCH = 3.0
"""Surface drawn longer than so many times its length in the picture is visibly stretched."""

LEAST_ANGLE_DEG = 10.0
LARGEST_DEFORMATION = 2.0
"""Under a smaller angle a surface is seen too badly to be drawn in another shape: its longest growth more than
this many times its shortest."""

_PROBE_SIDE_PX = 200
_FIRST_STEP = 1 / 128  # of the distance to the subject
_LARGEST_STEP = 0.9  # one step further forward and the camera stands in the subject
_BISECTIONS = 6


class Damage(NamedTuple):
    """Shares of the pixels of a view from elsewhere. `total` counts a pixel once, whatever is wrong with it.

    disoccluded: what the picture never saw: behind edges, or outside its frame.
    stretched: surface drawn longer, in some direction, than `LARGEST_STRETCH` times its length in the picture.
    grazing: surface that one of the two cameras sees under less than `LEAST_ANGLE_DEG`, drawn in another shape.
    """

    disoccluded: float
    stretched: float
    grazing: float
    total: float


@dataclass(frozen=True, eq=False)
class Probe:
    """What of a scene is needed to tell damage, small: its surface, and where in the picture each vertex was."""

    corners_px: Float32[np.ndarray, "n 2"]
    vertices: Float32[np.ndarray, "n 3"]
    triangles: Int32[np.ndarray, "m 3"]
    camera: Camera
    pivot_m: float


@dataclass(frozen=True)
class Reach:
    """How far the camera may go along each axis before more than a share `damage` of the view's pixels is wrong."""

    damage: float
    furthest_m: Mapping[Direction, float]

    @property
    def limits_m(self) -> tuple[float, float, float]:
        """(right or left, down or up, forward or backward): the smaller of the two ways of each axis."""
        m = self.furthest_m
        return min(m["left"], m["right"]), min(m["up"], m["down"]), min(m["forward"], m["backward"])

    def warning(self, offset_m: tuple[float, float, float]) -> str | None:
        """One line when (right, down, forward) metres lead too far, else None. Axes add as squares."""
        ways = [self._way(axis, value) for axis, value in enumerate(offset_m) if value]
        share = math.hypot(*(value / self.furthest_m[way] for way, value in ways))
        if share <= 1:
            return None
        there = ", ".join(f"{abs(value):.2g} m {way}" for way, value in ways)
        limits = ", ".join(f"{self.furthest_m[way]:.2g} m {way}" for way, _ in ways)
        return (
            f"{there} is {share:.1f} times as far as the camera may go ({limits} for {self.damage:.0%} damage): "
            "expect deformed shapes and invented background"
        )

    def _way(self, axis: int, value: float) -> tuple[Direction, float]:
        signs = (step[axis] for step in STEPS.values())
        return next(way for way, sign in zip(STEPS, signs, strict=True) if sign * value > 0), value


def to_probe(scene: Scene) -> Probe:
    """The scene's surface at about 200 pixels a side. Every n-th pixel is taken as it is: a mean would join edges."""
    inverse = whole_inverse_depth(scene.depth_map)
    step = max(1, round(max(inverse.shape) / _PROBE_SIDE_PX))
    small = np.ascontiguousarray(inverse[step // 2 :: step, step // 2 :: step])
    camera = scene.camera.resize((small.shape[0], small.shape[1]))
    surface = grid_surface(small, depth_cuts(as_map(small)))
    return Probe(
        surface.corners_px,
        surface.vertices(camera),
        surface.triangles,
        camera,
        subject_depth(scene.depth_map),
    )


def damage_of(probe: Probe, camera: Camera) -> Damage:
    """The damage in the view of any camera."""
    camera = camera.resize(probe.camera.shape)
    nothing = np.zeros((len(probe.vertices), 1), np.float32)
    index = render_triangles(probe.vertices, probe.triangles, nothing, camera).index
    pixels = np.bincount(index[index >= 0], minlength=len(probe.triangles))
    shown = np.flatnonzero(pixels)
    weight, seen = pixels[shown] / index.size, replace(probe, triangles=probe.triangles[shown])
    longest, shortest = _growth(seen, camera)
    stretched, grazing = longest > LARGEST_STRETCH, longest > LARGEST_DEFORMATION * shortest
    deformed = replace(seen, triangles=seen.triangles[grazing])
    sine = np.minimum(_sine_of_angle(deformed, probe.camera), _sine_of_angle(deformed, camera))
    grazing[grazing] = sine < math.sin(math.radians(LEAST_ANGLE_DEG))
    disoccluded = float(1 - weight.sum())
    return Damage(
        disoccluded,
        float(weight @ stretched),
        float(weight @ grazing),
        disoccluded + float(weight @ (stretched | grazing)),
    )


def damage_along(probe: Probe, direction: Direction, distances_m: Sequence[float]) -> list[Damage]:
    """The damage at several distances along one direction, the lens shifted as in `displaced`."""
    offsets = (np.array(STEPS[direction]) * distance_m for distance_m in distances_m)
    return [damage_of(probe, displaced(probe.camera, offset, probe.pivot_m)) for offset in offsets]


def largest_displacement(probe: Probe, direction: Direction, damage: float = DAMAGE) -> float:
    """The metres from which on a view along a direction has more than a share `damage` of its pixels wrong.

    Where the damage falls again further away the first crossing counts, as far as doublings of the distance see
    it. At most nine tenths of the distance to the subject.
    """

    def is_damaged(share: float) -> bool:
        return damage_along(probe, direction, [share * probe.pivot_m])[0].total > damage

    inside, outside = 0.0, _FIRST_STEP
    while not is_damaged(outside):
        if outside == _LARGEST_STEP:
            return outside * probe.pivot_m
        inside, outside = outside, min(2 * outside, _LARGEST_STEP)
    for _ in range(_BISECTIONS):
        middle = (inside + outside) / 2
        inside, outside = (inside, middle) if is_damaged(middle) else (middle, outside)
    return inside * probe.pivot_m


def reach_of(probe: Probe, damage: float = DAMAGE) -> Reach:
    """`largest_displacement` along all six directions."""
    return Reach(damage, {way: largest_displacement(probe, way, damage) for way in get_args(Direction)})


def _growth(probe: Probe, camera: Camera) -> tuple[Float[np.ndarray, " m"], Float[np.ndarray, " m"]]:
    """The largest and the smallest factor by which lengths on each triangle grow on the screen; below 0: turned over.

    The singular values of the linear map from its shape in the picture to that in the view.
    """
    before = _edges(probe.corners_px, probe.triangles)
    after = _edges(camera.project(probe.vertices.astype(np.float64))[0], probe.triangles)
    (p, q), (r, s) = before.transpose(1, 2, 0)
    inverse = np.array([[s, -q], [-r, p]]) / (p * s - q * r)
    # edges are rows: after = before @ growth
    (a, b), (c, d) = np.einsum("ijm,mjk->ikm", inverse, after)
    half_sum, half_difference = np.hypot(a + d, b - c) / 2, np.hypot(a - d, b + c) / 2
    return half_sum + half_difference, half_sum - half_difference


def _edges(
    corners: Float[np.ndarray, "n d"], triangles: Int32[np.ndarray, "m 3"]
) -> Float[np.ndarray, "m 2 d"]:
    edges: np.ndarray = corners[triangles[:, 1:]] - corners[triangles[:, :1]]
    return edges


def _sine_of_angle(probe: Probe, camera: Camera) -> Float[np.ndarray, " m"]:
    """Of the angle between each triangle and the ray from the camera to it; below 0: seen from behind."""
    first, second = _edges(probe.vertices.astype(np.float64), probe.triangles).transpose(1, 0, 2)
    normals = np.cross(first, second)
    rays = camera.position - probe.vertices[probe.triangles].mean(axis=1)
    along = np.einsum("ij,ij->i", normals, rays)
    sine: np.ndarray = along / (np.linalg.norm(normals, axis=1) * np.linalg.norm(rays, axis=1))
    return sine
