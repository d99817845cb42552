"""A place, its layered scene and how far the camera may go in it; and how a clip is shot there."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from openmidas.scene.clips import subject_depth
from openmidas.scene.damage import Probe, Reach, reach_of, to_probe
from openmidas.scene.layers import Scene, build_scene
from openmidas.scene.paths import CameraPath, Shot, zoom_without_edges
from openmidas.scene.place import Place

_MOST_ZOOM = 1.15  # a little black at the edges is better than a cropped subject
_EDGE_PERCENTILES = (2, 98)


@dataclass(frozen=True, eq=False)
class Studied:
    """A place, its layered scene, and how far the camera may go in it."""

    place: Place
    scene: Scene
    probe: Probe
    reach: Reach

    @property
    def reach_words(self) -> str:
        """How far, in one line."""
        ways = ", ".join(f"{way} {metres:.2g} m" for way, metres in self.reach.furthest_m.items())
        return f"The camera may go {ways} ({self.reach.damage:.0%} of the view wrong at most)."


def study(place: Place) -> Studied:
    """Builds the scene and measures it; raises ConventionError for a place without anything to look at."""
    scene = build_scene(place.image, place.depth_map, place.camera)
    probe = to_probe(scene)
    return Studied(place, scene, probe, reach_of(probe))


def shot_in(
    studied: Studied,
    path: CameraPath,
    share: float = 1.0,
    move_m: float | None = None,
    pivot_m: float | None = None,
) -> Shot:
    """What a path is followed with: so far as wanted, magnified so that the picture's edges stay outside, if it can be.

    share: of what is allowed. move_m: metres along every axis instead. pivot_m: by default the subject's depth.
    Raises ConventionError.
    """
    right, down, forward = studied.reach.limits_m
    limits_m = share * right, share * down, share * forward
    if move_m is not None:
        limits_m = move_m, move_m, move_m
    shot = Shot(studied.place.camera, pivot_m or subject_depth(studied.place.depth_map), limits_m)
    depth = studied.place.depth_map.to_depth().values
    nearest, farthest = np.percentile(depth[studied.place.depth_map.valid], _EDGE_PERCENTILES)
    if not limits_m[2] < nearest:
        return replace(shot, zoom=_MOST_ZOOM)
    return replace(
        shot, zoom=min(_MOST_ZOOM, zoom_without_edges(path, shot, float(nearest), float(farthest)))
    )


def warning_along(reach: Reach, path: CameraPath, shot: Shot) -> str | None:
    """`Reach.warning` of the moment that leads furthest."""
    steps = [path.step(number / 60) for number in range(61)]
    right, down, forward = shot.limits_m
    offsets = [(step.right * right, step.down * down, step.forward * forward) for step in steps]
    return reach.warning(max(offsets, key=lambda offset: math.hypot(*offset)))
